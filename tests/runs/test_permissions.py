"""Directories and files without permission: one line, exit code 2, nothing written or changed."""

import contextlib
import shutil

import jax
import pytest

from rf_limits import default_config
from rf_limits.runs.cli import directories
from rf_limits.runs.directory import LOCK
from rf_limits.runs.recipes import RECIPES
from rf_limits.runs.store import RunStore
from rf_limits.sweeps.grid import cells_of, sweep
from rf_limits.sweeps.manifest import SweepStore
from tests import in_process
from tests.in_process import ROOT
from tests.privileges import with_modes
from tests.runs.one_figure import one_figure
from tests.runs.test_command_line import TINY

QUICKSTART = f"--config={ROOT / 'configs' / 'quickstart.py'}"
FINISHED = ROOT / "results" / "quick" / "quickstart"
SCRIPTS = {
    "train": (QUICKSTART, *TINY),
    "limits": (f"--config={ROOT / 'configs' / 'approximation.py'}",),
    "launch": (QUICKSTART, *TINY, "--grid=problem.noise=(0.0,0.1)", "--executor=inline"),
}
"""Scripts that write into --workdir, and what they are given beside it."""


def _overrides():
    """With which the finished run was made."""
    (recipe,) = (one for one in RECIPES if one.name == "quickstart")
    return [f"--config.{name}={value}" for name, value in recipe.overrides("quick").items()]


@contextlib.contextmanager
def mode(path, bits):
    """A path has this mode inside."""
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


def tree(folder):
    """Every path below, with its time of change and its contents."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in (folder, *folder.rglob("*"))
    }


def _run(script, arguments, cache):
    with one_figure(), pytest.MonkeyPatch.context() as patch:
        if cache is not None:
            variable, path = cache
            patch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
            patch.setenv(variable, str(path))
            own = path if variable == "JAX_COMPILATION_CACHE_DIR" else None
            jax.config.update("jax_compilation_cache_dir", own and str(own))
        return in_process.run(script, *arguments)


def answer(script, *arguments, cache=None):
    """Of a script in a process in which modes count.

    Args:
      script: name.
      arguments: of the command line.
      cache: variable of the environment that says where compiled programs go, and its value.
    """
    return with_modes(_run, script, arguments, cache)


def assert_refused(found, script, *named):
    """One line that names the script and more, and exit code 2."""
    assert (found.code, found.out) == (2, ""), found
    assert len(found.err.splitlines()) == 1, found.err
    for text in (f"{script}.py: ", *named):
        assert str(text) in found.err


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("place", ["itself", "its parent"])
def test_a_work_directory_that_cannot_be_written(tmp_path, script, place):
    closed = tmp_path / "closed"
    closed.mkdir()
    workdir, before = closed if place == "itself" else closed / "new" / "run", tree(tmp_path)
    with mode(closed, 0o500):
        found = answer(script, *SCRIPTS[script], f"--workdir={workdir}")
    assert_refused(found, script, "--workdir must take files", closed)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("script", ["compare", "report"])
def test_an_output_that_cannot_be_written(tmp_path, script):
    closed, field = tmp_path / "closed", "--workdirs" if script == "compare" else "--workdir"
    closed.mkdir()
    before = tree(tmp_path)
    with mode(closed, 0o500):
        found = answer(script, f"{field}={FINISHED}", f"--output={closed / 'new'}")
    assert_refused(found, script, "--output must take files", closed)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("place", ["", "run"])
def test_a_work_directory_that_cannot_be_entered(tmp_path, script, place):
    closed = tmp_path / "closed"
    closed.mkdir()
    before = tree(tmp_path)
    with mode(closed, 0o000):
        found = answer(script, *SCRIPTS[script], f"--workdir={closed / place}")
    assert_refused(found, script, closed)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("script", ["train", "launch"])
def test_a_config_file_that_cannot_be_read(tmp_path, script):
    config = tmp_path / "config.py"
    shutil.copy(ROOT / "configs" / "quickstart.py", config)
    before = tree(tmp_path)
    with mode(config, 0o000):
        found = answer(script, f"--config={config}", f"--workdir={tmp_path / 'run'}")
    assert_refused(found, script, "--config must be a file that can be read", config)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["", "config.json", "run.json", "metrics.parquet"])
@pytest.mark.parametrize("script", ["train", "compare", "report"])
def test_a_run_that_cannot_be_read(tmp_path, script, name):
    """The directory itself, or one of its files; to run it again, compare it or write its page."""
    run = tmp_path / "run"
    run.mkdir()
    for file in ("config.json", "run.json", "metrics.parquet", "summary.json"):
        shutil.copy(FINISHED / file, run)
    arguments = {
        "train": (QUICKSTART, *_overrides(), f"--workdir={run}"),
        "compare": (f"--workdirs={run}", f"--output={tmp_path / 'new'}"),
        "report": (f"--workdir={run}", f"--output={tmp_path / 'page.html'}"),
    }
    before = tree(tmp_path)
    with mode(run / name, 0o000):
        found = answer(script, *arguments[script])
    assert_refused(found, script, run / name)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("bits", [0o500, 0o000])
def test_a_directory_for_compiled_programs_that_cannot_be_written(tmp_path, bits):
    """Named by the user, it is refused."""
    closed = tmp_path / "closed"
    closed.mkdir()
    before = tree(tmp_path)
    for place in (closed, closed / "new"):
        cache = ("JAX_COMPILATION_CACHE_DIR", place)
        with mode(closed, bits):
            found = answer("train", *SCRIPTS["train"], f"--workdir={tmp_path / 'run'}", cache=cache)
        assert_refused(found, "train", "JAX_COMPILATION_CACHE_DIR must take files", closed)
    assert tree(tmp_path) == before


def test_a_default_directory_for_compiled_programs_that_cannot_be_written(tmp_path):
    """It is not used, and the run goes on without a word."""
    closed = tmp_path / "closed"
    closed.mkdir()
    cache = ("XDG_CACHE_HOME", closed)
    less = (*SCRIPTS["train"], '--config.predictors.methods=("random_features",)')
    with mode(closed, 0o500):
        found = answer("train", *less, f"--workdir={tmp_path / 'run'}", cache=cache)
    assert (found.code, found.err) == (0, "")
    assert list(closed.iterdir()) == []


@contextlib.contextmanager
def read_only(folder):
    """Nothing in a folder can be written inside."""
    with contextlib.ExitStack() as held:
        for path in (folder, *folder.rglob("*")):
            held.enter_context(mode(path, 0o555 if path.is_dir() else 0o444))
        yield


def _looked(run):
    """Whether a reader finds a run locked, here and in a process of another's."""
    return RunStore(run).is_locked()


