"""The cost of a run before it starts: sizes, memory, time."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rf_limits.analysis.certificate import seeds_for_half
from rf_limits.config.training import TrainingConfig
from rf_limits.optimization.trainer import log_points
from rf_limits.studies.pilot_runs import Estimate, estimate_seconds
from rf_limits.training.memory import PROGRAM, gram_bytes
from rf_limits.training.run import relative_cost
from rf_limits.training.validation import estimate_bytes

_SIDE = 1500  # rows of the matrices whose product is timed


class Cost(NamedTuple):
    """Sizes and memory of a run.

    Attributes:
      sizes: names and values of what sets its cost.
      bytes: about the most memory that it takes; None where there is no estimate.
      trainings: configs of the training runs it consists of, the most expensive first.
    """

    sizes: Mapping[str, Any]
    bytes: float | None
    trainings: Sequence[TrainingConfig] = ()


def cost_of_gram(side: int, seeds: int) -> Cost:
    """Returns the cost of an experiment whose largest arrays are Gram matrices.

    Args:
      side: rows of the largest.
      seeds: number of draws.
    """
    return Cost({"largest Gram matrix": f"{side} rows", "seeds": seeds}, gram_bytes(side))


def cost_of_one(config: TrainingConfig) -> Cost:
    """Returns the cost of a training run."""
    return Cost(_training_sizes(config), _bytes([config]), [config])


def cost_of_several(configs: Iterable[TrainingConfig]) -> Cost:
    """Returns the cost of training runs that are carried out one after the other."""
    trainings = sorted(configs, key=relative_cost, reverse=True)
    sizes = {"training runs": len(trainings), "networks in all": sum(map(_networks, trainings))}
    sizes |= {"of the largest run": ""} | _training_sizes(trainings[0])
    return Cost(sizes, _bytes(trainings), trainings)


def _bytes(trainings: Sequence[TrainingConfig]) -> float:
    return PROGRAM + max(sum(estimate_bytes(config).values()) for config in trainings)


def _networks(config: TrainingConfig) -> int:
    return len(config.model.widths) * len(config.model.lazy_scales) * config.seeds


def _training_sizes(config: TrainingConfig) -> dict[str, Any]:
    """Returns the sizes of one training run, in the letters of docs/notation.md."""
    model, widths = config.model, sorted(config.model.widths)
    return {
        "dimension d": config.problem.dim,
        "training samples n": config.data.num_train,
        "test samples": config.data.num_test,
        "widths N": _listed(widths),
        "parameters": _listed(map(config.count_parameters, widths)),
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


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)


def estimate_trainings(trainings: Sequence[TrainingConfig]) -> Estimate:
    """Estimates the seconds of training runs on this machine.

    The first is timed by pilot runs, and the others are taken to cost in proportion to
    :func:`~rf_limits.training.run.relative_cost`.

    Args:
      trainings: the most expensive first; at least one.

    Raises:
      RequirementError: a config that only running it shows to be impossible.
    """
    first = estimate_seconds(trainings[0])
    if len(trainings) == 1:
        return first
    share = sum(map(relative_cost, trainings)) / relative_cost(trainings[0])
    tried = f"{first.tried}, of the largest of {len(trainings)} runs"
    return Estimate(first.compiling * len(trainings), first.computing * share, tried)


def matrix_speed() -> float:
    """Measures floating-point operations per second in float64 products of matrices."""
    product = jax.jit(jnp.matmul)
    a = jnp.ones((_SIDE, _SIDE))
    jax.block_until_ready(product(a, a))
    started = time.monotonic()
    for _ in range(3):
        jax.block_until_ready(product(a, a))
    return 3 * 2.0 * _SIDE**3 / (time.monotonic() - started)
