"""Learning curves of random features: equations, limits, the peak at n = N, extremes, refusals."""

import itertools

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory import (
    kernel_regression_risk,
    kernel_spectrum,
    random_features_regression,
    random_features_risk,
    relu_kernel_spectrum,
    zonal_spectrum,
)
from tests.rounding import LIBRARY, rounding

KAPPA = 5 * LIBRARY
"""Roundings behind gamma, kappa and L: sums of exponentials of logarithms, and a bisection.

They are errors of logarithms, so their condition number is the size of those.
"""
LARGE = 1e14  # in place of infinitely many; what is left out is of order n/LARGE


def spectra(dim, degree=200):
    return relu_kernel_spectrum("nngp", dim, degree), zonal_spectrum(dim, degree)


def test_infinitely_many_features_are_the_kernel():
    n = np.array([[3.0], [100.0], [3000.0]])
    options = {"ridge": np.array([0.0, 1e-3, 2.0]), "noise": 0.3}
    found = random_features_risk(*spectra(20), n, LARGE, **options)
    limit = kernel_regression_risk(*spectra(20), n, **options)
    for name in ("risk", "train_risk", "bias", "variance", "kappa", "learnability", "tail_error"):
        np.testing.assert_allclose(getattr(found, name), getattr(limit, name), rtol=1e-9)
    np.testing.assert_allclose(found.gamma, limit.kappa, rtol=1e-9)


def test_infinitely_many_samples_give_the_best_predictor_in_the_span():
    """For a neuron with the features' law it is kernel regression on N samples."""
    kernel, target = spectra(20)
    counts = np.array([3, 100, 3000])
    found = random_features_risk(kernel, target, LARGE, counts, noise=0.3)
    limit = kernel_regression_risk(kernel, target, counts)
    np.testing.assert_allclose(found.risk, limit.risk, rtol=1e-9)
    np.testing.assert_allclose(found.train_risk, limit.risk + 0.09, rtol=1e-9)
    np.testing.assert_array_equal(found.kappa, 0.0)
    for degree in (0, 1, 2, 4):
        energy = target.weights[degree]
        one = random_features_risk(kernel, target, LARGE, counts, degree=degree)
        span = energy * (1.0 - limit.learnability[:, degree])  # which cancels
        atol = rounding(KAPPA, 40.0) * energy  # log(LARGE) is 32
        np.testing.assert_allclose(one.risk, span, rtol=1e-9, atol=atol)


@pytest.mark.sharp
def test_the_equations_and_the_published_formula():
    """Simon et al. 2024, where their form is accurate: 1 - (...) cancels a hundredfold."""
    rng = np.random.default_rng(0)
    values, counts = rng.uniform(0.01, 2.0, 30), rng.integers(1, 9, 30).astype(float)
    target, tail, noise, rest = rng.uniform(0.0, 1.0, 30), 3.0, 0.4, 0.7
    for n, k, ridge in itertools.product((5.0, 40.0, 300.0), (7.0, 40.0, 400.0), (1e-3, 0.1, 20.0)):
        found = random_features_regression(
            values, counts, target, n, k, ridge=ridge, noise=noise, tail=tail, target_tail=rest
        )
        gamma, kappa = found.gamma, found.kappa
        learned = values / (values + gamma)
        rtol = rounding(KAPPA, 10.0)  # the logarithms are below 10
        z, q = np.sum(counts * learned) + tail / gamma, np.sum(counts * learned**2)
        np.testing.assert_allclose(z + ridge / kappa, n, rtol=rtol)
        np.testing.assert_allclose(z + k * kappa / gamma, k, rtol=rtol)
        factor = 1.0 / (1.0 - (q * (k - 2.0 * z) + z**2) / (n * (k - q)))
        third = kappa * values / (values + gamma) ** 2 * k / (k - q)
        on_labels = factor * (np.sum((1.0 - learned - third) * target) + rest + noise**2)
        # 1/factor is a difference of numbers up to 1, and so are the terms
        sizes = factor * (np.sum((1.0 + learned + third) * target) + rest + noise**2)
        atol = rtol * (1.0 + 2.0 * factor) * sizes
        np.testing.assert_allclose(found.risk, on_labels - noise**2, rtol=0, atol=atol)
        np.testing.assert_allclose(found.learnability, learned, rtol=rtol)
        left = (ridge / (n * kappa)) ** 2
        np.testing.assert_allclose(
            found.train_risk, left * on_labels, rtol=2.0 * rtol, atol=left * atol
        )


