r"""Ridge and minimum-norm regression on fixed features or with a kernel, in float64.

One convention throughout: features minimize sum_a (f(x_a) - y_a)^2 + ridge |theta|^2, kernels
solve (K + ridge I) c = y, and the two agree for K = features features^T. ridge = 0 gives the
least-squares solution of least norm, which is the limit ridge -> 0.

Every fit says how well it was solved, and whether the data determine it at all in float64. With
A the matrix, s_1 its norm, s_r the least singular value kept and theta the solution:

* ``backward_error``: the least relative change of A and y that makes the solution exact
  (:mod:`~rf_limits.regression.backward_errors`), on the directions kept: labels off the range of
  a singular kernel are no error. For features an estimate of it, within sqrt(2).
* ``relative_error``: how much the solution moves, to first order, if A moves by what it is not
  known to: delta/s_r for kernels and (1 + kappa rho) delta/s_r for features, kappa = s_1/s_r and
  rho = |r|/(s_1 |theta|) (Higham 2002, theorem 20.1), delta the largest of eps s_1, the largest
  singular value that was dropped as rounding, and what kernels that are series are off. In a
  matrix that is exactly singular (duplicate points, few features) the dropped ones are rounding
  and far below s_r. In one whose spectrum decays through rounding they are neighbours of s_r: the
  cut is arbitrary, the limit is not computed, and the number is near 1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

from rf_limits.regression.backward_errors import (
    feature_backward_error,
    kernel_backward_error,
    norm,
    ratio,
)
from rf_limits.types import Scalar

MOST_RELATIVE_ERROR = 1e-4
"""Fits with a larger ``relative_error`` are not solved."""

MOST_BACKWARD_ERROR = 1e-12
"""Fits with a larger ``backward_error`` are not solved."""


DECOMPOSED = 1024
"""Kernel systems up to this size are decomposed; larger ones factored first."""
_BLOCK = 8  # vectors that estimate extreme eigenvalues; one more than ask for the smallest
_POWERS = 4
_INVERSE_POWERS = 1


class Fit(NamedTuple):
    """Solution of a regression problem.

    Attributes:
      coefficients: (p,) feature weights, or (n,) kernel coefficients.
      condition_number: of the matrix solved, kernel + ridge (for features: of their normal
        equations, its square root of the least-squares problem), on the directions kept.
      rank: number of directions kept; below min(n, p), the rest were below rounding.
      backward_error: normwise, relative (module docstring).
      relative_error: of the coefficients, to first order (module docstring).
      ridge_needed: a ridge at which the problem is well enough conditioned for ``is_solved``.
    """

    coefficients: Float[Array, "p"]
    condition_number: Float[Array, ""]
    rank: Array
    backward_error: Float[Array, ""]
    relative_error: Float[Array, ""]
    ridge_needed: Float[Array, ""]

    @property
    def is_solved(self) -> Bool[Array, ""]:
        """Returns whether the solution can be trusted; False where something is not a number."""
        accurate = self.relative_error <= MOST_RELATIVE_ERROR
        return accurate & (self.backward_error <= MOST_BACKWARD_ERROR)


class _Cut(NamedTuple):
    """Singular values (or eigenvalues) of a matrix with those below rounding taken out.

    Attributes:
      kept: which are told from zero.
      largest: their largest.
      smallest: their smallest.
      unknown: how far each is from what it should be.
    """

    kept: Bool[Array, "n"]
    largest: Float[Array, ""]
    smallest: Float[Array, ""]
    unknown: Float[Array, ""]


def _cut(values: Array, kept: Array, unknown: Scalar | Array = 0.0) -> _Cut:
    largest = jnp.max(jnp.where(kept, values, -jnp.inf))
    smallest = jnp.min(jnp.where(kept, values, jnp.inf))
    dropped = jnp.max(jnp.where(kept, 0.0, jnp.abs(values)))
    rounding = jnp.finfo(values.dtype).eps * largest
    return _Cut(kept, largest, smallest, jnp.maximum(jnp.maximum(rounding, dropped), unknown))


def _relative_error(cut: _Cut, growth: Scalar | Array, size: Array) -> Array:
    """Returns growth times the unknown share of the least value kept; 0 for a zero matrix."""
    return jnp.where(size == 0.0, 0.0, growth * cut.unknown / cut.smallest)


def _ridge_needed(square: Array, unknown: Scalar | Array = 0.0) -> Array:
    """Returns a ridge from which on the unknown share is half of what is allowed.

    Unknown is eps times the norm ``square``, or ``unknown`` where it is more.
    """
    least = jnp.finfo(square.dtype).eps * square
    return 2.0 / MOST_RELATIVE_ERROR * jnp.maximum(least, unknown)


def feature_regression(
    features: Float[Array, "n p"], labels: Float[Array, "n"], ridge: Scalar = 0.0
) -> Fit:
    """Returns weights theta of the predictor features @ theta, from a singular value decomposition.

    Args:
      features: (n, p), float64.
      labels: (n,).
      ridge: penalty on |theta|^2 (module docstring), >= 0.

    Returns:
      :class:`Fit` with (p,) coefficients. Without a ridge, singular values below max(n, p) eps
      times the largest are treated as zero.
    """
    u, s, vt = jnp.linalg.svd(features, full_matrices=False)
    top = jnp.max(s)
    kept = (s > max(features.shape) * jnp.finfo(s.dtype).eps * top) | (ridge > 0.0)
    root = jnp.sqrt(s**2 + ridge)  # singular values of the features over sqrt(ridge) I
    cut = _cut(root, kept)
    size = jnp.where(kept, root, 1.0)
    weights = vt.T @ jnp.where(kept, s / size * (u.T @ labels) / size, 0.0)

    residual = labels - features @ weights
    backward = feature_backward_error(
        jnp.where(kept, u, 0.0), jnp.where(kept, s, 0.0), vt, weights, residual, ridge
    )
    rest = norm(residual, jnp.sqrt(ridge) * weights)
    spread = ratio(rest, cut.largest * norm(weights))
    growth = 1.0 + cut.largest / cut.smallest * spread
    return Fit(
        weights,
        (cut.largest / cut.smallest) ** 2,
        jnp.sum(kept),
        jnp.where(top == 0.0, 0.0, backward),
        _relative_error(cut, growth, top),
        jnp.where(top == 0.0, 0.0, _ridge_needed(top**2) * jnp.maximum(1.0, spread)),
    )


def kernel_regression(
    gram: Float[Array, "n n"],
    labels: Float[Array, "n"],
    ridge: Scalar = 0.0,
    entry_error: Scalar = 0.0,
) -> Fit:
    """Returns the coefficients c of the predictor sum_a c_a K(x_a, x).

    Up to :data:`DECOMPOSED` points from an eigendecomposition. Beyond, from a Cholesky
    factorization, unless it fails or leaves the solution in doubt: then
    from an eigendecomposition too.

    Args:
      gram: (n, n) symmetric positive semidefinite kernel matrix, float64.
      labels: (n,).
      ridge: added to the diagonal, >= 0.
      entry_error: how far entries may be off, relative to the diagonal; their matrix is then
        unknown by that times the trace.

    Returns:
      :class:`Fit` with (n,) coefficients. Eigenvalues of kernel + ridge below n eps times the
      largest of the kernel are treated as zero. Beyond :data:`DECOMPOSED` points the condition
      number is an estimate from below, by Ritz values of block Krylov spaces.
    """
    if gram.shape[0] <= DECOMPOSED:
        return decomposed_kernel_regression(gram, labels, ridge, entry_error)
    gram = jax.lax.optimization_barrier(gram)  # or a product may compute it again
    fit = factored_kernel_regression(gram, labels, ridge, entry_error)
    return jax.lax.cond(
        fit.is_solved,
        lambda: fit,
        lambda: decomposed_kernel_regression(gram, labels, ridge, entry_error),
    )


def factored_kernel_regression(
    gram: Float[Array, "n n"],
    labels: Float[Array, "n"],
    ridge: Scalar = 0.0,
    entry_error: Scalar = 0.0,
) -> Fit:
    """Returns :func:`kernel_regression` by a Cholesky factorization: no direction is ever dropped.

    Where kernel + ridge is not positive definite in float64 the coefficients are NaN.
    """
    n = gram.shape[0]
    # The transpose is the same matrix, laid out as LAPACK wants it.
    factor = jnp.linalg.cholesky(gram.T + ridge * jnp.eye(n), symmetrize_input=False)

    def solve(right: Array) -> Array:
        half = solve_triangular(factor, right, lower=True)
        return solve_triangular(factor, half, lower=True, trans=1)

    start = jax.random.normal(jax.random.key(0), (n, _BLOCK - 1), gram.dtype)
    solved = solve(jnp.concatenate([labels[:, None], start], axis=1))
    coefficients, block = solved[:, 0], _orthonormal(solved[:, 1:])
    for _ in range(_INVERSE_POWERS):
        block = _orthonormal(solve(block))
    smallest = 1.0 / _largest_ritz_value(block, solve(block))

    block = _orthonormal(start)
    for _ in range(_POWERS):
        block = _orthonormal(gram @ block)
    top = _largest_ritz_value(block, gram @ block)

    residual = labels - gram @ coefficients - ridge * coefficients
    unknown = jnp.finfo(gram.dtype).eps * (top + ridge)
    unknown = jnp.maximum(unknown, entry_error * jnp.trace(gram))
    cut = _Cut(jnp.ones(n, bool), top + ridge, smallest, unknown)
    return Fit(
        coefficients,
        cut.largest / cut.smallest,
        jnp.asarray(n),
        kernel_backward_error(residual, coefficients, labels, cut.largest),
        _relative_error(cut, 1.0, cut.largest),
        _ridge_needed(top, entry_error * jnp.trace(gram)),
    )


def _orthonormal(block: Array) -> Array:
    return jnp.linalg.qr(block)[0]


def _largest_ritz_value(block: Array, image: Array) -> Array:
    """Returns that of a symmetric matrix on the span of orthonormal columns, from their images."""
    small = block.T @ image
    return jnp.max(jnp.linalg.eigvalsh(0.5 * (small + small.T)))


def decomposed_kernel_regression(
    gram: Float[Array, "n n"],
    labels: Float[Array, "n"],
    ridge: Scalar = 0.0,
    entry_error: Scalar = 0.0,
) -> Fit:
    """Returns :func:`kernel_regression` by an eigendecomposition, whatever the size."""
    eigenvalues, vectors = jnp.linalg.eigh(gram)
    top = jnp.max(jnp.abs(eigenvalues))
    values = eigenvalues + ridge
    kept = values > gram.shape[0] * jnp.finfo(values.dtype).eps * top
    cut = _cut(values, kept, entry_error * jnp.trace(gram))

    def along(vector: Array) -> Array:  # as a sum: a product copies the vectors into its layout
        return jnp.where(cut.kept, jnp.sum(vectors * vector[:, None], axis=0), 0.0)

    projected = along(labels)
    coefficients = jnp.sum(vectors * (projected / jnp.where(cut.kept, values, 1.0)), axis=1)

    residual = labels - gram @ coefficients - ridge * coefficients
    backward = kernel_backward_error(along(residual), coefficients, projected, cut.largest)
    return Fit(
        coefficients,
        cut.largest / cut.smallest,
        jnp.sum(cut.kept),
        jnp.where(top + ridge == 0.0, 0.0, backward),
        _relative_error(cut, 1.0, top + ridge),
        _ridge_needed(top, entry_error * jnp.trace(gram)),
    )
