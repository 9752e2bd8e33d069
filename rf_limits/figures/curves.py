"""Lines with bands over seeds, on logarithmic axes."""

import numpy as np
import pandas as pd

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
    """
    groups = table.groupby(by)[column]
    mean = groups.mean(skipna=False)
    low, high = (ends.where(mean.notna()) for ends in (groups.min(), groups.max()))
    places, *heights = map(drawable, (x(mean.index), mean, low, high))
    axis.plot(places, heights[0], **line)
    axis.fill_between(places, *heights[1:], color=line["color"], alpha=0.15, lw=0)


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
