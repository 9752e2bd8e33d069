"""Pages to look at: of committed runs, and of a small sweep with a cell that failed."""

import io
import json
import pathlib

import pytest
from rich.console import Console

from rf_limits.report.page import report
from tests.sweeps.cells import four_cells

RESULTS = pathlib.Path(__file__).parents[2] / "results"
REFERENCE, QUICK = RESULTS / "reference", RESULTS / "quick"


def written(workdirs, output, **options):
    """The page about work directories, and what was printed."""
    console = Console(file=io.StringIO(), width=200)
    assert report(workdirs, output, console=console, **options) == 0
    return output, console.file.getvalue()


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory):
    """The page of the quickstart."""
    output = tmp_path_factory.mktemp("page") / "quickstart.html"
    return written([REFERENCE / "quickstart"], output)[0]


@pytest.fixture(scope="session")
def sweep_dir(tmp_path_factory):
    """Four cells of small networks, one with a seed that diverged, one that failed."""
    path = tmp_path_factory.mktemp("report") / "sweep"
    store = four_cells(path)
    first, *_, last = (store.run(cell.name) for cell in store.cells())
    metrics = first.read_metrics()
    ends = (metrics["method"] == "network") & (metrics["step"] == 60) & (metrics["seed"] == 0)
    metrics.loc[ends & (metrics["width"] == 4), ["risk", "relative_risk"]] = float("nan")
    first.write_metrics(metrics)
    first.write_json("run.json", {**first.read_json("run.json"), "status": "diverged"})
    facts = last.read_json("run.json")
    last.write_json("run.json", {**facts, "status": "failed", "error": "Boom: <b>a reason</b>"})
    return path


@pytest.fixture(scope="session")
def sweep_page(sweep_dir, tmp_path_factory):
    """The page of the sweep."""
    return written([sweep_dir], tmp_path_factory.mktemp("page") / "sweep.html")[0]


@pytest.fixture(scope="session")
def approximation(tmp_path_factory):
    """The page of a run without networks."""
    output = tmp_path_factory.mktemp("page") / "approximation.html"
    return written([REFERENCE / "approximation"], output)[0]


def copied(name, tmp_path):
    """A copy of a committed run's files, without figures, that a test may damage."""
    path = tmp_path / name
    path.mkdir()
    for file in ("config.json", "run.json", "summary.json", "metrics.parquet"):
        (path / file).write_bytes((REFERENCE / name / file).read_bytes())
    return path


def changed(path, **facts):
    """Changes facts of a run.json."""
    file = path / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))
