"""Exponents with intervals: exact on powers, covering, and shrinking with seeds."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rf_limits.analysis.exponents import crossing, exponents, spread
from rf_limits.errors import RequirementError
from rf_limits.measure.risk import sampled_risk
from rf_limits.measure.scaling import exponents_of_means, power_law
from tests.chance import allowed
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

LINE = rounding(8 * LIBRARY)  # a least-squares fit to a few logarithms of size 10 or less
WIDTHS = np.array([16.0, 64.0, 256.0, 1024.0])


SEEDS = (2, 3, 4, 10)


def lognormal(rng, seeds, spread, shared=0.0):
    """(points, seeds) values of mean 1, ``spread`` by point: standard deviation over mean."""
    size = np.sqrt(np.log1p(spread**2))[:, None]
    own, common = rng.normal(size=(spread.size, seeds)), rng.normal(size=seeds)
    return np.exp(size * (np.sqrt(1 - shared) * own + np.sqrt(shared) * common) - size**2 / 2)


def gamma(rng, seeds, spread):
    """The same of a gamma law: a chi-square with 2/spread^2 degrees of freedom over its mean."""
    shape = spread[:, None] ** -2.0
    return rng.gamma(shape, 1.0 / shape, size=(spread.size, seeds))


def modulus(rng, seeds, spread):
    """Moduli of normal variables, over their mean."""
    return np.abs(rng.normal(size=(spread.size, seeds))) * np.sqrt(np.pi / 2.0)


LAWS = {
    "small spread": lambda rng, k, s: lognormal(rng, s, np.full(k, 0.1)),
    "large spread": lambda rng, k, s: lognormal(rng, s, np.full(k, 0.5)),
    "falling": lambda rng, k, s: lognormal(rng, s, np.geomspace(0.5, 0.1, k)),
    "growing": lambda rng, k, s: lognormal(rng, s, np.geomspace(0.1, 0.5, k)),
    "shared": lambda rng, k, s: lognormal(rng, s, np.full(k, 0.5), 0.8),
    "gamma": lambda rng, k, s: gamma(rng, s, np.full(k, 0.5)),
    "falling gamma": lambda rng, k, s: gamma(rng, s, np.geomspace(0.5, 0.1, k)),
    "modulus": lambda rng, k, s: modulus(rng, s, np.full(k, 0.5)),
}
"""Laws of a seed's values about their means, correlated over the points in "shared"."""


def covered(points, seeds, law, trials):
    """How many of ``trials`` 95% intervals hold the exponent -0.7 of the means."""
    rng, x = np.random.default_rng(0), 4.0 ** np.arange(points)
    hits = 0
    for _ in range(trials):
        values = x[:, None] ** -0.7 * LAWS[law](rng, points, seeds)
        found = exponents_of_means(x[:, None], values)
        hits += bool(found.low[0] <= -0.7 <= found.high[0])
    return hits


def test_exact_powers():
    x = np.array([[1.0, 2.0], [1.0, 8.0], [4.0, 2.0], [4.0, 8.0], [16.0, 8.0]])
    values = np.array([np.full(3, 5.0 * a**-0.5 * b**0.25) for a, b in x])
    found = exponents_of_means(x, values)
    for values in (found.exponents, found.low, found.high):
        np.testing.assert_allclose(values, [-0.5, 0.25], rtol=0, atol=20.0 * LINE)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("points", [4, 6])
@pytest.mark.parametrize("law", kept(LAWS, ["large spread", "falling"]))
def test_intervals_cover(law, points, seeds):
    """A bootstrap of the means covers 70, 79, 89 and 93% with 2, 3, 4 and 10 seeds."""
    trials = 1500
    assert allowed(trials, 0.93)[0] <= covered(points, seeds, law, trials)
    assert covered(points, seeds, law, trials) <= allowed(trials, 0.97)[1]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("points", [4, 5, 6])
@pytest.mark.parametrize("law", LAWS)
def test_intervals_cover_93_percent(law, points, seeds):
    """The share itself, of so many trials that its standard error is 0.0015."""
    assert covered(points, seeds, law, 20_000) >= 0.93 * 20_000


def test_intervals_shrink():
    """Like the root of the seeds, but for Student's quantile and its degrees of freedom."""
    rng, lengths = np.random.default_rng(1), []
    for seeds in (20, 80):
        found = [
            exponents_of_means(WIDTHS[:, None], LAWS["large spread"](rng, 4, seeds))
            for _ in range(100)
        ]
        quantile = stats.t(seeds - 1).ppf(0.975)
        lengths.append(np.mean([one.high[0] - one.low[0] for one in found]) / quantile)
    # a standard error of 20 seeds varies by 1/sqrt(2 x 19) = 0.16, more with skewness: 0.03 of
    # a mean over 100, of which 0.2 is six
    assert abs(lengths[0] / lengths[1] - 2.0) < 0.4


