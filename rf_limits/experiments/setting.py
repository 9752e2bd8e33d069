"""From a config to the objects of one problem: target, data of every seed, random streams."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key
from ml_collections import ConfigDict

from rf_limits.problem import Dataset, Target, make_dataset, make_target

_STREAMS = ("data", "init", "batches")


class Streams(NamedTuple):
    """Independent random streams of one seed."""

    data: Key[Array, ""]
    init: Key[Array, ""]
    batches: Key[Array, ""]


def streams(seed: int) -> Streams:
    """The random streams of a seed: a function of the seed alone, whatever runs beside it."""
    root = jax.random.key(seed)
    return Streams(*(jax.random.fold_in(root, i) for i in range(len(_STREAMS))))


@dataclasses.dataclass(frozen=True)
class Setting:
    """One problem with the data of every seed.

    Attributes:
      target: f*.
      second_moment: exact E f*^2 under ``inputs``.
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


def make_setting(config: ConfigDict) -> Setting:
    """Draws the target and every seed's data."""
    problem, sizes = config.problem, config.data
    target = make_target(
        jax.random.key(problem.seed),
        problem.target,
        dim=problem.dim,
        norm=problem.norm,
        bias=problem.bias,
        neurons=problem.neurons,
        degree=problem.degree,
        polynomial=problem.polynomial,
    )
    seeds = tuple(range(config.seeds))
    data_seeds = seeds if sizes.seed is None else (sizes.seed,) * len(seeds)
    keys = jnp.stack([streams(seed).data for seed in data_seeds])

    @jax.jit
    def draw(key):
        sizes_and_noise = (sizes.num_train, sizes.num_test, problem.noise)
        return make_dataset(key, target, problem.inputs, *sizes_and_noise)

    stacked = jax.lax.map(draw, keys)
    moment = target.second_moment(problem.inputs)
    return Setting(target, moment, problem.inputs, problem.noise, seeds, stacked)
