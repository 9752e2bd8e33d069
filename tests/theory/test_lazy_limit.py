"""The lazy limit against reference values, brute-force sorting and simulated features."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rf_limits.errors import RequirementError
from rf_limits.theory import (
    features_for_risk,
    hardest_bias,
    lazy_limit,
    relu_gram,
    zonal_spectrum,
)
from rf_limits.theory.spectra.harmonics import multiplicity
from rf_limits.theory.spectra.hermite import hermite_series
from tests.rounding import LIBRARY, rounding
from tests.variants import kept


@pytest.mark.parametrize(
    ("dim", "risks", "digits"),
    [
        (5, (0.0546875, 0.00149155, 0.00021315, 0.00003752), 5e-9),
        (20, (0.22431773, 0.05758553, 0.00894330, 0.00342352), 5e-9),
    ],
)
def test_reference_values(dim, risks, digits):
    found = lazy_limit([10, 100, 1000, 10000], dim)
    np.testing.assert_allclose(found, risks, rtol=0, atol=digits * 1.001)


def test_paper_setting():
    # eps = 1/(50 d^4): every feature of degree 22 (d = 5) and 82 (d = 10) is the next full level
    for dim, degree, exponent in [(5, 22, 4.2), (10, 82, 11.9)]:
        full = math.comb(degree + dim - 1, dim - 1) + dim
        assert round(math.log10(full), 1) == exponent
        p = features_for_risk(1 / 50, dim, norm=dim**2)
        assert full - multiplicity(dim, degree) < p <= full
        assert lazy_limit(p, dim, norm=dim**2) <= 1 / 50


@pytest.mark.parametrize(("dim", "bias"), [(2, 0.0), (5, 0.0), (5, 0.8), (3, -1.5), (20, 0.1)])
def test_equals_brute_force(dim, bias):
    """All eigenvalues written out one by one, sorted, summed beyond p."""
    found = zonal_spectrum(dim, {2: 300, 3: 120, 5: 24, 20: 5}[dim], bias=bias)
    sizes = [found.multiplicity(k) for k in range(found.max_degree + 1)]
    values = np.sort(np.repeat(found.eigenvalues, sizes))[::-1]
    # eigenvalues beyond the computed degrees are smaller than the leading quarter
    for p in (0, 1, 2, dim, dim + 1, dim + 2, 40, 97):
        expected = math.fsum(values[p:]) + found.tail
        assert abs(lazy_limit(p, dim, bias=bias) / expected - 1.0) < 1e-9


@pytest.mark.parametrize("bias", [0.0, 0.7])
@pytest.mark.parametrize("dim", [2, 5, 20, 1000])
def test_decreasing_and_convex(dim, bias):
    """Differences are the eigenvalues: positive and decreasing."""
    risks = lazy_limit(np.arange(60), dim, bias=bias)
    steps = -np.diff(risks)
    assert np.all(steps > 0.0)
    # of three risks, each a sum over at most 100 levels
    assert np.all(np.diff(steps) <= rounding(3 * 100) * risks[0])
    found = zonal_spectrum(dim, 0, bias=bias)
    # eigenvalues have a relative error of 1e-11
    assert abs(risks[0] - found.total) <= found.tail_error + 1e-11 * found.total


@settings(max_examples=30, deadline=None)
@given(dim=st.integers(2, 200), log_p=st.floats(0.0, 95.0), more=st.floats(1e-6, 5.0))
def test_monotone_over_the_whole_range(dim, log_p, more):
    p = int(10.0**log_p)
    q = int(10.0 ** min(log_p + more, 100.0)) + 1
    assert 0.0 < lazy_limit(q, dim) < lazy_limit(p, dim) <= 0.5


def test_slope_across_a_level_far_out():
    """R* at both ends of one level differs by its share, where R* is 1e-8 of the total."""
    dim, degree = 5, 500
    top = math.comb(degree + dim - 1, dim - 1) + dim
    high = lazy_limit(top - multiplicity(dim, degree), dim)
    low = lazy_limit(top, dim)
    assert low < 1e-8 * 0.5
    share = zonal_spectrum(dim, degree).weights[degree]
    assert abs((high - low) / share - 1.0) < 1e-8


def test_asymptotics_meet_the_degree_by_degree_sum():
    """Beyond degree 2048 an expansion takes over: compare with the spectrum itself."""
    dim, bias, degree = 2, 1.3, 2500
    found = zonal_spectrum(dim, degree, bias=bias)
    assert abs(lazy_limit(2 * degree + 1, dim, bias=bias) / found.tail - 1.0) < 1e-9


def test_homogeneity():
    p = [0, 3, 100]
    np.testing.assert_allclose(
        lazy_limit(p, 5, norm=3.0, bias=1.5), 9.0 * lazy_limit(p, 5, bias=0.5), rtol=rounding(4)
    )


@pytest.mark.parametrize("bias", kept([0.0, 0.6], [0.6]))
def test_no_random_features_do_better(bias):
    """Mean best risk of p random neurons over many targets: above R*(p), by the exact Gram."""
    dim, p, trials = 5, 12, 40
    rng = np.random.default_rng(0)
    risks = []
    total = lazy_limit(0, dim, bias=bias)
    targets = rng.normal(size=(500, dim))
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    gram_of, b = jax.jit(relu_gram), np.full(500, bias)
    for _ in range(trials):
        w, a = rng.normal(size=(p, dim)), rng.normal(size=p)
        gram = np.asarray(gram_of(w, a, w, a)) + 1e-13 * np.eye(p)
        cross = np.asarray(gram_of(w, a, targets, b))
        risks.append(total - np.mean(np.sum(cross * np.linalg.solve(gram, cross), axis=0)))
    mean, error = np.mean(risks), np.std(risks) / math.sqrt(trials)
    assert mean - 6 * error > lazy_limit(p, dim, bias=bias)


@pytest.mark.sharp
def test_best_features_attain_the_limit():
    """|x| (degree 0: the mean of the targets) and d linear functions: equality, by hand.

    <relu(<w, x>), |x|>^2 / E |x|^2 = d (E relu(t))^2, and the linear part holds 1/4.
    """
    dim = 4
    rho_0 = math.gamma(2.0) / (2 * math.sqrt(math.pi) * math.gamma(2.5))  # E relu(t)
    by_hand = 0.5 - dim * rho_0**2 - 0.25
    # two gamma functions and terms that add up to 1; a tail has a relative error of 1e-14
    assert abs(lazy_limit(dim + 1, dim) - by_hand) < rounding(4 * LIBRARY) + 1e-14 * by_hand


@pytest.mark.parametrize("bias", [0.0, 0.5])
@pytest.mark.parametrize("risk", [0.6, 0.4, 0.24, 0.1, 1e-2, 1e-3, 1e-5])
def test_inverse(bias, risk):
    p = features_for_risk(risk, 4, bias=bias)
    assert lazy_limit(p, 4, bias=bias) <= risk
    assert p == 0 or lazy_limit(p - 1, 4, bias=bias) > risk


def test_inverse_of_huge_numbers():
    p = features_for_risk(1 / 50, 100, norm=1e4)
    assert isinstance(p, int)
    assert len(str(p)) == 218
    assert lazy_limit(p, 100, norm=1e4) == pytest.approx(1 / 50, rel=1e-10)
    assert lazy_limit(float(10**100), 3) == lazy_limit(int(1e100), 3) > 0.0


def test_hardest_bias_beats_its_neighbours():
    bias, value = hardest_bias(100, 5, grid=9)
    assert value == lazy_limit(100, 5, bias=bias)
    others = lazy_limit(100, 5), *(lazy_limit(100, 5, bias=b) for b in (bias - 0.01, bias + 0.01))
    assert value > max(others)
    assert bias > 0.0
    # relu(s) - relu(-s) = s: signs differ in degrees 0 and 1 only
    assert lazy_limit(100, 5, bias=-bias) == pytest.approx(value, rel=1e-9)
    _, doubled = hardest_bias(100, 5, norm=2.0, grid=9)
    assert doubled == pytest.approx(4.0 * value, rel=1e-6)


def test_shapes():
    assert isinstance(lazy_limit(3, 5), float)
    assert lazy_limit(np.ones((2, 3), int), 5).shape == (2, 3)
    assert lazy_limit(3.9, 5) == lazy_limit(3, 5)
    assert lazy_limit(25, 5, activation="quadratic", bias=0.3) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lazy_limit(-1, 5), "num_features must be at least 0 and finite, but received -1."),
        (lambda: lazy_limit(math.nan, 5), "num_features must be at least 0 and finite"),
        (lambda: lazy_limit(10, 1), "dim must be at least 2, but received 1."),
        (lambda: lazy_limit(10**9, 2, bias=1e-4), "num_features must leave a limit"),
        (lambda: lazy_limit(10**12, 5, activation="tanh"), "num_features must leave a limit"),
        (lambda: features_for_risk(0.0, 5), "risk must be positive and finite, but received 0.0."),
        (lambda: features_for_risk(1e-300, 5), "risk must be at least 1e-200 norm^2"),
        (lambda: features_for_risk(0.1, 5, norm=-1.0), "norm must be positive and finite"),
        (lambda: hardest_bias(10, 5, max_bias=-1.0), "max_bias must be positive"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RequirementError) as error:
        call()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bias", [0.0, 0.6])
def test_plateaus_tend_to_hermite_tails(bias):
    """With all harmonics up to degree k, R* tends to the Hermite tail beyond k, like 1/d."""
    squares = hermite_series("relu", 8, bias=bias).coefficients ** 2
    total = float(lazy_limit(0, 10, bias=bias))
    for degree in (0, 1, 2, 4):
        gaps = []
        for dim in (100, 200, 400):
            features = sum(multiplicity(dim, k) for k in range(degree + 1))
            limit = float(lazy_limit(features, dim, bias=bias))
            gaps.append(limit - (total - float(np.sum(squares[: degree + 1]))))
        assert abs(gaps[0]) > 1e-4  # and it is not there from the start
        # Richardson: order 1/d up to terms of order 1/d^2
        assert abs(gaps[0] - 2 * gaps[1]) < 20.0 / 100**2
        assert abs(gaps[1] - 2 * gaps[2]) < 20.0 / 200**2
        assert abs(gaps[2]) < 0.6 * abs(gaps[1]) + 1e-9
