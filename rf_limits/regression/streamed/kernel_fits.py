"""Regression with a kernel that is filled in once, or never stored."""

import numpy as np
from jaxtyping import Float

from rf_limits.regression.streamed.cholesky import InPlaceCholesky
from rf_limits.regression.streamed.conjugate_gradients import ConjugateGradients
from rf_limits.regression.streamed.fits import (
    StreamedFit,
    is_regular,
    solved_directly,
    solved_iteratively,
)
from rf_limits.regression.streamed.kernel_tiles import KernelData
from rf_limits.regression.streamed.residual_bound import Solved, certify_kernel


def _misfit(solved: Solved, ridge: float) -> float:
    """Returns the training loss, y - K c being the residual + ridge c."""
    return float(np.mean((solved.residual + ridge * solved.solution) ** 2))


def fit_kernel_directly(
    data: KernelData, labels: Float[np.ndarray, "n"], ridge: float | int
) -> StreamedFit:
    """Solves kernel regression by Cholesky in the place of the kernel matrix: n^2 numbers.

    Args:
      data: kernel and training inputs.
      labels: (n,) y.
      ridge: added to the diagonal, >= 0.

    Raises:
      RequirementError: a matrix that is not positive definite in float64.
    """
    gram = data.block(data.x, data.x)
    fit = fit_gram(gram, labels, ridge, float(np.trace(gram)) / len(gram))
    regular = is_regular(fit.condition_number, data.error * data.num)  # the trace over the norm
    return fit._replace(is_solved=fit.is_solved and regular)


def fit_gram(
    gram: Float[np.ndarray, "n n"],
    labels: Float[np.ndarray, "n"],
    ridge: float | int,
    square: float,
) -> StreamedFit:
    """Solves kernel regression with a matrix that is overwritten by its Cholesky factor.

    Args:
      gram: (n, n) K, C-ordered.
      labels: (n,) y.
      ridge: added to the diagonal, >= 0.
      square: E k(x, x).

    Raises:
      RequirementError: a matrix that is not positive definite in float64.
    """
    gram[np.diag_indices_from(gram)] += float(ridge)
    factor = InPlaceCholesky(gram)
    c = factor.refined(labels)
    solved, least = solved_directly(factor.product(c), labels, c), factor.least_eigenvalue
    certificate = certify_kernel(solved, ridge=ridge, square=square, least=least)
    loss = _misfit(solved, float(ridge))
    return StreamedFit.direct(c, loss, certificate, factor.condition_number)


def fit_kernel_iteratively(
    data: KernelData,
    labels: Float[np.ndarray, "n"],
    ridge: float | int,
    solver: ConjugateGradients,
) -> StreamedFit:
    """Returns the same by conjugate gradients: the kernel is computed again in every iteration.

    Args:
      data: kernel and training inputs.
      labels: (n,) y.
      ridge: added to the diagonal, >= 0.
      solver: conjugate gradients with a preconditioner, a tolerance and a limit of iterations.

    Raises:
      RequirementError: a matrix that is not positive definite in float64.
    """
    delta = float(ridge)
    solution = solver(lambda v: data.product(v) + delta * v, labels)
    solved, square = solved_iteratively(solution, labels), float(np.mean(data.diagonal()))
    certificate = certify_kernel(solved, ridge=ridge, square=square)
    fit = StreamedFit.iterative(solution, _misfit(solved, delta), certificate)
    unknown = data.error * square * data.num
    regular = unknown == 0.0 or (delta > 0.0 and is_regular(1.0 / delta, unknown))
    return fit._replace(is_solved=fit.is_solved and regular)
