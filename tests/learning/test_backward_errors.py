"""Ill-conditioned fits: solved to the stated error, against exact arithmetic, or refused."""

from fractions import Fraction

import jax
import mpmath
import numpy as np
import pytest

from rf_limits.regression.backward_errors import feature_backward_error
from rf_limits.regression.dense import (
    MOST_BACKWARD_ERROR,
    MOST_RELATIVE_ERROR,
    feature_regression,
    kernel_regression,
)
from tests.rounding import rounding
from tests.variants import kept

by_kernel = jax.jit(kernel_regression)
by_features = jax.jit(feature_regression)
estimate = jax.jit(feature_backward_error)
EPS = float(np.finfo(float).eps)


def hilbert(size):
    """1/(i + j + 1), as float64 rounds it."""
    i = np.arange(size)
    return 1.0 / (i[:, None] + i + 1.0)


def exact_solution(matrix, labels):
    """Solution of a square system of floats in rational arithmetic, by elimination."""
    rows = [
        [Fraction(float(a)) for a in row] + [Fraction(float(b))]
        for row, b in zip(matrix, labels, strict=True)
    ]
    size = len(rows)
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(size):
            if r != i:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i], strict=True)]
    return np.array([float(rows[i][size] / rows[i][i]) for i in range(size)])


def exact_residual(matrix, solution, labels):
    """Labels minus matrix @ solution, every sum exact, rounded once."""
    products = [
        sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(row, solution, strict=True))
        for row in matrix
    ]
    return np.array([float(Fraction(float(b)) - p) for b, p in zip(labels, products, strict=True)])


@pytest.mark.sharp
@pytest.mark.parametrize("size", kept([3, 5, 7, 8], [8]))
def test_ill_conditioned_systems_meet_their_errors(size):
    """Condition numbers from 5e2 to 1.5e10, against rational arithmetic."""
    matrix = hilbert(size)
    labels = np.random.default_rng(size).normal(size=size)
    exact = exact_solution(matrix, labels)
    top = np.linalg.norm(matrix, 2)
    for fit in (by_kernel(matrix, labels), by_features(matrix, labels)):
        assert fit.is_solved
        found = np.asarray(fit.coefficients)
        residual = exact_residual(matrix, found, labels)
        scale = top * np.linalg.norm(found) + np.linalg.norm(labels)
        # a decomposition and two products, here and in the one reported
        error = rounding(10 * size)
        assert np.linalg.norm(residual) / scale < error
        assert fit.backward_error < error
        distance = np.linalg.norm(found - exact) / np.linalg.norm(exact)
        # the matrix is known exactly, the solver moves it by that; the estimate takes eps
        assert distance < error / EPS * fit.relative_error


@pytest.mark.parametrize("size", kept([9, 10, 12, 20], [9]))
def test_beyond_float64_nothing_is_returned_as_solved(size):
    """Rounding the matrix alone moves the solution by more than the limit."""
    matrix, labels = hilbert(size), np.random.default_rng(size).normal(size=size)
    for solve in (by_kernel, by_features):
        fit = solve(matrix, labels)
        assert not fit.is_solved
        assert fit.relative_error > MOST_RELATIVE_ERROR
        assert fit.condition_number > 1e11
        assert fit.backward_error < MOST_BACKWARD_ERROR  # the equations are solved none the less
        assert solve(matrix, labels, fit.ridge_needed).is_solved


@pytest.mark.parametrize("dim", [1, 2])
def test_smooth_kernels_on_many_points_are_refused(dim):
    """exp(-|x - x'|^2/2): the spectrum runs through rounding, rank 20 or 120 of 200."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, dim))
    gram = np.exp(-0.5 * np.sum((x[:, None] - x) ** 2, axis=-1))
    labels = np.sin(x[:, 0])
    fit = by_kernel(gram, labels)
    assert 10 < fit.rank < 150
    assert not fit.is_solved
    needed = fit.ridge_needed
    assert by_kernel(gram, labels, needed).is_solved
    assert not by_kernel(gram, labels, needed / 10.0).is_solved
    assert not by_kernel(gram, labels, 1e-14).is_solved  # as good as none


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_duplicate_points_are_solved(noise):
    """The limit fits the mean label of each point, whether labels agree or not."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 4))
    gram = np.exp(-np.linalg.norm(x[:, None] - x, axis=-1))
    clean = rng.normal(size=40)
    labels = np.concatenate([clean, clean]) + noise * rng.normal(size=80)
    fit = by_kernel(np.tile(gram, (2, 2)), labels)
    assert fit.is_solved
    assert fit.rank == 40
    means = 0.5 * (labels[:40] + labels[40:])
    half = np.linalg.solve(gram, means)
    found = np.asarray(fit.coefficients)
    error = rounding(20 * 80)  # decompositions of 80 points, here and by half of them
    distance = np.linalg.norm(found[:40] + found[40:] - half)
    size = np.linalg.norm(labels) * np.linalg.norm(np.linalg.inv(gram), 2)
    assert distance < error * np.linalg.cond(gram) * size
    assert fit.backward_error < error
    assert fit.relative_error < error * np.linalg.cond(gram)


