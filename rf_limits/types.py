"""Types shared by all modules."""

from jaxtyping import Array, Float

Scalar = float | int | Float[Array, ""]
"""A Python number or a zero-dimensional array, traced or not."""
