"""What measuring takes of every seed: data sets, targets, infinite-width kernels."""

from functools import partial
from typing import Any, NamedTuple

import jax
from jaxtyping import Array

from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.layout import place
from rf_limits.models import InfiniteNetwork
from rf_limits.optimization.infinite_width import InfiniteWidth, infinite_width
from rf_limits.problem import Dataset, Target
from rf_limits.training.networks import Networks


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
    """Returns f* at the inputs of every seed."""
    return target(x.reshape(-1, x.shape[-1])).reshape(x.shape[:-1])


def of_seed(tree: Any, i: Array) -> Any:
    """Returns what seed ``i`` has in a tree of arrays by seed, of all seeds or of a part.

    On a mesh that cuts seeds into equal parts, a part has its seeds alone, in order.
    """
    return jax.tree.map(lambda leaf: leaf[i % leaf.shape[0]], tree)


@partial(jit_quickly, static_argnames=("limit", "num_probe"))
def _limits(x_train: Array, x_test: Array, limit: InfiniteNetwork, num_probe: int) -> InfiniteWidth:
    return jax.lax.map(lambda x: infinite_width(limit, x[0], x[1], num_probe), (x_train, x_test))


def seed_data(networks: Networks, limit: InfiniteNetwork) -> SeedData:
    """Returns what measuring takes of every seed, on the mesh.

    Args:
      networks: before training, with the data of every seed.
      limit: the infinitely wide network, whose NTK some measurements take.
    """
    data, measure, limits = networks.seeded.data, networks.config.measure, None
    if measure.kernels or measure.infinite_width:
        limits = _limits(data.x_train, data.x_test, limit, measure.num_probe)
    targets = _values(networks.seeded.problem.target, data.x_train)
    return place(networks.mesh, SeedData(data, targets, limits))
