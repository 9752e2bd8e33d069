"""What local workers are told, and how cells stand by what is on disk."""

import concurrent.futures
import dataclasses
import io
import json
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.runs.events import JsonLines
from rf_limits.runs.session import run_in_workdir
from rf_limits.runs.stopping import Stop
from rf_limits.runs.store import RunStore
from rf_limits.sweeps import worker
from rf_limits.sweeps.compare import gather
from rf_limits.sweeps.executors import local
from rf_limits.sweeps.executors.inline import InlineExecutor
from rf_limits.sweeps.executors.local import visible_devices, worker_environment
from rf_limits.sweeps.grid import SweepCell, cells_of, sweep
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import state_of, status_lines, statuses
from rf_limits.sweeps.worker import CellOptions
from tests.experiments.test_resume import configured
from tests.runs.one_figure import one_figure
from tests.sweeps.cells import spawned
from tests.sweeps.test_grid import config_with

TABLE = pd.DataFrame({"risk": np.arange(500) / 7})


def test_workers_have_a_device_each():
    found = [worker_environment(slot, 2, ["0", "1"]) for slot in range(2)]
    assert found == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    assert worker_environment(0, 4, []) == {}


def test_workers_that_share_a_device_share_its_memory():
    found = [worker_environment(slot, 5, ["a", "b"]) for slot in range(5)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == ["a", "b", "a", "b", "a"]
    for one in found:
        assert one["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
        assert 3 * float(one["XLA_PYTHON_CLIENT_MEM_FRACTION"]) <= 0.9 + 1e-3


def test_devices_are_those_that_were_given(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert visible_devices() == ["3", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_devices() == []


def test_states_of_cells(tmp_path):
    store = SweepStore(tmp_path / "sweep")
    config = config_with(grid={"problem.dim": (2, 3, 4, 5, 6, 7)})
    cells = store.claim(cells_of(config), extend=False)
    facts = [
        None,
        {"status": "complete"},
        {"status": "diverged"},
        {"status": "failed", "error": "Traceback\nValueError: no"},
        {"status": "running"},
        {"status": "interrupted"},
    ]
    for cell, one in zip(cells, facts, strict=True):
        if one is not None:
            store.run(cell.name).write_json("run.json", one)
            if one["status"] in ("complete", "diverged"):
                store.run(cell.name).write_json("config.json", cell.config.to_json())
                store.run(cell.name).write_json("summary.json", {})
                store.run(cell.name).write_metrics(TABLE)
    found = statuses(store, cells, {cells[0].name: ("queued", "pending")})
    states = ["queued", "done", "done", "failed", "interrupted", "interrupted"]
    assert [one.state for one in found] == states
    lines = status_lines(found)
    assert lines[0] == ("6 cells: 2 done, 0 running, 1 queued, 1 failed, 2 interrupted, 0 pending.")
    assert lines[1] == f"DIVERGED: 1 of the done ({cells[2].name})."
    assert lines[2] == f"failed {cells[3].name}: ValueError: no"
    with RunStore(store.run(cells[4].name).path).locked():
        assert state_of(store.run(cells[4].name))[0] == "running"
        assert state_of(store.run(cells[1].name))[0] == "done"


def test_configs_survive_the_manifest(tmp_path):
    store = SweepStore(tmp_path / "sweep")
    cells = cells_of(config_with(grid={"model.lazy_scales": ((0.1,), (1.0, 2.0))}))
    store.claim(cells, extend=False)
    for before, after in zip(cells, store.cells(), strict=True):
        assert before.name == after.name
        assert before.config.to_json() == after.config.to_json()


def test_a_sweep_is_no_run(tmp_path):
    config = config_with(grid={"problem.dim": (2, 3)})
    with pytest.raises(RequirementError, match=r"config must be one run: scripts/launch\.py"):
        run_in_workdir(config, tmp_path / "run")


def _extended(path, dim, barrier):
    """Adds one cell of this dim to the sweep, at the same moment as others do."""
    config = config_with(grid={"problem.dim": (dim,)})
    store, cells = SweepStore(path), cells_of(config)
    barrier.wait()
    store.claim(cells, extend=True)


def test_cells_added_at_once_are_all_kept(tmp_path):
    """Each read what was there before the others wrote: one of two was lost, always."""
    for trial in range(20):
        path, barrier = tmp_path / str(trial), threading.Barrier(3)
        dims = (2, 3, 4)
        with concurrent.futures.ThreadPoolExecutor(len(dims)) as pool:
            list(pool.map(_extended, [path] * 3, dims, [barrier] * 3))
        assert {cell.config.problem.dim for cell in SweepStore(path).cells()} == set(dims)
        assert [p.name for p in path.iterdir()] == ["sweep.json"]


def _gone(path):
    path.unlink()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def _changed(path):
    data = bytearray(path.read_bytes())
    data[1000] ^= 8
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_gone, _cut, _changed])
def test_a_done_cell_without_its_table_runs_again(tmp_path, damage):
    """It counted as done, and no command of a sweep ran it again."""
    store = SweepStore(tmp_path / "sweep")
    config = configured("closed_form")
    config.predictors.methods = ("random_features",)
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1)})
    log = SweepLog(Console(file=io.StringIO()))

    def launched():
        with one_figure():
            assert launch(config, store, InlineExecutor(store, log), log) == 0

    launched()
    first, second = (store.run(cell.name).path for cell in store.cells())
    before, table = (second / "run.json").read_text(), store.run(first.name).read_metrics()
    damage(first / "metrics.parquet")
    found = statuses(store, store.cells())
    assert [one.state for one in found] == ["damaged", "done"]
    assert status_lines(found)[0].startswith("2 cells: 1 done, 0 running, 0 failed, 1 damaged")
    assert status_lines(found)[1].startswith(f"damaged {first.name}: metrics.parquet is ")
    with pytest.raises(RequirementError, match="the command that made it runs it again"):
        gather([store.path])
    launched()
    assert [one.state for one in statuses(store, store.cells())] == ["done", "done"]
    pd.testing.assert_frame_equal(store.run(first.name).read_metrics(), table, check_exact=True)
    assert (second / "run.json").read_text() == before


