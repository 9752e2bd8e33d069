r"""Backward errors: the least change of the data for which a computed solution is exact."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.types import Scalar


def ratio(numerator: Array, denominator: Array) -> Array:
    """Returns numerator over denominator, with 0/0 = 0."""
    nothing = (numerator == 0.0) & (denominator == 0.0)
    return jnp.where(nothing, 0.0, numerator / jnp.where(nothing, 1.0, denominator))


def norm(*parts: Array) -> Float[Array, ""]:
    """Returns the Euclidean length of all parts together."""
    return jnp.sqrt(sum((jnp.sum(part**2) for part in parts), jnp.zeros(())))


def kernel_backward_error(
    residual: Float[Array, "k"],
    coefficients: Float[Array, "n"],
    labels: Float[Array, "k"],
    size: Scalar,
) -> Float[Array, ""]:
    """Returns |r|/(s_1 |c| + |y|), the least relative change of A and y for which A c = y.

    Args:
      residual: y - A c, on the directions solved for (Rigal and Gaches 1967 where that is all).
      coefficients: c.
      labels: y, on the same directions.
      size: s_1, the spectral norm of A.
    """
    return ratio(norm(residual), size * norm(coefficients) + norm(labels))


def feature_backward_error(
    left: Float[Array, "n k"],
    values: Float[Array, "k"],
    right: Float[Array, "k p"],
    weights: Float[Array, "p"],
    residual: Float[Array, "n"],
    ridge: Scalar = 0.0,
) -> Float[Array, ""]:
    """Returns |(|theta|^2 A^T A + |r|^2)^{-1/2} A^T r|/s_1, of least squares with matrix A.

    The estimate of Karlson and Walden (1997) of the least relative change of A for which theta
    is a minimizer, within a factor sqrt(2) of it (Hallman 2020). With a ridge A has sqrt(ridge) I
    below the features and the residual -sqrt(ridge) theta below the residual of the labels.

    Args:
      left: left singular vectors of the features, on the directions solved for.
      values: singular values, not all 0; zero rows and columns for other directions do no harm.
      right: right singular vectors.
      weights: theta, in the span of ``right``.
      residual: labels minus features @ theta.
      ridge: penalty.
    """
    slope = values * (left.T @ residual) - ridge * (right @ weights)
    square = values**2 + ridge
    length = norm(weights)
    rest = norm(residual, jnp.sqrt(ridge) * weights)
    scaled = ratio(slope, jnp.sqrt(length**2 * square + rest**2))
    return ratio(norm(scaled), jnp.sqrt(jnp.max(square)))
