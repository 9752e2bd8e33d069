"""Networks of several widths and lazy scales, beside methods that keep their features.

For every width: an ensemble over seeds and lazy scales is trained, its linearization beside
it, and measured at log-spaced steps; RF and NT predictors of the same initializations are
fitted on the same training sets; kernel methods once for all widths.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.analysis.limits import add_limits
from rf_limits.analysis.tables import (
    diverged_rows,
    metrics_table,
    optional_columns,
    rows_of,
)
from rf_limits.config import accepts_builder
from rf_limits.config.training import TrainingConfig
from rf_limits.measure.kernel_risk import ExactKernelRisk, exact_kernel_risk
from rf_limits.measure.risk import ExactRisks, degree_columns
from rf_limits.methods import METHODS
from rf_limits.problem import Problem
from rf_limits.training.checkpointing import NO_KEEP, Keep
from rf_limits.training.descent import descend, part_name
from rf_limits.training.kernel_rows import kernel_rows
from rf_limits.training.progress import Progress
from rf_limits.training.result import Report, Result, no_report
from rf_limits.training.seeded_problem import draw_seeded_problem
from rf_limits.training.validation import validate
from rf_limits.training.width import WidthRun

INFINITE_WIDTH = "infinite-width"
"""Name of the part that holds the rows of kernel methods."""
_KERNELS_COST = 300.0  # of kernel methods, relative as that of a width is


class TrainingRun:
    """The experiment, prepared: nothing is left that could be refused."""

    def __init__(self, config: TrainingConfig, report: Report):
        report("preparing", 0.0)
        self.config, self.seeded = config, draw_seeded_problem(config)
        widths = sorted(config.model.widths)
        self.widths = [WidthRun(config, self.seeded, width) for width in widths]
        self.exact_kernels = None
        methods = METHODS.named(config.predictors.methods)
        if config.measure.exact and any(method.uses_infinite_width for method in methods):
            self.exact_kernels = exact_kernel_risk(
                self.widths[-1].network,
                self.problem,
                config.model.trainable,
                config.measure.max_degree,
            )
        self.target_degrees = self._target_degrees()

    @property
    def problem(self) -> Problem:
        """Returns the problem that is learned."""
        return self.seeded.problem

    def _target_degrees(self) -> dict[str, float]:
        """Returns E f*_k^2 by column name, where risks are known by degree."""
        exact = self.widths[-1].exact or self.exact_kernels
        if exact is None or exact.max_degree < 0:
            return {}
        degrees = self.problem.degrees(exact.max_degree)
        columns = degree_columns("target", degrees, self.problem.second_moment)
        return {name: float(value) for name, value in columns.items()}

    def cost(self) -> float:
        """Returns :func:`relative_cost` of the config."""
        return relative_cost(self.config)

    def run(self, report: Report = no_report, keep: Keep = NO_KEEP) -> Result:
        """Trains, fits and measures everything; every width is a part, and infinite width."""
        return run_together([self], report, [keep])[0]

    def result(self, tables: Sequence[pd.DataFrame]) -> Result:
        """Returns the outcome, from the tables of all widths and of infinite width."""
        metrics = metrics_table(
            [row | self.target_degrees for table in tables for row in table.to_dict("records")],
            self.problem.second_moment,
            optional_columns(self.config),
        )
        metrics = add_limits(metrics, self.config)
        return Result(metrics, self._choices(), diverged=len(diverged_rows(metrics)) > 0)

    def _choices(self) -> dict[str, Any]:
        widest = self.widths[-1]
        return {
            "mesh": vars(self.config.mesh),
            "networks_at_once": {
                str(run.network.width): run.at_once or "all" for run in self.widths
            },
            "kernel_supplier": widest.infinite.supplier,
            "linearization": "closed form" if widest.closed_form else "trained alongside",
            "output_start": max(run.output_start for run in self.widths),
            "output_rounding": max(run.output_rounding for run in self.widths),
            "solver": widest.solver,
            "learning_rate": {
                str(run.network.width): np.asarray(run.learning_rates).tolist()
                for run in self.widths
            },
            "risk_of_networks": _exact_or_not(widest.exact),
            "risk_of_kernels": _exact_or_not(self.exact_kernels),
            "target": self.problem.target.formula(),
            "target_second_moment": self.problem.second_moment,
            "target_second_moment_se": self.problem.second_moment_error,
            "target_degrees": self.target_degrees,
        }


def run_together(
    trainings: Sequence[TrainingRun], report: Report = no_report, keeps: Sequence[Keep] = (NO_KEEP,)
) -> list[Result]:
    """Runs one or more trainings; networks of one width of all train in one compiled call.

    Args:
      trainings: prepared; several have the same widths and shapes and differ in numbers alone.
      report: progress callback.
      keeps: for each, where it keeps its parts and states.

    Returns:
      For each its result, as if it ran alone: to the last bit where networks are mapped in
      sequence (``training.ensemble``), to rounding where they are vectorized.

    Raises:
      Stopped: asked to stop; what is finished is kept.
    """
    kernels = METHODS.kernels(trainings[0].config.predictors.methods)
    kernels_cost = _KERNELS_COST if kernels else 0.0
    costs = [_cost(run.network.width) for run in trainings[0].widths]
    progress = Progress(report, sum(costs) + kernels_cost)
    tables: list[list[pd.DataFrame]] = [[] for _ in trainings]
    for i, cost in enumerate(costs):
        runs = [training.widths[i] for training in trainings]
        part = progress.part(cost, f"width {runs[0].network.width}")
        part("", 0.0)
        for earlier, table in zip(tables, _width_tables(runs, keeps, part), strict=True):
            earlier.extend([] if table is None else [table])
    part = progress.part(kernels_cost, "infinite width")
    part("", 0.0)
    for training, keep, earlier in zip(trainings, keeps, tables, strict=True):
        table = _kept(keep, INFINITE_WIDTH)
        if table is None:
            compute = functools.partial(_kernel_table, training, keep)
            table = keep.part(INFINITE_WIDTH, compute)
        earlier.append(table)
    part("", 1.0)
    return [training.result(parts) for training, parts in zip(trainings, tables, strict=True)]


def _width_tables(
    runs: Sequence[WidthRun], keeps: Sequence[Keep], report: Report
) -> list[pd.DataFrame | None]:
    """Returns the table of one width of every run; None for what is neither kept nor computed."""
    name = part_name(runs[0])
    tables = [_kept(keep, name) for keep in keeps]
    missing = [i for i, table in enumerate(tables) if table is None]
    if missing and keeps[0].computes:
        left = [keeps[i] for i in missing]
        left[0].go_on()
        parts = descend([runs[i] for i in missing], left, report)
        for i, rows in zip(missing, parts, strict=True):
            table = pd.DataFrame(rows)
            keeps[i].put(name, table)
            tables[i] = table
    return tables


def _kernel_table(training: TrainingRun, keep: Keep) -> pd.DataFrame:
    """Computes the rows of kernel methods."""
    rows = kernel_rows(training.widths[-1], training.exact_kernels)
    keep.measured(INFINITE_WIDTH, rows)
    return pd.DataFrame(rows)


def _kept(keep: Keep, name: str) -> pd.DataFrame | None:
    """Returns the table of a part kept from an interrupted run, or None; reports its rows."""
    table = keep.get(name)
    if table is not None:
        keep.measured(name, rows_of(table), again=True)
    return table


def _exact_or_not(exact: ExactRisks | ExactKernelRisk | None) -> str:
    return "test set" if exact is None else "exact"


@accepts_builder
def prepare(config: TrainingConfig, report: Report = no_report) -> TrainingRun:
    """Checks a training config, draws its data and initializations, resolves step sizes.

    Args:
      config: from :func:`rf_limits.studies.default_config`.
      report: progress callback.

    Returns:
      :class:`TrainingRun`, whose ``run`` does the work.

    Raises:
      RequirementError: a config that cannot be run, or a step size at which the linearized
        network must diverge.
    """
    validate(config)
    return TrainingRun(config, report)


def relative_cost(config: TrainingConfig) -> float:
    """Returns a rough cost relative to other trainings of the package, for progress bars."""
    rows = config.training.batch_size or config.data.num_train
    trains = METHODS.trained(config.predictors.methods)
    sizes = rows * config.training.steps / 512e3 if trains else 0.0
    cells = config.seeds * len(config.model.lazy_scales) / 9
    return sum(_cost(width) for width in config.model.widths) * (0.3 + sizes * cells)


def _cost(width: int) -> float:
    """Returns the relative cost of a width: a constant part and a linear one."""
    return 200.0 + width