DEATHS = {
    "raise ValueError('before its cells')": "ValueError: before its cells",
    "raise SystemExit(3)": "exit code 3",
    "raise SystemExit(143)": "ended by SIGTERM",
    "import os; os.kill(os.getpid(), 9)": "ended by SIGKILL",
}


@pytest.mark.parametrize("status", [None, "interrupted"])
@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_that_dies_is_a_failed_cell(tmp_path, monkeypatch, death, status):
    """It was pending or interrupted, and the command said that it had ended, with exit code 0."""
    store, text = SweepStore(tmp_path / "sweep"), io.StringIO()
    config = config_with(grid={"problem.dim": (2, 3)})
    cells = store.claim(cells_of(config), extend=False)
    for cell in cells:
        log = store.path / "logs" / f"{cell.name}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text("ValueError: of an earlier worker\n")
        if status is not None:
            store.run(cell.name).write_json("run.json", {"status": status})
    monkeypatch.setattr(local, "_START", death)
    monkeypatch.setattr(local.subprocess, "Popen", spawned)
    events = io.StringIO()
    log = SweepLog(Console(file=text, width=200), JsonLines(events))
    executor = local.LocalExecutor(store, log, jobs=2)
    assert launch(config, store, executor, log, group=False) == 1
    for one in statuses(store, cells):
        assert one.state == "failed"
        assert DEATHS[death] in one.detail
        assert f"failed {one.cell.name}: {one.detail}" in text.getvalue()
    assert '"status": "cells_failed"' in events.getvalue()
    assert "until --retry_failed runs them again" in text.getvalue()


def test_a_death_that_cannot_be_recorded_is_told(tmp_path, monkeypatch):
    store, text = SweepStore(tmp_path / "sweep"), io.StringIO()
    config = config_with(grid={"problem.dim": (2,)})
    (cell,) = store.claim(cells_of(config), extend=False)
    store.run(cell.name).path.parent.mkdir()
    store.run(cell.name).path.write_text("a file where a directory is needed")
    monkeypatch.setattr(local, "_START", "raise SystemExit(3)")
    monkeypatch.setattr(local.subprocess, "Popen", spawned)
    log = SweepLog(Console(file=text, width=200))
    assert launch(config, store, local.LocalExecutor(store, log), log) == 1
    assert "exit code 3" in text.getvalue()
    assert "not recorded" in text.getvalue()


