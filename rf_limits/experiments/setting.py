"""From a config to the objects of one problem: target, data of every seed, random streams."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from rf_limits.devices.compiling import jit_quickly
from rf_limits.errors import check
from rf_limits.experiments.config import TrainingConfig
from rf_limits.problem import Dataset, Target, make_dataset, make_target
from rf_limits.problem.seeds import key_of
from rf_limits.problem.targets import TARGETS
from rf_limits.types import Scalar

_STREAMS = ("data", "init", "batches")


class Streams(NamedTuple):
    """Independent random streams of one seed."""

    data: Key[Array, ""]
    init: Key[Array, ""]
    batches: Key[Array, ""]


def streams(seed: int) -> Streams:
    """The random streams of a seed: a function of the seed alone, whatever runs beside it."""
    root = key_of(seed)
    return Streams(*(jax.random.fold_in(root, i) for i in range(len(_STREAMS))))


@dataclasses.dataclass(frozen=True)
class Setting:
    """One problem with the data of every seed.

    Attributes:
      target: f*.
      second_moment: E f*^2 under ``inputs``, exact unless the target is sampled.
      inputs: input distribution.
      noise: standard deviation of the label noise.
      seeds: the seeds, in order.
      data: training and test sets with a leading axis of seeds.
    """

    target: Target
    second_moment: float
    inputs: str
    noise: float
    seeds: tuple[int, ...]
    data: Dataset


@functools.lru_cache(maxsize=64)
def _target(seed: int, kind: str, entry: Any, **fields: Any) -> Target:
    """The same object for the same fields: programs compiled for a target serve all its runs.

    Args:
      seed: of the draw.
      kind: name of the target.
      entry: what is in the table under that name: it may be another one later.
      **fields: of the problem.
    """
    del entry
    return make_target(key_of(seed), kind, **fields)


@functools.partial(jit_quickly, static_argnames=("target", "inputs", "num_train", "num_test"))
def _draw(
    keys: Key[Array, "s"],
    target: Target,
    inputs: str,
    num_train: int,
    num_test: int,
    noise: Scalar,
) -> Dataset:
    """A data set for every key."""
    sizes = (num_train, num_test, noise)
    return jax.lax.map(lambda key: make_dataset(key, target, inputs, *sizes), keys)


def _check_sizes(config: TrainingConfig, moment: float, data: Dataset) -> None:
    """Refuses targets and labels that are no numbers, or whose squares are none in training."""
    known = all(bool(jnp.all(jnp.isfinite(y))) for y in (data.y_train, data.y_test))
    check(
        known and not math.isnan(moment),
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


def make_setting(config: TrainingConfig) -> Setting:
    """Draws the target and every seed's data.

    Raises:
      RequirementError: a target or labels that precision cannot hold, or no numbers at all.
    """
    problem, sizes = config.problem, config.data
    fields = ("dim", "norm", "bias", "neurons", "degree", "polynomial")
    which = problem.target, TARGETS.get(problem.target)
    target = _target(problem.seed, *which, **{name: getattr(problem, name) for name in fields})
    seeds = tuple(range(config.seeds))
    data_seeds = seeds if sizes.seed is None else (sizes.seed,) * len(seeds)
    keys = jnp.stack([streams(seed).data for seed in data_seeds])
    counts = (sizes.num_train, sizes.num_test)
    stacked = _draw(keys, target, problem.inputs, *counts, problem.noise)
    moment = target.second_moment(problem.inputs)
    _check_sizes(config, moment, stacked)
    return Setting(target, moment, problem.inputs, problem.noise, seeds, stacked)
