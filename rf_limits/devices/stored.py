"""Arrays of a state as NumPy's files hold them: keys as their numbers, short floats as bits."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.devices.layout import put
from rf_limits.devices.processes import on_host


def is_key(leaf: Any) -> bool:
    """Whether an array holds typed keys of random streams."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _numbers(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def _bits(values: np.ndarray) -> np.ndarray:
    """Whatever NumPy has no type of its own for (bfloat16, float8) as whole numbers."""
    if values.dtype.kind != "V":
        return values
    return values.view(f"u{values.dtype.itemsize}")


def storable(tree: Any) -> list[np.ndarray]:
    """The leaves of a tree, whole and in this process's memory; each process must call it."""
    return [_bits(leaf) for leaf in jax.tree.leaves(on_host(jax.tree.map(_numbers, tree)))]


def restored(values: np.ndarray, leaf: jax.Array) -> jax.Array:
    """What :func:`storable` made of an array, again like ``leaf``, on its devices.

    Args:
      values: of the file, with the leading axis of ``leaf``.
      leaf: an array of the same kind, whose values do not matter.
    """
    if is_key(leaf):
        data = put(values, jax.random.key_data(leaf).sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    if jnp.dtype(leaf.dtype).kind == "V":
        values = values.view(leaf.dtype)
    return put(values, leaf.sharding)
