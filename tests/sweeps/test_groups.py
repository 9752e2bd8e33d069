"""Cells that share shapes train in one compiled call, with the numbers they have alone."""

import copy

import pandas as pd
import pytest
from rich.console import Console

from rf_limits.optimization.trainer import Trainer
from rf_limits.sweeps.executors.slurm import SlurmExecutor
from rf_limits.sweeps.grid import cells_of, sweep
from rf_limits.sweeps.groups import groups_of
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.worker import CellOptions
from rf_limits.training import run as training
from rf_limits.training.checkpointing import Stopped
from tests.experiments.test_resume import configured
from tests.keeping import MemoryKeep
from tests.variants import kept

FIELDS = {
    "problem.noise": (0.0, 0.3),
    "model.lazy_scales": ((0.5,), (2.0, 8.0)),
}


def cells(case="alongside", **grid):
    config = configured(case)
    config.sweep = sweep(grid=grid or FIELDS)
    return cells_of(config)


def test_groups_share_what_compiles():
    found = groups_of(cells(**FIELDS, **{"data.num_train": (40, 50)}))
    assert [len(group) for group in found] == [4, 4]
    assert {cell.config.data.num_train for cell in found[0]} == {40}
    assert [len(g) for g in groups_of(cells(**FIELDS), at_least=2)] == [2, 2]
    assert [len(g) for g in groups_of(cells("stream"))] == [1, 1, 1, 1]  # data is in the program
    assert [len(g) for g in groups_of(cells(**{"training.steps": (10, 20)}))] == [1, 1]


class Recorder:
    """Runs nothing."""

    jobs = 1000  # elements of an array at once

    def __init__(self, split):
        self.split = split

    def run(self, groups, stop):
        self.sizes = [len(group) for group in groups]


@pytest.mark.parametrize(("split", "sizes"), [(1, [4]), (2, [2, 2])])
def test_groups_are_split_as_the_executor_says(split, sizes, tmp_path):
    config = configured("alongside")
    config.sweep = sweep(grid=FIELDS)
    executor = Recorder(split)
    assert launch(config, SweepStore(tmp_path), executor, SweepLog(Console(quiet=True))) == 0
    assert executor.sizes == sizes
    slurm = SlurmExecutor(SweepStore(tmp_path), SweepLog(), CellOptions(), 1000, 1, {})
    assert slurm.split == 1


def test_groups_fit_in_memory(monkeypatch):
    class Memory:
        total = 0

    monkeypatch.setattr("rf_limits.sweeps.groups.psutil.virtual_memory", Memory)
    assert [len(group) for group in groups_of(cells())] == [1, 1, 1, 1]


@pytest.mark.parametrize("case", kept(["alongside", "minibatches"], ["alongside"]))
def test_together_as_alone_to_the_last_bit(case):
    prepared = [training.prepare(cell.config) for cell in cells(case)]
    before = Trainer._advance._cache_size()
    together = training.run_together(prepared, keeps=[MemoryKeep() for _ in prepared])
    programs = Trainer._advance._cache_size() - before
    assert programs == (2 if case == "alongside" else 1)  # with the random features' own
    for one, result in zip(prepared, together, strict=True):
        alone = one.run()
        pd.testing.assert_frame_equal(result.metrics, alone.metrics, check_exact=True)
        assert result.choices == alone.choices


def test_stopped_together_and_going_on_in_parts():
    """After a stop one cell has lost its last state: both go on, from where each is."""
    prepared = [training.prepare(cell.config) for cell in cells()[:3]]
    whole = [one.run() for one in prepared]
    keeps = [MemoryKeep(stop_at=4 if i == 1 else None) for i in range(3)]
    with pytest.raises(Stopped):
        training.run_together(prepared, keeps=keeps)
    states = [copy.copy(keep.states) for keep in keeps]
    assert all(set(state) == {"width-4"} for state in states)
    keeps[2].states.clear()
    keeps = [MemoryKeep(earlier=keep) for keep in keeps]
    results = training.run_together(prepared, keeps=keeps)
    for result, expected in zip(results, whole, strict=True):
        pd.testing.assert_frame_equal(result.metrics, expected.metrics, check_exact=True)
