"""Regression on streamed data, solved directly or by conjugate gradients, with a certificate.

Conventions of :mod:`rf_limits.regression.dense`: features minimize
sum_a (f(x_a) - y_a)^2 + ridge |theta|^2, kernels solve (K + ridge I) c = y.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.regression.dense import MOST_RELATIVE_ERROR
from rf_limits.regression.streamed.conjugate_gradients import Solution
from rf_limits.regression.streamed.residual_bound import EPS, Certificate, Solved


class StreamedFit(NamedTuple):
    """Solution of a large regression problem.

    Attributes:
      coefficients: (p,) feature weights, or kernel coefficients.
      train_loss: mean squared error on the training labels.
      certificate: what the residual says.
      iterations: of conjugate gradients; 0 for a direct solve.
      history: (k + 1,) relative residuals by iteration.
      condition_number: of the matrix solved directly, 1-norm estimate; for conjugate gradients
        the ratio of the extreme Ritz values of the preconditioned matrix, a lower bound on its
        condition number.
      is_solved: whether the solution can be trusted: conjugate gradients reached the tolerance,
        or eps times the condition number is below ``MOST_RELATIVE_ERROR``.
    """

    coefficients: Float[np.ndarray, "p"]
    train_loss: float
    certificate: Certificate
    iterations: int
    history: Float[np.ndarray, "k"]
    condition_number: float
    is_solved: bool

    @classmethod
    def direct(
        cls,
        solution: Float[np.ndarray, "p"],
        train_loss: float,
        certificate: Certificate,
        condition_number: float,
    ) -> "StreamedFit":
        """Returns the fit of a direct solve."""
        regular = is_regular(condition_number)
        none = np.zeros(0)
        return cls(solution, train_loss, certificate, 0, none, condition_number, regular)

    @classmethod
    def iterative(
        cls, found: Solution, train_loss: float, certificate: Certificate
    ) -> "StreamedFit":
        """Returns the fit of a solve by conjugate gradients."""
        return cls(
            found.solution,
            train_loss,
            certificate,
            found.iterations,
            found.history,
            found.largest_ritz / found.least_ritz,
            found.converged,
        )


def is_regular(condition_number: float, matrix_error: float = 0.0) -> bool:
    """Returns the refusal of :attr:`rf_limits.regression.dense.Fit.is_solved`.

    Args:
      condition_number: of the matrix.
      matrix_error: how far the matrix may be off, relative to its norm, beyond rounding.
    """
    return bool(max(EPS, matrix_error) * condition_number <= MOST_RELATIVE_ERROR)


def solved_directly(image: np.ndarray, rhs: np.ndarray, solution: np.ndarray) -> Solved:
    """Returns a system with solution theta and A theta = ``image``."""
    return Solved(rhs - image, rhs, solution, _rayleigh(image, solution))


def solved_iteratively(found: Solution, rhs: np.ndarray) -> Solved:
    """Returns a system that conjugate gradients solved."""
    norm = max(found.norm, _rayleigh(rhs - found.residual, found.solution))
    return Solved(found.residual, rhs, found.solution, norm)


def _rayleigh(image: np.ndarray, solution: np.ndarray) -> float:
    """Returns |A theta|/|theta|, a lower bound on |A|."""
    length = float(np.linalg.norm(solution))
    return float(np.linalg.norm(image)) / length if length else 0.0
