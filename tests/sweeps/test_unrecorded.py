"""Failures that no disk takes are failures: told, and in the exit code."""

import functools
import io
import json
import os
import re
import types

import pytest
from rich.console import Console

from rf_limits.runs.events import JsonLines
from rf_limits.runs.files import StorageError
from rf_limits.runs.run import Run
from rf_limits.runs.stopping import Stop
from rf_limits.runs.store import RunStore
from rf_limits.sweeps import worker
from rf_limits.sweeps.executors import inline, local, slurm
from rf_limits.sweeps.grid import cells_of, sweep
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import statuses
from rf_limits.sweeps.worker import CellOptions, run_cells
from tests.experiments.test_resume import configured
from tests.runs.one_figure import one_figure
from tests.runs.test_disturbances import small_disk  # noqa: F401
from tests.sweeps.cells import spawned

FULL = "could not be written: No space left on device."


def two_cells():
    config = configured("closed_form")
    config.predictors.methods = ("random_features",)
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1)})
    return config


@pytest.fixture
def full(monkeypatch):
    """No file of a cell can be written."""
    write = RunStore.write_json

    def write_json(self, name, value):
        if name != "sweep.json":
            raise StorageError(f"{self.path / name} {FULL}")
        write(self, name, value)

    monkeypatch.setattr(RunStore, "write_json", write_json)


class Launched(types.SimpleNamespace):
    """Exit code, lines and events of a launch."""

    @classmethod
    def by(cls, path, executor):
        text, events = io.StringIO(), io.StringIO()
        store = SweepStore(path)
        log = SweepLog(Console(file=text, width=500), JsonLines(events))
        with one_figure():
            code = launch(two_cells(), store, executor(store, log), log)
        lines = [json.loads(line) for line in events.getvalue().splitlines()]
        return cls(code=code, text=text.getvalue(), events=lines, store=store)

    def check(self):
        assert self.code == 1
        assert "2 cells: 0 done, 0 running, 2 failed, 0 pending." in self.text
        for cell in self.store.cells():
            (line,) = re.findall(rf"^failed {cell.name}: (.*)$", self.text, re.M)[-1:]
            assert "StorageError: " in line
        assert FULL in self.text
        assert "Cells whose failure is not recorded are run again by the same" in self.text
        assert "--retry_failed" not in self.text
        end = self.events[-1]
        assert (end["status"], end["exit_code"], end["cells"]["failed"]) == ("cells_failed", 1, 2)
        told = [e["state"] for e in self.events if e["event"] == "cell"]
        assert told == ["running", "running", "failed", "failed"]
        found = [one.state for one in statuses(self.store, self.store.cells())]
        assert found == ["pending", "pending"]  # the same command runs them


def test_unrecorded_failures_of_inline_cells(full, tmp_path):
    """It ended with "2 of 2 cells ended" and exit code 0."""
    Launched.by(tmp_path / "sweep", inline.InlineExecutor).check()


def test_cells_that_cannot_be_prepared(full, tmp_path, monkeypatch):
    """That they failed could not be recorded either, and the sweep ended in a traceback."""

    def prepare(self, report):
        raise StorageError(f"/cache {FULL}")

    monkeypatch.setattr(Run, "prepare", prepare)
    Launched.by(tmp_path / "sweep", inline.InlineExecutor).check()


def test_unrecorded_failures_before_there_are_runs(full, tmp_path, monkeypatch):
    def board(path):
        raise StorageError(f"{path} {FULL}")

    monkeypatch.setattr(worker, "TensorBoard", board)
    executor = functools.partial(inline.InlineExecutor, options=CellOptions(tensorboard=True))
    Launched.by(tmp_path / "sweep", executor).check()


@pytest.mark.parametrize("code", [0, 1, 74])
def test_unrecorded_failures_of_workers(full, tmp_path, monkeypatch, code):
    """Its log is on the same disk: what failed comes through a file in memory."""
    line = f"StorageError: /cells/x {FULL}"
    start = f"import json, os, sys; request = json.load(sys.stdin); line = {line!r}; "
    start += "failures = json.dumps(dict.fromkeys(request['names'], line)); "
    start += "os.write(request['failures'], failures.encode()); "
    monkeypatch.setattr(local, "_START", f"{start}sys.exit({code})")
    monkeypatch.setattr(local.subprocess, "Popen", spawned)
    monkeypatch.setattr(local, "_output", lambda log: os.fdopen(os.memfd_create("log"), "w+b"))
    Launched.by(tmp_path / "sweep", local.LocalExecutor).check()


