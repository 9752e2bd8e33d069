"""Rows of kernel methods: one for all widths, at convergence and in time."""

import math

import jax
import numpy as np

from rf_limits.devices.processes import on_host
from rf_limits.measure.kernel_risk import ExactKernelRisk
from rf_limits.methods import METHODS, KernelProblem
from rf_limits.optimization.trainer import log_points
from rf_limits.training.width import Row, WidthRun


def kernel_rows(run: WidthRun, exact: ExactKernelRisk | None) -> list[Row]:
    """Returns rows at convergence (time infinite), and at the times of the networks of a width.

    Args:
      run: the widest networks, with the data of every seed.
      exact: exact risks of their kernels, or None to use the test set.
    """
    config = run.config
    rows: list[Row] = []
    methods = METHODS.kernels(config.predictors.methods)
    if not methods:
        return rows
    ridge = config.predictors.ridge
    points = np.asarray(log_points(config.training.steps, config.training.log_points))
    sets = on_host(run.seeded.data)
    for i, seed in enumerate(run.seeded.seeds):
        data = jax.tree.map(lambda leaf, i=i: leaf[i], sets)
        problem = KernelProblem(data, run.infinite, exact)
        for method in methods:
            row = {"method": method.key, "seed": seed, "time": math.inf}
            rows.append(row | method.fit(problem, ridge).columns())
        times = points * float(np.max(run.learning_rates[i]))
        for method in methods if run.trains else ():
            columns = on_host(method.flow(problem, times, ridge)).columns()
            for j, time in enumerate(times):
                row = {"method": method.key, "seed": seed, "time": float(time)}
                rows.append(row | {name: float(column[j]) for name, column in columns.items()})
    return rows
