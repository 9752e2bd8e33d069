"""Arrays at the border of the public functions of JAX: any real type in, float64 from there on.

Traced arrays pass too, so that these functions work under ``jax.jit`` and its like.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.errors import RequirementError, check
from rf_limits.theory.numerics import arguments

Shape = tuple[int | None, ...]


def _words(shape: Shape) -> str:
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"


def float64(value: Any, field: str, shape: Shape) -> Float[Array, "..."]:
    """Returns an array in float64, of real numbers of any type, traced or not.

    Args:
      value: the numbers.
      field: their name.
      shape: the shape asked for; None for an axis of any size.

    Raises:
      RequirementError: not real numbers, or another shape.
    """
    found: Array | np.ndarray
    if isinstance(value, jax.Array):
        real = not jnp.issubdtype(value.dtype, jnp.complexfloating)
        real = real and jnp.issubdtype(value.dtype, jnp.number)
        check(real, field, "be real numbers", str(value.dtype))
        found = value if value.dtype == jnp.float64 else value.astype(jnp.float64)
    else:
        found = arguments.array(value, field)
    fits = len(found.shape) == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, found.shape, strict=True)
    )
    if not fits:
        message = f"{field} must have the shape {_words(shape)}, but received {found.shape}."
        raise RequirementError(message)
    return found if isinstance(found, jax.Array) else jnp.asarray(found)


def neurons(
    w: Any, a: Any, names: tuple[str, str], dim: int | None = None
) -> tuple[Float[Array, "m d"], Float[Array, "m"] | None]:
    """Returns weights (m, d) and biases (m,) or None in float64."""
    w = float64(w, names[0], (None, dim))
    return w, None if a is None else float64(a, names[1], (w.shape[0],))


def neuron_pairs(
    w: Any, a: Any, v: Any, b: Any
) -> tuple[Float[Array, "m d"], Float[Array, "m"] | None, Array, Array | None]:
    """Returns both sides of a Gram matrix, in one dimension d."""
    w, a = neurons(w, a, ("w", "a"))
    return w, a, *neurons(v, b, ("v", "b"), w.shape[1])


def has_shape(value: Any) -> bool:
    """Returns whether a value is an array, traced or not, rather than a place holder in a tree."""
    return isinstance(value, np.ndarray | jax.Array)
