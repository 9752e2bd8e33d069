"""Shared by all tests: no test changes JAX's configuration for the next, arrays are float64."""

import os
import shutil
import tempfile
import zlib

from tests.combinations import flags_to_compile_quickly, in_force

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")
# Workers share the cores already: threads of OpenBLAS that wait for each other cost a quarter more.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", " ".join(flags_to_compile_quickly()))

import hypothesis
import jax
import pytest

import rf_limits  # noqa: F401  (enables float64)
from tests.costs import PROPERTY, Cost, by_folder, cost_so_far, dearest, lines

# Its tests say something only where tests/combinations.py started the run.
collect_ignore = [] if in_force() else ["test_combination.py"]

hypothesis.settings.register_profile("same", derandomize=True, database=None)
hypothesis.settings.load_profile("same")

# What the workers of one session (and what they start) share, and what is thrown away at its end.
_OWN = None
if "PYTEST_XDIST_WORKER" not in os.environ:
    _OWN = tempfile.mkdtemp(prefix="rf_limits_tests_")
    # Matplotlib's list of fonts may be out of date in a home, and its settings change figures.
    os.environ["MPLCONFIGDIR"] = os.path.join(_OWN, "matplotlib")

# Many tests run the same small config again, so that compiled programs are kept.
_CACHE = {
    "jax_compilation_cache_dir": None,
    "jax_persistent_cache_min_compile_time_secs": 0.2,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
if _OWN is not None and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _CACHE["jax_compilation_cache_dir"] = os.path.join(_OWN, "programs")
    for _name, _value in _CACHE.items():
        jax.config.update(_name, _value)
        os.environ[_name.upper()] = str(_value)

# Every compiled program keeps about five memory mappings; Linux allows 65,530 in a process,
# beyond which it crashes.
_MOST_PROGRAMS = 2000


# Folders whose files take long come first, so that no worker is left alone with one at the end.
_LONG = ("sweeps", "runs", "devices", "experiments", "studies", "docs")


def pytest_addoption(parser):
    """Adds the option by which continuous integration runs the slow tests in turn."""
    parser.addoption(
        "--slow-share",
        metavar="K/M",
        help="of the tests marked slow, run the K-th of M shares only (K from 0)",
    )


def _is_of_share(item, share):
    """Whether a slow test belongs to the share, by its name without its parameters."""
    k, m = map(int, share.split("/"))
    return zlib.crc32(item.nodeid.partition("[")[0].encode()) % m == k % m


def pytest_collection_modifyitems(config, items):
    """Orders files by how long they take, and leaves out slow tests of other shares."""

    def place(item):
        folders = item.path.parts
        return next((i for i, name in enumerate(_LONG) if name in folders), len(_LONG))

    items.sort(key=place)
    share = config.getoption("--slow-share")
    if share is not None:
        slow = [item for item in items if item.get_closest_marker("slow")]
        other = {item for item in slow if not _is_of_share(item, share)}
        config.hook.pytest_deselected(items=[item for item in items if item in other])
        items[:] = [item for item in items if item not in other]


_costs = {}  # by the name of the test; in the process that prints the summary


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Notes what this process had cost before the test."""
    item.stash[_BEFORE] = cost_so_far()
    return (yield)


_BEFORE = pytest.StashKey[Cost]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Writes the cost of the test into its last report, which travels to the summary."""
    if call.when == "teardown":
        item.user_properties.append((PROPERTY, tuple(cost_so_far().since(item.stash[_BEFORE]))))
    return (yield)


def pytest_runtest_logreport(report):
    """Collects the costs from the reports."""
    if report.when == "teardown":
        found = dict(report.user_properties).get(PROPERTY)
        if found is not None:
            _costs[report.nodeid] = Cost(*found)


def pytest_terminal_summary(terminalreporter, config):
    """Prints costs by folder, and those of single tests where ``--durations`` asks for them."""
    if len(_costs) < 2:
        return
    terminalreporter.section("CPU seconds and compiled programs")
    for line in lines(by_folder(_costs)):
        terminalreporter.write_line(line)
    number = config.getoption("durations")
    if number is not None:
        for line in lines(dearest(_costs, number or len(_costs))):
            terminalreporter.write_line(line)


def pytest_sessionfinish():
    """Removes what the session kept; a worker leaves it to the others."""
    if _OWN is not None:
        shutil.rmtree(_OWN, ignore_errors=True)


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
