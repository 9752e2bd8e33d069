"""Lines with bands over seeds, on logarithmic axes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatterSciNotation, NullLocator
from numpy.typing import ArrayLike

from rf_limits.analysis.seeds import over_seeds
from rf_limits.figures.style import Look, shades
from rf_limits.measure.scaling import power_law
from rf_limits.methods import METHODS, NETWORK, Kind

_SHORT = 0.5  # decades of an axis with a number at each tick
BEYOND = "_beyond"
"""Label of marks for what lies beyond an axis."""
_DRAWN = 1e-150, 1e150
"""The least and the largest number that is drawn: margins of logarithmic axes overflow beyond."""


def drawable(values: ArrayLike) -> np.ndarray:
    """Returns values as floats, NaN where training diverged to numbers that no axis holds."""
    values = np.asarray(values, dtype=float)
    least, most = _DRAWN
    return np.where(
        (np.abs(values) <= most) & ((values <= 0.0) | (values >= least)), values, np.nan
    )


def spread_line(
    axis: Axes,
    table: pd.DataFrame,
    by: str,
    column: str,
    places: np.ndarray | None = None,
    **line: Any,
) -> None:
    """Draws a mean over seeds against ``by``, with a band from the smallest to the largest seed.

    Neither is drawn where one of the seeds diverged.

    Args:
      axis: to draw on.
      table: a row per seed and point.
      by: column of the points.
      column: column of the values.
      places: abscissae of the points, ascending; None: the values of ``by``.
      **line: of ``axis.plot``; ``color`` is needed.

    Raises:
      PooledError: a point of which a seed has two rows.
    """
    groups = over_seeds(table, by)[column]
    mean = groups.mean(skipna=False)
    low, high = (ends.where(mean.notna()) for ends in (groups.min(), groups.max()))
    x, middle, bottom, top = map(
        drawable, (mean.index if places is None else places, mean, low, high)
    )
    axis.plot(x, middle, **line)
    axis.fill_between(x, bottom, top, color=line["color"], alpha=0.15, lw=0)


def by_scale(
    table: pd.DataFrame, colour: str, scales: Sequence[float]
) -> Iterator[tuple[pd.DataFrame, str, str]]:
    """Yields the rows of every lazy scale, with the colour and the end of the label of their line.

    A single scale has the colour itself and no label; several go from dark to light.

    Args:
      table: with a column ``lazy_scale``.
      colour: of all of them together.
      scales: that are drawn in the figure, ascending.
    """
    for scale, shade in shades(colour, scales).items():
        rows = table[table["lazy_scale"] == scale]
        if len(scales) == 1:
            yield rows, colour, ""
        elif len(rows):
            yield rows, shade, rf", $\alpha={scale:g}$"


def networks_by_scale(table: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, Look]]:
    """Yields the rows of networks of every lazy scale, with the colour and label of their line."""
    networks = NETWORK.rows(table)
    for scale, colour in shades(NETWORK.colour, networks["lazy_scale"].dropna()).items():
        label = rf"{NETWORK.label}, $\alpha={scale:g}$"
        yield networks[networks["lazy_scale"] == scale], {"color": colour, "label": label}


def with_slope(label: str, rows: pd.DataFrame, column: str) -> str:
    """Returns a label with the exponent in width of the means over seeds, if all are positive."""
    means = over_seeds(rows, "width")[column].mean(skipna=False)
    if len(means) < 2 or not np.all(means.to_numpy(float) > 0):
        return label
    slope, _ = power_law(as_floats(means.index), means.to_numpy(float))
    return label + f", slope {slope:.2f}".replace("-", "\N{MINUS SIGN}")


def kernel_levels(axis: Axes, final: pd.DataFrame) -> None:
    """Draws lines across at the mean risks of kernel methods at convergence."""
    for method in METHODS.of(Kind.KERNEL):
        risks = method.rows(final)["risk"].to_numpy(float)
        if len(risks):
            axis.axhline(risks.mean(), **method.look)


def flow_means(rows: pd.DataFrame, column: str = "risk") -> tuple[np.ndarray, np.ndarray]:
    """Returns times of a kernel's gradient flow and means over seeds, by measurement.

    Args:
      rows: of a kernel method.
      column: of the values.
    """
    rows = rows[np.isfinite(rows["time"].astype(float)) & (rows["time"] > 0)]
    rows = rows.assign(point=rows.groupby("seed")["time"].rank(method="first"))
    means = over_seeds(rows, "point")[["time", column]].mean(skipna=False)
    return means["time"].to_numpy(float), means[column].to_numpy(float)


def as_floats(index: ArrayLike) -> np.ndarray:
    """Returns the values of an index, null as NaN."""
    return np.asarray(index, dtype=float)


def limit_heights(axes: Sequence, low: float = 0.0, high: float = np.inf) -> None:
    """Gives logarithmic y-axes the same ends, between ``low`` and ``high``, when all is drawn.

    A triangle at the edge stands for each marker beyond it, and where a line leaves.

    Args:
      axes: of the panels.
      low: least height.
      high: largest height.
    """
    axes = [axis for axis in axes if axis.get_yscale() == "log"]
    if not axes:
        return
    bottom = max(low, min(axis.dataLim.minposy for axis in axes))
    top = min(high, max(axis.dataLim.y1 for axis in axes))
    margin = max(top / bottom, 2.0) ** 0.05
    bottom, top = max(low, bottom / margin), min(high, top * margin)
    for axis in axes:
        axis.set_ylim(bottom, top)
        for line in list(axis.lines):
            if line.get_transform() == axis.transData:  # not a line across
                _mark_beyond(axis, line, bottom, top)


def _mark_beyond(axis: Axes, line: Line2D, bottom: float, top: float) -> None:
    x, y = np.array(line.get_xydata(), dtype=float).T
    for beyond, edge, marker, word in (
        (y > top, top, "^", "above the axis"),
        (y < bottom, bottom, "v", "below the axis"),
    ):
        if line.get_marker() in ("None", "", None):  # the first of those in a row
            beyond = beyond & ~np.append(False, beyond[:-1])
        if beyond.any():
            look: Look = {"marker": marker, "linestyle": "none", "markersize": 5.0}
            shown: Look = {"color": line.get_color(), "label": BEYOND, "clip_on": False}
            axis.plot(x[beyond], np.full(beyond.sum(), edge), **look, **shown)
            axis.plot([], [], color="0.4", label=word, **look)


def mark(axis: Axes, values: Sequence[float | np.integer]) -> None:
    """Marks the abscissae ``values`` of a logarithmic axis, and no others."""
    axis.set_xticks([float(v) for v in values], [f"{v:g}" for v in values])
    axis.xaxis.set_minor_locator(NullLocator())


class _Between(LogFormatterSciNotation):
    """Numbers between powers of ten where fewer than two of those are in sight."""

    def __init__(self, axis: Axis):
        super().__init__(minor_thresholds=(np.inf, np.inf))
        self.set_axis(axis)
        self._name = axis.axis_name  # type: ignore[attr-defined]

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Returns a number as text at 2 and 5, and on short vertical axes at all places."""
        assert self.axis is not None
        low, high = np.log10(np.sort(self.axis.get_view_interval()))
        if np.floor(high) - np.ceil(low) >= 1.0 or x <= 0.0:
            return ""
        few = high - low > _SHORT or self._name == "x"
        if few and round(x / 10.0 ** np.floor(np.log10(x)), 6) not in (2.0, 5.0):
            return ""
        return super().__call__(x, pos)


def log_axes(axis: Axes, *, x: str, y: str) -> None:
    """Makes axes logarithmic and labels them; says so where nothing positive is drawn."""
    drawn = [np.array(line.get_xydata(), dtype=float) for line in axis.lines]
    if any(np.any(np.all(np.isfinite(xy), axis=1) & (xy[:, 1] > 0.0)) for xy in drawn):
        axis.set_xscale("log", base=2 if x.startswith("width") else 10)
        axis.set_yscale("log")
        for direction in (axis.xaxis, axis.yaxis)[int(x.startswith("width")) :]:
            direction.set_minor_formatter(_Between(direction))
    else:
        middle: Look = {"transform": axis.transAxes, "ha": "center", "va": "center"}
        axis.text(0.5, 0.5, "no finite positive value", **middle)
    axis.set_xlabel(x)
    axis.set_ylabel(y)
