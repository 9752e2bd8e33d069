"""Lines with bands over seeds, on logarithmic axes."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from rf_limits.experiments.seeds import over_seeds
from rf_limits.figures.style import shade

_DRAWN = 1e-150, 1e150
"""Between which numbers are drawn: beyond, margins of logarithmic axes overflow."""


def drawable(values) -> np.ndarray:
    """Values as floats, NaN where training diverged to numbers that no axis holds."""
    values = np.asarray(values, dtype=float)
    least, most = _DRAWN
    return np.where(
        (np.abs(values) <= most) & ((values <= 0.0) | (values >= least)), values, np.nan
    )


def spread_line(axis, x, table: pd.DataFrame, by: str, column: str, **line) -> None:
    """Mean over seeds against ``by``, with a band from the smallest to the largest seed.

    Neither is drawn where one of the seeds diverged.

    Args:
      axis: to draw on.
      x: function from the values of ``by`` to abscissae.
      table: a row per seed and point.
      by: column of the points.
      column: column of the values.
      **line: of ``axis.plot``; ``color`` is needed.

    Raises:
      PooledError: a point of which a seed has two rows.
    """
    groups = over_seeds(table, by)[column]
    mean = groups.mean(skipna=False)
    low, high = (ends.where(mean.notna()) for ends in (groups.min(), groups.max()))
    places, *heights = map(drawable, (x(mean.index), mean, low, high))
    axis.plot(places, heights[0], **line)
    axis.fill_between(places, *heights[1:], color=line["color"], alpha=0.15, lw=0)


def by_scale(
    table: pd.DataFrame, colour: str, scales: Sequence[float]
) -> Iterator[tuple[pd.DataFrame, str | tuple[float, float, float], str]]:
    """Rows of every lazy scale with the colour and the end of the label of their line.

    A single scale has the whole colour and goes without saying; several go from dark to light.

    Args:
      table: with a column ``lazy_scale``.
      colour: of all of them together.
      scales: that are drawn in the figure, ascending.
    """
    for i, scale in enumerate(scales):
        rows = table[table["lazy_scale"] == scale]
        if len(scales) == 1:
            yield rows, colour, ""
        elif len(rows):
            yield rows, shade(colour, i / (len(scales) - 1)), rf", $\alpha={scale:g}$"


def as_floats(index) -> np.ndarray:
    """Values of an index, null as NaN."""
    return np.asarray(index, dtype=float)


def mark(axis, values) -> None:
    """Marks the abscissae ``values`` of a logarithmic axis, and no others."""
    axis.set_xticks(values, [f"{v:g}" for v in values])
    axis.minorticks_off()


def log_axes(axis, *, x: str, y: str) -> None:
    """Logarithmic axes with labels, or a remark where nothing positive is drawn."""
    drawn = [np.array(line.get_xydata(), dtype=float) for line in axis.lines]
    if any(np.any(np.all(np.isfinite(xy), axis=1) & (xy[:, 1] > 0.0)) for xy in drawn):
        axis.set_xscale("log", base=2 if x.startswith("width") else 10)
        axis.set_yscale("log")
    else:
        middle = {"transform": axis.transAxes, "ha": "center", "va": "center"}
        axis.text(0.5, 0.5, "no finite positive value", **middle)
    axis.set_xlabel(x)
    axis.set_ylabel(y)
