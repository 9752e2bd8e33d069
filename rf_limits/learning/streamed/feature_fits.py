"""Regression on streamed features (:mod:`rf_limits.learning.streamed.fits`)."""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from rf_limits.learning.streamed.certificate import certify_features
from rf_limits.learning.streamed.cholesky import InPlaceCholesky, mirror
from rf_limits.learning.streamed.conjugate_gradients import Map, State, solve
from rf_limits.learning.streamed.feature_data import FeatureData
from rf_limits.learning.streamed.feature_sums import (
    TILE_ENTRIES,
    GramSums,
    gram_sums,
    residual_sums,
)
from rf_limits.learning.streamed.fits import StreamedFit, is_regular, rayleigh
from rf_limits.learning.streamed.kernel_fits import fit_gram
from rf_limits.models.features import random_features

FEW = 64
"""Training inputs over which E |phi|^2 is taken."""


def mean_square(data: FeatureData) -> float:
    """E |phi|^2, the mean over the first training inputs."""
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
        rayleigh(image, theta),
        num=num,
        ridge=ridge,
        square=mean_square(data),
        least=factor.least_eigenvalue,
    )
    loss = (square - 2.0 * (rhs @ theta) + theta @ (image - float(ridge) * theta)) / num
    regular = is_regular(factor.condition_number)
    none = np.zeros(0)
    return StreamedFit(theta, float(loss), certificate, 0, none, factor.condition_number, regular)


def fit_features_by_samples(data: FeatureData, ridge: float | int) -> StreamedFit:
    """The same minimizer for n < N from n numbers: theta = Phi^T c, (Phi Phi^T + ridge I) c = y.

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
        max(found.norm, rayleigh(rhs - found.residual, found.solution)),
        num=num,
        ridge=ridge,
        square=mean_square(data),
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
