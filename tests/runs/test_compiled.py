"""What is compiled is kept on disk, and counted."""

import jax
import pytest

from rf_limits.runs.compiled import Compiling, cache_directory, compiling, keep_compiled


def test_a_new_program_is_counted():
    before = compiling()
    jax.jit(lambda x: x**3 - 17.25 * x)(2.0)
    found = compiling().since(before)
    assert found["programs"] >= 1
    assert found["seconds"] > 0.0
    assert Compiling(2.0, 5, 4).since(Compiling(0.5, 2, 3)) == {
        "seconds": 1.5,
        "programs": 3,
        "from_disk": 1,
    }


@pytest.fixture
def unset(monkeypatch):
    """No cache, as in a fresh process; what it was is put back."""
    names = (
        "jax_compilation_cache_dir",
        "jax_compilation_cache_max_size",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    for name in names:
        monkeypatch.delenv(name.upper(), raising=False)
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_compiled_programs_go_to_the_users_cache(unset, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep_compiled()
    assert jax.config.jax_compilation_cache_dir == str(cache_directory())
    assert cache_directory() == tmp_path / "rf_limits" / "compiled"
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 0.0


def test_compiled_programs_go_to_the_folder_of_the_variable(unset, monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    keep_compiled()
    assert jax.config.jax_compilation_cache_dir is None  # JAX read it itself when it started


def test_without_a_writable_cache_nothing_is_cached(unset, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    keep_compiled()
    assert jax.config.jax_compilation_cache_dir is None
