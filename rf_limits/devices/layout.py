"""The layout of an ensemble's arrays on a mesh: every leaf of a tree by the name of its field.

The leading axis, of networks or of seeds, runs along "seeds"; rows of training sets along "data";
hidden units along "width". What has no such axis, or one that the devices do not divide, has a
copy on each. Functions here do nothing without a mesh.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from rf_limits.devices.mesh import spread
from rf_limits.devices.processes import agree_arrays

_ALONG = {
    **dict.fromkeys(("hidden_kernel", "hidden_bias", "output_kernel"), (-1, "width")),
    **dict.fromkeys(("x", "y", "x_train", "y_train"), (1, "data")),
}
"""By name of a field: one of its axes, and the axis of the mesh along which that runs."""


def lead(mesh: Mesh | None, size: int) -> PartitionSpec:
    """Returns how a leading axis of ``size`` lies: along "seeds" if these divide it."""
    divided = mesh is not None and size % mesh.shape["seeds"] == 0
    return PartitionSpec("seeds") if divided else PartitionSpec()


def layout(mesh: Mesh, tree: Any) -> Any:
    """Returns a sharding for every leaf, each with a leading axis of networks or seeds."""

    def sharding_of(path: tuple, leaf: Any) -> NamedSharding:
        entry = path[-1] if path else None
        name = getattr(entry, "key", getattr(entry, "name", None))
        axes = [*lead(mesh, leaf.shape[0]), *[None] * leaf.ndim][: leaf.ndim]
        if name in _ALONG and leaf.ndim >= 2:
            axis, along = _ALONG[name]
            if axis < leaf.ndim and leaf.shape[axis] % mesh.shape[along] == 0:
                axes[axis] = along
        return NamedSharding(mesh, PartitionSpec(*axes))

    return jax.tree_util.tree_map_with_path(sharding_of, tree)


def put(values: np.ndarray, sharding: Sharding) -> jax.Array:
    """Returns ``values``, the same in every process, as one array of all of them."""
    if sharding.is_fully_addressable:
        return jax.device_put(values, sharding)
    return jax.make_array_from_callback(values.shape, sharding, lambda part: values[part])


def is_key(leaf: Any) -> bool:
    """Returns whether an array holds typed keys of random streams."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def as_numbers(leaf: Any) -> Any:
    """Returns an array, or the numbers of typed keys."""
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def from_numbers(values: jax.Array, leaf: Any) -> jax.Array:
    """Returns an array like ``leaf`` from the values of :func:`as_numbers`."""
    if not is_key(leaf):
        return values
    return jax.random.wrap_key_data(values, impl=jax.random.key_impl(leaf))


def place(mesh: Mesh | None, tree: Any) -> Any:
    """Puts a tree on the mesh (:func:`layout`); the values are those of the writer."""
    if mesh is None:
        return tree
    values = agree_arrays(jax.tree.map(as_numbers, tree))
    placed = jax.tree.map(put, values, layout(mesh, tree))
    return jax.tree.map(from_numbers, placed, tree)


def stay(mesh: Mesh | None, tree: Any) -> Any:
    """Keeps a tree where :func:`layout` has it, within a compiled call."""
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, layout(mesh, tree))


def everywhere(mesh: Mesh | None, tree: Any) -> Any:
    """Gives every device, and so every process, the whole tree, within a compiled call."""
    return tree if mesh is None else jax.lax.with_sharding_constraint(tree, spread(mesh))


def batch_rows(mesh: Mesh | None, rows: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
    """Spreads the rows of a batch along "data", within one network's part of a compiled call."""
    if mesh is None:
        return rows
    return jax.lax.with_sharding_constraint(rows, PartitionSpec("data"))
