"""Exponents and crossovers of a study's table, with confidence intervals over seeds."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.analysis.seeds import check_told_apart
from rf_limits.analysis.tables import rounded
from rf_limits.measure.scaling import exponents_of_means
from rf_limits.methods import NETWORK
from rf_limits.table import Cell

_AT_ZERO = 1e-12  # of a dimensionless measurement, where nothing but rounding is left


def exponents(
    table: pd.DataFrame, variables: Sequence[str], column: str, least: float = 0.0
) -> dict[str, Any] | None:
    """Returns exponents of a measurement's mean over seeds against ``variables``.

    Args:
      table: one row per seed and point.
      variables: columns, positive, that the measurement is a product of powers of.
      column: the measurement.
      least: smallest value of the first variable that is fitted.

    Returns:
      For each variable ``<name>_exponent`` with ``_low`` and ``_high``, the ends of its 95%
      interval over seeds (:func:`~rf_limits.measure.scaling.exponents_of_means`); ``points``
      and ``seeds`` fitted; ``left_out``: values of the first variable at which a seed is missing,
      diverged, was at the rounding floor or had no positive value. None where fewer points are
      left than exponents and prefactor need.
    """
    table = table[table[variables[0]] >= least]
    values = table[column].astype("float64")
    bad = ~(np.isfinite(values) & (values > _AT_ZERO)) | rounded(table)
    measured = table.assign(value=values.mask(bad))
    check_told_apart(measured, [*variables, "seed"])
    points = measured.set_index([*variables, "seed"])["value"].unstack()  # noqa: PD010
    first = points.index.get_level_values(0)
    left_out = sorted(first[points.isna().any(axis=1)].unique().tolist())
    points = points[~first.isin(left_out)]
    x = points.index.to_frame().to_numpy(float)
    if len(points) < len(variables) + 1 or any(len(set(p)) < 2 for p in x.T):
        return None
    fit = exponents_of_means(x, points.to_numpy())
    row: dict[str, Any] = {}
    for j, name in enumerate(variables):
        row[f"{name}_exponent"] = float(fit.exponents[j])
        row[f"{name}_low"] = float(fit.low[j])
        row[f"{name}_high"] = float(fit.high[j])
    return row | {"points": len(points), "seeds": points.shape[1], "left_out": left_out}


def upper_half(metrics: pd.DataFrame) -> float:
    """Returns the smallest of the upper half of the widths, or of the three largest."""
    widths = sorted(metrics["width"].dropna().unique())
    return float(widths[max(0, min(len(widths) // 2, len(widths) - 3))])


def interval(row: dict[str, Any] | None, variable: str) -> str:
    """Returns an exponent and its interval, ``-0.51 [-0.53, -0.49]``; ``-`` where there is none.

    One seed has an exponent and no interval.
    """
    if row is None:
        return "-"
    value, low, high = (row[f"{variable}_{end}"] for end in ("exponent", "low", "high"))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if math.isfinite(high - low) else f"{value:.2f}"


def short_interval(row: dict[str, Any] | None, variable: str) -> Cell:
    """Returns an exponent and half the length of its interval, ``-0.51±0.02``.

    One seed has an exponent and no interval.
    """
    if row is None:
        return Cell("-")
    value, low, high = (row[f"{variable}_{end}"] for end in ("exponent", "low", "high"))
    half = 0.5 * (high - low)
    spread = f"\N{PLUS-MINUS SIGN}{half:.2f}" if math.isfinite(half) else ""
    return Cell(f"{value:.2f}{spread}", value)


def steps_to_threshold(
    metrics: pd.DataFrame, threshold: float, labels: Sequence[str], method: str = NETWORK.key
) -> pd.DataFrame:
    """Returns the first step at which each predictor's relative risk is at most ``threshold``.

    Args:
      metrics: the study's table.
      threshold: of risk over E f*^2.
      labels: of the study.
      method: which predictor.

    Returns:
      The labels, width, lazy_scale, seed, steps and time: interpolated in log risk between log
      points; NaN where the threshold was not reached.
    """
    keys = [*labels, "width", "lazy_scale", "seed"]
    rows = []
    for key, curve in metrics[metrics["method"] == method].groupby(keys):
        check_told_apart(curve, ["step"])
        curve = curve.sort_values("step")
        # a risk of zero comes out of rounding as +-1e-16
        logs = np.log(np.maximum(curve["relative_risk"].to_numpy(float), 1e-300) / threshold)
        steps = curve["step"].to_numpy(float)
        row = dict(zip(keys, key, strict=True))
        below = np.flatnonzero(logs <= 0.0)
        first_step = float("nan")
        if len(below):
            i = below[0]
            first_step = 0.0
            if i > 0:
                share = logs[i - 1] / (logs[i - 1] - logs[i])
                first_step = float(steps[i - 1] + share * (steps[i] - steps[i - 1]))
        rate = float(curve["time"].iloc[-1] / steps[-1])
        rows.append({**row, "steps": first_step, "time": first_step * rate})
    return pd.DataFrame(rows)


def crossing(x: np.ndarray, y: np.ndarray, threshold: float) -> float:
    """Returns the abscissa at which a falling curve last passes ``threshold``, in log-log.

    Args:
      x: (k,) positive, ascending.
      y: (k,) positive.
      threshold: positive.

    Returns:
      The abscissa; NaN where the curve does not pass it.
    """
    above = np.flatnonzero(y >= threshold)
    if not len(above) or above[-1] == len(y) - 1:
        return float("nan")
    i = above[-1]
    left, right = np.log(y[i] / threshold), np.log(y[i + 1] / threshold)
    share = left / (left - right)
    return float(np.exp(np.log(x[i]) + share * np.log(x[i + 1] / x[i])))


def spread(curves: Sequence[tuple[np.ndarray, np.ndarray]], points: int = 50) -> float:
    """Returns how far curves are from one: root mean square of log10 y around their mean.

    Args:
      curves: pairs (x, y) of positive arrays, x ascending.
      points: at which they are interpolated, log-spaced over the abscissae they share.

    Returns:
      In decades; NaN where they share no abscissae.
    """
    low = max(x[0] for x, _ in curves)
    high = min(x[-1] for x, _ in curves)
    if not low < high:
        return float("nan")
    at = np.linspace(np.log(low), np.log(high), points)
    logs = np.array([np.interp(at, np.log(x), np.log10(y)) for x, y in curves])
    return float(np.sqrt(np.mean((logs - logs.mean(axis=0)) ** 2)))
