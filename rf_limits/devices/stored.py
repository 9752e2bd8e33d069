"""Arrays of a state as NumPy's files hold them: keys as their numbers, short floats as bits."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.devices.layout import as_numbers, from_numbers, put
from rf_limits.devices.processes import on_host


def _bits(values: np.ndarray) -> np.ndarray:
    """Returns values of types that NumPy lacks (bfloat16, float8) as whole numbers."""
    if values.dtype.kind != "V":
        return values
    return values.view(f"u{values.dtype.itemsize}")


def storable(tree: Any) -> list[np.ndarray]:
    """Returns whole leaves in this process's memory; each process must call it."""
    return [_bits(leaf) for leaf in jax.tree.leaves(on_host(jax.tree.map(as_numbers, tree)))]


def restored(values: np.ndarray, leaf: jax.Array) -> jax.Array:
    """Returns an array like ``leaf``, on its devices, from the values of :func:`storable`.

    Args:
      values: of the file, with the leading axis of ``leaf``.
      leaf: an array of the same kind, whose values do not matter.
    """
    numbers = as_numbers(leaf)
    if jnp.dtype(numbers.dtype).kind == "V":
        values = values.view(numbers.dtype)
    return from_numbers(put(values, numbers.sharding), leaf)
