"""Finite width against infinite width, for every cell of a comparison."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.seeds import over_seeds
from rf_limits.analysis.tables import CELL, final_rows
from rf_limits.config import short_names
from rf_limits.figures.curves import flow_means, log_axes, spread_line, with_slope
from rf_limits.figures.legends import legend_above, note_below, shared_legend
from rf_limits.figures.style import MARKERS, RELATIVE_RISK, shades, style
from rf_limits.methods import METHODS, NETWORK, NTK, Kind

LABELS = ("panel", CELL)
FIGURE_NAMES = ("risk_against_width", "risk_against_time", "distance_to_infinite_width")
"""Names of all figures that there may be."""
_MOST_PANELS = 12
_COLUMNS = 4
_LINES = ("training.learning_rate",)
"""Fields whose values are lines of one panel, not panels."""
_AXES = ("model.lazy_scales", "model.widths")
"""Fields whose entries are columns of the table: no panels, and lines where they must be."""
_LARGEST = "networks of the largest lazy scale of each problem"
_DASHES = ("-", (0, (4, 1)), (0, (4, 1, 1, 1)), (0, (1, 1)))
"""Dashes of lines that differ in more than width and lazy scale."""


def draw(table: pd.DataFrame, differing: Sequence[str]) -> dict[str, Figure]:
    """Draws all figures, by file name.

    Args:
      table: of :func:`rf_limits.sweeps.compare.gather`.
      differing: its fields.

    Returns:
      Nothing for tables without trained networks.
    """
    if not NETWORK.is_in(table):
        return {}
    table = arranged(table, differing)
    with style():
        several = len(table["lazy_scale"].dropna().unique()) > 1
        figures = {
            "risk_against_width": _panels(table, _risks),
            "risk_against_time": _panels(table, _curves, _LARGEST * several),
        }
        if any(method.is_in(table) for method in METHODS.of(Kind.KERNEL)):
            figures["distance_to_infinite_width"] = _panels(table, _distances, own_legends=True)
        return figures


def arranged(table: pd.DataFrame, differing: Sequence[str]) -> pd.DataFrame:
    """Adds columns ``panel`` and ``line`` in words, with each seed once at every point of a line.

    Lines are told apart by learning rates; by all widths or lazy scales of their run where two
    runs of a panel share some. All else that differs makes panels.

    Args:
      table: of :func:`rf_limits.sweeps.compare.gather`.
      differing: its fields.
    """
    lines = [name for name in differing if name in _LINES]
    table = table.assign(
        panel=labels(table, [name for name in differing if name not in (*_LINES, *_AXES)]),
        line=labels(table, lines),
    )
    keys = ["panel", "line", "method", "width", "lazy_scale", "seed", "step"]
    for name in _AXES:
        networks = NETWORK.rows(table)
        if name in differing and networks.duplicated(keys).any():
            lines.append(name)
            table = table.assign(line=labels(table, lines))
    return table


def labels(table: pd.DataFrame, fields: Sequence[str]) -> pd.Series:
    """Returns the values of ``fields`` in words for every row: ``dim = 5, noise = 0.1``."""
    shorts = short_names(list(fields))
    parts = [shorts[name] + " = " + table[name].map(_words) for name in fields]
    if not parts:
        return pd.Series("", index=table.index)
    words = parts[0]
    for part in parts[1:]:
        words = words + ", " + part
    return words


def _words(value: Any) -> str:
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)


def _panels(
    table: pd.DataFrame, draw_panel: Callable, note: str = "", *, own_legends: bool = False
) -> Figure:
    """Draws a panel for each of the first twelve problems.

    Args:
      table: of :func:`arranged`.
      draw_panel: called with the axis and the rows of every panel.
      note: below the figure.
      own_legends: whether every panel has its legend, and not the figure one for all.
    """
    names = list(dict.fromkeys(table["panel"]))
    shown = names[:_MOST_PANELS]
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(3.2 * columns, 3.0 * rows + 0.5), layout="constrained")
    first = f"the first {len(shown)} of {len(names)} problems" * (len(names) > len(shown))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis, name in zip(grid.flat, shown, strict=False):
        draw_panel(axis, table[table["panel"] == name])
        title = textwrap.fill(name, 42)
        if own_legends:
            legend_above(axis, title)
        else:
            axis.set_title(title, fontsize=7)
        if axis not in grid[:, 0]:
            axis.set_ylabel("")
    for axis in grid.flat[len(shown) :]:
        axis.set_visible(False)
    if not own_legends:
        shared_legend(figure, grid.flat)
    if first or note:
        note_below(figure, _named(first, note))
    return figure


class _Line(NamedTuple):
    """The rows of a line, and how it is drawn."""

    rows: pd.DataFrame
    scale: float
    words: str
    how: dict[str, Any]


def _lines(rows: pd.DataFrame) -> list[_Line]:
    """Returns the lines of a panel: colours for lazy scales, dashes and markers for all else."""
    lines = []
    colours = shades(NETWORK.colour, rows["lazy_scale"].dropna())
    for i, words in enumerate(dict.fromkeys(rows["line"])):
        for k, (scale, colour) in enumerate(colours.items()):
            part = rows[(rows["line"] == words) & (rows["lazy_scale"] == scale)]
            marker = MARKERS[(i * len(colours) + k) % len(MARKERS)]
            how = {"color": colour, "marker": marker, "ls": _DASHES[i % len(_DASHES)]}
            if len(part):
                lines.append(_Line(part, scale, words, how))
    return lines


def _named(*words: str) -> str:
    return ", ".join(word for word in words if word)


def _risks(axis: Axes, rows: pd.DataFrame) -> None:
    """Draws the final risk of networks against width, and NTK and NNGP at convergence as lines."""
    final = final_rows(rows, LABELS)
    for line in _lines(NETWORK.rows(final)):
        label = _named(NETWORK.label, rf"$\alpha={line.scale:g}$", line.words)
        spread_line(axis, line.rows, "width", "relative_risk", label=label, **line.how)
    for method in reversed(METHODS.of(Kind.KERNEL)):
        part = method.rows(final)
        if len(part):  # the same for every cell of a panel
            risks = part[part[CELL] == part[CELL].iloc[0]]["relative_risk"].to_numpy(float)
            look = method.look | {"label": f"{method.label}, converged"}
            axis.axhline(risks.mean(), **look)
    log_axes(axis, x="width $N$", y=RELATIVE_RISK)


def _curves(axis: Axes, rows: pd.DataFrame) -> None:
    """Draws risk against time: widths from dark to light, the NTK's gradient flow over them."""
    networks = NETWORK.rows(rows[rows["step"] > 0])
    scale = networks["lazy_scale"].max()
    networks = networks[networks["lazy_scale"] == scale]
    colours = shades(NETWORK.colour, networks["width"])
    for line in _lines(networks):
        for width, part in line.rows.groupby("width"):
            times = over_seeds(part, "step")["time"].mean(skipna=False).to_numpy(float)
            label = _named(rf"$N={width}$, $\alpha={scale:g}$", line.words)
            how = line.how | {"color": colours[width], "marker": ""}
            spread_line(axis, part, "step", "relative_risk", times, label=label, **how)
    rows = rows[rows[CELL].isin(networks[CELL])]  # the flow at those networks' times
    rows = rows[np.isfinite(rows["time"])]
    for method in reversed(METHODS.of(Kind.KERNEL)):
        part = method.rows(rows)
        if (part["time"] > 0).any():  # the same function of time for every cell: the longest
            part = part[part[CELL] == part.loc[part["time"].idxmax(), CELL]]
            curve = flow_means(part, "relative_risk")
            axis.plot(*curve, **method.look | {"linestyle": "--"})
    log_axes(axis, x=r"time $\eta\,\times$ steps", y=RELATIVE_RISK)


