"""The variance by source: samples, features, their interaction, noise."""

import numpy as np
import pytest

from rf_limits.theory import (
    kernel_regression,
    kernel_regression_risk,
    random_features_regression,
    random_features_risk,
    relu_kernel_spectrum,
    zonal_spectrum,
)
from tests.chance import standard_errors
from tests.theory.test_gaussian_inputs import drawn

PARTS = ("sample_variance", "feature_variance", "interaction", "noise_variance")


def spectra(dim, degree=200):
    return relu_kernel_spectrum("nngp", dim, degree), zonal_spectrum(dim, degree)


def listed():
    rng = np.random.default_rng(4)
    return rng.uniform(0.01, 2.0, 20), rng.integers(1, 9, 20).astype(float), rng.uniform(size=20)


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
def test_parts_add_up(inputs):
    n, count = np.array([20, 100, 300])[:, None], np.array([30, 250])
    for ridge in (0.0, 0.3):
        found = random_features_risk(*spectra(20), n, count, inputs=inputs, ridge=ridge, noise=0.3)
        parts = [getattr(found, name) for name in PARTS]
        assert all(np.all(part >= 0.0) for part in parts)
        np.testing.assert_allclose(sum(parts), found.variance, rtol=1e-14)
        np.testing.assert_allclose(found.risk, found.bias + found.variance, rtol=1e-14)
        kernel = kernel_regression_risk(*spectra(20), n, inputs=inputs, ridge=ridge, noise=0.3)
        both = kernel.sample_variance + kernel.noise_variance
        np.testing.assert_allclose(both, kernel.variance, rtol=1e-14)


def test_noise_is_what_noise_adds():
    for solve in (
        lambda noise: kernel_regression_risk(*spectra(10), 50, ridge=0.1, noise=noise),
        lambda noise: random_features_risk(*spectra(10), 50, 80, ridge=0.1, noise=noise),
    ):
        found, clean = solve(0.4), solve(0.0)
        np.testing.assert_allclose(found.noise_variance, found.risk - clean.risk, rtol=1e-12)
        assert clean.noise_variance == 0.0
        np.testing.assert_allclose(found.sample_variance, clean.sample_variance, rtol=1e-14)


def test_the_mean_over_features_is_a_kernel_fit_of_larger_ridge():
    """Averaged over features the fit is kernel regression at ridge delta gamma/kappa."""
    n, count, ridge = 50.0, 80.0, 0.7
    found = random_features_regression(*listed(), n, count, ridge=ridge, tail=0.5)
    larger = ridge * float(found.gamma / found.kappa)
    kernel = kernel_regression(*listed(), n, ridge=larger, tail=0.5)
    np.testing.assert_allclose(kernel.kappa, found.gamma, rtol=1e-12)
    np.testing.assert_allclose(found.sample_variance, kernel.sample_variance, rtol=1e-12)
    np.testing.assert_allclose(found.bias, kernel.bias, rtol=1e-12)


def test_the_mean_over_samples_is_the_fit_of_infinitely_many():
    """With n infinite what is left of the variance is that over features."""
    count = 40.0
    few = random_features_regression(*listed(), 1e13, count, noise=0.3)
    np.testing.assert_allclose(few.risk, few.bias + few.feature_variance, rtol=1e-9)
    # at the same gamma, that is with n > N and no ridge, the same for every n
    again = random_features_regression(*listed(), 60, count, noise=0.3)
    np.testing.assert_allclose(again.feature_variance, few.feature_variance, rtol=1e-12)


def test_only_interaction_and_noise_diverge_at_the_peak():
    """As Adlam and Pennington (2020) found."""
    found = random_features_risk(*spectra(10), 100, 100, noise=0.1)
    assert np.isposinf(found.interaction)
    assert np.isposinf(found.noise_variance)
    assert np.isfinite(found.sample_variance)
    assert np.isfinite(found.feature_variance)
    near = random_features_risk(*spectra(10), 100, [99, 101], noise=0.1)
    np.testing.assert_allclose(near.sample_variance, found.sample_variance, rtol=0.02)


def parts_of(rng, dim, n, count, ridge, noise, law, size, test):
    """Unbiased estimates of the four parts from fits on a grid of data sets and features."""
    z = drawn(rng, test, dim, law)
    xs = [drawn(rng, n, dim, law) for _ in range(size)]
    ws = [drawn(rng, count, dim, law) for _ in range(size)]
    values, noisy = np.zeros((size, size, test)), 0.0
    for i, x in enumerate(xs):
        for j, w in enumerate(ws):
            phi, psi = (np.maximum(y @ w.T, 0.0) / np.sqrt(count) for y in (x, z))
            if n < count:
                fit = psi @ phi.T @ np.linalg.inv(phi @ phi.T + ridge * np.eye(n))
            else:
                fit = psi @ np.linalg.solve(phi.T @ phi + ridge * np.eye(count), phi.T)
            values[i, j] = fit @ np.maximum(x[:, 0], 0.0)
            noisy += noise**2 * np.mean(np.sum(fit**2, axis=1)) / size**2
    mean = values.mean(axis=(0, 1))
    rows, columns = values.mean(axis=1) - mean, values.mean(axis=0) - mean
    rest = np.mean(np.sum((values - mean - rows[:, None] - columns) ** 2, axis=(0, 1)))
    rest /= (size - 1) ** 2
    main = [np.mean(np.sum(part**2, axis=0)) / (size - 1) - rest / size for part in (rows, columns)]
    return [*main, rest, noisy]


SETTINGS = [
    (20, 30, 90, 0.0, "gaussian"),
    pytest.param(20, 60, 60, 0.5, "gaussian", marks=pytest.mark.slow),
    pytest.param(20, 60, 60, 0.5, "sphere", marks=pytest.mark.slow),
    pytest.param(20, 90, 30, 0.0, "sphere", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("dim", "n", "count", "ridge", "law"), SETTINGS)
def test_parts_of_direct_regressions(dim, n, count, ridge, law):
    """Grids of independent data sets and features, an analysis of variance for each."""
    rng, groups = np.random.default_rng(5), 20
    rows = [parts_of(rng, dim, n, count, ridge, 0.3, law, 6, 200) for _ in range(groups)]
    found = random_features_risk(
        *spectra(dim), n, count, inputs=law, weights=law, ridge=ridge, noise=0.3
    )
    expected = np.array([float(getattr(found, name)) for name in PARTS])
    error = np.std(rows, axis=0, ddof=1) / np.sqrt(groups)
    assert np.all(np.abs(np.mean(rows, axis=0) - expected) < standard_errors(groups, 16) * error)
    assert np.all(error < 0.12 * expected)
