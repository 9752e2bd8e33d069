"""Regression on streamed features (:mod:`rf_limits.regression.streamed.fits`)."""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from rf_limits.models.features import random_features
from rf_limits.regression.streamed.cholesky import InPlaceCholesky, mirror
from rf_limits.regression.streamed.conjugate_gradients import ConjugateGradients
from rf_limits.regression.streamed.feature_data import FeatureData
from rf_limits.regression.streamed.feature_sums import (
    TILE_ENTRIES,
    GramSums,
    gram_sums,
    residual_sums,
)
from rf_limits.regression.streamed.fits import StreamedFit, solved_directly, solved_iteratively
from rf_limits.regression.streamed.kernel_fits import fit_gram
from rf_limits.regression.streamed.residual_bound import certify_features

FEW = 64
"""Training inputs over which E |phi|^2 is taken."""


def mean_square(data: FeatureData) -> float:
    """Returns E |phi|^2, the mean over the first training inputs."""
    few = dataclasses.replace(data.stream, num=min(data.stream.num, FEW))
    phi = random_features(data.network, data.params, jnp.asarray(few.collect(data.key)[0]))
    return float(np.sum(np.asarray(phi) ** 2)) / few.num


def fit_features_directly(
    data: FeatureData,
    ridge: float | int,
    *,
    start: tuple[GramSums, int] | None = None,
    after_chunk: Callable[[GramSums, int], None] | None = None,
) -> StreamedFit:
    """Solves the normal equations of streamed features by Cholesky, with one step of refinement.

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
    gram[np.diag_indices_from(gram)] += float(ridge)
    factor = InPlaceCholesky(gram)
    theta = factor.refined(rhs)
    image, num = factor.product(theta), data.stream.num
    certificate = certify_features(
        solved_directly(image, rhs, theta),
        num=num,
        ridge=ridge,
        square=mean_square(data),
        least=factor.least_eigenvalue,
    )
    loss = (square - 2.0 * (rhs @ theta) + theta @ (image - float(ridge) * theta)) / num
    return StreamedFit.direct(theta, float(loss), certificate, factor.condition_number)


def fit_features_by_samples(data: FeatureData, ridge: float | int) -> StreamedFit:
    """Solves the same for n < N from n numbers: theta = Phi^T c, (Phi Phi^T + ridge I) c = y.

    The normal equations of N features have N - n eigenvalues equal to the ridge, those of n
    samples none but by chance: what is as good as singular there may be well-conditioned here.

    Args:
      data: features and training set; n N numbers are held.
      ridge: penalty, >= 0.

    Returns:
      :class:`StreamedFit`; condition number and certificate are those of the kernel Phi Phi^T.

    Raises:
      RequirementError: a matrix that is not positive definite in float64.
    """
    x, y = data.stream.collect(data.key)
    rows = max(TILE_ENTRIES // data.width, 1)
    phi = np.empty((len(x), data.width))
    for i in range(0, len(x), rows):
        part = jnp.asarray(x[i : i + rows])
        phi[i : i + rows] = np.asarray(random_features(data.network, data.params, part))
    gram = phi @ phi.T
    fit = fit_gram(gram, y, ridge, float(np.trace(gram)) / len(x))
    return fit._replace(coefficients=phi.T @ fit.coefficients)


def fit_features_iteratively(
    data: FeatureData,
    ridge: float | int,
    solver: ConjugateGradients,
    *,
    within_pass: Callable[[int], None] | None = None,
) -> StreamedFit:
    """Returns the same by conjugate gradients: a pass over the data per iteration, nothing stored.

    Args:
      data: features and training set.
      ridge: penalty, >= 0.
      solver: conjugate gradients with a preconditioner, a tolerance and a limit of iterations;
        a pass of its own takes each true residual.
      within_pass: called every few seconds with the blocks that the present pass has done.

    Raises:
      RequirementError: a matrix that is not positive definite in float64.
    """
    data = data.placed()
    passes = _Passes(data, float(ridge), within_pass)
    rhs = passes.sums(np.zeros(data.width), 1.0)[0]
    solution = solver(passes.operator, rhs, true_residual=passes.true_residual)
    num = data.stream.num
    certificate = certify_features(
        solved_iteratively(solution, rhs), num=num, ridge=ridge, square=mean_square(data)
    )
    return StreamedFit.iterative(solution, passes.square / num, certificate)


class _Passes:
    """Products with A = Phi^T Phi + ridge I, each a pass over the data.

    Attributes:
      square: |y - Phi theta|^2 at the last true residual; 0 before.
    """

    def __init__(self, data: FeatureData, ridge: float, within_pass: Callable[[int], None] | None):
        self._data, self._ridge = data, ridge
        self._after_chunk = None if within_pass is None else lambda _, blocks: within_pass(blocks)
        self.square = 0.0

    def sums(self, theta: np.ndarray, labels: float) -> tuple[np.ndarray, float]:
        """Returns Phi^T z and |z|^2 of z = labels y - Phi theta."""
        total = residual_sums(self._data, theta, labels, after_chunk=self._after_chunk)
        return np.array(total.slope), float(total.square)

    def operator(self, theta: np.ndarray) -> np.ndarray:
        """Returns A theta."""
        return self._ridge * theta - self.sums(theta, 0.0)[0]

    def true_residual(self, theta: np.ndarray) -> np.ndarray:
        """Returns Phi^T y - A theta."""
        slope, self.square = self.sums(theta, 1.0)
        return slope - self._ridge * theta
