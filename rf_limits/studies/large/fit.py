"""One fit of a large job: data, preconditioner, solver, exact risk, a row of the table."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rf_limits.errors import RequirementError
from rf_limits.measure.kernel_risk import exact_kernel_risk
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.measure.risk import sampled_risk
from rf_limits.measure.tiled_kernel_risk import tiled_kernel_risk
from rf_limits.models.features import random_features
from rf_limits.models.infinite_width import InfiniteNetwork
from rf_limits.models.network import init_params
from rf_limits.models.scaled_network import ScaledNetwork
from rf_limits.problem import Problem
from rf_limits.problem.seeds import streams
from rf_limits.regression.streamed.conjugate_gradients import State
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
from rf_limits.regression.streamed.residual_bound import Certificate
from rf_limits.regression.streamed.stream import SampleStream
from rf_limits.studies.large.configs import LargeConfig
from rf_limits.studies.large.jobs import Job
from rf_limits.studies.large.plan import (
    EXPECTED_ITERATIONS,
    SAMPLE_FACTOR,
    Plan,
    is_kernel,
    kernel_supplier,
)
from rf_limits.studies.large.states import States
from rf_limits.training.result import Report

_TEST_ROWS = 256
_CERTIFIED = ("relative_residual", "backward_error", "excess_bound")
MOST_RISK_ERROR = 0.01
"""Share of the risk that want of convergence may explain in a fit that counts as solved."""
_SECONDS = 5.0  # between two lines on the same stage


def _test_set(config: LargeConfig, problem: Problem, seed: int) -> tuple[np.ndarray, jax.Array]:
    """Draws inputs that no training set shares, with noise-free target values."""
    stream = SampleStream(problem.noiseless, config.num_test, config.block_size)
    x, _ = stream.collect(streams(seed).batches)
    return x, problem.target(jnp.asarray(x))


class _Listener:
    """Progress of one fit, by iterations or by blocks."""

    def __init__(self, report: Report):
        self.report = report
        self.stage, self.share, self.told = "", 0.0, time.monotonic()

    def __call__(self, stage: str, share: float) -> None:
        self.stage, self.share, self.told = stage, share, time.monotonic()
        self.report(stage, share)

    def iteration(self, state: State) -> None:
        """After an iteration of conjugate gradients: a new line after some seconds only."""
        count = len(state.steps)
        self.share = min(count / EXPECTED_ITERATIONS, 0.95)
        if time.monotonic() - self.told >= _SECONDS:
            self(f"iteration {count}, residual {state.history[-1]:.1e}", self.share)

    def within(self, *_: Any) -> None:
        """Within one: the bar is drawn again."""
        self.report(self.stage, self.share)


def _both(*callbacks: Callable[[State], None]) -> Callable[[State], None]:
    def call(state: State) -> None:
        for one in callbacks:
            one(state)

    return call


def _fit_features(
    config: LargeConfig, data: FeatureData, plan: Plan, listen: _Listener, states: States
) -> tuple[StreamedFit, float]:
    """The fit, and the condition number of its preconditioner."""
    ridge, blocks = config.ridge, data.stream.blocks
    if plan.solver == "cholesky" and data.stream.num < data.width:
        listen("features", 0.0)
        return fit_features_by_samples(data, ridge), np.nan
    if plan.solver == "cholesky":

        def after_blocks(sums: GramSums, done: int) -> None:
            listen("Gram matrix", 0.95 * done / blocks)
            states.after_blocks(sums, done)

        start = states.sums()
        return fit_features_directly(data, ridge, start=start, after_chunk=after_blocks), np.nan
    if plan.preconditioner != "none":
        listen("preconditioner", 0.0)
    condition = np.nan
    if plan.preconditioner == "population":
        precondition = population_preconditioner(data, ridge)
        condition = precondition.condition_number
    elif plan.preconditioner == "sample":
        precondition = sample_preconditioner(data, ridge, SAMPLE_FACTOR * data.width)
        condition = precondition.condition_number
    else:
        precondition = np.copy
    listen("first pass", 0.01)
    fit = fit_features_iteratively(
        data,
        ridge,
        precondition,
        tolerance=config.tolerance,
        max_iterations=config.max_iterations,
        state=states.iteration(),
        after_chunk=_both(listen.iteration, states.after_iteration),
        within_pass=listen.within,
    )
    return fit, condition


def _fit_kernel(
    config: LargeConfig,
    data: KernelData,
    labels: np.ndarray,
    plan: Plan,
    listen: _Listener,
    states: States,
) -> StreamedFit:
    if plan.solver == "cholesky":
        listen("kernel matrix", 0.0)
        return fit_kernel_directly(data, labels, config.ridge)
    precondition = np.copy
    if config.preconditioner != "none":
        listen("preconditioner", 0.0)
        precondition = nystrom_preconditioner(data, config.ridge, config.kernel_points)
    return fit_kernel_iteratively(
        data,
        labels,
        config.ridge,
        precondition,
        tolerance=config.tolerance,
        max_iterations=config.max_iterations,
        state=states.iteration(),
        after_chunk=_both(listen.iteration, states.after_iteration),
    )


def _feature_risk(
    config: LargeConfig, problem: Problem, data: FeatureData, theta: np.ndarray, seed: int
) -> tuple[float, float]:
    """Risk of sum_i theta_i phi_i and its standard error: exact where known."""
    exact, weights = exact_risk(data.network, problem), jnp.asarray(theta)
    if exact is not None:
        f = ScaledNetwork(data.network, data.params)
        risk = jax.jit(exact.random_features)(f, weights)
    else:
        x, y = _test_set(config, problem, seed)
        predict = jax.jit(lambda rows: random_features(data.network, data.params, rows) @ weights)
        parts = [predict(x[i : i + _TEST_ROWS]) for i in range(0, len(x), _TEST_ROWS)]
        risk = sampled_risk(jnp.concatenate(parts), y)
    return float(risk.risk), float(risk.standard_error)


def _kernel_risk(
    config: LargeConfig, problem: Problem, data: KernelData, c: np.ndarray, seed: int
) -> tuple[float, float]:
    """Risk of sum_i c_i k(x, x_i) and its standard error: exact where known."""
    exact = exact_kernel_risk(data.network, problem)
    if exact is not None:
        return tiled_kernel_risk(exact, data.name, data.x, c), 0.0
    x, y = _test_set(config, problem, seed)
    risk = sampled_risk(jnp.asarray(data.product(c, x)), y)
    return float(risk.risk), float(risk.standard_error)


def _refused() -> StreamedFit:
    """A fit of a matrix that is not positive definite in float64."""
    nothing = Certificate(*(float("nan"),) * 4)
    empty = np.zeros(0)
    return StreamedFit(empty, float("nan"), nothing, 0, empty, float("inf"), False)


def fit_row(
    config: LargeConfig,
    problem: Problem,
    mesh: Mesh | None,
    job: Job,
    *,
    report: Report,
    states: States,
) -> tuple[StreamedFit, dict[str, Any]]:
    """Returns one fit and its row of the table, without keys.

    A fit that is not solved has no risk: NaN, as :mod:`rf_limits.methods.regression` has it. One
    by conjugate gradients is solved where its residual fixes the risk
    (:meth:`~rf_limits.regression.streamed.residual_bound.Certificate.risk_bound`) to
    :data:`MOST_RISK_ERROR`.

    Args:
      config: large_config.
      problem: what is learned.
      mesh: devices, or None for one.
      job: the fit, with how it is solved.
      report: called with a stage and the share of this fit that is done.
      states: where it goes on from, and what it saves on the way.
    """
    states.begin()
    listen, condition, plan = _Listener(report), float("nan"), job.plan
    draws, network = streams(job.seed), config.network(job.width or 1)
    stream = SampleStream(problem, job.num_train, config.block_size)
    try:
        if is_kernel(job.method):
            x, y = stream.collect(draws.data)
            limit = InfiniteNetwork(network, supplier=kernel_supplier(config))
            data = KernelData(limit, job.method, x, mesh)
            fit, risk_of = _fit_kernel(config, data, y, plan, listen, states), _kernel_risk
        else:
            params = init_params(network, draws.init, problem.dim)
            data = FeatureData(network, params, stream, draws.data, mesh)
            fit, condition = _fit_features(config, data, plan, listen, states)
            risk_of = _feature_risk
    except RequirementError:  # not positive definite: nothing else is checked this late
        fit = _refused()
    risk, error, bound = (float("nan"),) * 3
    if fit.is_solved:
        listen("risk", 0.97)
        risk, error = risk_of(config, problem, data, fit.coefficients, job.seed)
        bound = fit.certificate.risk_bound(max(risk, 0.0))
        if plan.solver == "cg" and not bound <= MOST_RISK_ERROR * risk:
            fit, risk, error = fit._replace(is_solved=False), float("nan"), float("nan")
    return fit, {
        "solver": plan.solver,
        "preconditioner": plan.preconditioner or None,
        "risk": risk,
        "risk_standard_error": error,
        "risk_bound": bound,
        "train_loss": fit.train_loss,
        **{name: getattr(fit.certificate, name) for name in _CERTIFIED},
        "iterations": fit.iterations,
        "condition_number": fit.condition_number,
        "preconditioner_condition": condition,
        "is_solved": fit.is_solved,
        "operations": plan.operations,
        "seconds": states.seconds(),
    }


def history_rows(keys: dict[str, Any], fit: StreamedFit) -> list[dict[str, Any]]:
    """A row per iteration of conjugate gradients: its relative residual."""
    return [
        keys | {"iteration": k, "relative_residual": float(value)}
        for k, value in enumerate(fit.history)
    ]
