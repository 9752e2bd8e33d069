"""Learning curves of kernels against direct regression, and the tail that must not be dropped."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory import (
    kernel_regression,
    kernel_regression_risk,
    kernel_spectrum,
    relu_kernel_spectrum,
    zonal_spectrum,
)
from rf_limits.theory.bounds.best_features import best_risks
from rf_limits.theory.expectations.relu_gram import relu_gram
from tests.chance import allowed, share_within, standard_errors
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

TEST, SEEDS = 1000, 16
KAPPA = 5 * LIBRARY
"""Roundings behind kappa and L: sums of exponentials of logarithms, and the root's own bisection.

They are errors of log kappa, so their condition number is the size of the logarithms.
"""


def sphere(rng, count, dim):
    """Uniform on the sphere of radius sqrt(d)."""
    x = rng.normal(size=(count, dim))
    return x * np.sqrt(dim) / np.linalg.norm(x, axis=1, keepdims=True)


def by_hand(x, z, kernel):
    """|x||z| h(cos theta) with the arc-cosine functions written out (Cho and Saul 2009)."""
    dim = x.shape[1]
    c = np.clip(x @ z.T / dim, -1.0, 1.0)
    theta = np.arccos(c)
    first = (np.sin(theta) + (np.pi - theta) * c) / (2 * np.pi)
    gate = (np.pi - theta) / (2 * np.pi)
    return dim * (first if kernel == "nngp" else first + c * gate)


def measured(rng, dim, n, ridge, noise, kernel):
    """Risk, training error and what rounding leaves of it, of direct regression; a row a seed."""
    rows = []
    for _ in range(SEEDS):
        x, z, w = sphere(rng, n, dim), sphere(rng, TEST, dim), rng.normal(size=dim)
        w /= np.linalg.norm(w)
        y = np.maximum(x @ w, 0.0) + noise * rng.normal(size=n)
        gram = by_hand(x, x, kernel)
        a = np.linalg.solve(gram + ridge * np.eye(n), y)
        error = by_hand(z, x, kernel) @ a - np.maximum(z @ w, 0.0)
        # residual of Gaussian elimination, by its backward error, and the n sums that find it
        least = rounding(4 * n) * (np.abs(gram) @ np.abs(a) + np.abs(y))
        rows.append((np.mean(error**2), np.mean((gram @ a - y) ** 2), np.mean(least**2)))
    return np.array(rows)


@pytest.mark.parametrize("numbers", kept([(30, 100), (250,)], [(30, 100)]))
def test_a_grid_of_direct_regressions(numbers):
    """Settings by themselves, and as many within 3 standard errors as chance leaves."""
    rng = np.random.default_rng(5)
    grid = list(itertools.product((10, 25), numbers, (0.0, 0.5), (0.0, 0.3), ("nngp", "ntk")))
    distances = []
    for dim, n, ridge, noise, kernel in grid:
        spectra = relu_kernel_spectrum(kernel, dim, 200), zonal_spectrum(dim, 200)
        theory = kernel_regression_risk(*spectra, n, inputs="sphere", ridge=ridge, noise=noise)
        rows = measured(rng, dim, n, ridge, noise, kernel)
        error = rows.std(axis=0, ddof=1) / np.sqrt(SEEDS)
        distance = np.abs(rows.mean(axis=0) - [theory.risk, theory.train_risk, 0.0])
        distances.append(distance[0] / error[0])
        # the training error: a tenth and what chance allows, or nothing at all without ridge
        slack = 0.1 * theory.train_risk + standard_errors(SEEDS, 48) * error[1]
        assert distance[1] < (slack if ridge else distance[2])
    assert len(distances) == 16 * len(numbers)
    assert np.max(distances) < standard_errors(SEEDS, 48)
    least, _ = allowed(len(distances), share_within(SEEDS, 3.0))
    assert np.sum(np.less(distances, 3.0)) >= least


def test_the_tail_acts_as_ridge_and_is_not_dropped():
    dim, n = 5, np.array([100, 1000])
    kernel, target = relu_kernel_spectrum("ntk", dim, 400), zonal_spectrum(dim, 400)
    full = kernel_regression_risk(kernel, target, n)
    short = kernel_regression_risk(relu_kernel_spectrum("ntk", dim, 40), zonal_spectrum(dim, 40), n)
    assert np.all(short.tail_error < 1e-2)
    np.testing.assert_allclose(short.risk, full.risk, rtol=2e-3)
    held = kernel.eigenvalues[:41] * dim, np.exp(kernel.log_multiplicities[:41])
    dropped = kernel_regression(*held, target.weights[:41], n)
    assert np.all(np.abs(dropped.risk / full.risk - 1.0) > 0.02)


def test_a_short_spectrum_with_its_tail_is_a_long_one():
    """d = 25, n = 30,000, 200 degrees: exact with the tail, 0.7% too low without (NTK)."""
    dim, n = 25, 30_000
    long, short = (
        kernel_regression_risk(relu_kernel_spectrum("ntk", dim, k), zonal_spectrum(dim, k), n)
        for k in (2000, 200)
    )
    np.testing.assert_allclose(short.risk, long.risk, rtol=1e-11)  # that of the eigenvalues
    kernel, target = relu_kernel_spectrum("ntk", dim, 200), zonal_spectrum(dim, 200)
    counts = np.exp(kernel.log_multiplicities)
    dropped = kernel_regression(dim * kernel.eigenvalues, counts, target.weights, n)
    assert -0.01 < dropped.risk / long.risk - 1.0 < -0.005


def test_ridgeless_is_the_limit_of_small_ridge():
    kernel, target = relu_kernel_spectrum("nngp", 20, 100), zonal_spectrum(20, 100)
    n = np.array([[10.0], [100.0], [1000.0]])
    found = kernel_regression_risk(kernel, target, n, ridge=np.array([0.0, 1e-9]), noise=0.2)
    assert found.risk.shape == (3, 2)
    assert found.learnability.shape == (3, 2, 101)
    np.testing.assert_allclose(found.risk[:, 1], found.risk[:, 0], rtol=1e-7)
    assert np.all(found.train_risk[:, 0] == 0.0)
    assert np.all(found.train_risk[:, 1] > 0.0)


@pytest.mark.sharp
def test_equal_eigenvalues_by_hand():
    """l = 1 on p functions, n < p: kappa = (p - n)/n, L = n/p, overfitting p/(p - n)."""
    p, n, noise = 50.0, 20, 0.4
    # logarithms are below 4, and kappa moves by 1/(1 - n/p) of what n does
    rtol = rounding(KAPPA, 4.0 / (1.0 - n / p))
    found = kernel_regression(np.ones(1), np.array([p]), np.array([2.0]), n, noise=noise)
    np.testing.assert_allclose(found.kappa, (p - n) / n, rtol=rtol)
    np.testing.assert_allclose(found.learnability, [n / p], rtol=rtol)
    np.testing.assert_allclose(found.overfitting, p / (p - n), rtol=rtol)
    bias = 2.0 * (1 - n / p) ** 2
    np.testing.assert_allclose(found.bias, bias, rtol=rtol)
    risk = p / (p - n) * (bias + noise**2) - noise**2
    np.testing.assert_allclose(found.risk, risk, rtol=rtol)
    np.testing.assert_allclose(found.variance, risk - bias, rtol=rtol)
    assert float(kernel_regression(np.ones(1), np.array([p]), np.ones(1), 80, ridge=0.1).risk) < 1


def test_features_and_samples_are_dual():
    """The best RF risk with N neurons, over the population, is that of K on N samples."""
    dim, counts = 12, np.array([20, 80])
    theory = kernel_regression_risk(
        relu_kernel_spectrum("nngp", dim, 200), zonal_spectrum(dim, 200), counts
    )
    gram_of = jax.jit(lambda w: relu_gram(w, None, w, None))
    risks = []
    for seed in range(40):
        w = np.random.default_rng(seed).normal(size=(81, dim))
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        gram = np.array(gram_of(jnp.asarray(w)))
        best = best_risks(gram[1:, 1:], gram[1:, 0], 0.5, counts.tolist(), 0.0)
        risks.append([float(one.risk) for one in best])
    error = np.std(risks, axis=0, ddof=1) / np.sqrt(40)
    assert np.all(np.abs(np.mean(risks, axis=0) - theory.risk) < standard_errors(40, 2) * error)


def test_high_dimensions_do_not_overflow():
    kernel, target = relu_kernel_spectrum("ntk", 1000, 2000), zonal_spectrum(1000, 2000)
    found = kernel_regression_risk(kernel, target, [10, 10**6])
    assert np.all(np.isfinite(found.risk))
    assert 0.0 < found.risk[1] < found.risk[0] < 0.6


def test_one_degree_alone():
    kernel, target = relu_kernel_spectrum("ntk", 10, 50), zonal_spectrum(10, 50)
    parts = [kernel_regression_risk(kernel, target, 100, degree=k).risk for k in range(51)]
    whole = kernel_regression_risk(kernel, target, 100).risk
    factor = kernel_regression_risk(kernel, target, 100).overfitting
    beyond = (target.total - target.weights.sum()) * factor
    # kappa is the same; 51 summands on either side, and what is beyond is what the total leaves
    rtol = rounding(2 * 51 + 20, factor * target.total / whole)
    np.testing.assert_allclose(sum(parts) + beyond, whole, rtol=rtol)
    with pytest.raises(RequirementError, match="degree must be from 0 to 50"):
        kernel_regression_risk(kernel, target, 100, degree=51)


def test_the_scale_of_the_kernel_does_not_matter():
    """Small eigenvalues bring the bracket's middle below 1e-308, where 1/kappa overflows."""
    held = np.array([3.0, 20.0]), np.ones(2)
    rtol = rounding(KAPPA, 2.0 * 75.0)  # logarithms up to 75; n = 8 moves kappa by twice its change
    for scale in (1e-30, 1e-8, 1e8, 1e30):
        values = scale * np.array([1.0, 0.1])
        found = kernel_regression(values, *held, 8, noise=0.1)
        plain = kernel_regression(values / scale, *held, 8, noise=0.1)
        np.testing.assert_allclose(found.risk, plain.risk, rtol=rtol)
        np.testing.assert_allclose(found.kappa, scale * plain.kappa, rtol=rtol)


def test_a_zonal_kernel_of_finite_rank():
    """c = cos theta has degree 1 only, d functions: from d samples on least squares on these."""
    linear, target = kernel_spectrum(lambda c: c, 10, 1), zonal_spectrum(10, 20)
    options = {"inputs": "sphere", "noise": 0.3}
    outside = target.total - target.weights[1]
    assert np.isposinf(kernel_regression_risk(linear, target, 10, **options).risk)
    found = kernel_regression_risk(linear, target, 40, **options)
    np.testing.assert_allclose(found.risk, (0.09 / 4 + outside) / 0.75, rtol=1e-12)
    assert np.isfinite(kernel_regression_risk(linear, target, 9, **options).risk)
