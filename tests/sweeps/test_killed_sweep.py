"""A sweep killed at random moments loses nothing, and ends with the same numbers."""

import os
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rf_limits.sweeps.executors.inline import InlineExecutor
from rf_limits.sweeps.grid import sweep
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.worker import CellOptions
from tests.experiments.test_resume import configured
from tests.runs.disturbed import CONTEXT, ROOT, keep_every_program, wait_for
from tests.runs.one_figure import one_figure
from tests.sweeps.test_launch import CONFIG, assert_equal_tables, command, tables

KILLS = 20


def _launch(config, path, log):
    keep_every_program()
    with one_figure(), open(log, "a", buffering=1) as file:
        log, store = SweepLog(Console(file=file, width=200)), SweepStore(path)
        code = launch(config, store, InlineExecutor(store, log, CellOptions(save_every=0.0)), log)
    os._exit(code)


def small(**grid):
    """Two cells that train together, or others."""
    config = configured("minibatches")
    config.predictors.methods, config.model.widths = ("network",), (4,)
    config.training.steps, config.training.log_points = 3000, 4
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1), **grid})
    return config


def started(config, path, log):
    """A process that launches the sweep."""
    process = CONTEXT.Process(target=_launch, args=(config, path, log))
    process.start()
    return process


def carried_out(config, path, log, seconds=None):
    """Exit code of such a process, killed after some seconds."""
    process = started(config, path, log)
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
    return process.exitcode


def assert_whole(path, expected):
    """All cells have their tables, and nothing lies about."""
    assert_equal_tables(tables(path), expected)
    for cell in (path / "cells").iterdir():
        names = {p.name for p in cell.iterdir()}
        assert names == {"config.json", "run.json", "metrics.parquet", "summary.json", "figures"}


def test_killed_while_two_cells_train_together(tmp_path):
    config, log, path = small(), tmp_path / "log.txt", tmp_path / "killed"
    assert carried_out(config, tmp_path / "undisturbed", log) == 0
    process = started(config, path, log)
    assert wait_for(lambda: len({p.parent for p in path.glob("cells/*/states/*.state")}) == 2)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, log.read_text()
    assert tables(path) == {}
    assert carried_out(config, path, log) == 0
    assert_whole(path, tables(tmp_path / "undisturbed"))
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, KILLS])
def test_killed_at_random_moments(tmp_path, number):
    config, log = small(**{"data.num_train": (30, 35)}), tmp_path / "log.txt"  # two groups
    for name in ("first", "undisturbed"):
        begin = time.monotonic()
        assert carried_out(config, tmp_path / name, log) == 0
        seconds = time.monotonic() - begin
    expected = tables(tmp_path / "undisturbed")
    random, kills, runs = np.random.default_rng(11), 0, 0
    while kills < number:
        path = tmp_path / f"run{runs}"
        runs += 1
        while (code := carried_out(config, path, log, random.uniform(0.0, seconds))) != 0:
            assert code == -signal.SIGKILL, log.read_text()
            kills += 1
        assert_whole(path, expected)
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_launcher_of_local_workers_killed_at_random_moments(tmp_path):
    """The workers are told by the kernel, save, and stop; the next launcher goes on."""
    file = tmp_path / "config.py"
    file.write_text(CONFIG)
    options = (f"--config={file}", "--executor=local", "--jobs=2", "--save_every=0")
    undisturbed = tmp_path / "undisturbed"
    begin = time.monotonic()
    subprocess.run(command(*options, f"--workdir={undisturbed}"), cwd=ROOT, check=True)
    seconds = time.monotonic() - begin
    expected = tables(undisturbed)
    random, kills, runs = np.random.default_rng(13), 0, 0
    while kills < KILLS:
        path = tmp_path / f"run{runs}"
        runs += 1
        while True:
            process = subprocess.Popen(command(*options, f"--workdir={path}"), cwd=ROOT)
            try:
                assert process.wait(random.uniform(0.0, seconds)) in (0, 1)
                if len(tables(path)) == len(expected):
                    break
                time.sleep(1.0)  # cells were left to workers of the launcher before
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        found = tables(path)
        assert set(found) == set(expected)
        for name, table in found.items():
            pd.testing.assert_frame_equal(table, expected[name], check_exact=True)
