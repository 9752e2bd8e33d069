"""Regression on streamed data, solved directly or by conjugate gradients, with a certificate.

Conventions of :mod:`rf_limits.learning.regression`: features minimize
sum_a (f(x_a) - y_a)^2 + ridge |theta|^2, kernels solve (K + ridge I) c = y.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.learning.regression import MOST_RELATIVE_ERROR
from rf_limits.learning.streamed.certificate import Certificate

_EPS = float(np.finfo(float).eps)


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


def is_regular(condition_number: float, matrix_error: float = 0.0) -> bool:
    """The refusal of :attr:`rf_limits.learning.regression.Fit.is_solved`.

    Args:
      condition_number: of the matrix.
      matrix_error: how far the matrix may be off, relative to its norm, beyond rounding.
    """
    return bool(max(_EPS, matrix_error) * condition_number <= MOST_RELATIVE_ERROR)


def rayleigh(image: np.ndarray, solution: np.ndarray) -> float:
    """|A theta|/|theta|, a lower bound on |A|."""
    length = float(np.linalg.norm(solution))
    return float(np.linalg.norm(image)) / length if length else 0.0
