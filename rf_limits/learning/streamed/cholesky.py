"""Cholesky factors in the place of their matrix: one copy of a matrix that barely fits."""

import numpy as np
import scipy.linalg
from jaxtyping import Float

from rf_limits.errors import RequirementError

_ROWS = 256


def mirror(matrix: Float[np.ndarray, "n n"]) -> None:
    """Copies the lower triangle to the upper one, in place, some rows at a time."""
    for i in range(0, len(matrix), _ROWS):
        end = min(i + _ROWS, len(matrix))
        corner = matrix[i:end, i:end]
        corner[...] = np.tril(corner) + np.tril(corner, -1).T
        matrix[i:end, end:] = matrix[end:, i:end].T


def one_norm(matrix: Float[np.ndarray, "n n"]) -> float:
    """Largest row sum of absolute values of a symmetric matrix: a bound on its spectral norm."""
    rows = range(0, len(matrix), _ROWS)
    return max(float(np.abs(matrix[i : i + _ROWS]).sum(axis=1).max()) for i in rows)


class InPlaceCholesky:
    """A symmetric positive definite matrix A and its factor, both in the memory of A.

    LAPACK's dpotrf writes one triangle; the other still holds A, whose diagonal is kept beside:
    products with A, and so residuals of solves, cost no second copy.

    Attributes:
      norm: 1-norm of A.
      condition_number: of A in the 1-norm, LAPACK's estimate (dpocon).
    """

    def __init__(self, matrix: Float[np.ndarray, "n n"]):
        """Factors ``matrix``, (n, n) C-ordered with both triangles; it is overwritten.

        Raises:
          RequirementError: a matrix that is not positive definite in float64.
        """
        self.norm = one_norm(matrix)
        self._diagonal = np.diagonal(matrix).copy()
        self._columns = matrix.T  # column-major, as LAPACK has it: nothing is copied
        lapack = scipy.linalg.lapack
        factor, failed = lapack.dpotrf(self._columns, lower=1, overwrite_a=1, clean=0)
        assert np.shares_memory(factor, matrix)
        if failed:
            raise RequirementError(
                f"ridge must make the matrix of {len(matrix)} rows positive definite in float64, "
                f"but its leading {failed} rows are not."
            )
        reciprocal, _ = lapack.dpocon(self._columns, self.norm, uplo="L")
        self.condition_number = np.inf if reciprocal == 0.0 else 1.0 / float(reciprocal)

    def __call__(self, vector: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """A^{-1} v."""
        solution, _ = scipy.linalg.lapack.dpotrs(self._columns, vector, lower=1)
        return solution

    def product(self, vector: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """A v, by the triangle that is left of A."""
        found = scipy.linalg.blas.dsymv(1.0, self._columns, vector, lower=0)
        return found + (self._diagonal - np.diagonal(self._columns)) * vector

    def refined(self, rhs: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """A^{-1} b with one step of iterative refinement."""
        solution = self(rhs)
        return solution + self(rhs - self.product(solution))
