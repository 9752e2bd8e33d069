"""What running a config costs, found out before it is run: sizes, memory, time."""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rf_limits.config import Config
from rf_limits.experiments.approximation import ApproximationConfig
from rf_limits.experiments.certificate import seeds_for_half
from rf_limits.experiments.config import TrainingConfig
from rf_limits.experiments.hardness import HardnessConfig
from rf_limits.experiments.large.configs import LargeConfig
from rf_limits.experiments.large.jobs import make_jobs
from rf_limits.experiments.large.plan import planned_bytes
from rf_limits.experiments.memory import PROGRAM, gram_bytes
from rf_limits.experiments.pilot_runs import Estimate, estimate_seconds
from rf_limits.experiments.training import relative_cost
from rf_limits.experiments.validation import estimate_bytes
from rf_limits.methods import TANGENT_FEATURES
from rf_limits.training.trainer import log_points

_SIDE = 1500  # rows of the matrices whose product is timed


class Cost(NamedTuple):
    """Sizes and memory of a run.

    Attributes:
      sizes: names and values of what sets its cost.
      bytes: memory that it takes at most, about; None where that is not known.
      trainings: training configs it consists of, the most expensive first.
    """

    sizes: dict[str, Any]
    bytes: float | None
    trainings: list[TrainingConfig]


def cost_of(experiment: Any, config: Config) -> Cost:
    """Sizes and memory of a config that was checked.

    Args:
      experiment: the module of ``config.experiment``.
      config: that can be run.
    """
    if config.experiment == "large":
        return _of_large(config)
    members = getattr(experiment, "study_members", None)
    if members is None and config.experiment != "training":
        sides = _gram_sides(config)
        sizes = {"largest Gram matrix": f"{max(sides)} rows", "seeds": config.seeds}
        return Cost(sizes, gram_bytes(max(sides)), [])
    trainings = [one.config for one in members(config)] if members else [config]
    trainings = sorted(trainings, key=relative_cost, reverse=True)
    bytes_needed = PROGRAM + max(sum(estimate_bytes(one).values()) for one in trainings)
    sizes = {"training runs": len(trainings)} if members else {}
    if members:
        sizes["networks in all"] = sum(_networks(one) for one in trainings)
        sizes["of the largest run"] = ""
    return Cost(sizes | _training_sizes(trainings[0]), bytes_needed, trainings)


def _networks(config: TrainingConfig) -> int:
    return len(config.model.widths) * len(config.model.lazy_scales) * config.seeds


def _training_sizes(config: TrainingConfig) -> dict[str, Any]:
    """Sizes of one training run, in the letters of docs/notation.md."""
    model, dim = config.model, config.problem.dim
    widths = sorted(model.widths)
    parameters = [width * (dim + 1 + int(model.bias)) for width in widths]
    return {
        "dimension d": dim,
        "training samples n": config.data.num_train,
        "test samples": config.data.num_test,
        "widths N": _listed(widths),
        "parameters": _listed(parameters),
        "networks": f"{_networks(config)} ({len(widths)} widths x {len(model.lazy_scales)} lazy "
        f"scales x {config.seeds} seeds)",
        "steps": config.training.steps,
        "log points": len(log_points(config.training.steps, config.training.log_points)),
        "methods": _listed(config.predictors.methods),
        **{
            f"seeds that certify risks of half {symbol}, constant (spread by half of their mean)": (
                _listed(f"{needed:.0f} ({planned:.0f})" for needed, planned in seeds)
            )
            for symbol, seeds in seeds_for_half(config).items()
        },
    }


def _listed(values: Any) -> str:
    return ", ".join(str(value) for value in values)


def _gram_sides(config: HardnessConfig | ApproximationConfig) -> list[int]:
    """Rows of the Gram matrices of the experiments of scripts/limits.py."""
    if config.experiment == "hardness":
        return [config.max_features, *config.frontier.widths]
    tangent = TANGENT_FEATURES.key in config.methods
    return [*config.widths, *([config.max_tangent_features] if tangent else [])]


def _of_large(config: LargeConfig) -> Cost:
    jobs = make_jobs(config)
    needed = [planned_bytes(config, job.plan) for job in jobs]
    sizes = {
        "fits": len(jobs),
        "dimension d": config.problem.dim,
        "largest fit": max(jobs, key=lambda job: job.plan.operations).name,
        "operations": f"{sum(job.plan.operations for job in jobs):.1e}",
    }
    return Cost(sizes, max(needed), [])


def estimated_time(
    experiment: Any, config: Config, trainings: list[TrainingConfig]
) -> Estimate | None:
    """Estimates the seconds of a run on this machine; None where there is no way to know.

    The largest of several training runs is timed by pilot runs, and the others are taken to cost
    in proportion to :func:`~rf_limits.experiments.training.relative_cost`. The time of a large job
    is its operations over the measured speed of matrix products. Another experiment says by its
    ``trial(config)`` what to time.

    Args:
      experiment: the module of ``config.experiment``.
      config: of the run.
      trainings: the training configs it consists of.

    Raises:
      RequirementError: a config that only running it shows to be impossible.
    """
    if config.experiment == "large":
        operations = sum(job.plan.operations for job in make_jobs(config))
        speed = matrix_speed()
        return Estimate(0.0, operations / speed, f"at {speed / 1e9:.0f} Gflop/s, measured")
    if not trainings:
        trial = getattr(experiment, "trial", None)
        return None if trial is None else _tried(experiment, config, *trial(config))
    found = estimate_seconds(trainings[0])
    if len(trainings) == 1:
        return found
    share = sum(map(relative_cost, trainings)) / relative_cost(trainings[0])
    tried = f"{found.tried}, of the largest of {len(trainings)} runs"
    return Estimate(found.compiling * len(trainings), found.computing * share, tried)


def _tried(experiment: Any, config: Config, small: Config, times: float) -> Estimate:
    """Estimates a run that computes ``times`` as long as a small one, which is run twice.

    Every dimension has programs of its own.
    """
    spent = []
    for _ in range(2):
        started = time.monotonic()
        experiment.prepare(small).run()
        spent.append(time.monotonic() - started)
    first, again = spent
    tried = f"from a run with d = {small.dims[0]} alone, taken {times:.3g} times"
    compiling = max(first - again, 0.0) * len(config.dims) / len(small.dims)
    return Estimate(compiling, again * times, tried)


def matrix_speed() -> float:
    """Measures floating-point operations per second in float64 products of matrices."""
    product = jax.jit(jnp.matmul)
    a = jnp.ones((_SIDE, _SIDE))
    jax.block_until_ready(product(a, a))
    started = time.monotonic()
    for _ in range(3):
        jax.block_until_ready(product(a, a))
    return 3 * 2.0 * _SIDE**3 / (time.monotonic() - started)