def test_readers_see_whether_a_run_goes_on(tmp_path):
    with RunStore(tmp_path / "run").locked(), read_only(tmp_path):
        assert with_modes(_looked, tmp_path / "run") is True
    assert with_modes(_looked, tmp_path / "run") is False
    (tmp_path / "run" / LOCK).write_text("")  # of a process that was killed
    with read_only(tmp_path):
        assert with_modes(_looked, tmp_path / "run") is False


def test_readers_may_look_at_everything(tmp_path):
    """Status, report and compare of a sweep that was killed, with one finished cell."""
    config = default_config()
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1), "seeds": (1, 2)})
    store = SweepStore(tmp_path / "sweep")
    first, second, *_ = store.claim(cells_of(config), extend=False)
    one, other = store.run(first.name), store.run(second.name)
    shutil.copytree(FINISHED, one.path)
    one.write_json("config.json", first.config.to_json())
    other.write_json("config.json", second.config.to_json())
    other.write_json("run.json", {"status": "running"})
    for run in (one, other):
        (run.path / LOCK).write_text("")
    with read_only(store.path):
        found = answer("launch", "status", f"--workdir={store.path}")
        assert (found.code, found.err) == (1, "")
        assert found.out.startswith("4 cells: 1 done, 0 running, 0 failed, 1 interrupted")
        both = f"--workdirs={one.path},{other.path}"
        found = answer("compare", both, f"--output={tmp_path / 'new'}")
        assert (found.code, found.err) == (0, "")
        assert found.out.startswith("1 run, ")
        found = answer("report", f"--workdir={one.path}", f"--output={tmp_path / 'page.html'}")
        assert (found.code, found.err) == (0, "")


def test_directories_with_commas_in_their_names(tmp_path):
    names = ("a,b=1-0f", "a", "b=1-0f,c", "c")
    one, two, three, four = (str(tmp_path / name) for name in names)
    for path in (one, two, four):
        (tmp_path / path).mkdir()
    assert directories([f"{one},{two}, {four}"]) == [one, two, four]
    assert directories([two, one]) == [two, one]
    assert directories([f"{two},{one}"]) == [two, one]
    assert directories([three, ""]) == three.split(",")  # not there: refused by its first word
