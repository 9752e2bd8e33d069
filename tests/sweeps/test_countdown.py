"""How a sweep says how far it is, and what it would do."""

import io

import pytest
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.runs.stopping import Stop
from rf_limits.studies.pilot_runs import Estimate
from rf_limits.sweeps.dry_sweep import dry_sweep
from rf_limits.sweeps.executors.inline import InlineExecutor
from rf_limits.sweeps.grid import cells_of, sweep
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import Countdown, SweepLog
from rf_limits.sweeps.manifest import SweepStore
from tests.experiments.test_resume import configured
from tests.runs.one_figure import one_figure


def test_cells_ended_and_time_left():
    now = [0.0]
    countdown = Countdown(8, lambda: now[0])
    now[0] = 30.0
    assert countdown.ended(2) == "2 of 8 cells ended, 6 left, about 90 s."
    now[0] = 300.0
    assert countdown.ended(5) == "7 of 8 cells ended, 1 left, about 43 s."
    assert countdown.ended(1) == "8 of 8 cells ended."


def test_cells_of_other_processes_have_not_ended():
    """Of 4 cells that another process was at, "4 of 4 cells ended" was said."""
    now = [0.0]
    countdown = Countdown(6, clock=lambda: now[0])
    assert countdown.ended(0, others=2) == "0 of 4 cells ended, 2 left to another process, 4 left."
    now[0] = 60.0
    line = "2 of 4 cells ended (1 failed), 2 left to another process, 2 left, about 60 s."
    assert countdown.ended(2, failed=1) == line
    assert countdown.fraction() == 0.5
    line = "2 of 2 cells ended (1 failed), 4 left to another process."
    assert countdown.ended(0, others=2) == line
    assert countdown.fraction() == 1.0


def test_ctrl_c_of_a_sweep_says_how_to_go_on(tmp_path, monkeypatch):
    class Interrupted:
        jobs = split = 1

        def run(self, groups, stop):
            raise KeyboardInterrupt

    text = io.StringIO()
    argv = ["scripts/launch.py", "--config=sweep.py", "--workdir=my sweep"]
    monkeypatch.setattr("sys.argv", argv)
    config, store = swept(**{"training.steps": (10, 20)}), SweepStore(tmp_path / "sweep")
    assert launch(config, store, Interrupted(), SweepLog(Console(file=text, width=50))) == 130
    assert text.getvalue().splitlines()[0] == (
        "Interrupted; the same command goes on with what is missing: "
        "python scripts/launch.py --config=sweep.py '--workdir=my sweep'"
    )


def swept(**grid):
    config = configured("minibatches")
    config.sweep = sweep(grid=grid)
    return config


def test_a_dry_sweep_says_everything_and_makes_nothing(tmp_path, monkeypatch):
    found = Estimate(10.0, 50.0, "from nothing")
    monkeypatch.setattr("rf_limits.studies.cost.estimate_seconds", lambda config: found)
    text = io.StringIO()
    config = swept(**{"problem.noise": (0.0, 0.3), "training.steps": (10, 20)})
    store = SweepStore(tmp_path / "sweep")
    assert dry_sweep(config, store, Console(file=text, width=80)) == 0
    lines = text.getvalue().splitlines()
    assert "problem.noise: [0.0, 0.0, 0.3, 0.3]  # swept" in lines
    assert "training.steps: [10, 20, 10, 20]  # swept" in lines
    assert "problem.dim: 5" in lines
    assert "cells: 4, of which 4 to run in 2 groups" in lines
    assert any("of the largest of 4 runs; one cell after the other" in line for line in lines)
    assert any(line.startswith("memory: about ") for line in lines)
    assert not any(tmp_path.iterdir())


def test_a_dry_sweep_refuses_what_would_be_refused(tmp_path):
    store, console = SweepStore(tmp_path / "sweep"), Console(quiet=True)
    with pytest.raises(RequirementError, match=r"sweep: training\.steps must be"):
        dry_sweep(swept(**{"training.steps": (10, 0)}), store, console)
    named = r"training\.batch_size must .*\(cell training\.batch_size = 1000000\)"
    with pytest.raises(RequirementError, match=named):
        dry_sweep(swept(**{"training.batch_size": (4, 10**6)}), store, console)
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "other").write_text("")
    with pytest.raises(RequirementError, match="holds other files"):
        dry_sweep(swept(**{"training.steps": (10, 20)}), store, console)


def test_a_cell_that_another_process_has_taken_meanwhile(tmp_path):
    config, text = configured("closed_form"), io.StringIO()
    config.predictors.methods = ("random_features",)
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.1)})
    store = SweepStore(tmp_path / "sweep")
    first, second = store.claim(cells_of(config), extend=False)
    executor = InlineExecutor(store, SweepLog(Console(file=text, width=200)))
    with store.run(second.name).locked(), one_figure():
        assert executor.run([[first], [second]], Stop()) == {}
    assert "1 of 2 cells ended, 1 left, about" in text.getvalue()
    assert text.getvalue().endswith("1 of 1 cell ended, 1 left to another process.\n")
