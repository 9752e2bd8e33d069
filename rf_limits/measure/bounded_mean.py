r"""A test whether the mean of bounded numbers is below a limit, whatever their distribution.

Let R_1, ..., R_s be independent numbers between 0 and B, chosen before looking, and suppose that
their mean is at least m. For every bet lambda between 0 and 1/(1 - m/B) the factors
1 + lambda (m - R_i)/B are nonnegative and have mean at most 1, so that

.. math:: e = \frac1J \sum_j \prod_i \Bigl(1 + \lambda_j \frac{m - R_i}{B}\Bigr)

over a grid of bets fixed beforehand has mean at most 1 too, and by Markov's inequality
P(1/e <= level) <= level: 1/e is a p-value for every s (Waudby-Smith and Ramdas 2024, "Estimating
means of bounded random variables by betting", section 4). Without a bound B no number of runs says
anything of a mean (Bahadur and Savage 1956), and for the skewed risks of learning Student's t does
not hold its level. Several tests together are corrected by Holm's method (1979), which holds
whatever depends on what.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from rf_limits.errors import check
from rf_limits.theory.spectra.levels import least

BETS = 64
"""Number of equally spaced bets."""


Limit = float | int | Float[np.ndarray, "s"]
"""m, or the m_i of every run: of its own training set, say."""


def _log_bets(limit: Limit, bound: float | int, risks: np.ndarray) -> np.ndarray:
    """Returns (s, J) logarithms of the factors 1 + lambda_j (m_i - R_i)/B."""
    share = np.asarray(limit, np.float64) / bound
    bets = np.arange(1, BETS + 1) / (BETS + 1) / (1.0 - np.min(share))
    return np.log1p(bets * (share[..., None] - risks[:, None] / bound))


def _check_limit(limit: Limit, bound: float | int) -> None:
    inside = bool(np.all(np.asarray(limit) > 0.0) and np.all(limit < bound) and bound < math.inf)
    check(inside, "limit", "lie between 0 and the bound", (limit, bound))


def mean_p_value(risks: Float[np.ndarray, "s"], limit: Limit, bound: float | int) -> float:
    """Returns the p-value of the hypothesis that the mean is at least ``limit`` (module docstring).

    Args:
      risks: (s,) values of independent runs, each between 0 and ``bound``.
      limit: m, or (s,) the least mean of each run, given what it is conditioned on.
      bound: B, fixed before looking.

    Returns:
      min(1, 1/e): small where the mean is below the limit, surely. Runs in the same proportions
      but more of them give less.

    Raises:
      RequirementError: a risk that is no number, negative or above ``bound``, where the premise of
        the test is broken; a limit that does not lie between 0 and the bound.
    """
    _check_limit(limit, bound)
    risks = np.asarray(risks, np.float64)
    within = bool(np.all((risks >= 0.0) & (risks <= bound)))
    check(within, "risks", "lie between 0 and the bound", risks)
    if not risks.size:
        return 1.0
    logs = np.sum(_log_bets(limit, bound, risks), axis=0)
    return float(np.exp(np.minimum(0.0, math.log(BETS) - special.logsumexp(logs))))


def runs_needed(mean: float | int, limit: float | int, bound: float | int, level: float) -> float:
    """Returns how many runs with exactly the risk ``mean`` have a p-value of at most ``level``.

    If risks spread this number is enough in about half of all repeats, and no plan:
    :func:`runs_planned`.

    Args:
      mean: of the runs.
      limit: m.
      bound: B.
      level: of the test.

    Returns:
      A whole number; infinite where ``mean`` is not below ``limit``.

    Raises:
      RequirementError: as :func:`mean_p_value`; a level that does not lie between 0 and 1.
    """
    _check_limit(limit, bound)
    check(0.0 < level < 1.0, "level", "lie between 0 and 1", level)
    if not mean < limit:
        return math.inf
    (logs,) = _log_bets(limit, bound, np.array([mean]))
    wanted = math.log(BETS) - math.log(level)

    # every factor is above 1, so that e grows with the number of runs
    return float(least(lambda runs: bool(special.logsumexp(runs * logs) >= wanted)))


PLAN = 1.25
"""The least factor by which the planned number of runs exceeds :func:`runs_needed`."""
SPREAD = 0.5
"""Standard deviation over mean of the risks for which :func:`runs_planned` plans."""
_POWER = 0.8
_QUANTILES = 400


def runs_planned(mean: float | int, limit: float | int, bound: float | int, level: float) -> float:
    """Returns how many runs to plan, so that 80% of repeats have a p-value of at most ``level``.

    Of risks with a Beta law whose standard deviation is :data:`SPREAD` times the mean (less where
    no law in [0, B] spreads so far). The logarithm of the factors of one bet is a sum of
    independent terms, taken as normal; of all bets the best is taken, and at least :data:`PLAN`
    times the number of :func:`runs_needed`.

    Args:
      mean: expected risk.
      limit: m.
      bound: B.
      level: of the test.

    Returns:
      A whole number; infinite where ``mean`` is not below ``limit``. Simulated, 80% and more of
      repeats succeed for means up to 0.95 m (tests/measure/test_bounded_mean.py).

    Raises:
      RequirementError: as :func:`runs_needed`.
    """
    needed = runs_needed(mean, limit, bound, level)
    if not 0.0 < mean < limit:
        return float(math.ceil(PLAN * needed)) if math.isfinite(needed) else needed
    share = mean / bound
    spread = min(SPREAD, 0.9 * math.sqrt((1.0 - share) / share))
    total = (1.0 - share) / (share * spread**2) - 1.0
    at = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    risks = bound * stats.beta.ppf(at, share * total, (1.0 - share) * total)
    logs = _log_bets(limit, bound, risks)
    gain, deviation = np.mean(logs, axis=0), stats.norm.ppf(_POWER) * np.std(logs, axis=0)
    gain, deviation = gain[gain > 0.0], deviation[gain > 0.0]
    if not gain.size:
        return math.inf
    wanted = math.log(BETS) - math.log(level)
    root = (deviation + np.sqrt(deviation**2 + 4.0 * gain * wanted)) / (2.0 * gain)
    return float(max(math.ceil(PLAN * needed), math.ceil(float(np.min(root)) ** 2)))


def holm(p_values: Sequence[float]) -> Float[np.ndarray, "k"]:
    """Returns p-values that are corrected for their number (Holm 1979).

    Args:
      p_values: of k tests that are looked at together, however they depend on each other.

    Returns:
      (k,) for each the least level at which it is rejected while the probability of any false
      rejection is at most that level.
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    factors = np.arange(values.size, 0, -1)
    adjusted = np.empty(values.size)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * factors))
    return adjusted
