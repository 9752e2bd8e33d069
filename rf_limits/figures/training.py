"""Figures of a training run, from its metrics table alone."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.limits import LIMITS
from rf_limits.analysis.seeds import over_seeds
from rf_limits.analysis.tables import final_rows
from rf_limits.figures.curves import (
    drawable,
    flow_means,
    kernel_levels,
    log_axes,
    networks_by_scale,
    spread_line,
    with_slope,
)
from rf_limits.figures.legends import legend_above, shared_legend
from rf_limits.figures.style import LIMIT_LINES, MARKERS, Look, new_figure, shades, style
from rf_limits.methods import METHODS, NETWORK, Kind, Method, keys_of

_SCALING_LABELS = {
    "weight_movement": r"weight movement $|W_t-W_0|_F\,/\,|W_0|_F$",
    "kernel_drift": r"NTK drift $|\Theta_t-\Theta_0|_F\,/\,|\Theta_0|_F$",
}


def _beside() -> list[Method]:
    """Returns the methods that are trained by the network's steps with fixed features."""
    return [method for method in METHODS.of(Kind.TRAINED) if method.keeps_features]


def _scales(metrics: pd.DataFrame) -> list[float]:
    return sorted(metrics["lazy_scale"].dropna().unique())


def risk_against_width(metrics: pd.DataFrame) -> Figure:
    """Final risk of all methods against width; weight movement and NTK drift beside it."""
    final = final_rows(metrics)
    figure, axes = new_figure(3, height=3.3)
    _risk_panel(axes[0], final)
    for axis, column in zip(axes[1:], _SCALING_LABELS, strict=True):
        _scaling_panel(axis, final, column)
    return figure


def movement_and_drift(metrics: pd.DataFrame) -> Figure:
    """Weight movement and NTK drift of trained networks at the end, against width."""
    final = final_rows(metrics)
    with style():
        figure, axes = new_figure(2, height=3.4, width=3.1)
        for axis, column in zip(axes, _SCALING_LABELS, strict=True):
            _scaling_panel(axis, final, column)
    return figure


def _risk_panel(axis: Axes, final: pd.DataFrame) -> None:
    scales = _scales(final)
    for method in METHODS.of(Kind.FITTED):
        rows = method.rows(final)
        if len(rows):
            spread_line(axis, rows, "width", "risk", marker=".", **method.look)
    for method, (i, scale) in itertools.product(_beside(), enumerate(scales)):
        part = method.rows(final[final["lazy_scale"] == scale])
        if len(part):
            look = method.look | ({"label": None} if i else {})
            spread_line(axis, part, "width", "risk", **look)
    for i, (part, look) in enumerate(networks_by_scale(final)):
        marker = MARKERS[i % len(MARKERS)]
        spread_line(axis, part, "width", "risk", marker=marker, **look)
    kernel_levels(axis, final)
    _limit_lines(axis, NETWORK.rows(final), "width")
    log_axes(axis, x="width $N$", y=r"population risk $E(f-f^*)^2$")
    legend_above(axis, ncols=2, columnspacing=1.0)


def _limit_lines(axis: Axes, networks: pd.DataFrame, x: str) -> None:
    """Draws the two lazy limits of networks against their width or time, where they are known.

    A line for every lazy scale, where times differ and with them the samples seen.
    """
    by = "width" if x == "width" else "step"
    for limit in LIMITS:
        curves: list[np.ndarray] = []
        for scale in _scales(networks):
            groups = over_seeds(networks[networks["lazy_scale"] == scale], by)
            values = groups[limit.column].mean()
            is_known = values.notna()
            curve = np.stack([drawable(groups[x].mean()[is_known]), drawable(values[is_known])])
            if curve.size and not any(np.array_equal(curve, other) for other in curves):
                curves.append(curve)
        if len(curves) > 1 and len({*np.concatenate(curves, axis=1)[1]}) == 1:
            longest = np.concatenate(curves, axis=1)
            curves = [longest[:, np.argsort(longest[0])]]
        for i, curve in enumerate(curves):
            label = {"label": None} if i else {}
            axis.plot(*curve, **LIMIT_LINES[limit.column] | label)


def _scaling_panel(axis: Axes, final: pd.DataFrame, column: str) -> None:
    networks = NETWORK.rows(final)
    colours = shades(NETWORK.colour, networks["lazy_scale"].dropna())
    for i, (scale, colour) in enumerate(colours.items()):
        part = networks[networks["lazy_scale"] == scale]
        label = with_slope(rf"$\alpha={scale:g}$", part, column)
        line: Look = {"color": colour, "marker": MARKERS[i % len(MARKERS)], "label": label}
        spread_line(axis, part, "width", column, **line)
    log_axes(axis, x="width $N$", y=_SCALING_LABELS[column])
    if colours:
        legend_above(axis)


def risk_against_time(metrics: pd.DataFrame) -> Figure:
    """Risk of the widest network against time, its linearization and the kernels' flow."""
    figure, (axis,) = new_figure(1, height=3.2)
    keys = keys_of(METHODS.of(Kind.TRAINED))
    trained = metrics[metrics["method"].isin(keys) & (metrics["step"] > 0)]
    widest = trained[trained["width"] == trained["width"].max()]
    scales = _scales(widest)
    looks = [
        (method.rows(widest[widest["lazy_scale"] == scale]), method.look | {"label": label})
        for method in _beside()
        for scale, label in zip(scales, (method.label, *[None] * len(scales)), strict=False)
    ]
    looks += [(part, NETWORK.look | look) for part, look in networks_by_scale(widest)]
    for part, look in looks:
        if len(part):
            times = over_seeds(part, "step")["time"].mean(skipna=False).to_numpy(float)
            spread_line(axis, part, "step", "risk", times, **look)
    for method in METHODS.of(Kind.KERNEL):
        curve = flow_means(method.rows(metrics))
        if curve[0].size:
            axis.plot(*curve, **method.look)
    _limit_lines(axis, NETWORK.rows(widest), "time")
    log_axes(axis, x="time: learning rate x steps", y=r"population risk $E(f-f^*)^2$")
    width = int(widest["width"].iloc[0]) if len(widest) else 0
    axis.set_title(f"width {width}", fontsize=8)
    shared_legend(figure, [axis])
    return figure
