"""The problem of a training config, with the data of every seed."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from rf_limits.config.training import TrainingConfig
from rf_limits.devices.compiling import jit_quickly
from rf_limits.errors import check
from rf_limits.problem import Dataset, Problem, make_problem
from rf_limits.problem.seeds import streams
from rf_limits.types import Scalar


@dataclasses.dataclass(frozen=True)
class SeededProblem:
    """A problem with the data of every seed.

    Attributes:
      problem: target, inputs and label noise.
      seeds: the seeds, in order.
      data: training and test sets with a leading axis of seeds.
    """

    problem: Problem
    seeds: tuple[int, ...]
    data: Dataset


@functools.partial(jit_quickly, static_argnames=("problem", "num_train", "num_test"))
def _draw(
    keys: Key[Array, "s"], problem: Problem, num_train: int, num_test: int, noise: Scalar
) -> Dataset:
    """Draws a data set for every key, with labels of that noise."""
    noisy = dataclasses.replace(problem, noise=noise)
    return jax.lax.map(lambda key: noisy.draw(key, num_train, num_test), keys)


def _check_sizes(config: TrainingConfig, moment: float, data: Dataset) -> None:
    """Refuses targets and labels that are no numbers, or whose squares are none in training."""
    finite = all(bool(jnp.all(jnp.isfinite(y))) for y in (data.y_train, data.y_test))
    check(
        finite and not math.isnan(moment),
        "problem.target",
        "be finite at every input",
        math.nan,
    )
    numbers = np.finfo(config.precision)
    least, most = math.sqrt(numbers.tiny), math.sqrt(numbers.max)
    requirement = f"give a target with a root mean square between {least:.1g} and {most:.1g}, "
    requirement += f"whose squares precision = {config.precision!r} can hold"
    size = math.sqrt(moment)
    check(least < size < most, "problem.norm and problem.bias", requirement, size)
    largest = float(jnp.max(jnp.abs(data.y_train)))
    check(largest < most, "problem.noise", f"give labels below {most:.1g}", largest)


def draw_seeded_problem(config: TrainingConfig) -> SeededProblem:
    """Draws the target and every seed's data.

    Raises:
      RequirementError: a target or labels that precision cannot hold, or no numbers at all.
    """
    problem, sizes = make_problem(**vars(config.problem)), config.data
    seeds = tuple(range(config.seeds))
    data_seeds = seeds if sizes.seed is None else (sizes.seed,) * len(seeds)
    keys = jnp.stack([streams(seed).data for seed in data_seeds])
    data = _draw(keys, problem.noiseless, sizes.num_train, sizes.num_test, problem.noise)
    _check_sizes(config, problem.second_moment, data)
    return SeededProblem(problem, seeds, data)
