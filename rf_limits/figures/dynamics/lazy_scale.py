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
from rf_limits.figures.style import COLOURS, MARKERS, new_figure, shade, style

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
    widths = sorted(final["width"].unique())
    figure, axes = new_figure(4, height=3.0, width=2.5)
    panels = (
        ("kernel_drift", "lazy_scale", r"lazy scale $\alpha$"),
        ("kernel_drift", "collapsed", r"$\alpha\sqrt{N}$"),
        ("risk", "collapsed", r"$\alpha\sqrt{N}$"),
    )
    for axis, (column, by, label) in zip(axes, panels, strict=False):
        for i, width in enumerate(widths):
            part = final[final["width"] == width]
            line = {
                "color": shade(COLOURS["network"], i / max(len(widths) - 1, 1)),
                "marker": MARKERS[i % len(MARKERS)],
                "label": f"N = {width}",
            }
            spread_line(axis, as_floats, part, by, column, **line)
        if column in MEASURED:
            axis.axhline(threshold, color=COLOURS["lazy_limit"], lw=0.8, linestyle="--")
        names = {**_LABELS, "risk": r"test loss $E(f-f^*)^2$"}
        log_axes(axis, x=label, y=names[column])
        axis.legend(loc="best")
    _crossover_panel(axes[3], crossovers(metrics, threshold), threshold)
    return figure


def _crossover_panel(axis, table: pd.DataFrame, threshold: float) -> None:
    """The crossover against width, by number of samples."""
    numbers = sorted(table["num_train"].unique())
    for style_of, name in zip(("-", ":"), MEASURED, strict=True):
        for i, n in enumerate(numbers):
            part = table[(table["measurement"] == name) & (table["num_train"] == n)]
            if not np.isfinite(part["crossover"]).any():
                continue
            line = {
                "color": shade(COLOURS["network"], i / max(len(numbers) - 1, 1)),
                "linestyle": style_of,
                "marker": MARKERS[i % len(MARKERS)],
                "label": f"{_LABELS[name]}, n = {n}",
            }
            spread_line(axis, as_floats, part, "width", "crossover", **line)
    log_axes(axis, x="width $N$", y=rf"$\alpha$ at which it falls below {threshold:g}")
    axis.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, columnspacing=0.8)
