"""Cholesky factors in the place of their matrix: one copy of a matrix that barely fits.

In blocks of columns by matrix products (Golub and Van Loan 2013, section 4.2.9, the "left-looking"
order), which leaves one triangle of the matrix as it was: products with A, and so residuals of
solves, need no second copy. LAPACK's dpotrf does the same, but the one that SciPy ships was seen
to crash at 20,000 rows.
"""

import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, onenormest

from rf_limits.errors import RequirementError

_ROWS = 256  # of a matrix, at a time
_BLOCK = 512  # columns of the factor, at a time
_FACTOR = 3.0  # by which the estimate of |A^{-1}| may be too small


def mirror(matrix: Float[np.ndarray, "n n"]) -> None:
    """Copies the lower triangle to the upper one, in place, some rows at a time."""
    for i in range(0, len(matrix), _ROWS):
        end = min(i + _ROWS, len(matrix))
        corner = matrix[i:end, i:end]
        corner[...] = np.tril(corner) + np.tril(corner, -1).T
        matrix[i:end, end:] = matrix[end:, i:end].T


def one_norm(matrix: Float[np.ndarray, "n n"]) -> float:
    """Largest row sum of absolute values of a symmetric matrix: a bound on its spectral norm."""
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
      condition_number: of A in the 1-norm, an estimate from a few solves (Hager 1984 with
        Higham's 1988 safeguard, as LAPACK's dpocon), rarely off by more than a factor of 3 and
        never too large; the same for the same matrix.
      least_eigenvalue: at most that of A, as far as the estimate is off by no more than that.
    """

    def __init__(self, matrix: Float[np.ndarray, "n n"]):
        """Factors ``matrix``, (n, n) with both triangles; it is overwritten.

        Raises:
          RequirementError: a matrix that is not positive definite in float64.
        """
        self._matrix = matrix
        self.norm = one_norm(matrix)
        self._diagonal = np.diagonal(matrix).copy()
        if not np.isfinite(self.norm):
            raise _refuse(len(matrix), 0)
        for block in self._blocks():
            self._factor(block)
        inverse = self._inverse_norm()
        self.condition_number = self.norm * inverse
        self.least_eigenvalue = 1.0 / (_FACTOR * inverse)

    def _blocks(self) -> list[slice]:
        size = len(self._matrix)
        return [slice(i, min(i + _BLOCK, size)) for i in range(0, size, _BLOCK)]

    def _factor(self, block: slice) -> None:
        """The columns ``block`` of L from those before."""
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

    def _inverse_norm(self) -> float:
        """1-norm of A^{-1}, an estimate from below."""
        size = len(self._matrix)
        if size < 5:  # for which onenormest wants the matrix itself
            return one_norm(np.stack([self(row) for row in np.eye(size)]))
        inverse = LinearOperator((size, size), matvec=self._solve, rmatvec=self._solve, dtype=float)
        # More than one vector at a time would be drawn from numpy's global random state.
        found = float(onenormest(inverse, t=1))
        alternating = (1.0 + np.arange(size) / (size - 1.0)) * (-1.0) ** np.arange(size)
        return max(found, 2.0 * float(np.abs(self(alternating)).sum()) / (3.0 * size))

    def _solve(self, vector: np.ndarray) -> np.ndarray:
        return self(np.asarray(vector, np.float64).reshape(-1))

    def __call__(self, vector: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """A^{-1} v."""
        matrix, x = self._matrix, np.array(vector)

        def corner(block: slice, transposed: int) -> np.ndarray:
            own = (matrix[block, block], x[block])
            return scipy.linalg.solve_triangular(
                *own, lower=True, trans=transposed, check_finite=False
            )

        for block in self._blocks():
            x[block] -= matrix[block, : block.start] @ x[: block.start]
            x[block] = corner(block, 0)
        for block in reversed(self._blocks()):
            x[block] -= matrix[block.stop :, block].T @ x[block.stop :]
            x[block] = corner(block, 1)
        return x

    def product(self, vector: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """A v, by the triangle that is left of A."""
        matrix, found = self._matrix, self._diagonal * vector
        for block in self._blocks():
            corner, beside = np.triu(matrix[block, block], 1), matrix[block, block.stop :]
            found[block] += corner @ vector[block] + corner.T @ vector[block]
            found[block] += beside @ vector[block.stop :]
            found[block.stop :] += beside.T @ vector[block]
        return found

    def refined(self, rhs: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """A^{-1} b with one step of iterative refinement."""
        solution = self(rhs)
        return solution + self(rhs - self.product(solution))
