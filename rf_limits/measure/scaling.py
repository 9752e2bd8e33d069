"""Power laws fitted to measurements."""

import numpy as np


def power_law(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Exponent p of y ~ x^p by least squares in log-log, and its standard error.

    Args:
      x: (k,) positive abscissae, k >= 2.
      y: (k,) positive values.

    Returns:
      The exponent, and its standard error from the scatter around the line (NaN for k = 2,
      where there is none).
    """
    log_x, log_y = np.log(x), np.log(y)
    centred = log_x - log_x.mean()
    exponent = float(centred @ log_y / (centred @ centred))
    if x.size == 2:
        return exponent, float("nan")
    residual = log_y - log_y.mean() - exponent * centred
    variance = float(residual @ residual) / (x.size - 2)
    return exponent, float(np.sqrt(variance / (centred @ centred)))
