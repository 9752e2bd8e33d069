"""Power laws and exponential growth fitted to measurements."""

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
