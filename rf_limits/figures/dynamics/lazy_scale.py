"""Figure of the crossover from feature learning to lazy training."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.dynamics.lazy_scale import (
    MEASURED,
    crossovers,
    networks_at_the_end,
)
from rf_limits.figures.curves import as_floats, log_axes, spread_line
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import MARKERS, new_figure, shades, style
from rf_limits.methods import LAZY_LIMIT, NETWORK

_LABELS = {"weight_movement": "weight movement", "kernel_drift": "NTK drift"}


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures by file name.

    Args:
      metrics: the study's table (docs/dynamics.md).
    """
    with style():
        return {"lazy_scale": lazy_scale(metrics)}


def lazy_scale(metrics: pd.DataFrame) -> Figure:
    """Movement and drift against alpha, the same against alpha sqrt(N), and the risk.

    Args:
      metrics: the study's table, whose ``threshold`` marks the crossover.
    """
    threshold = float(metrics["threshold"].iloc[0])
    final = networks_at_the_end(metrics)
    final = final[final["num_train"] == final["num_train"].max()]
    colours = shades(NETWORK.colour, final["width"])
    figure, axes = new_figure(4, height=3.6, width=2.5)
    panels = (
        ("kernel_drift", "lazy_scale", r"lazy scale $\alpha$"),
        ("kernel_drift", "collapsed", r"$\alpha\sqrt{N}$"),
        ("risk", "collapsed", r"$\alpha\sqrt{N}$"),
    )
    for axis, (column, by, label) in zip(axes, panels, strict=False):
        for i, (width, colour) in enumerate(colours.items()):
            part = final[final["width"] == width]
            line = {
                "color": colour,
                "marker": MARKERS[i % len(MARKERS)],
                "label": f"N = {width}",
            }
            spread_line(axis, as_floats, part, by, column, **line)
        if column in MEASURED:
            axis.axhline(threshold, color=LAZY_LIMIT.colour, lw=0.8, linestyle="--")
        names = {**_LABELS, "risk": r"test loss $E(f-f^*)^2$"}
        log_axes(axis, x=label, y=names[column])
    legend_above(axes[0])
    _crossover_panel(axes[3], crossovers(metrics, threshold), threshold)
    return figure


def _crossover_panel(axis, table: pd.DataFrame, threshold: float) -> None:
    """The crossover against width, by number of samples."""
    colours = shades(NETWORK.colour, table["num_train"])
    for style_of, name in zip(("-", ":"), MEASURED, strict=True):
        for i, (n, colour) in enumerate(colours.items()):
            part = table[(table["measurement"] == name) & (table["num_train"] == n)]
            if not np.isfinite(part["crossover"]).any():
                continue
            line = {
                "color": colour,
                "linestyle": style_of,
                "marker": MARKERS[i % len(MARKERS)],
                "label": f"{_LABELS[name]}, n = {n}",
            }
            spread_line(axis, as_floats, part, "width", "crossover", **line)
    log_axes(axis, x="width $N$", y=rf"$\alpha$ at which it falls below {threshold:g}")
    legend_above(axis)