@pytest.mark.sharp
def test_equal_eigenvalues_by_hand():
    """l = 1 on p functions without ridge: L = min(n, N)/p, gamma = 1/L - 1."""
    p, noise, energy = 50.0, 0.4, 2.0
    # logarithms are below 4, and gamma moves by 1/(1 - 20/p) of what n does
    rtol = rounding(KAPPA, 4.0 / (1.0 - 20.0 / p))
    solve = lambda n, k: random_features_regression(
        np.ones(1), np.array([p]), np.array([energy]), n, k, noise=noise
    )
    few = solve(80, 20)  # N < n: the span's error and the noise, times n/(n - N)
    on_labels = (1 - 20 / p) * energy + noise**2
    np.testing.assert_allclose(few.risk, 80 / 60 * on_labels - noise**2, rtol=rtol)
    np.testing.assert_allclose(few.train_risk, 60 / 80 * on_labels, rtol=rtol)
    assert few.kappa == 0.0
    many = solve(20, 80)  # t = n (1 - n/p) = 12, b = N - n = 60: factor 1 + n/b + q/t = 2
    np.testing.assert_allclose(many.gamma, (p - 20) / 20, rtol=rtol)
    np.testing.assert_allclose(many.kappa, (p - 20) / 20 * 60 / 80, rtol=rtol)
    np.testing.assert_allclose(many.learnability, [20 / p], rtol=rtol)
    bias = energy * (1 - 20 / p) ** 2
    np.testing.assert_allclose(many.bias, bias, rtol=rtol)
    spread = 12 / 72 * energy * (20 / p) * (1 - 20 / p)
    np.testing.assert_allclose(many.risk, 2.0 * (bias + spread + noise**2) - noise**2, rtol=rtol)
    assert many.train_risk == 0.0
    assert many.tail_error == 0.0


def test_ridgeless_is_the_limit_of_small_ridge():
    n, features = np.array([[10.0], [100.0], [1000.0]]), np.array([30.0, 300.0])
    exact = random_features_risk(*spectra(20), n, features, noise=0.2)
    small = random_features_risk(*spectra(20), n, features, noise=0.2, ridge=1e-10)
    for name in ("risk", "bias", "gamma"):
        np.testing.assert_allclose(getattr(small, name), getattr(exact, name), rtol=1e-9)
    more = n >= features
    np.testing.assert_array_equal(exact.kappa == 0.0, more)
    np.testing.assert_array_equal(exact.train_risk == 0.0, ~more)
    np.testing.assert_allclose(small.train_risk[more], exact.train_risk[more], rtol=1e-9)
    assert np.all(small.kappa > 0.0)
    assert np.all(small.train_risk > 0.0)


def test_the_peak():
    around = random_features_risk(*spectra(20), 100, [50, 90, 99, 100, 101, 110, 200])
    assert np.isposinf(around.risk[3])
    assert around.train_risk[3] == 0.0
    assert np.all(np.isfinite(np.delete(around.risk, 3)))
    assert np.all(np.diff(around.risk[:4]) > 0.0)
    assert np.all(np.diff(around.risk[3:]) < 0.0)
    at = random_features_risk(*spectra(20), 100, 100, ridge=[1e-12, 1e-14, 1e-16], noise=0.1)
    # the factor is n/(2 s) and s^2 = ridge N/gamma: ten times more for a hundredth of the ridge
    np.testing.assert_allclose(at.risk[1:] / at.risk[:-1], 10.0, rtol=1e-4)
    nothing = random_features_regression(np.ones(1), np.array([9.0]), np.zeros(1), 5, 5)
    assert nothing.risk == 0.0


def test_the_tail_acts_as_ridge_and_is_not_dropped():
    dim, held, counts = 5, 17, np.array([100, 1000])
    kernel, target = spectra(dim, 400)
    full = random_features_risk(kernel, target, counts, 2 * counts)
    short = random_features_risk(*spectra(dim, held - 1), counts, 2 * counts)
    assert np.all(short.tail_error < 0.05)
    assert np.all(np.abs(short.risk / full.risk - 1.0) < 0.1 * short.tail_error)
    listed = dim * kernel.eigenvalues[:held], np.exp(kernel.log_multiplicities[:held])
    dropped = random_features_regression(*listed, target.weights[:held], counts, 2 * counts)
    assert np.all(np.abs(dropped.risk / full.risk - 1.0) > 0.03)


