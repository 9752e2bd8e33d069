"""Growth of the needed features: the package's numbers, numbers made another way, and the law."""

import math

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory.bounds.growth_law import growth_law
from rf_limits.theory.bounds.lazy_limit import features_for_risk

THE_PAPER = {50: 0.897, 100: 0.901, 200: 0.903, 400: 0.904}
"""By d, log10 p(d + 1) - log10 p(d) - (5/6) log10 d at |w*| = d^2, b* = 0, risk 1/50."""


def needed(dim):
    """log10 p of the package."""
    return math.log10(features_for_risk(1 / 50, dim, norm=float(dim) ** 2))


def counted(dim):
    """The same in whole numbers: E f*_k^2 by a recursion in k, multiplicities by binomials.

    s_k = E t_+ P_k(t) for the first coordinate t of a unit vector has s_0 = Gamma(d/2)/
    (2 sqrt(pi) Gamma((d+1)/2)), s_1 = 1/(2 d) and s_{k+2}/s_k = -(k - 1)/(k + d + 1) for even k.
    """
    eps = 1.0 / (50.0 * dim**4)
    s = math.exp(math.lgamma(dim / 2) - math.lgamma((dim + 1) / 2)) / (2.0 * math.sqrt(math.pi))
    left, total, k = 0.5, 0, 0
    while True:
        if k % 2 == 0 and k > 0:
            s *= -(k - 3) / (k + dim - 1)
        below = math.comb(dim + k - 3, k - 2) if k > 1 else 0
        count = math.comb(dim + k - 1, k) - below
        each = dim * (0.5 / dim if k == 1 else s) ** 2
        if left - each * count <= eps:
            return math.log10(total + math.ceil((left - eps) / each))
        left -= each * count
        total += count
        k += 1 if k < 2 else 2


@pytest.mark.parametrize("dim", [3, 10, 50])
def test_needed_features_counted(dim):
    """0.5 minus a sum of degrees keeps 1e-15 of 1/(50 d^4), which is 3e-9 at d = 50."""
    np.testing.assert_allclose(counted(dim), needed(dim), rtol=1e-7)


@pytest.mark.parametrize("dim", THE_PAPER)
def test_increments_in_the_papers_setting(dim):
    found = needed(dim + 1) - needed(dim) - 5.0 / 6.0 * math.log10(dim)
    assert abs(found - THE_PAPER[dim]) <= 5e-4  # three digits are given


def test_increments_counted():
    """Made without the package."""
    found = counted(51) - counted(50) - 5.0 / 6.0 * math.log10(50)
    assert abs(found - THE_PAPER[50]) <= 5e-4


def test_the_law():
    law = growth_law(1 / 50, 2.0)
    assert law.slope == pytest.approx(5.0 / 6.0)
    assert law.constant == pytest.approx(0.9047, abs=5e-5)
    # what is left falls faster than d^-5/6, the order that (1 + d/L)^d leaves
    for dim in (50, 100, 200):
        rest, next_rest = (law.digits(d) - needed(d + 1) + needed(d) for d in (dim, 2 * dim))
        assert 0.0 < next_rest < 2 ** (-5 / 6) * rest
    assert law.digits(400) - needed(401) + needed(400) < 1.5e-3


@pytest.mark.parametrize(("exponent", "risk"), [(1.0, 1e-3), (1.5, 0.1), (2.5, 1e-2)])
def test_the_law_of_other_settings(exponent, risk):
    law = growth_law(risk, exponent)

    def digits(dim):
        two = (features_for_risk(risk, d, norm=float(d) ** exponent) for d in (dim + 1, dim))
        return math.log10(next(two)) - math.log10(next(two))

    errors = [abs(digits(dim) - law.digits(dim)) for dim in (25, 100, 400)]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 0.1


def test_no_exponential():
    """A straight line through log10 p fits no range of dimensions: its slope keeps growing."""
    slopes = np.diff([needed(dim) for dim in range(2, 40)])
    assert np.all(np.diff(slopes) > 0.0)


def test_refusals():
    with pytest.raises(RequirementError, match="norm_exponent must be above"):
        growth_law(0.02, 0.5)
    with pytest.raises(RequirementError, match="risk must be positive"):
        growth_law(0.0, 2.0)
