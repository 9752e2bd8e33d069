"""A small sweep that several tests look at, and workers without a fork."""

import io
import subprocess
from pathlib import Path

from rich.console import Console

from rf_limits.sweeps.executors.inline import InlineExecutor
from rf_limits.sweeps.grid import sweep
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from tests.experiments.test_resume import configured
from tests.runs.one_figure import one_figure

_popen = subprocess.Popen


def spawned(*arguments, preexec_fn=None, **options) -> subprocess.Popen:
    """Starts a process without the fork that JAX warns of in the process of the tests."""
    del preexec_fn
    return _popen(*arguments, **options)


def four_cells(path: Path) -> SweepStore:
    """Networks with their NTK and NNGP, two noises and two lazy scales, all run."""
    config = configured("closed_form")
    config.model.widths = (4, 16)
    config.predictors.methods = ("network", "ntk", "nngp")
    config.sweep = sweep(grid={"problem.noise": (0.0, 0.3), "model.lazy_scales": ((0.5,), (4.0,))})
    store, log = SweepStore(path), SweepLog(Console(file=io.StringIO()))
    with one_figure():
        assert launch(config, store, InlineExecutor(store, log), log) == 0
    return store
