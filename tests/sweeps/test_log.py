"""A sweep as programs follow it: JSON lines, event files, and the time that is left."""

import io

import pytest
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.runs import tensorboard
from rf_limits.runs.events import JsonLines
from rf_limits.sweeps.executors.inline import InlineExecutor
from rf_limits.sweeps.grid import cells_of, sweep
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import seconds_left, status_lines, statuses, time_left
from rf_limits.sweeps.worker import CellOptions
from tests.experiments.test_resume import configured
from tests.runs.one_figure import one_figure
from tests.runs.test_live import of, parsed
from tests.sweeps.test_launch import CONFIG, launched_alone


def two_cells():
    """Two cells that train together."""
    config = configured("minibatches")
    config.predictors.methods, config.model.widths, config.seeds = ("network",), (4,), 1
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1)})
    return config


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A sweep in this process with JSON lines and event files: its directory and events."""
    stream = io.StringIO()
    log = SweepLog(Console(quiet=True), JsonLines(stream))
    store = SweepStore(tmp_path_factory.mktemp("followed") / "sweep")
    executor = InlineExecutor(store, log, CellOptions(tensorboard=True))
    with one_figure():
        assert launch(two_cells(), store, executor, log) == 0
    return store, parsed(stream.getvalue())


def test_events_tell_when_each_cell_starts_and_ends(followed):
    store, events = followed
    names = [cell.name for cell in store.cells()]
    first, last = events[0], events[-1]
    assert (first["event"], first["cells"], first["to_run"]) == ("start", 2, 2)
    assert first["workdir"] == str(store.path)
    assert (last["event"], last["status"], last["exit_code"]) == ("end", "complete", 0)
    assert last["cells"]["done"] == 2
    assert last["paths"] == [str(store.run(name).path) for name in names]
    states = [(event["name"], event["state"]) for event in of(events, "cell")]
    assert states == [(n, "running") for n in names] + [(n, "done") for n in names]
    (progress,) = of(events, "progress")
    assert (progress["stage"], progress["fraction"], progress["left"]) == ("cells", 1.0, 0.0)


def test_events_of_a_run_name_its_cell(followed):
    store, events = followed
    for name in (cell.name for cell in store.cells()):
        own = [event for event in of(events, "measurement") if event["cell"] == name]
        table = store.run(name).read_metrics()
        assert len(table) == sum(len(event["rows"]) for event in own)
        assert [event["rows"][0]["risk"] for event in own] == pytest.approx(
            table.groupby("step")["risk"].first().tolist()
        )
        assert {e["what"] for e in of(events, "saved") if e["cell"] == name} >= {"part", "results"}


def test_every_cell_has_event_files(followed):
    store, _ = followed
    for cell in store.cells():
        found = list((store.run(cell.name).path / "tensorboard").glob("*/events.out.tfevents.*"))
        assert len(found) == 2  # lazy scales


def test_launching_a_finished_sweep_again_tells_that_it_is_complete(followed):
    store, _ = followed
    stream = io.StringIO()
    log = SweepLog(Console(quiet=True), JsonLines(stream))
    assert launch(two_cells(), store, InlineExecutor(store, log), log) == 0
    events = parsed(stream.getvalue())
    assert [event["event"] for event in events] == ["start", "note", "end"]
    assert (events[0]["to_run"], events[-1]["status"]) == (0, "complete")


@pytest.mark.slow
def test_local_workers_from_the_command_line(tmp_path):
    config = tmp_path / "four.py"
    config.write_text(CONFIG)
    where = (f"--config={config}", f"--workdir={tmp_path / 'sweep'}")
    code, text = launched_alone(*where, "--log=json", "--tensorboard", "--jobs=2")
    assert code == 0, text
    events = parsed(text)
    assert [e["state"] for e in of(events, "cell")].count("done") == 4
    assert [e["fraction"] for e in of(events, "progress")] == [0.5, 1.0]  # groups of two
    assert len(list((tmp_path / "sweep").glob("cells/*/tensorboard/network*/*"))) == 4


def test_failures_and_refusals_are_told(tmp_path):
    class Broken(InlineExecutor):
        def run(self, groups, stop):
            raise RequirementError("--executor must work, but received: no.")

    stream = io.StringIO()
    store, log = SweepStore(tmp_path / "sweep"), SweepLog(Console(quiet=True), JsonLines(stream))
    store.claim(cells_of(two_cells()), extend=False)
    with pytest.raises(RequirementError):
        launch(two_cells(), store, Broken(store, log), log)
    end = parsed(stream.getvalue())[-1]
    assert end["status"] == "refused"
    assert "--executor must work" in end["error"]

    stream.truncate(0)
    first = store.cells()[0]
    with store.record(first) as facts:
        facts |= {"status": "failed", "error": "ValueError: no"}
    log.end(statuses(store, store.cells()), 1, [])
    log.ended(store, [first], {})
    text = stream.getvalue().lstrip("\0")
    end, cell, _ = parsed(text)
    assert (end["status"], end["cells"]["failed"]) == ("cells_failed", 1)
    assert (cell["state"], cell["detail"]) == ("failed", "ValueError: no")


def test_event_files_need_their_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(RequirementError, match="tensorboardX is not installed|optional package"):
        tensorboard.TensorBoard(tmp_path)


def test_time_left_of_cells_that_trained_together(followed, tmp_path):
    assert seconds_left([], 3, 1) is None
    assert seconds_left([{}], 3, 1) is None
    done = [{"wall_time_s": 60.0, "together": 3}, {"wall_time_s": 20.0}]
    assert seconds_left(done, 8, 0) == 160.0
    assert seconds_left(done, 8, 4) == 40.0
    store, _ = followed
    assert time_left(store, statuses(store, store.cells())) is None
    known = store.run(store.cells()[0].name).read_json("run.json")
    assert known["together"] == 2
    other = SweepStore(tmp_path / "sweep")
    cells = other.claim(store.cells(), extend=False)
    other.run(cells[0].name).write_json("run.json", known | {"wall_time_s": 240.0})
    other.run(cells[0].name).write_json("config.json", cells[0].config.to_json())
    other.run(cells[0].name).write_json("summary.json", {})
    other.run(cells[0].name).write_metrics(store.run(cells[0].name).read_metrics())
    other.run(cells[1].name).write_json("run.json", known | {"status": "interrupted"})
    found = statuses(other, cells)
    assert time_left(other, found) == 120.0
    lines = status_lines(found, time_left(other, found))
    assert lines[1] == "About 2 min left, at the pace of those that are done."
