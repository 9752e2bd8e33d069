"""How a sweep says how far it is, and what it would do."""

import io

import pytest
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.experiments.trial import Estimate
from rf_limits.sweeps.dry_sweep import dry_sweep
from rf_limits.sweeps.grid import sweep
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.tally import Tally
from tests.experiments.test_resume import configured


def test_cells_ended_and_time_left():
    now = [0.0]
    tally = Tally(8, lambda: now[0])
    now[0] = 30.0
    assert tally.ended(2) == "2 of 8 cells ended, 6 left, about 90 s."
    now[0] = 300.0
    assert tally.ended(5) == "7 of 8 cells ended, 1 left, about 43 s."
    assert tally.ended(1) == "8 of 8 cells ended."


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
    with config.unlocked():
        config.sweep = sweep(grid=grid)
    return config


def test_a_dry_sweep_says_everything_and_makes_nothing(tmp_path, monkeypatch):
    found = Estimate(10.0, 50.0, "from nothing")
    monkeypatch.setattr("rf_limits.experiments.forecast.estimate_seconds", lambda config: found)
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
    with pytest.raises(RequirementError, match=r"training\.steps .*\(cell training\.steps = 0\)"):
        dry_sweep(swept(**{"training.steps": (10, 0)}), store, console)
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "other").write_text("")
    with pytest.raises(RequirementError, match="holds other files"):
        dry_sweep(swept(**{"training.steps": (10, 20)}), store, console)