def test_a_worker_that_ends_well_without_its_cells(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "_START", "print('nothing to do')")
    monkeypatch.setattr(local.subprocess, "Popen", spawned)
    found = Launched.by(tmp_path / "sweep", local.LocalExecutor)
    assert (found.code, found.events[-1]["status"]) == (1, "cells_failed")
    assert found.text.count("nothing to do (not recorded)") == 2
    assert "not recorded (it is pending)" in found.text


def test_a_worker_tells_what_it_could_not_record(full, tmp_path, monkeypatch):
    store = SweepStore(tmp_path / "sweep")
    cells = store.claim(cells_of(two_cells()), extend=False)
    monkeypatch.setattr(worker, "keep_compiled", lambda: None)
    names = [cell.name for cell in cells]
    for own, error in ((None, FULL), ("none.py", "RequirementError: --config must be a file")):
        descriptor = os.memfd_create("failures")
        options = {"save_every": 1.0, "tensorboard": False, "own_config": own}
        request = worker.Request(str(store.path), names, options, os.dup(descriptor))
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request._asdict())))
        if own is None:
            assert worker.main() == 1
        else:
            with pytest.raises(ValueError, match="--config"):
                worker.main()
        os.lseek(descriptor, 0, os.SEEK_SET)
        with os.fdopen(descriptor) as file:
            found = json.load(file)
        assert set(found) == {cell.name for cell in cells}
        assert all(error in line for line in found.values())


def test_a_job_of_slurm_that_could_not_record_it_fails(full, tmp_path, monkeypatch):
    store = SweepStore(tmp_path / "sweep")
    cells = store.claim(cells_of(two_cells()), extend=False)
    monkeypatch.setattr(worker, "keep_compiled", lambda: None)
    job = slurm.SlurmCells(str(store.path), [cell.name for cell in cells], 1.0)
    with pytest.raises(StorageError, match=r"No space left .* \(not recorded\)"):
        job()


def test_a_cell_that_is_complete_is_not_failed_by_its_neighbour(tmp_path, monkeypatch):
    """Both are written when both have trained: the second met a full disk, and the first failed."""
    store, config = SweepStore(tmp_path / "sweep"), configured("closed_form")
    config.predictors.methods, config.training.steps = ("network",), 2
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1)})
    first, second = store.claim(cells_of(config), extend=False)
    write = RunStore.write_metrics

    def write_metrics(self, metrics):
        if self.path == store.run(second.name).path:
            raise StorageError(f"{self.path / 'metrics.parquet'} {FULL}")
        write(self, metrics)

    monkeypatch.setattr(RunStore, "write_metrics", write_metrics)
    with one_figure():
        failed = run_cells(store, [first, second], Stop(), Console(file=io.StringIO()))
    assert list(failed) == [second.name]
    assert [one.state for one in statuses(store, [first, second])] == ["done", "failed"]


@pytest.mark.parametrize("error", [StorageError, ValueError])
def test_an_error_names_the_file_of_its_own_cell(tmp_path, monkeypatch, error):
    """In a group the second cell's error was the first one's; of disks, with a traceback."""
    store, text, config = SweepStore(tmp_path / "sweep"), io.StringIO(), two_cells()
    config.predictors.methods, config.training.steps = ("network",), 2
    first, second = store.claim(cells_of(config), extend=False)
    place = store.run(first.name).path / "metrics.parquet"

    def write_metrics(self, metrics):
        raise error(f"{self.path / 'metrics.parquet'} [full]")

    monkeypatch.setattr(RunStore, "write_metrics", write_metrics)
    with one_figure():
        failed = run_cells(store, [first, second], Stop(), Console(file=text, width=500))
    line = f"{error.__name__}: {place} [full]"
    beside = (
        "it trained together with another run, which ended by " if error is StorageError else ""
    )
    assert failed == {first.name: line, second.name: beside + line}
    for name, expected in failed.items():
        assert store.run(name).read_json("run.json")["error"] == expected
        assert f"{name}: {expected}\n" in text.getvalue()
    assert ("Traceback" in text.getvalue()) == (error is ValueError)


def test_a_real_disk_that_is_full(small_disk):  # noqa: F811
    store = SweepStore(small_disk / "sweep")
    store.claim(cells_of(two_cells()), extend=False)
    (small_disk / "filler").write_bytes(bytes(180_000))
    found = Launched.by(small_disk / "sweep", inline.InlineExecutor)
    assert (found.code, found.events[-1]["status"]) == (1, "cells_failed")
    assert "No space left on device" in found.text
