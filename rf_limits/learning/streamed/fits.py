"""Regression on streamed data, solved directly or by conjugate gradients, with a certificate.

Conventions of :mod:`rf_limits.learning.regression`: features minimize
sum_a (f(x_a) - y_a)^2 + ridge |theta|^2, kernels solve (K + ridge I) c = y.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.learning.regression import MOST_RELATIVE_ERROR
from rf_limits.learning.streamed.certificate import Certificate, certify_features, certify_kernel
from rf_limits.learning.streamed.cholesky import InPlaceCholesky, mirror
from rf_limits.learning.streamed.conjugate_gradients import Map, State, solve
from rf_limits.learning.streamed.features import FeatureData, GramSums, gram_sums, residual_sums
from rf_limits.learning.streamed.kernel_tiles import KernelData

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


def _is_regular(condition_number: float) -> bool:
    """The refusal of :attr:`rf_limits.learning.regression.Fit.is_solved`."""
    return bool(_EPS * condition_number <= MOST_RELATIVE_ERROR)


def _rayleigh(image: np.ndarray, solution: np.ndarray) -> float:
    """|A theta|/|theta|, a lower bound on |A|."""
    length = float(np.linalg.norm(solution))
    return float(np.linalg.norm(image)) / length if length else 0.0


def fit_features_directly(
    data: FeatureData,
    ridge: float | int,
    *,
    start: tuple[GramSums, int] | None = None,
    after_chunk: Callable[[GramSums, int], None] | None = None,
) -> StreamedFit:
    """Normal equations of streamed features by Cholesky, with one step of refinement.

    Args:
      data: features and training set.
      ridge: penalty, >= 0.
      start: sums to go on from (:func:`gram_sums`).
      after_chunk: called every few seconds with sums and blocks done.

    Returns:
      :class:`StreamedFit`; the residual is that of the accumulated sums.

    Raises:
      RequirementError: a matrix that is not positive definite in float64.
    """
    sums = gram_sums(data, start=start, after_chunk=after_chunk)
    rhs, square = np.array(sums.moments), float(sums.square)
    gram = np.array(sums.gram).reshape(data.width, data.width)
    del sums
    mirror(gram)
    diagonal = np.arange(len(gram))
    gram[diagonal, diagonal] += float(ridge)
    factor = InPlaceCholesky(gram)
    theta = factor.refined(rhs)
    image = factor.product(theta)
    residual = rhs - image
    num = data.stream.num
    certificate = certify_features(
        residual,
        rhs,
        theta,
        _rayleigh(image, theta),
        num=num,
        ridge=ridge,
        energy=float(residual @ factor(residual)),
    )
    loss = (square - 2.0 * (rhs @ theta) + theta @ (image - float(ridge) * theta)) / num
    regular = _is_regular(factor.condition_number)
    none = np.zeros(0)
    return StreamedFit(theta, float(loss), certificate, 0, none, factor.condition_number, regular)


def fit_features_iteratively(
    data: FeatureData,
    ridge: float | int,
    precondition: Map,
    *,
    tolerance: float,
    max_iterations: int,
    state: State | None = None,
    after_chunk: Callable[[State], None] | None = None,
    within_pass: Callable[[int], None] | None = None,
) -> StreamedFit:
    """The same by conjugate gradients: a pass over the data per iteration, nothing stored.

    Args:
      data: features and training set.
      ridge: penalty, >= 0.
      precondition: v -> M^{-1} v.
      tolerance: of the true relative residual, from a pass of its own.
      max_iterations: passes at most, besides the first and those for true residuals.
      state: where to go on.
      after_chunk: called after every iteration with the state.
      within_pass: called every few seconds with the blocks that the present pass has done.

    Raises:
      RequirementError: a matrix that is not positive definite in float64.
    """
    data = data.placed()
    listen = None if within_pass is None else lambda _, blocks: within_pass(blocks)
    delta = float(ridge)

    def sums(theta: np.ndarray, labels: float) -> tuple[np.ndarray, float]:
        found = residual_sums(data, theta, labels, after_chunk=listen)
        return np.array(found.slope), float(found.square)

    rhs, _ = sums(np.zeros(data.width), 1.0)
    squares = []

    def operator(theta: np.ndarray) -> np.ndarray:
        return delta * theta - sums(theta, 0.0)[0]

    def true_residual(theta: np.ndarray) -> np.ndarray:
        slope, square = sums(theta, 1.0)
        squares.append(square)
        return slope - delta * theta

    found = solve(
        operator,
        rhs,
        precondition,
        tolerance=tolerance,
        max_iterations=max_iterations,
        true_residual=true_residual,
        state=state,
        after_chunk=after_chunk,
    )
    num = data.stream.num
    certificate = certify_features(
        found.residual,
        rhs,
        found.solution,
        max(found.norm, _rayleigh(rhs - found.residual, found.solution)),
        num=num,
        ridge=ridge,
        energy=float(found.residual @ precondition(found.residual)),
        least_ritz=found.least_ritz,
    )
    loss = squares[-1] / num if squares else 0.0
    spread = found.largest_ritz / found.least_ritz
    return StreamedFit(
        found.solution,
        loss,
        certificate,
        found.iterations,
        found.history,
        spread,
        found.converged,
    )


def _kernel_fit(
    solution: np.ndarray, residual: np.ndarray, labels: np.ndarray, norm: float, ridge: float | int
) -> tuple[float, Certificate]:
    """Training loss, y - K c being residual + ridge c, and certificate."""
    misfit = residual + float(ridge) * solution
    return float(np.mean(misfit**2)), certify_kernel(residual, labels, solution, norm)


def fit_kernel_directly(
    data: KernelData, labels: Float[np.ndarray, "n"], ridge: float | int
) -> StreamedFit:
    """Kernel regression by Cholesky in the place of the kernel matrix: n^2 numbers.

    Args:
      data: kernel and training inputs.
      labels: (n,) y.
      ridge: added to the diagonal, >= 0.

    Raises:
      RequirementError: a matrix that is not positive definite in float64.
    """
    gram = data.block(data.x, data.x)
    diagonal = np.arange(len(gram))
    gram[diagonal, diagonal] += float(ridge)
    factor = InPlaceCholesky(gram)
    c = factor.refined(labels)
    image = factor.product(c)
    loss, certificate = _kernel_fit(c, labels - image, labels, _rayleigh(image, c), ridge)
    regular = _is_regular(factor.condition_number)
    none = np.zeros(0)
    return StreamedFit(c, loss, certificate, 0, none, factor.condition_number, regular)


def fit_kernel_iteratively(
    data: KernelData,
    labels: Float[np.ndarray, "n"],
    ridge: float | int,
    precondition: Map,
    *,
    tolerance: float,
    max_iterations: int,
    state: State | None = None,
    after_chunk: Callable[[State], None] | None = None,
) -> StreamedFit:
    """The same by conjugate gradients: the kernel is computed again in every iteration.

    Args:
      data: kernel and training inputs.
      labels: (n,) y.
      ridge: added to the diagonal, >= 0.
      precondition: v -> M^{-1} v.
      tolerance: of the true relative residual.
      max_iterations: products with the kernel at most, besides those for true residuals.
      state: where to go on.
      after_chunk: called after every iteration with the state.

    Raises:
      RequirementError: a matrix that is not positive definite in float64.
    """
    delta = float(ridge)
    found = solve(
        lambda v: data.product(v) + delta * v,
        labels,
        precondition,
        tolerance=tolerance,
        max_iterations=max_iterations,
        state=state,
        after_chunk=after_chunk,
    )
    norm = max(found.norm, _rayleigh(labels - found.residual, found.solution))
    loss, certificate = _kernel_fit(found.solution, found.residual, labels, norm, ridge)
    spread = found.largest_ritz / found.least_ritz
    return StreamedFit(
        found.solution,
        loss,
        certificate,
        found.iterations,
        found.history,
        spread,
        found.converged,
    )
