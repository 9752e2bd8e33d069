"""The staircase: best risk against the number of fixed features, from the table alone."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.seeds import over_seeds
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.style import new_figure, style
from rf_limits.methods import LAZY_LIMIT, RANDOM_FEATURES, TANGENT_FEATURES
from rf_limits.theory.spectra.harmonics import multiplicity

_LOOKS = {RANDOM_FEATURES: ("o", "full"), TANGENT_FEATURES: ("^", "none")}
"""Markers, and how they are filled."""


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures of an approximation run by file name."""
    with style():
        return {"staircase": staircase(metrics)}


def staircase(metrics: pd.DataFrame) -> Figure:
    """Measured best risks (markers) above the lazy limit (lines), one colour per dimension.

    Small numbers mark the degree that is complete where the line passes: all harmonics up to
    degree k cost sum_j B(d, j) features.
    """
    figure, (axis,) = new_figure(1, height=3.4)
    figure.set_size_inches(4.8, 3.6)
    dims = sorted(metrics["dim"].unique())
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(dims)))
    for dim, colour in zip(dims, colours, strict=True):
        part = metrics[metrics["dim"] == dim]
        limit = LAZY_LIMIT.rows(part).sort_values("num_features")
        counts, risks = (limit[c].to_numpy(float) for c in ("num_features", "risk"))
        axis.plot(counts, 2.0 * risks, color=colour, label=f"d = {dim}: lazy limit")
        if len(counts):
            _mark_degrees(axis, int(dim), counts, 2.0 * risks, colour)
        for method, (marker, fill) in _LOOKS.items():
            mean = over_seeds(method.rows(part), "num_features")["relative_risk"].mean(skipna=False)
            axis.plot(
                mean.index.to_numpy(float),
                mean.to_numpy(float),
                marker,
                color=colour,
                markersize=3.5,
                fillstyle=fill,
            )
    for method, (marker, fill) in _LOOKS.items():
        if method.is_in(metrics):
            label = f"{method.short}, measured"
            axis.plot([], [], marker, color="0.3", fillstyle=fill, label=label)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("number of fixed features $p$")
    axis.set_ylabel(r"best relative risk $E(f-f^*)^2 / E f^{*2}$")
    shared_legend(figure, [axis])
    return figure


def _mark_degrees(axis, dim: int, counts: np.ndarray, risks: np.ndarray, colour) -> None:
    """The degrees 1, 2, 4, 6, 8 where the bound has just used up their harmonics."""
    used = 0
    for degree in range(9):
        if degree > 1 and degree % 2:
            continue  # odd degrees beyond 1 carry nothing
        used += multiplicity(dim, degree)
        if degree == 0 or not counts[0] <= used <= counts[-1]:
            continue
        height = np.exp(np.interp(np.log(used), np.log(counts), np.log(risks)))
        axis.annotate(
            str(degree),
            (used, height),
            textcoords="offset points",
            xytext=(2, 3),
            fontsize=5.5,
            color=colour,
        )
