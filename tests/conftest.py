"""Shared by all tests: no test changes JAX's configuration for the next, arrays are float64."""

import os
import shutil
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")
# Compiling is most of the tests' time, and small programs gain nothing from optimization.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import hypothesis
import jax
import pytest

import rf_limits  # noqa: F401  (enables float64)

hypothesis.settings.register_profile("same", derandomize=True, database=None)
hypothesis.settings.load_profile("same")

# Many tests run the same small config again: compiled programs are shared by the workers of one
# session (and what they start), and thrown away at its end.
_CACHE = {
    "jax_compilation_cache_dir": None,
    "jax_persistent_cache_min_compile_time_secs": 0.2,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
_OWN_CACHE = None
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _OWN_CACHE = _CACHE["jax_compilation_cache_dir"] = tempfile.mkdtemp(prefix="rf_limits_tests_")
    for _name, _value in _CACHE.items():
        jax.config.update(_name, _value)
        os.environ[_name.upper()] = str(_value)

# Every compiled program keeps about five memory mappings; Linux allows 65,530 in a process,
# beyond which it crashes.
_MOST_PROGRAMS = 2000


# Folders whose files take long come first, so that no worker is left alone with one at the end.
_LONG = ("sweeps", "runs", "devices", "experiments", "docs")


def pytest_collection_modifyitems(items):
    """Orders files by how long they take."""

    def place(item):
        folders = item.path.parts
        return next((i for i, name in enumerate(_LONG) if name in folders), len(_LONG))

    items.sort(key=place)


def pytest_sessionfinish():
    """Removes the session's compiled programs; a worker finds the directory and leaves it."""
    if _OWN_CACHE is not None:
        shutil.rmtree(_OWN_CACHE, ignore_errors=True)


@pytest.fixture
def key():
    """A fixed random key."""
    return jax.random.key(20190402)


@pytest.fixture(autouse=True)
def _configuration_stays():
    before = (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision)
    yield
    assert (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision) == before


@pytest.fixture(autouse=True)
def _few_programs():
    yield
    if len(jax.devices()[0].client.live_executables()) > _MOST_PROGRAMS:
        jax.clear_caches()
