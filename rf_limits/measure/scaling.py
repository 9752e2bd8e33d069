"""Power laws and exponential growth fitted to measurements."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of y on x by least squares, and its standard error (NaN for two points)."""
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    if x.size == 2:
        return slope, float("nan")
    residual = y - y.mean() - slope * centred
    variance = float(residual @ residual) / (x.size - 2)
    return slope, float(np.sqrt(variance / (centred @ centred)))


def power_law(x: Float[np.ndarray, "k"], y: Float[np.ndarray, "k"]) -> tuple[float, float]:
    """Exponent p of y ~ x^p by least squares in log-log, and its standard error.

    Args:
      x: (k,) positive abscissae, k >= 2.
      y: (k,) positive values.

    Returns:
      The exponent, and its standard error from the scatter around the line (NaN for k = 2,
      where there is none).
    """
    return _line(np.log(x), np.log(y))


class Exponents(NamedTuple):
    """Exponents of a product of powers, y ~ prod_j x_j^{p_j}, with confidence intervals.

    Attributes:
      exponents: (m,) the p_j.
      low: (m,) lower ends of the intervals; NaN with a single seed.
      high: (m,) upper ends.
      level: of each interval.
    """

    exponents: Float[np.ndarray, "m"]
    low: Float[np.ndarray, "m"]
    high: Float[np.ndarray, "m"]
    level: float


def bootstrap_exponents(
    x: Float[np.ndarray, "k m"],
    samples: Sequence[Float[np.ndarray, "_"]],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Exponents:
    """Exponents of means over seeds against m variables, resampled over seeds.

    Args:
      x: (k, m) positive abscissae of k points; a column of ones is added for the prefactor.
      samples: for each point the values of its seeds, whose mean must be positive.
      level: of the percentile interval.
      resamples: number of bootstrap draws: at every point independently, as many seeds as
        there are, with replacement.
      seed: of the draws.

    Returns:
      :class:`Exponents`: least squares in log-log through the means, and the percentile
      bootstrap interval (Efron 1979). It covers the scatter over seeds, not departures from
      a power law.
    """
    logs = np.log(np.asarray(x, np.float64))
    design = np.concatenate([logs, np.ones((logs.shape[0], 1))], axis=1)
    solve = np.linalg.pinv(design)
    rng = np.random.default_rng(seed)
    means, draws = [], []
    for values in samples:
        values = np.asarray(values, np.float64)
        means.append(values.mean())
        which = rng.integers(values.size, size=(resamples, values.size))
        draws.append(values[which].mean(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        best = (solve @ np.log(means))[:-1]
        spread = (solve @ np.log(np.array(draws)))[:-1]
    single = any(len(values) < 2 for values in samples)
    tail = 0.5 * (1.0 - level)
    ends = np.quantile(spread, [tail, 1.0 - tail], axis=1) * (np.nan if single else 1.0)
    return Exponents(best, ends[0], ends[1], level)


def growth_rate(
    x: Float[np.ndarray, "k"], log10_y: Float[np.ndarray, "k"], level: float = 0.95
) -> tuple[float, float, float]:
    """Rate s of y ~ 10^{s x} by least squares, and the ends of its confidence interval.

    Args:
      x: (k,) abscissae, at least two distinct ones.
      log10_y: (k,) decimal logarithms of the values.
      level: of the interval, by Student's t with k - 2 degrees of freedom. Where the values
        carry no noise it measures how straight the points lie.

    Returns:
      s, lower and upper end (NaN for k = 2).
    """
    slope, error = _line(np.asarray(x, np.float64), np.asarray(log10_y, np.float64))
    if len(x) == 2:
        return slope, float("nan"), float("nan")
    half = float(special.stdtrit(len(x) - 2, 0.5 * (1.0 + level))) * error
    return slope, slope - half, slope + half
