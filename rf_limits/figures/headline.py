"""Risks of fixed features and trained networks, against the number of features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from rf_limits.analysis.limits import SAMPLES, SECOND_MOMENT, one_limit
from rf_limits.analysis.seeds import over_seeds
from rf_limits.analysis.tables import CELL, final_rows
from rf_limits.figures.curves import as_floats, kernel_levels, log_axes, networks_by_scale
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.style import LIMIT_LINES, MARKERS, RELATIVE_RISK, Look, new_figure, style
from rf_limits.methods import LAZY_LIMIT, METHODS, NETWORK, Kind, Method, keys_of


def _fixed(*kinds: Kind) -> list[Method]:
    """Returns the methods of some kinds that keep their features."""
    return [method for method in METHODS.of(*kinds) if method.keeps_features]


def headline(metrics: pd.DataFrame, limit: pd.DataFrame) -> Figure:
    """Risk at the end against the number of features, over the lazy limits R*(p) and R*(n).

    Points are means over seeds with bars from the smallest to the largest; p is N for random
    features and the number of parameters for tangent features, networks and linearizations.

    Args:
      metrics: table of a training run.
      limit: of :func:`rf_limits.analysis.limits.limit_curve`.
    """
    final = final_rows(metrics)
    with style():
        figure, (axis,) = new_figure(1, height=3.4, width=4.0)
        for i, method in enumerate(_fixed(Kind.FITTED, Kind.TRAINED)):
            rows = method.rows(final)
            if method.kind is Kind.TRAINED:  # the scales differ little: the lazy one
                rows = rows[rows["lazy_scale"] == rows["lazy_scale"].max()]
            line = {"color": method.colour, "marker": MARKERS[4 + i % 3], "ls": "--", "lw": 0.8}
            _points(axis, rows, method.features_column, label=method.label, **line)
        kernel_levels(axis, final)
        for i, (rows, look) in enumerate(networks_by_scale(final)):
            _points(axis, rows, "parameters", marker=MARKERS[i % 4], ls="-", ms=5.5, **look)
        _limit(axis, limit, samples_limit(metrics))
        log_axes(axis, x="number of features $p$", y=r"population risk $E(f-f^*)^2$")
        shared_legend(figure, [axis])
    return figure


def samples_limit(metrics: pd.DataFrame) -> float:
    """Returns R*(n) of a run's networks at the end, or of its kernels; NaN if it bounds neither."""
    final = final_rows(metrics)
    for methods in ((NETWORK,), METHODS.of(Kind.KERNEL)):
        limits = final[final["method"].isin(keys_of(methods))][SAMPLES.column].dropna()
        if len(limits):
            return float(limits.iloc[0])
    return float("nan")


def _points(axis: Axes, rows: pd.DataFrame, by: str | None, **line: Any) -> None:
    assert by is not None  # the method keeps its features
    groups = over_seeds(rows, by)["risk"]
    mean = groups.mean(skipna=False)
    if not len(mean):
        return
    reach = np.stack([mean - groups.min(), groups.max() - mean]).astype(float)
    axis.errorbar(as_floats(mean.index), as_floats(mean), reach, elinewidth=0.8, **line)


def _heights(axis: Axes) -> list[float]:
    """Returns the heights of points and of the ends of their bars."""
    bars = (lines for lines in axis.collections if isinstance(lines, LineCollection))
    ends = [np.asarray(segment)[:, 1] for lines in bars for segment in lines.get_segments()]
    points = [np.asarray(line.get_ydata(), float) for line in axis.lines]
    return [float(v) for values in (*ends, *points) for v in values if np.isfinite(v)]


def _limit(axis: Axes, limit: pd.DataFrame, samples: float) -> None:
    """Draws R*(p) as a line, grey below it where no p features are on average, and R*(n) across.

    Args:
      axis: to draw on.
      limit: R*(p).
      samples: R*(n); NaN if it bounds nothing here.
    """
    x, y = (limit[name].to_numpy(float) for name in ("num_features", "risk"))
    good = y > 0
    if not good.any():
        return
    x, y = x[good], y[good]
    axis.plot(x, y, **LIMIT_LINES["features_limit"] | {"label": LAZY_LIMIT.label + "$(p)$"})
    if np.isfinite(samples):
        axis.axhline(samples, **LIMIT_LINES["samples_limit"])
    low = min([y.min() / 10, *(v / 2 for v in _heights(axis) if v > 0)])
    axis.fill_between(x, y, low, color="0.5", alpha=0.12, lw=0)
    axis.set_ylim(bottom=low)


def _means(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Computes final means over seeds by method, width, scale and run; NaN if a seed diverged."""
    final = final_rows(table, (CELL,))
    keys = [CELL, "method", "width", "lazy_scale"]
    return over_seeds(final, keys, dropna=False)[list(columns)].mean(skipna=False).reset_index()


def _cloud(figure: Figure, axis: Axes, means: pd.DataFrame, x: str) -> None:
    """Draws a point for every mean, by method; networks by lazy scale, dark to light."""
    drawn: list[tuple[pd.DataFrame, str, Look]] = [
        (method.rows(means), method.marker, {"color": method.colour, "label": method.label})
        for method in _fixed(Kind.FITTED, Kind.TRAINED, Kind.KERNEL)
    ]
    for i, (part, look) in enumerate(networks_by_scale(means)):
        drawn.append((part, MARKERS[i % 7], look))
    for part, marker, look in drawn:
        if len(part):
            points = (part[name].to_numpy(float) for name in (x, "relative_risk"))
            axis.plot(*points, marker, alpha=0.8, **look)
    shared_legend(figure, [axis])


def against_limit(table: pd.DataFrame) -> Figure:
    """Relative risk at the end over a lazy limit of the same features or samples, many runs.

    Args:
      table: of :func:`rf_limits.sweeps.compare.gather`; a row's limit is its
        :func:`~rf_limits.analysis.limits.one_limit`.
    """
    limits = one_limit(table) / table[SECOND_MOMENT]
    limited = table.assign(relative_limit=limits)[limits > 0]
    means = _means(limited, "relative_limit", "relative_risk")
    with style():
        figure, (axis,) = new_figure(1, height=3.4, width=4.0)
        ends = means["relative_limit"].min() / 2, min(2 * means["relative_limit"].max(), 1.0)
        axis.plot(ends, ends, color=LAZY_LIMIT.colour, ls="-.", label=LAZY_LIMIT.label)
        _cloud(figure, axis, means, "relative_limit")
        log_axes(axis, x=r"lazy limit $R^*/E f^{*2}$", y=RELATIVE_RISK)
    return figure


def against_functions(table: pd.DataFrame, limits: Sequence[pd.DataFrame]) -> Figure:
    """Relative risk at the end against the number of fixed functions, many runs.

    Args:
      table: of :func:`rf_limits.sweeps.compare.gather`, with a column ``fixed_functions``:
        the number of features or samples.
      limits: of every problem, ``num_features`` and the relative risk ``risk`` of its limit.
    """
    means = _means(table, "fixed_functions", "relative_risk")
    with style():
        figure, (axis,) = new_figure(1, height=3.4, width=4.0)
        for i, limit in enumerate(limits):
            line = {"color": LAZY_LIMIT.colour, "linestyle": "-.", "lw": 1.0}
            label = {"label": LAZY_LIMIT.label} if i == 0 else {}
            x, y = (limit[name].to_numpy(float) for name in ("num_features", "risk"))
            axis.plot(x, y, **line, **label)
        _cloud(figure, axis, means, "fixed_functions")
        log_axes(axis, x="features or samples, $p$", y=RELATIVE_RISK)
    return figure
