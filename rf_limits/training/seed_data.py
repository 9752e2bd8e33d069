"""What measuring takes of every seed: data sets, targets, infinite-width kernels."""

from functools import partial
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh
from jaxtyping import Array

from rf_limits.config.training import TrainingConfig
from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.layout import place
from rf_limits.models import InfiniteNetwork
from rf_limits.optimization.infinite_width import InfiniteWidth, infinite_width
from rf_limits.problem import Dataset, Target
from rf_limits.training.seeded_problem import SeededProblem


class SeedData(NamedTuple):
    """What measuring takes of every seed; leaves carry a leading axis of seeds.

    Attributes:
      data: training and test sets.
      targets: (seeds, n) noise-free target at the training inputs.
      limits: infinite-width kernels, or None.
    """

    data: Dataset
    targets: Array
    limits: InfiniteWidth | None


@partial(jit_quickly, static_argnums=0)
def _values(target: Target, x: Array) -> Array:
    """f* at the inputs of every seed."""
    return target(x.reshape(-1, x.shape[-1])).reshape(x.shape[:-1])


def of_seed(tree: Any, i: Array) -> Any:
    """What seed ``i`` has in a tree of arrays by seed, of all seeds or of one part's.

    On a mesh that cuts seeds into equal parts, the seeds of a part are its own, in order.
    """
    return jax.tree.map(lambda leaf: leaf[i % leaf.shape[0]], tree)


@partial(jit_quickly, static_argnames=("limit", "num_probe"))
def _limits(x_train: Array, x_test: Array, limit: InfiniteNetwork, num_probe: int) -> InfiniteWidth:
    return jax.lax.map(lambda pair: infinite_width(limit, *pair, num_probe), (x_train, x_test))


def seed_data(
    config: TrainingConfig, seeded: SeededProblem, limit: InfiniteNetwork, mesh: Mesh | None
) -> SeedData:
    """What measuring takes of every seed, on the mesh.

    Args:
      config: a training config.
      seeded: the problem with the data of every seed.
      limit: the infinitely wide network, whose NTK some measurements take.
      mesh: over which seeds are spread, or None.
    """
    data, limits = seeded.data, None
    if config.measure.kernels or config.measure.infinite_width:
        limits = _limits(data.x_train, data.x_test, limit, config.measure.num_probe)
    return place(mesh, SeedData(data, _values(seeded.problem.target, data.x_train), limits))
