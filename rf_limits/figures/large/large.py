"""Risk against n over theory, and how conjugate gradients converged."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.large.configs import STREAMED
from rf_limits.experiments.large.large import final_fits
from rf_limits.experiments.large.theory import THEORY
from rf_limits.figures.curves import as_floats, limit_heights, log_axes, spread_line
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.samples.theory_line import LARGEST_RISK, theory_line
from rf_limits.figures.style import MARKERS, new_figure, shades, style


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures by file name; ``residuals`` only where a fit was iterative.

    Args:
      metrics: the experiment's table.
    """
    with style():
        figures = {"risk": risk(metrics)}
        if metrics["iteration"].notna().any():
            figures["residuals"] = residuals(metrics)
    return figures


def _lines(table: pd.DataFrame) -> list[tuple[str, int | None, dict]]:
    """Method, N and look of every curve: darker for fewer features."""
    found = []
    for method in STREAMED:
        part = method.rows(table)
        widths = sorted(int(w) for w in part["width"].dropna().unique())
        colours = shades(method.colour, widths)
        for width in widths or ([None] if len(part) else []):
            colour = method.colour if width is None else colours[width]
            label = method.label if width is None else f"{method.label}, N = {width}"
            look = {"color": colour, "label": label, "marker": MARKERS[len(found) % len(MARKERS)]}
            found.append((method.key, width, look))
    return found


def _of(table: pd.DataFrame, method: str, width: int | None) -> pd.DataFrame:
    part = table[table["method"] == method]
    return part if width is None else part[part["width"] == width]


def risk(metrics: pd.DataFrame) -> Figure:
    """Relative risk against n by method and number of features; theory dashed, faint if rough."""
    figure, (axis,) = new_figure(1, height=3.4, width=4.2)
    fits = final_fits(metrics)
    for method, width, look in _lines(fits):
        part = _of(fits, method, width)
        spread_line(axis, as_floats, part, "num_train", "relative_risk", **look, linestyle="none")
        theory = _of(metrics, f"{method}_{THEORY}", width).sort_values("num_train")
        theory_line(axis, theory, "num_train", look["color"])
    log_axes(axis, x="number of samples $n$", y=r"relative risk $E(f-f^*)^2/E f^{*2}$")
    limit_heights([axis], high=LARGEST_RISK)
    shared_legend(figure, [axis])
    return figure


def residuals(metrics: pd.DataFrame) -> Figure:
    """Relative residual against iteration, a line per fit by conjugate gradients."""
    figure, (axis,) = new_figure(1, height=3.0, width=4.2)
    history = metrics[metrics["iteration"].notna()]
    for method, width, look in _lines(history):
        label = look.pop("label")
        look.pop("marker")
        for _, curve in _of(history, method, width).groupby(["num_train", "seed"]):
            x, y = (np.asarray(curve[c], float) for c in ("iteration", "relative_residual"))
            axis.plot(x, y, **look, label=label)
            label = None
    log_axes(axis, x="iteration of conjugate gradients", y=r"relative residual $|r|/|b|$")
    axis.set_xscale("linear")
    shared_legend(figure, [axis])
    return figure