def test_arguments_broadcast():
    n, features = np.array([50, 100])[:, None, None], np.array([30, 70, 200])[:, None]
    ridge, noise = np.array([0.0, 0.1, 1.0, 3.0]), 0.2
    found = random_features_risk(*spectra(10), n, features, ridge=ridge, noise=noise)
    assert found.remark == ""
    for name, values in zip(found._fields[:-1], found[:-1], strict=True):
        assert isinstance(values, np.ndarray)
        assert values.shape == ((2, 3, 4, 201) if name == "learnability" else (2, 3, 4)), name
    one = random_features_risk(*spectra(10), 100, 70, ridge=1.0, noise=noise)
    for name, values in zip(one._fields[:-1], one[:-1], strict=True):
        assert isinstance(values, np.ndarray)
        # sums over 201 degrees in other orders; logarithms of gamma and of the ridge are below 10
        rtol = rounding(KAPPA + 201, 10.0)
        np.testing.assert_allclose(getattr(found, name)[1, 1, 2], values, rtol=rtol)


def test_high_dimensions_do_not_overflow():
    kernel, target = spectra(1000, 2000)
    found = random_features_risk(kernel, target, [10, 10**6, 10**9], [10**6, 10**7, 10**7])
    for values in found[:-1]:
        assert np.all(np.isfinite(values))
    assert 0.6 > found.risk[0] > found.risk[1] > found.risk[2] > 0.0


def test_the_scale_of_the_kernel_does_not_matter():
    """Small eigenvalues bring the bracket's middle below 1e-308, where 1/kappa overflows."""
    held = np.array([3.0, 20.0]), np.ones(2)
    rtol = rounding(KAPPA, 2.0 * 75.0)  # logarithms up to 75; n = 8 moves gamma by twice its change
    for scale in (1e-30, 1e-8, 1e8, 1e30):
        values = scale * np.array([1.0, 0.1])
        found = random_features_regression(values, *held, 8, [6, 12], noise=0.1)
        plain = random_features_regression(values / scale, *held, 8, [6, 12], noise=0.1)
        np.testing.assert_allclose(found.risk, plain.risk, rtol=rtol)
        np.testing.assert_allclose(found.gamma, scale * plain.gamma, rtol=rtol)


def test_one_degree_alone():
    kernel, target = spectra(10, 50)
    laws = {"inputs": "sphere", "weights": "sphere"}
    one = lambda **options: random_features_risk(kernel, target, 100, 130, **laws, **options)
    parts = sum(one(degree=k).risk for k in range(51))
    factor = 1.0 + one(noise=1.0).risk - one().risk
    beyond = (target.total - target.weights.sum()) * factor
    # gamma is the same; 51 summands on either side, and what is beyond is what the total leaves
    condition = factor * target.total / one().risk
    np.testing.assert_allclose(parts + beyond, one().risk, rtol=rounding(2 * 51 + 20, condition))
    rtol = rounding(51 + 20, condition)
    np.testing.assert_allclose(one(norm=3.0).risk, 9.0 * one().risk, rtol=rtol)


def test_refusals():
    listed = np.ones(1), np.array([50.0]), np.ones(1)
    for n, features in ((0, 10), (10, 0), (10, np.inf)):
        with pytest.raises(RequirementError, match=r"must be positive and finite"):
            random_features_regression(*listed, n, features)
    for name in ("ridge", "noise", "tail"):
        with pytest.raises(RequirementError, match=f"^{name} must be at least 0"):
            random_features_regression(*listed, 10, 20, **{name: -0.1})
    with pytest.raises(RequirementError, match=r"^target must be at least 0"):
        random_features_regression(*listed[:2], -np.ones(1), 10, 20)
    with pytest.raises(RequirementError, match=r"^eigenvalues must be at least 0"):
        random_features_regression(-np.ones(1), *listed[1:], 10, 20)
    assert random_features_regression(*listed, 60, 70, ridge=0.1).risk < 1.0
    assert random_features_regression(*listed, 49, 60).risk > 0.0
    kernel, target = spectra(10, 20)
    with pytest.raises(RequirementError, match=r"kernel.dim must be 10"):
        random_features_risk(relu_kernel_spectrum("nngp", 12, 20), target, 10, 20)
    with pytest.raises(RequirementError, match=r"degree must be from 0 to 20"):
        random_features_risk(kernel, target, 10, 20, degree=21)
    linear = kernel_spectrum(lambda c: c, 10, 1)
    for features in (9, 10, 30):
        assert np.isfinite(random_features_risk(linear, target, 20, features).risk)
