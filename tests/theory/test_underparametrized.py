"""Fits of more samples than a kernel has eigenfunctions: least squares, without ridge."""

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory import kernel_regression, random_features_regression
from tests.chance import standard_errors
from tests.rounding import LIBRARY, rounding

ROUNDED = rounding(10 * LIBRARY)


@pytest.mark.sharp
@pytest.mark.parametrize(
    ("listed", "tail", "risk"),
    [
        (([1.0], [1000], [1.0]), 0.0, 0.25),
        (([1.0], [1000], [1.0]), 0.3, 0.85),
        (([1.0, 0.0], [1000, 50], [1.0, 0.3]), 0.0, 0.85),
        (([7.0, 0.0, 1e-9], [400, 50, 600], [1.0, 0.1, 5.0]), 0.2, 0.85),
    ],
)
def test_recorded_values(listed, tail, risk):
    """(noise^2 r/n + outside)/(1 - r/n), and all parts."""
    listed = [np.array(values) for values in listed]
    found = kernel_regression(*listed, 2000, noise=0.5, target_tail=tail)
    outside = 0.0 if risk == 0.25 else 0.3
    np.testing.assert_allclose(found.risk, risk, rtol=ROUNDED)
    np.testing.assert_allclose(found.bias, outside, rtol=ROUNDED)
    np.testing.assert_allclose(found.sample_variance, outside, rtol=ROUNDED)
    np.testing.assert_allclose(found.noise_variance, 0.25, rtol=ROUNDED)
    np.testing.assert_allclose(found.variance, risk - outside, rtol=ROUNDED)
    np.testing.assert_allclose(found.train_risk, (outside + 0.25) / 2.0, rtol=ROUNDED)
    np.testing.assert_allclose(found.overfitting, 2.0, rtol=ROUNDED)
    np.testing.assert_array_equal(found.learnability, 1.0 * (listed[0] > 0.0))
    assert found.kappa == found.tail_error == 0.0


def test_it_is_the_limit_of_small_ridge():
    listed = np.array([1.0, 0.0, 0.3]), np.array([60, 7, 20]), np.array([1.0, 0.4, 2.0])
    n = np.array([90.0, 100.0, 1000.0])
    exact, near = (
        kernel_regression(*listed, n, ridge=ridge, noise=0.3, target_tail=0.1)
        for ridge in (0.0, 1e-12)
    )
    for name in set(exact._fields) - {"kappa", "remark"}:
        np.testing.assert_allclose(getattr(near, name), getattr(exact, name), rtol=1e-9, atol=1e-9)


def test_as_many_samples_as_functions():
    """Infinite with noise or something outside; a target in the span is found exactly."""
    listed = np.array([1.0, 0.0]), np.array([50, 9])
    solve = lambda target, noise: kernel_regression(
        *listed, np.array(target), [50, 51], noise=noise
    )
    for found in (solve([1.0, 0.0], 0.1), solve([1.0, 0.2], 0.0)):
        assert np.isposinf(found.risk[0])
        assert found.train_risk[0] == 0.0
        assert np.isfinite(found.risk[1])
    nothing = solve([1.0, 0.0], 0.0)
    np.testing.assert_array_equal(nothing.risk, 0.0)
    np.testing.assert_array_equal(nothing.train_risk, 0.0)
    # below, the target must still be learned
    assert kernel_regression(*listed, np.array([1.0, 0.0]), 49).risk > 0.0


def test_least_squares():
    """On r Gaussian functions, with a target part outside: risk, training error, mean predictor."""
    r, n, noise, outside, seeds = 20, 50, 0.5, 0.3, 400
    rng = np.random.default_rng(3)
    rows, fits = [], []
    direction = np.ones(r) / np.sqrt(r)
    for _ in range(seeds):
        x, extra = rng.normal(size=(n, r)), np.sqrt(outside) * rng.normal(size=n)
        y = x @ direction + extra + noise * rng.normal(size=n)
        theta = np.linalg.lstsq(x, y, rcond=None)[0]
        rows.append((np.sum((theta - direction) ** 2) + outside, np.mean((x @ theta - y) ** 2)))
        fits.append(theta - direction)
    found = kernel_regression(
        np.ones(1), np.array([r]), np.ones(1), n, noise=noise, target_tail=outside
    )
    # exact for Gaussian functions: r/(n - r - 1) in place of r/(n - r)
    share = r * (noise**2 + outside) / (n - r - 1) / float(found.variance)
    assert 1.0 < share < 1.04
    error = np.std(rows, axis=0, ddof=1) / np.sqrt(seeds)
    expected = np.array([share * found.variance + outside, found.train_risk])
    distance = np.abs(np.mean(rows, axis=0) - expected)
    assert np.all(distance < standard_errors(seeds, 2) * error)
    assert np.sum(np.mean(fits, axis=0) ** 2) < 4.0 * float(found.variance) / seeds  # no bias


@pytest.mark.sharp
def test_features_span_all_functions():
    """N and n at least r: the fit is least squares on the r functions, whatever N is."""
    listed = np.array([1.0, 0.0, 0.2]), np.array([40, 7, 10]), np.array([1.0, 0.3, 0.5])
    n, features = np.array([[51], [80], [200]]), np.array([50, 51, 1000])
    found = random_features_regression(*listed, n, features, noise=0.4)
    limit = kernel_regression(*listed, n, noise=0.4)
    for name in ("risk", "train_risk", "bias", "sample_variance", "noise_variance"):
        expected = np.broadcast_to(getattr(limit, name), (3, 3))
        np.testing.assert_allclose(getattr(found, name), expected, rtol=ROUNDED)
    for name in ("feature_variance", "interaction", "kappa", "gamma"):
        np.testing.assert_array_equal(getattr(found, name), 0.0)
    near = random_features_regression(*listed, n, features, noise=0.4, ridge=1e-12)
    np.testing.assert_allclose(near.risk[:, 1:], found.risk[:, 1:], rtol=1e-6)


def test_features_at_the_edge():
    """n = r: infinite; N = r < n: finite; min(n, N) < r: as ever."""
    listed = np.ones(1), np.array([50]), np.ones(1)
    solve = lambda n, k, noise=0.3: random_features_regression(*listed, n, k, noise=noise)
    assert np.isposinf(solve(50, 80).risk)
    assert np.isposinf(solve(50, 50).risk)
    assert solve(50, 80, 0.0).risk == 0.0
    np.testing.assert_allclose(solve(80, 50).risk, 0.09 * (5 / 8) / (3 / 8), rtol=ROUNDED)
    assert solve(80, 49).feature_variance > 0.0
    # continuous in N: what 49 features miss of 50 functions is 1/50
    np.testing.assert_allclose(solve(80, 49.999).risk, solve(80, 50).risk, rtol=1e-3)


def test_a_kernel_without_eigenvalues_is_refused():
    with pytest.raises(RequirementError, match="eigenvalues must not all be 0"):
        kernel_regression(np.zeros(2), np.ones(2), np.ones(2), 5)
