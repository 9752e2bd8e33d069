"""The student-teacher experiments of Chizat, Oyallon and Bach (2019), their figures 1 and 2."""

import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.dynamics.chizat import ends
from rf_limits.figures.curves import as_floats, log_axes, spread_line
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import MARKERS, OTHERS, new_figure, style
from rf_limits.methods import NETWORK

_PREFACTORS = {"m^-0.5": r"$1/\sqrt{m}$ (lazy)", "m^-1": r"$1/m$ (mean field)"}
_TITLES = {
    "scale": "gradient descent, n = 1000",
    "width": "gradient descent by width",
    "stream": "population SGD",
}
_LOSSES = {
    "test_loss": ("end of training", NETWORK.colour),
    "best_test_loss": ("best over time", OTHERS[0]),
    "train_loss": ("training loss, end", OTHERS[1]),
}


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures by file name.

    Args:
      metrics: the study's table (docs/dynamics.md).
    """
    with style():
        return {"chizat": chizat(metrics)}


def chizat(metrics: pd.DataFrame) -> Figure:
    """Losses against tau on samples, against width by prefactor, and against tau in one pass."""
    table = ends(metrics)
    parts = [name for name in ("scale", "width", "stream") if (table["part"] == name).any()]
    figure, axes = new_figure(len(parts), height=3.5, width=3.0)
    for axis, name in zip(axes, parts, strict=True):
        rows = table[table["part"] == name]
        if name == "width":
            _widths(axis, rows)
        else:
            _scales(axis, rows, one_pass=name == "stream")
        legend_above(axis, _TITLES[name])
    return figure


def _scales(axis, rows: pd.DataFrame, *, one_pass: bool) -> None:
    for i, (column, (label, colour)) in enumerate(_LOSSES.items()):
        if one_pass and column == "train_loss":
            continue
        shown = column.replace("test_loss", "risk") if one_pass else column
        line = {"color": colour, "marker": MARKERS[i], "label": label}
        line["linestyle"] = "--" if column == "best_test_loss" else "-"  # both may be the same
        spread_line(axis, as_floats, rows, "tau", shown, **line)
    y = "population loss" if one_pass else "loss on 1000 points"
    log_axes(axis, x=r"initialization scale $\tau$", y=y)


def _widths(axis, rows: pd.DataFrame) -> None:
    colours = (OTHERS[0], NETWORK.colour)
    for i, (name, label) in enumerate(_PREFACTORS.items()):
        part = rows[rows["prefactor"] == name]
        line = {"color": colours[i], "marker": MARKERS[i], "label": label}
        spread_line(axis, as_floats, part, "width", "test_loss", **line)
    log_axes(axis, x="width $m$", y="test loss, end of training")
