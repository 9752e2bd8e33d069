"""The lazy limit and its tails at sizes of any number of digits, against mpmath."""

import math

import mpmath
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory import features_for_risk, lazy_limit
from rf_limits.theory.numerics.tails import abel_plana
from rf_limits.theory.spectra.harmonics import log_gamma_ratio, multiplicity
from rf_limits.theory.spectra.homogeneous import WEIGHT_ERROR, log_weights, tail
from tests.rounding import rounding


def circle_tail(degree):
    """Sum over even k > K of 4/(pi (k^2 - 1))^2, d = 2: partial fractions and Hurwitz' zeta."""
    with mpmath.workdps(50 + 4 * len(str(degree))):
        m = mpmath.mpf(degree + 2 - degree % 2)
        squares = mpmath.zeta(2, (m - 1) / 2) / 4 + mpmath.zeta(2, (m + 1) / 2) / 4
        return (squares - 1 / (m - 1)) / mpmath.pi**2


def weight(order, dim, degree):
    """Lambda_k B(d, k) from Rodrigues' formula and the number of harmonics."""
    k, half = mpmath.mpf(degree), mpmath.mpf(dim) / 2
    root = (
        mpmath.loggamma(half)
        + mpmath.loggamma((k - order) / 2)
        - mpmath.loggamma((k + dim + order) / 2)
        - mpmath.log(2 ** (1 + order) * mpmath.pi)
    )
    number = (
        mpmath.log(2 * k + dim - 2)
        + mpmath.loggamma(k + dim - 2)
        - mpmath.loggamma(k + 1)
        - mpmath.loggamma(dim - 1)
    )
    return (dim if order else 1) * mpmath.exp(2 * root + number)


def far_tail(order, dim, degree):
    """Sum of the weights beyond a degree above 10^9, by Euler and Maclaurin.

    The terms left out are below (1/degree)^4 of it.
    """
    first = degree + 1 + (degree + order) % 2

    def change(u):
        return weight(order, dim, first * mpmath.exp(u)) * first * mpmath.exp(u) / 2

    integral = mpmath.quad(change, [mpmath.mpf(u) for u in range(0, 90, 3)])
    value = weight(order, dim, first)
    return integral + value / 2 + (2 * order + 2) * value / (6 * mpmath.mpf(first))


@pytest.mark.sharp
@pytest.mark.parametrize("exponent", [0, 3, 9, 13, 14, 15, 16, 26, 75, 100])
def test_tail_on_the_circle(exponent):
    for degree in (2 * 10**exponent, 3 * 10**exponent + 7):
        exact = circle_tail(degree)
        assert abs(tail(1, 2, degree) / exact - 1) < WEIGHT_ERROR
        if degree % 2 == 0:  # degrees 0 and 1, then two functions for each even degree
            assert abs(lazy_limit(3 + degree, 2) / exact - 1) < WEIGHT_ERROR


@pytest.mark.sharp
def test_recorded_values():
    assert abs(lazy_limit(3 + 2 * 10**13, 2) / 8.44343197019e-42 - 1) < 1e-12
    assert abs(circle_tail(2 * 10**13) / mpmath.mpf("8.44343197019e-42") - 1) < 1e-12


@pytest.mark.sharp
@pytest.mark.parametrize("case", [(1, 3, 10**14), (0, 3, 10**12), (1, 30, 10**10)], ids=str)
def test_tail_on_spheres(case):
    with mpmath.workdps(90):
        assert abs(tail(*case) / far_tail(*case) - 1) < WEIGHT_ERROR


@pytest.mark.sharp
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("dim", [2, 3, 20, 10**6, 10**12])
def test_weights_of_any_degree(order, dim):
    for size in (5, 60, 10**6, 10**14, 10**60, 10**200):
        degree = int(float(size + 1 - order - size % 2))  # float64 holds it
        if degree >= 2**53:
            degree = int(float(size))
        with mpmath.workdps(60 + 2 * len(str(degree)) + 15 * len(str(dim))):
            exact = mpmath.log(weight(order, dim, degree))
            assert abs(float(log_weights(order, dim, float(degree))) - exact) < WEIGHT_ERROR


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [2, 1000, 10**9, 10**15, 10**30, 10**100])
def test_weights_and_tail_add_up_in_any_dimension(dim):
    for order in (0, 1):
        for last in (1, 8, 61):
            found = math.fsum(np.exp(log_weights(order, dim, np.arange(last + 1))))
            error = abs(found + tail(order, dim, last) - 0.5)
            assert error < 0.5 * WEIGHT_ERROR


def test_power_law_takes_over_where_it_is_exact():
    for dim in (2, 10**12):
        near, far = tail(0, dim, 10**200), tail(0, dim, 10**201)
        # the same at 1e200, by quadrature, and its tenth
        assert abs(far / near * 10.0 - 1.0) < 2 * WEIGHT_ERROR


def test_falls_with_every_feature():
    """Where degrees have passed 2^53 as well: each step here is about 1e-13 of the limit."""
    limits = lazy_limit([10**26 + i * 10**13 for i in range(40)], 3)
    assert np.all(np.diff(limits) < 0.0)


def test_numbers_beyond_float64():
    p = features_for_risk(1 / 50, 1000, norm=1e6)
    assert p > 10**3000
    assert abs(lazy_limit(p, 1000, norm=1e6) * 50.0 - 1.0) < 2 * WEIGHT_ERROR
    # a level's ends, where the limit is a tail: C(k + d - 1, d - 1) functions up to degree k, and d
    degree, dim = 10**6, 1000
    full = math.comb(degree + dim - 1, dim - 1) + dim
    assert abs(lazy_limit(full, dim) / tail(1, dim, degree) - 1.0) < rounding(4)
    before = lazy_limit(full - multiplicity(dim, degree), dim)
    assert abs(before / tail(1, dim, degree - 2) - 1.0) < 2 * WEIGHT_ERROR


def test_what_cannot_be_resolved_is_refused():
    """With a bias the limit of 10^200 functions came out as 0; without, 10^400 overflowed."""
    for bias in (0.0, 0.5):
        for p in (10**200, 10**400):
            with pytest.raises(RequirementError, match="limit that float64 can resolve") as error:
                lazy_limit(p, 2, bias=bias)
            assert len(str(error.value)) < 120
    with pytest.raises(RequirementError, match="norm must be from 1e-150 to 1e150"):
        lazy_limit(5, 3, norm=1e200)


@pytest.mark.sharp
def test_complex_log_gamma_ratio_near_one():
    """Log(1 + z) of NumPy has no digit left at z = 1e-16, and Abel-Plana takes imaginary parts."""
    z = 1e12 + 3j
    with mpmath.workdps(60):
        exact = mpmath.loggamma(mpmath.mpc(z) + 1.5) - mpmath.loggamma(mpmath.mpc(z))
        found = complex(log_gamma_ratio(np.array(z), 1.5))
        assert abs(found.real - exact.real) < 4e-15 * (1 + 1.5 * math.log(2 + abs(z)))
        assert abs(found.imag / exact.imag - 1) < 1e-3


def test_abel_plana_of_slow_powers():
    """The step in high dimension: weights fall like n^{-3/2} as far as float64 sees."""
    found = abel_plana(lambda z: -1.5 * np.log(z), 21.0)
    assert abs(found - float(mpmath.log(mpmath.zeta(1.5, 21)))) < 1e-13