def test_intervals_are_those_of_student_for_two_seeds():
    """Leaving out one of two leaves the other: half their difference, times 12.706."""
    values = LAWS["falling"](np.random.default_rng(2), 4, 2)
    single = [exponents_of_means(WIDTHS[:, None], v[:, None]).exponents[0] for v in values.T]
    found = exponents_of_means(WIDTHS[:, None], values)
    half = stats.t(1).ppf(0.975) * 0.5 * abs(single[0] - single[1])
    np.testing.assert_allclose(found.high[0] - found.exponents[0], half, rtol=1e3 * LINE)


def test_a_factor_of_a_seed_at_all_points_is_no_scatter():
    """What a seed's data do to all widths alike moves the prefactor only."""
    values = WIDTHS[:, None] ** -0.5 * np.array([1.0, 3.0, 0.2])
    found = exponents_of_means(WIDTHS[:, None], values)
    np.testing.assert_allclose([found.low[0], found.high[0]], -0.5, rtol=0, atol=100.0 * LINE)


def test_one_seed_has_no_interval():
    found = exponents_of_means(WIDTHS[:, None], WIDTHS[:, None] ** -0.5)
    np.testing.assert_allclose(found.exponents, [-0.5], rtol=0, atol=10.0 * LINE)
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()


def test_refusals():
    with pytest.raises(RequirementError, match="samples must be positive"):
        exponents_of_means(WIDTHS[:, None], np.zeros((4, 2)))
    with pytest.raises(RequirementError, match="level must lie"):
        exponents_of_means(WIDTHS[:, None], np.ones((4, 2)), level=95.0)


def test_crossing_and_spread():
    x = np.array([0.1, 1.0, 10.0, 100.0])
    np.testing.assert_allclose(crossing(x, 3.0 / x, 0.1), 30.0, rtol=10.0 * LINE)
    assert np.isnan(crossing(x, 3.0 / x, 1e-3))
    assert np.isnan(crossing(x, 3.0 / x, 100.0))
    last = crossing(x, np.array([1.0, 0.01, 1.0, 0.01]), 0.1)
    np.testing.assert_allclose(last, 10**1.5, rtol=10.0 * LINE)
    np.testing.assert_allclose(spread([(x, 1 / x), (x, 100 / x)]), 1.0, rtol=10.0 * LINE)
    shifted = [(x, 1 / x), (2 * x, 2 / (2 * x))]
    np.testing.assert_allclose(spread(shifted), 0.5 * np.log10(2.0), rtol=10.0 * LINE)


def test_points_that_rounding_decided_are_left_out():
    rows = [
        {"width": n, "seed": s, "drift": n**-0.5, "rounding_error": 0.5 if n == 1024 else 1e-5}
        for n in WIDTHS
        for s in range(3)
    ]
    found = exponents(pd.DataFrame(rows), ["width"], "drift")
    assert found["left_out"] == [1024.0]
    assert found["points"] == 3
    np.testing.assert_allclose(found["width_exponent"], -0.5, rtol=0, atol=10.0 * LINE)


def test_points_that_lack_a_seed_are_left_out():
    rows = [
        {"width": n, "seed": s, "drift": n**-0.5, "rounding_error": 1e-5}
        for n in WIDTHS
        for s in range(3)
        if (n, s) != (16.0, 1)
    ]
    found = exponents(pd.DataFrame(rows), ["width"], "drift")
    assert found["left_out"] == [16.0]
    assert (found["points"], found["seeds"]) == (3, 3)


def test_errors_of_exponents_are_those_of_student():
    """(exponent - truth)/error is Student's t with k - 2 degrees of freedom."""
    rng, trials = np.random.default_rng(2), 600
    quantile = stats.t(WIDTHS.size - 2).ppf(0.95)  # 90% inside
    inside = 0
    for _ in range(trials):
        found, error = power_law(WIDTHS, WIDTHS**-0.5 * np.exp(0.2 * rng.normal(size=WIDTHS.size)))
        inside += abs(found + 0.5) <= quantile * error
    low, high = allowed(trials, 0.9)
    assert low <= inside <= high


def test_standard_errors_of_sampled_risks():
    """Of test sets of 1000 points, 95% have the risk within 1.96 standard errors (0.94 to 0.955
    is allowed for the skewness of squares: exponential with mean 1)."""
    trials = 600
    differences = np.sqrt(np.random.default_rng(3).exponential(size=(trials, 1000)))
    found = jax.jit(jax.vmap(lambda one: sampled_risk(one, 0.0 * one)))(differences)
    inside = int(jnp.sum(jnp.abs(found.risk - 1.0) <= 1.96 * found.standard_error))
    assert allowed(trials, 0.94)[0] <= inside <= allowed(trials, 0.955)[1]
