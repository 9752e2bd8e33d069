"""Cells are believed by all their files: copies of others, lost files, records cut short."""

import io
import json
import shutil

import pandas as pd
import pytest
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.report.page import report
from rf_limits.report.sources import find
from rf_limits.runs.stopping import Stop
from rf_limits.sweeps.compare import gather
from rf_limits.sweeps.executors.inline import InlineExecutor
from rf_limits.sweeps.grid import sweep
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import status_lines, statuses
from rf_limits.sweeps.worker import run_cells, try_fail
from tests.experiments.test_resume import configured
from tests.runs.one_figure import one_figure


def three_cells():
    config = configured("closed_form")
    config.predictors.methods = ("random_features",)
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1, 0.2)})
    return config


def launched(path):
    """Exit code and lines of the command that makes the sweep."""
    store, text = SweepStore(path), io.StringIO()
    log = SweepLog(Console(file=text, width=500))
    with one_figure():
        code = launch(three_cells(), store, InlineExecutor(store, log), log)
    return code, text.getvalue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("misplaced") / "sweep"
    assert launched(path)[0] == 0
    return path


@pytest.fixture
def store(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "sweep")
    return SweepStore(tmp_path / "sweep")


def states(store):
    return [one.state for one in statuses(store, store.cells())]


def files(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("status", ["complete", "failed", "interrupted", None])
def test_a_copy_of_another_cell_is_misplaced(store, tmp_path, status):
    """It counted as done, and compare had one run less without a word."""
    first, second, _ = store.cells()
    place = store.run(second.name).path
    mine = tmp_path / "mine"
    place.rename(mine)
    shutil.copytree(store.run(first.name).path, place)
    facts = json.loads((place / "run.json").read_text())
    (place / "run.json").write_text(json.dumps({**facts, "status": status}))
    before = files(place)
    assert states(store) == ["done", "misplaced", "done"]
    line = f"misplaced {second.name}: {place} holds a run of another config (differing in "
    line += (
        "problem.noise), which is left as it is; once it is moved away, the same launch command "
    )
    line += "runs this cell"
    assert status_lines(statuses(store, store.cells()))[-1] == line
    code, text = launched(store.path)
    assert (code, line in text) == (1, True)
    assert "holds a run of another config" in try_fail(store, second, "not to be written")
    found = run_cells(store, [second], Stop(), Console(file=io.StringIO()))
    assert "holds a run of another config" in found[second.name]
    assert files(place) == before
    compared = gather([store.path])
    assert compared.table["cell"].nunique() == 2
    assert compared.left_out == [f"{place}: misplaced, {line.partition(': ')[2]}"]
    assert [one.state for one in find([store.path])] == ["done", "misplaced", "done"]
    page = tmp_path / "page.html"
    assert report([store.path], page, console=Console(file=io.StringIO())) == 0
    assert "holds a run of another config" in page.read_text()
    place.rename(tmp_path / "away")
    assert launched(store.path)[0] == 0
    assert states(store) == ["done"] * 3
    again = pd.read_parquet(place / "metrics.parquet")
    pd.testing.assert_frame_equal(again, pd.read_parquet(mine / "metrics.parquet"))


LOST = {
    "summary.json": "summary.json is missing",
    "config.json": "config.json is missing",
}


@pytest.mark.parametrize("name", LOST)
def test_a_done_cell_without_one_of_its_files_runs_again(store, name):
    """status said "done", launch changed nothing, compare and report refused it."""
    cell = store.cells()[1]
    place, table = store.run(cell.name).path, store.run(cell.name).read_metrics()
    (place / name).unlink()
    assert states(store) == ["done", "damaged", "done"]
    assert f"damaged {cell.name}: {LOST[name]}" in status_lines(statuses(store, store.cells()))
    for look in (lambda: gather([store.path]), lambda: report([store.path])):
        with pytest.raises(RequirementError) as refused:
            look()
        assert f"{place} must hold a whole run, but {LOST[name]}; the command" in str(refused.value)
        assert "--workdirs" not in str(refused.value)  # which is a flag of one of the two
    assert launched(store.path)[0] == 0
    assert states(store) == ["done"] * 3
    pd.testing.assert_frame_equal(store.run(cell.name).read_metrics(), table, check_exact=True)
    aside = {path.name for path in place.iterdir() if path.name.endswith("~")}
    expected = (
        {"run.json~", "metrics.parquet~", "summary.json~"} if name == "config.json" else set()
    )
    assert aside == expected  # what nothing says the config of may be the user's


@pytest.mark.parametrize("name", ["config.json", "run.json"])
@pytest.mark.parametrize("text", ["", '{"status": ', "[]", "\xff\xfe"])
def test_records_cut_short_are_of_that_cell_alone(store, name, text):
    """status, launch and compare of the whole sweep refused, and named another --workdir."""
    cell = store.cells()[1]
    place = store.run(cell.name).path
    (place / name).write_bytes(text.encode("latin-1"))
    assert states(store) == ["done", "damaged", "done"]
    lines = status_lines(statuses(store, store.cells()))
    assert lines[-1] == f"damaged {cell.name}: {name} cannot be read as JSON"
    for look in (gather, report):
        with pytest.raises(RequirementError, match=f"{name} cannot be read as JSON; the command"):
            look([store.path])
    code, said = launched(store.path)
    assert code == 0
    assert f"{name} could not be read; it is kept as {place / name}~" in said
    assert (place / f"{name}~").read_bytes() == text.encode("latin-1")
    assert states(store) == ["done"] * 3
    assert "workdir" not in said.replace("--workdir, or scripts/compare.py --workdirs", "")