def distances(rows: pd.DataFrame) -> pd.DataFrame:
    """Computes |risk of the network - risk of the NTK's flow| at the end, over E f*^2.

    Args:
      rows: of :func:`arranged`.

    Returns:
      Columns cell, line, width, lazy_scale, seed, distance; for every network whose cell has the
      flow.
    """
    flow = NTK.rows(rows[np.isfinite(rows["time"])])
    last = flow.sort_values("time").groupby([CELL, "seed"]).tail(1)
    final = final_rows(NETWORK.rows(rows), (CELL,))
    both = final.merge(
        last[[CELL, "seed", "relative_risk"]], on=[CELL, "seed"], suffixes=("", "_ntk")
    )
    distance = (both["relative_risk"] - both["relative_risk_ntk"]).abs()
    return both[[CELL, "line", "width", "lazy_scale", "seed"]].assign(distance=distance)


def _distances(axis: Axes, rows: pd.DataFrame) -> None:
    """Draws the distance of risks to the infinite-width NTK's against width, with exponents."""
    for line in _lines(distances(rows)):
        label = _named(rf"$\alpha={line.scale:g}$", line.words)
        label = with_slope(label, line.rows, "distance")
        spread_line(axis, line.rows, "width", "distance", label=label, **line.how)
    log_axes(axis, x="width $N$", y=r"$|R_N - R_{\rm NTK}|\,/\,E f^{*2}$ at the end")
