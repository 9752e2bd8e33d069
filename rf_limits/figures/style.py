"""One style for every figure: colour-blind safe, one colour per method everywhere."""

import contextlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.text import Text

from rf_limits.methods import LAZY_LIMIT

TEXT_WIDTH = 7.0
"""Inches: text of a page of two columns (one column: 3.4), to which wider figures are scaled."""
LEAST_SIZE = 5.0
"""Points: the smallest text of a figure at the size at which it is printed."""

Look = dict[str, Any]
"""Colour, marker, label and the like, as matplotlib takes them by name."""
OTHERS = ("#332288", "#CC6677", "#999933", "#44AA99", "#882255", "#AA4499")
"""Paul Tol's muted palette, for lines that differ by something else than the method."""
_LIMIT: Look = {"color": LAZY_LIMIT.colour, "zorder": 1}
LIMIT_LINES: dict[str, Look] = {
    "features_limit": _LIMIT | {"linestyle": "-.", "label": "lazy limit $R^*(P)$"},
    "samples_limit": _LIMIT | {"linestyle": (0, (8, 2)), "label": "lazy limit $R^*(n)$"},
}
"""How the two lazy limits are drawn, by column."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
RELATIVE_RISK = r"relative risk $E(f-f^*)^2/E f^{*2}$"
"""Label of axes."""
_PARAMETERS = {
    "font.size": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 6.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "legend.frameon": False,
    "svg.hashsalt": "rf_limits",
    "pdf.fonttype": 42,  # TrueType: many publishers take no Type 3
}
_UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
FORMATS = ("png", "svg", "pdf")
"""The formats in which every figure is written."""


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Applies the style inside the block: matplotlib's defaults, and the package's own.

    What a matplotlibrc file or the user's session has set counts for nothing in it.
    """
    with mpl.style.context(["default", _PARAMETERS]):
        yield


def _shade(colour: str, position: float) -> tuple[float, float, float]:
    """Returns ``colour`` darkened (position 0) to lightened (position 1)."""
    r, g, b = mpl.colors.to_rgb(colour)
    if position < 0.5:
        factor = 0.45 + 1.1 * position
        return r * factor, g * factor, b * factor
    mix = 1.1 * (position - 0.5)
    return r + (1 - r) * mix, g + (1 - g) * mix, b + (1 - b) * mix


def shades(colour: str, values: Iterable[Any]) -> dict[Any, str]:
    """Returns colours of widths, lazy scales or numbers of samples, alike in every figure.

    Args:
      colour: of their method.
      values: numbers in any order.

    Returns:
      By value, ascending: from dark for the smallest to light for the largest; ``colour`` itself
      for a single one.
    """
    ordered = sorted(set(values))
    last = len(ordered) - 1
    places = [i / last for i in range(len(ordered))] if last > 0 else [0.5] * len(ordered)
    return {
        value: mpl.colors.to_hex(_shade(colour, place))
        for value, place in zip(ordered, places, strict=True)
    }


def new_figure(
    panels: int, height: float = 2.9, width: float = 3.4, *, sharey: bool = False
) -> tuple[Figure, list]:
    """Makes a figure with ``panels`` axes of this ``width`` in a row; it needs no display."""
    figure = Figure(figsize=(width * panels, height), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False, sharey=sharey)[0]
    return figure, list(axes)


def legible(figure: Figure) -> None:
    """Enlarges text that would be smaller than :data:`LEAST_SIZE` in print, in place.

    A figure wider than :data:`TEXT_WIDTH` is scaled down to it in print, and its text with it.
    """
    least = LEAST_SIZE * max(1.0, figure.get_figwidth() / TEXT_WIDTH)
    for text in figure.findobj(Text):
        text.set_fontsize(max(least, text.get_fontsize()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):  # ticks that are made only when drawn
            sizes = [float(label.get_fontsize()) for label in axis.get_ticklabels(which="both")]
            if sizes and min(sizes) <= least:
                axis.set_tick_params(which="both", labelsize=least)


def save(figure: Figure, file: Path | io.BytesIO, form: str) -> None:
    """Writes a figure; the same figure gives the same file, whenever it is written.

    Args:
      figure: to write; its text is made legible, and its layout is that of the first writing.
      file: path, or a file in memory.
      form: one of :data:`FORMATS`.
    """
    with style():
        legible(figure)
        figure.savefig(file, format=form, dpi=200, metadata=_UNDATED.get(form))
        figure.set_layout_engine("none")  # computed once: it takes half of the time