@pytest.mark.sharp
@pytest.mark.parametrize(
    "shape", kept([(60, 10), (10, 60), (30, 30)], [(60, 10), (10, 60)]), ids=str
)
def test_features_of_low_rank_are_solved(shape):
    rng = np.random.default_rng(2)
    features = rng.normal(size=(shape[0], 6)) @ rng.normal(size=(6, shape[1]))
    labels = rng.normal(size=shape[0])
    fit = by_features(features, labels)
    assert fit.is_solved
    assert fit.rank == 6
    expected, *_ = np.linalg.lstsq(features, labels)
    # labels outside of the range: the square of the condition number (Higham 2002, theorem 20.1)
    error = rounding(20 * max(shape), condition=float(fit.condition_number))
    size = np.linalg.norm(labels) / np.linalg.svd(features, compute_uv=False)[5]
    assert np.linalg.norm(fit.coefficients - expected) < error * size


def test_large_residuals_cost_the_square_of_the_condition_number():
    """Higham 2002, theorem 20.1: kappa = 1e7 is solvable where the labels are in the range."""
    rng = np.random.default_rng(3)
    u, _ = np.linalg.qr(rng.normal(size=(50, 50)))
    v, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    features = (u[:, :8] * np.logspace(0, -7, 8)) @ v
    inside = features @ rng.normal(size=8)
    consistent, inconsistent = (by_features(features, y) for y in (inside, inside + u[:, 20]))
    assert consistent.is_solved
    assert consistent.relative_error < 1e-8
    assert not inconsistent.is_solved
    moved = features + EPS * rng.normal(size=features.shape)
    for fit, labels in ((consistent, inside), (inconsistent, inside + u[:, 20])):
        change = by_features(moved, labels).coefficients - fit.coefficients
        share = np.linalg.norm(change) / np.linalg.norm(fit.coefficients)
        # the matrix moves by sqrt(50) + sqrt(8) times eps, in a direction that is not the worst
        assert 0.02 * fit.relative_error < share < 10 * fit.relative_error


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_estimate_for_features_is_within_its_factor(ridge):
    """Against the least perturbation of Walden, Karlson and Sun (1995), in 40 digits."""
    rng = np.random.default_rng(4)
    features, labels = rng.normal(size=(7, 3)), rng.normal(size=7)
    u, s, vt = np.linalg.svd(features, full_matrices=False)
    best = by_features(features, labels, ridge).coefficients
    tall = np.vstack([features, np.sqrt(ridge) * np.eye(3)])
    below = np.concatenate([labels, np.zeros(3)])
    for size in (1e-6, 1e-2, 1.0):
        weights = np.asarray(best) + size * rng.normal(size=3)
        residual = labels - features @ weights
        found = estimate(u, s, vt, weights, residual, ridge)
        with mpmath.workdps(40):
            matrix, theta = mpmath.matrix(tall.tolist()), mpmath.matrix(weights.tolist())
            rest = mpmath.matrix(below.tolist()) - matrix * theta
            square = (rest.T * rest)[0] / (theta.T * theta)[0]
            outer = rest * rest.T / (rest.T * rest)[0]
            inner = matrix * matrix.T + square * (mpmath.eye(len(below)) - outer)
            least = min(mpmath.eigsy(inner, eigvals_only=True))
            least = mpmath.sqrt(min(square, least))
            least = float(least) / np.linalg.norm(tall, 2)
        assert least / np.sqrt(2.0) < found < least * np.sqrt(2.0)


def test_nothing_to_solve():
    for solve in (by_kernel, by_features):
        empty = solve(np.zeros((3, 3)), np.ones(3))
        assert empty.is_solved
        assert np.all(empty.coefficients == 0.0)
        zero = solve(np.eye(3), np.zeros(3))
        assert zero.is_solved
        assert zero.backward_error == 0.0
        assert not solve(np.full((3, 3), np.nan), np.ones(3)).is_solved
