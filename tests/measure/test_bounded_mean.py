"""The test of bounded means: its level, its power, and the numbers of runs it says it needs."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from rf_limits.errors import RequirementError
from rf_limits.measure.bounded_mean import (
    BETS,
    PLAN,
    SPREAD,
    holm,
    mean_p_value,
    runs_needed,
    runs_planned,
)
from tests.rounding import rounding

LEVEL = 1e-3
NEEDED = {0.6: (10, 12, 16), 0.26: (31, 39, 57), 0.07: (127, 167, 249), 0.0187: (486, 647, 968)}
"""By m/B, runs whose risk is 0, a quarter and half of m: computed by other code."""


def by_hand(risks, limit, bound):
    """1/e in exact fractions of two."""
    largest = 1.0 / (1.0 - limit / bound)
    bets = [(j + 1) / (BETS + 1) * largest for j in range(BETS)]
    products = [math.prod(1 + bet * (limit - r) / bound for r in risks) for bet in bets]
    return min(1.0, 1.0 / (math.fsum(products) / BETS))


@pytest.mark.parametrize("runs", [1, 7, 40])
def test_p_value_by_hand(runs):
    risks = np.random.default_rng(runs).uniform(0.0, 0.3, runs)
    found = mean_p_value(risks, 0.4, 0.5)
    assert found == pytest.approx(by_hand(risks, 0.4, 0.5), rel=rounding(runs + BETS, 8.0))
    assert mean_p_value(10 * risks, 4.0, 5.0) == pytest.approx(
        found, rel=rounding(runs + BETS, 8.0)
    )


@pytest.mark.parametrize("share", NEEDED)
def test_runs_needed(share):
    assert [runs_needed(f * share, share, 1.0, LEVEL) for f in (0.0, 0.25, 0.5)] == [*NEEDED[share]]
    for f, bound in itertools.product((0.0, 0.25, 0.5), (1.0, 7.0)):
        mean, limit = f * share * bound, share * bound
        needed = int(runs_needed(mean, limit, bound, LEVEL))
        assert mean_p_value(np.full(needed, mean), limit, bound) <= LEVEL
        assert mean_p_value(np.full(needed - 1, mean), limit, bound) > LEVEL
        # the floor of every set of bets
        assert needed >= math.log(1 / LEVEL) / -math.log1p(-share)


@pytest.mark.parametrize(
    ("tests", "times"), [(1, (9.18, 12.24, 18.36)), (9, (11.63, 15.51, 23.27))]
)
def test_runs_needed_for_small_limits(tests, times):
    """In units of B/m; more for each of nine cells than for one."""
    share = 1e-7
    found = [runs_needed(f * share, share, 1.0, LEVEL / tests) * share for f in (0.0, 0.25, 0.5)]
    np.testing.assert_allclose(found, times, rtol=1e-3)


def test_runs_needed_by_the_quickstart():
    """N = 16: R*(336), risk 4.6e-4; one test, nine, and eighteen."""
    found = [runs_needed(4.6e-4, 9.4078e-3, 0.5, LEVEL / tests) for tests in (1, 9, 18)]
    np.testing.assert_allclose(found, (510, 645, 686), rtol=0.01)


def test_runs_needed_above_the_limit():
    assert runs_needed(0.2, 0.2, 1.0, LEVEL) == runs_needed(0.3, 0.2, 1.0, LEVEL) == math.inf
    assert runs_needed(0.19999999, 0.2, 1.0, LEVEL) > 1e8


def false_alarm_rate(share, runs):
    """Probability of a false certificate for risks 0 or B of mean m: exact, by the binomial law."""
    ones = np.arange(runs + 1)
    p = [mean_p_value(np.repeat([0.0, 1.0], [runs - k, k]), share, 1.0) for k in ones]
    return float(np.sum(stats.binom.pmf(ones, runs, share)[np.array(p) <= LEVEL]))


@pytest.mark.parametrize("share", [0.003, 0.02, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("runs", [3, 40, 600])
def test_level_on_the_most_spread_risks(share, runs):
    assert false_alarm_rate(share, runs) <= LEVEL


def test_level_is_not_far_from_what_is_said():
    """Somewhere: a test that never rejects would hold every level."""
    assert max(false_alarm_rate(0.02, runs) for runs in (400, 500, 600)) > LEVEL / 30


def t_test_rejects(risks, limit):
    return stats.ttest_1samp(risks, limit, axis=-1, alternative="less").pvalue <= LEVEL


def test_student_does_not_hold_its_level():
    """Why it is not the test: skewed risks of mean m, five runs at a nominal 0.1%."""
    risks = np.random.default_rng(0).lognormal(-2.0, 2.0, (40_000, 5)).clip(max=math.e**6)
    share = risks.mean() / risks.max()
    rejected = int(t_test_rejects(risks, risks.mean()).sum())
    assert stats.binom.sf(rejected - 1, len(risks), LEVEL) < 1e-6
    by_bets = [mean_p_value(r / risks.max(), share, 1.0) <= LEVEL for r in risks[:2000]]
    assert not any(by_bets)


def beta_risks(mean, runs, repeats, seed):
    """Of that mean, with standard deviation SPREAD times it."""
    total = (1.0 - mean) / (mean * SPREAD**2) - 1.0
    rng = np.random.default_rng(seed)
    return rng.beta(mean * total, (1.0 - mean) * total, (repeats, runs))


def shares_certified(share, fraction, runs, repeats):
    """Of repeats with so many runs of Beta risks."""
    risks = beta_risks(fraction * share, runs, repeats, 1)
    return np.mean([mean_p_value(r, share, 1.0) <= LEVEL for r in risks])


@pytest.mark.parametrize("share", NEEDED)
@pytest.mark.parametrize("fraction", [0.25, 0.5])
def test_planned_number_is_enough_in_four_of_five(share, fraction):
    """And the bare one in about half, so that it is no plan. Of fixed draws: 0.9 is found."""
    mean = fraction * share
    needed = int(runs_needed(mean, share, 1.0, LEVEL))
    planned = int(runs_planned(mean, share, 1.0, LEVEL))
    assert math.ceil(PLAN * needed) <= planned <= 1.5 * needed
    assert shares_certified(share, fraction, math.ceil(PLAN * needed), 200) >= 0.8
    assert 0.15 < shares_certified(share, fraction, needed, 200) < 0.85


@pytest.mark.parametrize("share", [0.6, 0.26, 0.07])
@pytest.mark.parametrize("fraction", [0.75, 0.9, 0.95])
def test_planned_number_where_the_mean_is_near_the_limit(share, fraction):
    """There 1.25 times the bare number is not enough."""
    planned = int(runs_planned(fraction * share, share, 1.0, LEVEL))
    assert shares_certified(share, fraction, planned, 100) >= 0.8


def test_planned_number_at_the_ends():
    assert runs_planned(0.0, 0.2, 1.0, LEVEL) == math.ceil(PLAN * runs_needed(0.0, 0.2, 1.0, LEVEL))
    assert runs_planned(0.2, 0.2, 1.0, LEVEL) == math.inf
    assert runs_planned(0.9, 0.95, 1.0, LEVEL) > runs_needed(0.9, 0.95, 1.0, LEVEL)


def test_holm():
    found = holm([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02], rtol=rounding(2))
    assert holm([]).size == 0
    np.testing.assert_array_equal(holm([0.7, 0.9]), [1.0, 1.0])


@pytest.mark.parametrize(
    ("risks", "limit", "message"),
    [
        ([0.1, 1.1], 0.2, "risks must lie between 0 and the bound"),
        ([-0.1], 0.2, "risks must lie between 0 and the bound"),
        ([math.nan], 0.2, "risks must lie between 0 and the bound"),
        ([0.1], 0.0, "limit must lie between 0 and the bound"),
        ([0.1], 1.0, "limit must lie between 0 and the bound"),
    ],
)
def test_broken_premises_are_refused(risks, limit, message):
    with pytest.raises(RequirementError, match=message):
        mean_p_value(np.array(risks), limit, 1.0)


def test_no_runs_say_nothing():
    assert mean_p_value(np.empty(0), 0.2, 1.0) == 1.0
    with pytest.raises(RequirementError, match="level must lie between 0 and 1"):
        runs_needed(0.1, 0.2, 1.0, 0.0)
