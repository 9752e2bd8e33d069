"""How one fit of a large job is solved, with progress and states on the way."""

import dataclasses
import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from rf_limits.regression.streamed.conjugate_gradients import ConjugateGradients, State, solve
from rf_limits.regression.streamed.feature_data import FeatureData
from rf_limits.regression.streamed.feature_fits import (
    fit_features_by_samples,
    fit_features_directly,
    fit_features_iteratively,
)
from rf_limits.regression.streamed.feature_sums import GramSums
from rf_limits.regression.streamed.fits import StreamedFit
from rf_limits.regression.streamed.kernel_fits import fit_kernel_directly, fit_kernel_iteratively
from rf_limits.regression.streamed.kernel_tiles import KernelData
from rf_limits.regression.streamed.preconditioners import (
    nystrom_preconditioner,
    population_preconditioner,
    sample_preconditioner,
)
from rf_limits.studies.large.configs import LargeConfig
from rf_limits.studies.large.plan import EXPECTED_ITERATIONS, SAMPLE_FACTOR, Plan
from rf_limits.studies.large.states import States
from rf_limits.training.result import Report

_SECONDS = 5.0  # between two lines on the same stage

Precondition = Callable[[np.ndarray], np.ndarray]
"""The map v -> M^{-1} v."""


class FitProgress:
    """Progress of one fit, by iterations or by blocks.

    Args:
      report: called with a stage and the share of the fit that is done.
    """

    def __init__(self, report: Report):
        self._report = report
        self._stage, self._share, self._last_line = "", 0.0, time.monotonic()

    def __call__(self, stage: str, share: float) -> None:
        """Reports a stage in a new line."""
        self._stage, self._share, self._last_line = stage, share, time.monotonic()
        self._report(stage, share)

    def iteration(self, state: State) -> None:
        """Reports an iteration of conjugate gradients: in a new line after some seconds only."""
        count = len(state.steps)
        self._share = min(count / EXPECTED_ITERATIONS, 0.95)
        if time.monotonic() - self._last_line >= _SECONDS:
            self(f"iteration {count}, residual {state.history[-1]:.1e}", self._share)

    def within_iteration(self, blocks: int) -> None:
        """Reports the stage again, so that the bar is drawn again."""
        del blocks
        self._report(self._stage, self._share)


@dataclasses.dataclass(frozen=True)
class Solver:
    """Solves one fit.

    Attributes:
      config: of the job.
      plan: how the fit is solved.
      progress: told about stages and iterations.
      states: where the fit goes on from, and what it saves on the way.
    """

    config: LargeConfig
    plan: Plan
    progress: FitProgress
    states: States

    def features(self, data: FeatureData) -> tuple[StreamedFit, float]:
        """Returns the fit to features, and its preconditioner's condition number, NaN for none."""
        ridge, direct = self.config.ridge, self.plan.solver == "cholesky"
        if direct and data.stream.num < data.width:
            self.progress("features", 0.0)
            return fit_features_by_samples(data, ridge), math.nan
        if direct:
            blocks = data.stream.blocks

            def after_blocks(sums: GramSums, done: int) -> None:
                self.progress("Gram matrix", 0.95 * done / blocks)
                self.states.after_blocks(sums, done)

            start = self.states.sums()
            fit = fit_features_directly(data, ridge, start=start, after_chunk=after_blocks)
            return fit, math.nan
        precondition, condition = self._feature_preconditioner(data)
        self.progress("first pass", 0.01)
        again = self.progress.within_iteration
        solver = self._solver(precondition)
        return fit_features_iteratively(data, ridge, solver, within_pass=again), condition

    def _feature_preconditioner(self, data: FeatureData) -> tuple[Precondition, float]:
        """Returns the preconditioner of features and its condition number, NaN for none."""
        if self.plan.preconditioner == "none":
            return np.copy, math.nan
        self.progress("preconditioner", 0.0)
        if self.plan.preconditioner == "population":
            factor = population_preconditioner(data, self.config.ridge)
        else:
            factor = sample_preconditioner(data, self.config.ridge, SAMPLE_FACTOR * data.width)
        return factor, factor.condition_number

    def kernel(self, data: KernelData, labels: np.ndarray) -> StreamedFit:
        """Returns kernel regression on (n,) labels."""
        ridge = self.config.ridge
        if self.plan.solver == "cholesky":
            self.progress("kernel matrix", 0.0)
            return fit_kernel_directly(data, labels, ridge)
        precondition: Precondition = np.copy
        if self.config.preconditioner != "none":
            self.progress("preconditioner", 0.0)
            precondition = nystrom_preconditioner(data, ridge, self.config.kernel_points)
        return fit_kernel_iteratively(data, labels, ridge, self._solver(precondition))

    def _solver(self, precondition: Precondition) -> ConjugateGradients:
        """Returns the solver, which goes on from the saved iteration."""
        return partial(
            solve,
            precondition=precondition,
            tolerance=self.config.tolerance,
            max_iterations=self.config.max_iterations,
            state=self.states.iteration(),
            after_chunk=self._after_iteration,
        )

    def _after_iteration(self, state: State) -> None:
        """Reports an iteration of conjugate gradients, and saves it if it is time."""
        self.progress.iteration(state)
        self.states.after_iteration(state)
