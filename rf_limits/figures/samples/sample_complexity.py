"""Learning curves of every learner over the theory of kernels and the lazy limit."""

import itertools
import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.samples.sample_complexity import (
    KERNELS,
    LABELS,
    THEORY,
    of_width,
    widths_of,
)
from rf_limits.experiments.tables import final_rows
from rf_limits.figures.curves import (
    as_floats,
    limit_heights,
    log_axes,
    networks_by_scale,
    spread_line,
)
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.samples.theory_line import LARGEST_RISK, theory_line
from rf_limits.figures.style import MARKERS, new_figure, style
from rf_limits.methods import LAZY_LIMIT, METHODS, RANDOM_FEATURES, TANGENT_FEATURES, Kind

_ACROSS = {TANGENT_FEATURES: "-"}
"""Whose points are joined by a line."""


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures by file name.

    Args:
      metrics: the study's table.
    """
    with style():
        return {"sample_complexity": sample_complexity(metrics)}


def sample_complexity(metrics: pd.DataFrame) -> Figure:
    """Relative risk against n by d and N; theory dashed (faint: rough), d^k/k! marked."""
    dims, widths = sorted(metrics["dim"].unique()), widths_of(metrics)
    panels = list(itertools.product(dims, widths))
    figure, axes = new_figure(len(panels), height=3.4, width=3.4, sharey=True)
    for axis, (dim, width) in zip(axes, panels, strict=True):
        table = of_width(metrics[metrics["dim"] == dim], width)
        _measured(axis, final_rows(table[table["seed"].notna()], LABELS))
        _lines(axis, table)
        log_axes(axis, x="number of samples $n$", y=r"relative risk $E(f-f^*)^2/E f^{*2}$")
        axis.set_title(f"d = {dim}" + (f", N = {width}" if len(widths) > 1 else ""), fontsize=8)
        low, high = axis.get_xlim()
        for k in range(1, 5):
            at = dim**k / math.factorial(k)
            if low < at < high:
                axis.axvline(at, color="0.6", lw=0.6, linestyle=":")
                place = {"transform": axis.get_xaxis_transform(), "fontsize": 6, "color": "0.4"}
                axis.text(at, 0.01, rf" $d^{k}/{k}!$" if k > 1 else " $d$", **place)
    limit_heights(axes, high=LARGEST_RISK)
    shared_legend(figure, axes)
    return figure


def _measured(axis, final: pd.DataFrame) -> None:
    fixed = METHODS.of(Kind.FITTED, Kind.KERNEL)
    for i, method in enumerate(fixed):
        part = method.rows(final)
        if len(part):
            marker = MARKERS[i % len(MARKERS)]
            line = {"color": method.colour, "marker": marker, "label": method.label}
            line["linestyle"] = _ACROSS.get(method, "none")
            spread_line(axis, as_floats, part, "num_train", "relative_risk", **line)
    for i, (part, look) in enumerate(networks_by_scale(final)):
        marker = MARKERS[(len(fixed) + i % 3) % len(MARKERS)]
        spread_line(axis, as_floats, part, "num_train", "relative_risk", marker=marker, **look)


def _lines(axis, table: pd.DataFrame) -> None:
    for method in (*KERNELS, RANDOM_FEATURES):
        part = table[table["method"] == f"{method.key}_{THEORY}"]
        if len(part):
            part = part.sort_values("theory_num_train")
            theory_line(axis, part, "theory_num_train", method.colour)
    part = LAZY_LIMIT.rows(table).sort_values("theory_num_train")
    if len(part):
        x, y = (np.asarray(part[c], float) for c in ("theory_num_train", "relative_risk"))
        axis.plot(x, y, color=LAZY_LIMIT.colour, linestyle="-.", label=LAZY_LIMIT.label)
