"""Sweeps from the command line: what is missing is run, what fails is said, what is done stays."""

import json
import os
import signal
import subprocess
import sys
import time
import types

import pandas as pd
import pytest
from rich.console import Console

from rf_limits.runs.store import RunStore
from rf_limits.sweeps.executors.local import LocalExecutor, _Worker
from rf_limits.sweeps.grid import cells_of, sweep
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import statuses
from tests import in_process
from tests.experiments.test_resume import configured
from tests.in_process import ROOT
from tests.runs.disturbed import wait_for
from tests.runs.one_figure import one_figure
from tests.variants import kept

CONFIG = """
from rf_limits import default_config
from rf_limits.sweeps import sweep


def get_config():
    config = default_config()
    config.problem.dim = 4
    config.data.num_train, config.data.num_test = 30, 50
    config.model.widths, config.model.lazy_scales, config.seeds = (4,), (1.0,), 1
    config.training.steps, config.training.log_points = 2000, 4
    config.training.optimizer, config.training.batch_size = "sgd(momentum=0.9)", 10
    config.training.learning_rate = "0.01"
    config.predictors.methods = ("network",)
    config.measure.exact, config.measure.max_degree = False, -1
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1), "data.num_train": (30, 35)})
    return config
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small_sweep.py"
    path.write_text(CONFIG)
    return path


def command(*arguments):
    """Command line of the script in a process of its own."""
    return [sys.executable, "scripts/launch.py", *map(str, arguments)]


def launched(*arguments):
    """Exit code and output of the script, whose cells draw one figure, in this process."""
    with one_figure():
        code, out, err = in_process.run("launch", *arguments, columns=200)
    return code, out + err


def launched_alone(*arguments):
    """The same in a process of its own, as local workers need it: where JAX runs, none may fork."""
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, env=environment
    )
    return done.returncode, done.stdout + done.stderr


def tables(path):
    """The metrics of every finished cell, by name."""
    return {p.parent.name: pd.read_parquet(p) for p in path.glob("cells/*/metrics.parquet")}


def assert_equal_tables(found, expected):
    assert set(found) == set(expected)
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, expected[name], check_exact=True)


@pytest.fixture(scope="module")
def inline(config, tmp_path_factory):
    """The sweep, done in one process."""
    path = tmp_path_factory.mktemp("inline") / "sweep"
    code, text = launched(f"--config={config}", f"--workdir={path}", "--executor=inline")
    assert code == 0, text
    assert "4 cells: 4 done, 0 running, 0 failed, 0 pending." in text
    return path


def test_every_cell_has_a_directory_of_its_own(inline):
    names = sorted(p.name for p in (inline / "cells").iterdir())
    assert len(names) == 4
    assert [name[:-9] for name in names] == [
        "noise=0,num_train=30",
        "noise=0,num_train=35",
        "noise=0.1,num_train=30",
        "noise=0.1,num_train=35",
    ]
    for name in names:
        store = RunStore(inline / "cells" / name)
        assert store.read_json("run.json")["status"] == "complete"
        assert "sweep" not in store.read_json("config.json")
        assert (store.path / "figures").is_dir()


def test_launching_a_finished_sweep_again_runs_nothing(config, inline):
    before = {p: p.stat().st_mtime_ns for p in inline.rglob("*") if p.is_file()}
    code, text = launched(f"--config={config}", f"--workdir={inline}", "--executor=inline")
    assert code == 0
    assert "width" not in text
    code, text = launched("status", f"--workdir={inline}")
    assert (code, text.strip()) == (0, "4 cells: 4 done, 0 running, 0 failed, 0 pending.")
    assert before == {p: p.stat().st_mtime_ns for p in inline.rglob("*") if p.is_file()}


@pytest.mark.parametrize("jobs", kept([1, 2], [1]))
def test_local_workers_give_the_same_numbers(config, inline, tmp_path, jobs):
    """Processes of their own: one with one cell, or two with a group of two cells each."""
    path, file, expected = tmp_path / "sweep", config, tables(inline)
    if jobs == 1:
        file = tmp_path / "one_cell.py"
        file.write_text(CONFIG.replace("(30, 35)", "(30,)").replace("(0.0, 0.1)", "(0.0,)"))
        expected = {
            n: table for n, table in expected.items() if n.startswith("noise=0,num_train=30-")
        }
    code, text = launched_alone(f"--config={file}", f"--workdir={path}", f"--jobs={jobs}")
    assert code == 0, text
    assert f" {len(expected)} done, 0 running, 0 failed, 0 pending." in text
    assert_equal_tables(tables(path), expected)
    assert len(list((path / "logs").iterdir())) == jobs


@pytest.mark.slow
def test_a_cell_that_cannot_be_fails_alone(config, inline, tmp_path):
    """A momentum at which training must diverge is found out only when its data is there."""
    path = tmp_path / "sweep"
    arguments = (f"--config={config}", f"--workdir={path}", "--executor=inline")
    more = (
        '--zip=training.optimizer=("sgd(momentum=0.9)","sgd");training.learning_rate=("0.01","1e9")'
    )
    code, text = launched(*arguments, more)
    assert code == 1
    assert "8 cells: 4 done, 0 running, 4 failed, 0 pending." in text
    line = "RequirementError: training.learning_rate must be below"
    assert sum(line in one for one in text.splitlines() if one.startswith("failed")) == 4
    done = {name.split(",optimizer")[0]: table for name, table in tables(path).items()}
    assert_equal_tables(done, {name[:-9]: table for name, table in tables(inline).items()})
    code, text = launched(*arguments, more)  # failed cells are left alone
    assert code == 1
    assert "preparing" not in text
    code, text = launched(*arguments, more, "--retry_failed")
    assert code == 1
    assert "preparing" in text


@pytest.mark.slow
def test_a_dead_worker_fails_its_cell_not_the_sweep(config, inline, tmp_path):
    path = tmp_path / "sweep"
    arguments = (f"--config={config}", f"--workdir={path}", "--executor=local")
    options = ("--nogroup", "--jobs=2", "--save_every=0", "--config.training.steps=20000")
    process = subprocess.Popen(
        command(*arguments, *options), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )

    def victim():
        for run in path.glob("cells/noise=0,num_train=30*/run.json"):
            facts = json.loads(run.read_text())
            if any((run.parent / "states").glob("*.state")):
                return facts.get("process")
        return None

    assert wait_for(lambda: victim() is not None)
    os.kill(victim(), signal.SIGKILL)
    text, _ = process.communicate()
    assert process.returncode == 1
    assert "4 cells: 3 done, 0 running, 1 failed, 0 pending." in text
    assert "its process ended by SIGKILL; see " in text
    code, text = launched("status", f"--workdir={path}")
    assert code == 1
    assert "its process ended by SIGKILL" in text
    code, text = launched_alone(*arguments, *options, "--retry_failed")
    assert code == 0, text
    assert "4 cells: 4 done" in text


@pytest.mark.parametrize(
    "mistake",
    [
        ("--grid=problem.dimm=(1,2)", "Did you mean problem.dim?"),
        ("--grid=problem.noise=(1,)", "name each field once"),
        ("--grid=seeds=(0,)", "seeds must be a whole number of at least 1"),
        ("--jobs=2", "--jobs must be 1 for --executor=inline"),
    ],
)
def test_mistakes_touch_nothing(config, tmp_path, mistake):
    flag, message = mistake
    path = tmp_path / "sweep"
    code, text = launched(f"--config={config}", f"--workdir={path}", "--executor=inline", flag)
    assert code == 2
    assert message in text
    assert len(text.splitlines()) == 1
    assert not path.exists()


def test_another_sweep_is_refused_and_extend_adds(config, inline, tmp_path):
    more = "--config.problem.norm=2.0"
    code, text = launched(f"--config={config}", f"--workdir={inline}", "--executor=inline", more)
    assert code == 2
    assert "holds one without 4 of its 4 cells" in text
    assert "--extend" in text
    code, text = launched(f"--config={config}", f"--workdir={ROOT / 'docs'}", "--executor=inline")
    assert code == 2
    assert "holds other files" in text


def test_cells_of_a_worker_that_was_stopped_early_are_run_again(tmp_path):
    """It had written nothing: asked to stop, they are pending; without, they failed."""
    store = SweepStore(tmp_path / "sweep")
    config = configured("minibatches")
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1)})
    cells = store.claim(cells_of(config), extend=False)
    executor = LocalExecutor(store, SweepLog(Console(quiet=True)))
    log = tmp_path / "log"
    log.write_text("SIGINT: saving and stopping")

    def ended(code):
        process, told = types.SimpleNamespace(returncode=code), os.memfd_create("failures")
        return _Worker(process, cells, log, 0, log.open("rb"), 0, told)

    for code in (-15, 130, 143):
        executor._end(ended(code), stopped=True)
        assert [one.state for one in statuses(store, cells)] == ["pending", "pending"]
    executor._end(ended(143), stopped=False)
    assert [one.state for one in statuses(store, cells)] == ["failed", "failed"]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.5, 3.0, 6.0])
def test_ctrl_c_while_workers_start(config, inline, tmp_path, seconds):
    """As a terminal sends it, to the whole group; the same command goes on."""
    path = tmp_path / "sweep"
    arguments = (f"--config={config}", f"--workdir={path}", "--executor=local", "--jobs=2")
    # What a shell starts in the background ignores SIGINT, and so does all that it starts.
    words = ["env", "--default-signal=INT", *command(*arguments)]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode in (130, -signal.SIGINT), out  # the latter while it imports
    code, text = launched("status", f"--workdir={path}")
    assert " 0 failed" in text or "must hold a sweep" in text, text
    code, text = launched_alone(*arguments)
    assert code == 0, text
    assert_equal_tables(tables(path), tables(inline))
