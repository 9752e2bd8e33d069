"""The ridge at which a learning curve predicts the smallest risk."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rf_limits.theory.numerics.arguments import Positive, border
from rf_limits.theory.regression.learning_curve import LearningCurve

_DECADES = 15
_PER_DECADE = 8
_ROUNDS = 8
_AGREE = 1e-12  # relative difference of risks that says nothing
Curve = Callable[[np.ndarray], LearningCurve]


class OptimalRidge(NamedTuple):
    """Where the expected risk is least.

    Attributes:
      ridge: the ridge; 0 if no ridge is better than the ridgeless limit, infinite if none is
        better than predicting 0.
      risk: the risk there.
    """

    ridge: float
    risk: float


@border
def optimal_ridge(curve: Curve, scale: Positive) -> OptimalRidge:
    """Returns the ridge of least expected risk, for one number of samples and one noise.

    Args:
      curve: expected risks at an array of ridges, all else held fixed, as
        ``lambda ridge: kernel_regression_risk(kernel, target, 100, ridge=ridge, noise=0.1)``.
      scale: E K(x, x), d times ``kernel.total`` for a zonal kernel: ridges from 1e-15 to 1e15
        times it are searched, eight to a decade, and the best one refined. Risks may have
        several minima; one between two neighbours of that grid is not seen.

    Returns:
      :class:`OptimalRidge`: the ridge to about 1e-7, relative (the risk is flat there), the risk to
      rounding.

    Raises:
      RequirementError: ``scale`` is not positive, or as ``curve``.

    Example:
      >>> from rf_limits.theory import kernel_regression
      >>> found = optimal_ridge(  # 50 functions alike: noise^2 times 50 over E f*^2, at every n
      ...     lambda ridge: kernel_regression([1.0], [50], [2.0], 30, ridge=ridge, noise=0.4), 50.0
      ... )
      >>> round(found.ridge, 5)
      4.0
    """
    count = 2 * _DECADES * _PER_DECADE + 1
    logs = np.log(scale) + np.log(10.0) * np.linspace(-_DECADES, _DECADES, count)
    for _ in range(_ROUNDS):
        risks = np.asarray(curve(np.exp(logs)).risk)
        best = int(np.argmin(risks))
        if logs.size == count:
            least = risks[best] * (1.0 + _AGREE)
            if risks[0] <= least:
                return OptimalRidge(0.0, float(risks[0]))
            if risks[-1] <= least:
                return OptimalRidge(np.inf, float(risks[-1]))
        around = logs[max(best - 1, 0)], logs[min(best + 1, logs.size - 1)]
        found = OptimalRidge(float(np.exp(logs[best])), float(risks[best]))
        logs = np.linspace(*around, 2 * _PER_DECADE + 1)
    return found
