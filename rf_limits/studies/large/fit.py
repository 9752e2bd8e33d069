"""One fit of a large job, as a row of the table."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from rf_limits.errors import RequirementError
from rf_limits.models.infinite_width import InfiniteNetwork
from rf_limits.models.network import init_params
from rf_limits.problem import Problem
from rf_limits.problem.seeds import streams
from rf_limits.regression.streamed.feature_data import FeatureData
from rf_limits.regression.streamed.fits import StreamedFit
from rf_limits.regression.streamed.kernel_tiles import KernelData
from rf_limits.regression.streamed.residual_bound import Certificate
from rf_limits.regression.streamed.stream import SampleStream
from rf_limits.studies.large.configs import LargeConfig
from rf_limits.studies.large.jobs import Job
from rf_limits.studies.large.plan import Plan, is_kernel, kernel_supplier
from rf_limits.studies.large.risks import feature_risk, kernel_risk
from rf_limits.studies.large.solvers import FitProgress, Solver
from rf_limits.studies.large.states import States
from rf_limits.training.result import Report

_CERTIFIED = ("relative_residual", "backward_error", "excess_bound")
MOST_RISK_ERROR = 0.01
"""Share of the risk that want of convergence may explain in a fit that counts as solved."""


class SolvedFit(NamedTuple):
    """A fit, and how its risk is computed.

    Attributes:
      fit: its coefficients, and how well they solve it.
      risk: computes its risk and the standard error.
      preconditioner_condition: condition number of its preconditioner; NaN where none is known.
    """

    fit: StreamedFit
    risk: Callable[[], tuple[float, float]]
    preconditioner_condition: float = math.nan


def _solved(
    config: LargeConfig, problem: Problem, mesh: Mesh | None, job: Job, solver: Solver
) -> SolvedFit:
    """Solves one fit.

    Raises:
      RequirementError: its matrix is not positive definite in float64.
    """
    draws, network = streams(job.seed), config.network(job.width or 1)
    stream = SampleStream(problem, job.num_train, config.block_size)
    if is_kernel(job.method):
        x, y = stream.collect(draws.data)
        limit = InfiniteNetwork(network, supplier=kernel_supplier(config))
        kernel = KernelData(limit, job.method, x, mesh)
        fit = solver.kernel(kernel, y)
        return SolvedFit(
            fit, partial(kernel_risk, config, problem, kernel, fit.coefficients, job.seed)
        )
    params = init_params(network, draws.init, problem.dim)
    features = FeatureData(network, params, stream, draws.data, mesh)
    fit, condition = solver.features(features)
    risk = partial(feature_risk, config, problem, features, fit.coefficients, job.seed)
    return SolvedFit(fit, risk, condition)


def _refused() -> SolvedFit:
    """Returns the fit of a matrix that is not positive definite in float64."""
    nothing = Certificate(*(math.nan,) * 4)
    empty = np.zeros(0)
    fit = StreamedFit(empty, math.nan, nothing, 0, empty, math.inf, False)
    return SolvedFit(fit, lambda: (math.nan, math.nan))


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
      config: of the job.
      problem: what is learned.
      mesh: devices, or None for one.
      job: the fit, with how it is solved.
      report: called with a stage and the share of this fit that is done.
      states: where it goes on from, and what it saves on the way.
    """
    states.begin()
    progress, plan = FitProgress(report), job.plan
    try:
        solved = _solved(config, problem, mesh, job, Solver(config, plan, progress, states))
    except RequirementError:  # not positive definite: nothing else is checked this late
        solved = _refused()
    fit, risk, error, bound = solved.fit, math.nan, math.nan, math.nan
    if fit.is_solved:
        progress("risk", 0.97)
        risk, error = solved.risk()
        bound = fit.certificate.risk_bound(max(risk, 0.0))
        if plan.solver == "cg" and not bound <= MOST_RISK_ERROR * risk:
            fit, risk, error = fit._replace(is_solved=False), math.nan, math.nan
    return fit, {
        "risk": risk,
        "risk_standard_error": error,
        "risk_bound": bound,
        "preconditioner_condition": solved.preconditioner_condition,
        "seconds": states.seconds(),
        **_facts(fit, plan),
    }


def _facts(fit: StreamedFit, plan: Plan) -> dict[str, Any]:
    """Returns the columns that say how a fit was solved."""
    return {
        "solver": plan.solver,
        "preconditioner": plan.preconditioner or None,
        "train_loss": fit.train_loss,
        **{name: getattr(fit.certificate, name) for name in _CERTIFIED},
        "iterations": fit.iterations,
        "condition_number": fit.condition_number,
        "is_solved": fit.is_solved,
        "operations": plan.operations,
    }


def history_rows(keys: dict[str, Any], fit: StreamedFit) -> list[dict[str, Any]]:
    """Returns a row for each iteration of conjugate gradients: its relative residual."""
    return [
        keys | {"iteration": k, "relative_residual": float(value)}
        for k, value in enumerate(fit.history)
    ]
