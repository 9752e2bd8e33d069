"""Cholesky factors in the place of their matrix: one copy of a matrix that barely fits.

One triangle of the matrix stays as it was: products with A, and so residuals of solves, need no
second copy. Up to :data:`LAPACK_ROWS` rows LAPACK's dpotrf factors. Beyond, the one that SciPy
ships was seen to crash (20,000 rows, two threads), and the same is done in blocks of columns by
matrix products (Golub and Van Loan 2013, section 4.2.9, the "left-looking" order).
"""

import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy.linalg import lapack

from rf_limits.errors import RequirementError

_ROWS = 256  # of a matrix, at a time
_BLOCK = 512  # columns of the factor, at a time
_FACTOR = 3.0  # by which the estimate of |A^{-1}| may be too small
LAPACK_ROWS = 12_000
"""Larger matrices are factored in blocks."""


def mirror(matrix: Float[np.ndarray, "n n"]) -> None:
    """Copies the lower triangle to the upper one, in place, some rows at a time."""
    for i in range(0, len(matrix), _ROWS):
        end = min(i + _ROWS, len(matrix))
        corner = matrix[i:end, i:end]
        corner[...] = np.tril(corner) + np.tril(corner, -1).T
        matrix[i:end, end:] = matrix[end:, i:end].T


def one_norm(matrix: Float[np.ndarray, "n n"]) -> float:
    """Returns the largest row sum of absolute values, a bound on the spectral norm."""
    starts = range(0, len(matrix), _ROWS)
    return float(np.max([np.abs(matrix[i : i + _ROWS]).sum(axis=1).max() for i in starts]))


def _refuse(size: int, first: int) -> RequirementError:
    return RequirementError(
        f"ridge must make the matrix of {size} rows positive definite in float64, but beyond its "
        f"leading {first} rows it is not."
    )


class InPlaceCholesky:
    """A symmetric positive definite matrix A and its factor L, both in the memory of A.

    L takes the lower triangle; the upper one still holds A, whose diagonal is kept beside.

    Attributes:
      norm: 1-norm of A.
      condition_number: of A in the 1-norm, LAPACK's estimate (dpocon) from a few solves (Hager
        1984 with Higham's 1988 safeguard), rarely off by more than a factor of 3 and never too
        large; the same for the same matrix.
      least_eigenvalue: at most that of A, as far as the estimate is off by no more than that.
    """

    def __init__(self, matrix: Float[np.ndarray, "n n"]):
        """Factors ``matrix``, (n, n) with both triangles, C-ordered; it is overwritten.

        Raises:
          RequirementError: a matrix that is not positive definite in float64.
        """
        self._matrix = matrix
        self.norm: float = one_norm(matrix)
        self._diagonal = np.diagonal(matrix).copy()
        if not np.isfinite(self.norm):
            raise _refuse(len(matrix), 0)
        if len(matrix) <= LAPACK_ROWS:
            factor, failed = lapack.dpotrf(matrix.T, lower=False, clean=False, overwrite_a=True)
            if failed:
                raise _refuse(len(matrix), failed - 1)
            self._matrix = matrix = factor.T  # the same memory, or a copy of another layout
        else:
            for block in self._blocks():
                self._factor(block)
        reciprocal, _ = lapack.dpocon(matrix.T, self.norm)  # its upper triangle is L^T
        self.condition_number: float = 1.0 / max(reciprocal, np.finfo(float).tiny)
        self.least_eigenvalue: float = self.norm / (_FACTOR * self.condition_number)

    def _blocks(self) -> list[slice]:
        size = len(self._matrix)
        return [slice(i, min(i + _BLOCK, size)) for i in range(0, size, _BLOCK)]

    def _factor(self, block: slice) -> None:
        """Computes the columns ``block`` of L from those before."""
        matrix, first = self._matrix, block.start
        panel = matrix[first:, :first] @ matrix[block, :first].T
        np.subtract(matrix[first:, block], panel, out=panel)
        width = block.stop - first
        try:
            corner = np.linalg.cholesky(panel[:width])
        except np.linalg.LinAlgError as error:
            raise _refuse(len(matrix), first) from error
        np.copyto(matrix[block, block], corner, where=np.tri(width, dtype=bool))
        if block.stop < len(matrix):
            below = scipy.linalg.solve_triangular(
                corner, panel[width:].T, lower=True, overwrite_b=True, check_finite=False
            )
            matrix[block.stop :, block] = below.T

    def __call__(self, vector: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Returns A^{-1} v."""
        matrix, x = self._matrix, np.array(vector)

        def corner(block: slice, transposed: int) -> np.ndarray:
            system = (matrix[block, block], x[block])
            return scipy.linalg.solve_triangular(
                *system, lower=True, trans=transposed, check_finite=False
            )

        for block in self._blocks():
            x[block] -= matrix[block, : block.start] @ x[: block.start]
            x[block] = corner(block, 0)
        for block in reversed(self._blocks()):
            x[block] -= matrix[block.stop :, block].T @ x[block.stop :]
            x[block] = corner(block, 1)
        return x

    def product(self, vector: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Returns A v, by the triangle that is left of A."""
        matrix, image = self._matrix, self._diagonal * vector
        for block in self._blocks():
            corner, beside = np.triu(matrix[block, block], 1), matrix[block, block.stop :]
            image[block] += corner @ vector[block] + corner.T @ vector[block]
            image[block] += beside @ vector[block.stop :]
            image[block.stop :] += beside.T @ vector[block]
        return image

    def refined(self, rhs: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Returns A^{-1} b with one step of iterative refinement."""
        solution = self(rhs)
        return solution + self(rhs - self.product(solution))