def test_a_file_in_the_current_folder_is_no_module_of_python(tmp_path, monkeypatch):
    """Own modules are found where the launching process finds them, after Python's."""
    here, own = tmp_path / "here", tmp_path / "own"
    for folder in (here, own):
        folder.mkdir()
        (folder / "secrets.py").write_text("raise RuntimeError('not of Python')")
    (own / "own_worker.py").write_text(
        "import secrets, sys; print(secrets.token_hex, sys.argv[1:])"
    )
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(own))
    path = local.search_path()
    assert str(own) in path
    start = local._START.replace("rf_limits.sweeps.worker", "own_worker")
    command = [sys.executable, "-P", "-c", start, json.dumps(path), "--flag"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "token_hex" in done.stdout
    assert done.stdout.endswith("['--flag']\n")


class Refusing:
    """Takes nothing."""

    jobs = split = 1

    def run(self, groups, stop):
        raise RequirementError("--executor must find a machine, but received: none.")


@pytest.mark.parametrize("place", ["new", "new/er", "empty", "sweep"])
def test_a_refused_launch_leaves_nothing(tmp_path, place):
    """It left sweep.json, and the next sweep was refused there."""
    (tmp_path / "empty").mkdir()
    earlier = config_with(grid={"problem.dim": (2,)})
    SweepStore(tmp_path / "sweep").claim(cells_of(earlier), extend=False)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    store, log = SweepStore(tmp_path / place), SweepLog(Console(quiet=True))
    for dims in ((2, 3), (4, 5)):
        config = config_with(grid={"problem.dim": dims})
        with pytest.raises(RequirementError, match="must find a machine"):
            launch(config, store, Refusing(), log, extend=True)
        found = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
        assert found == before


def test_cells_that_have_begun_are_not_forgotten(tmp_path):
    store = SweepStore(tmp_path / "sweep")
    config = config_with(grid={"problem.dim": (2, 3)})
    cells = cells_of(config)

    class Later(Refusing):
        def run(self, groups, stop):
            store.run(cells[0].name).write_json("run.json", {"status": "running"})
            super().run(groups, stop)

    with pytest.raises(RequirementError, match="must find a machine"):
        launch(config, store, Later(), SweepLog(Console(quiet=True)))
    assert [cell.name for cell in store.cells()] == [cell.name for cell in cells]


def test_names_of_more_cells_than_a_command_line_takes(tmp_path, monkeypatch):
    store = SweepStore(tmp_path / "sweep")
    names = [f"{i:04d}{'-' * 120}" for i in range(1200)]
    assert len("\n".join(names)) > 2**17  # MAX_ARG_STRLEN of Linux
    start = "import json, sys; print(*json.load(sys.stdin)['names'], sep=chr(10))"
    monkeypatch.setattr(local, "_START", start)
    monkeypatch.setattr(local.subprocess, "Popen", spawned)
    cells = [SweepCell(name, {}, None) for name in names]
    executor = local.LocalExecutor(store, SweepLog(Console(quiet=True)))
    assert list(executor.run([cells], Stop())) == names  # none of them was carried out
    (log,) = (store.path / "logs").iterdir()
    assert log.read_text().split() == names


def test_a_worker_takes_the_cells_of_its_input(tmp_path, monkeypatch):
    store, taken = SweepStore(tmp_path / "sweep"), []
    cells = store.claim(cells_of(config_with(grid={"problem.dim": (2, 3, 4)})), extend=False)
    monkeypatch.setattr(worker, "keep_compiled", lambda: None)

    def run_cells(sweep, cells, *how, **more):
        taken.extend(cells)
        return {}

    monkeypatch.setattr(worker, "run_cells", run_cells)
    names, options = [cell.name for cell in cells[1:]], dataclasses.asdict(CellOptions(1.0))
    request = worker.Request(str(store.path), names, options, failures=-1)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request._asdict())))
    assert worker.main() == 0
    assert [cell.name for cell in taken] == [cell.name for cell in cells[1:]]
