"""Ridge and minimum-norm regression on fixed features or with a kernel, in float64.

One convention throughout: features minimize sum_a (f(x_a) - y_a)^2 + ridge |theta|^2, kernels
solve (K + ridge I) c = y, and the two agree for K = features features^T. ridge = 0 gives the
least-squares solution of least norm.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rf_limits.types import Scalar


class Fit(NamedTuple):
    """Solution of a regression problem.

    Attributes:
      coefficients: (p,) feature weights, or (n,) kernel coefficients.
      condition_number: of the matrix solved, kernel + ridge, on the directions kept.
      rank: number of directions kept; below min(n, p), the rest were below rounding.
    """

    coefficients: Float[Array, "p"]
    condition_number: Float[Array, ""]
    rank: Array


def _kept(eigenvalues: Array, size: int, ridge: Scalar) -> Bool[Array, "n"]:
    """Eigenvalues that float64 can tell from zero (all of them with a ridge)."""
    largest = jnp.max(jnp.abs(eigenvalues))
    threshold = size * jnp.finfo(eigenvalues.dtype).eps * largest
    return (eigenvalues > threshold) | ((ridge > 0.0) & (eigenvalues + ridge > threshold))


def _condition_number(eigenvalues: Array, kept: Array, ridge: Scalar) -> Array:
    shifted = eigenvalues + ridge
    largest = jnp.max(jnp.where(kept, shifted, -jnp.inf))
    return largest / jnp.min(jnp.where(kept, shifted, jnp.inf))


def feature_regression(
    features: Float[Array, "n p"], labels: Float[Array, "n"], ridge: Scalar = 0.0
) -> Fit:
    """Weights theta of the predictor features @ theta, from a singular value decomposition.

    Args:
      features: (n, p), float64.
      labels: (n,).
      ridge: penalty on |theta|^2 (module docstring), >= 0.

    Returns:
      :class:`Fit` with (p,) coefficients. Singular values below max(n, p) eps times the
      largest are treated as zero.
    """
    u, s, vt = jnp.linalg.svd(features, full_matrices=False)
    threshold = max(features.shape) * jnp.finfo(s.dtype).eps * jnp.max(s)
    kept = s > threshold
    filtered = jnp.where(kept, s / (jnp.where(kept, s, 1.0) ** 2 + ridge), 0.0)
    weights = vt.T @ (filtered * (u.T @ labels))
    return Fit(weights, _condition_number(s**2, kept, ridge), jnp.sum(kept))


def kernel_regression(
    gram: Float[Array, "n n"], labels: Float[Array, "n"], ridge: Scalar = 0.0
) -> Fit:
    """Coefficients c of the predictor sum_a c_a K(x_a, x), from an eigendecomposition.

    Args:
      gram: (n, n) symmetric positive semidefinite kernel matrix, float64.
      labels: (n,).
      ridge: added to the diagonal, >= 0.

    Returns:
      :class:`Fit` with (n,) coefficients. Without a ridge, eigenvalues below n eps times the
      largest are treated as zero.
    """
    eigenvalues, vectors = jnp.linalg.eigh(gram)
    kept = _kept(eigenvalues, gram.shape[0], ridge)
    inverse = jnp.where(kept, 1.0 / jnp.where(kept, eigenvalues + ridge, 1.0), 0.0)
    coefficients = vectors @ (inverse * (vectors.T @ labels))
    return Fit(coefficients, _condition_number(eigenvalues, kept, ridge), jnp.sum(kept))
