"""Figures of the study of width: exponents at the end, kernels over time."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.dynamics.lazy_width import CELLS, LABELS, cells_of, fits
from rf_limits.experiments.seeds import over_seeds
from rf_limits.experiments.tables import final_rows, with_scale
from rf_limits.figures.curves import as_floats, by_scale, log_axes, spread_line
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import MARKERS, OTHERS, new_figure, shades, style
from rf_limits.methods import LAZY_LIMIT, NETWORK

_COLOURS = {  # of the first activation; others have those that follow
    "ntk": NETWORK.colour,
    "standard": OTHERS[0],
    "mean_field": OTHERS[1],
    "mup": OTHERS[2],
}
_NAMES = {"ntk": "NTK", "standard": "standard", "mean_field": "mean field", "mup": r"$\mu$P"}
_PANELS = {
    "weight_movement": r"weight movement $|W_t-W_0|_F/|W_0|_F$",
    "kernel_drift": r"NTK drift $|\Theta_t-\Theta_0|_F/|\Theta_0|_F$",
    "linearization_gap": r"linearization gap, rms of $f_t-f_t^{\rm lin}$",
    "ntk_gap": r"gap to infinite width, rms of $f_t-f_t^{\infty}$",
}
_KERNELS = {
    "kernel_drift": "NTK drift",
    "infinite_alignment": r"1 $-$ cosine with $\Theta^\infty$",
    "effective_rank": "effective rank",
    "eigenspace_rotation": "rotation of the top eigenvectors",
}


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures by file name, the one to look at first.

    Args:
      metrics: the study's table (docs/dynamics.md).
    """
    with style():
        return {"lazy_width": lazy_width(metrics), "kernels": kernels(metrics)}


def lazy_width(metrics: pd.DataFrame) -> Figure:
    """Movement, drift and gaps at the end against width, with exponents; N^{-1/2} for the eye.

    Dotted beside the drift: the fluctuation of the initial kernel around infinite width.
    """
    networks = NETWORK.rows(metrics)
    final = final_rows(networks, LABELS)
    scales = sorted(final["lazy_scale"].unique())
    found = {(*(r[name] for name in CELLS), r["measurement"]): r for r in fits(metrics)}
    cases = list(dict.fromkeys(cell[:2] for cell in cells_of(metrics)))
    figure, axes = new_figure(len(_PANELS), height=3.5, width=2.3)
    for axis, (column, label) in zip(axes, _PANELS.items(), strict=True):
        for i, case in enumerate(cases):
            rows = (final["activation"] == case[0]) & (final["parameterization"] == case[1])
            for group, colour, words in by_scale(final[rows], _colour(cases, case), scales):
                fit = found.get((*case, group["lazy_scale"].iloc[0], column))
                slope = "" if fit is None else f": {fit['width_exponent']:.2f}"
                line = {
                    "color": colour,
                    "marker": MARKERS[i % len(MARKERS)],
                    "label": (_name(cases, case) + words + slope).replace("-", "\N{MINUS SIGN}"),
                }
                spread_line(axis, as_floats, group, "width", column, **line)
                if column == "kernel_drift":
                    line = {"color": colour, "linestyle": ":", "label": None}
                    spread_line(axis, as_floats, group, "width", "kernel_fluctuation", **line)
        _half(axis, final, column)
        log_axes(axis, x="width $N$", y=label)
        legend_above(axis)
    return figure


def _colour(cases: list[tuple[str, str]], case: tuple[str, str]) -> str:
    others = list(dict.fromkeys(activation for activation, _ in cases))[1:]
    if case[0] in others:
        return OTHERS[(len(_COLOURS) - 1 + others.index(case[0])) % len(OTHERS)]
    return _COLOURS[case[1]]


def _name(cases: list[tuple[str, str]], case: tuple[str, str]) -> str:
    return _NAMES[case[1]] + ("" if case[0] == cases[0][0] else f", {case[0]}")


def _half(axis, final: pd.DataFrame, column: str) -> None:
    """A line of slope -1/2, the bound for ReLU in NTK parameterization."""
    widths = np.sort(final["width"].unique()).astype(float)
    narrow = over_seeds(final[final["width"] == widths[0]], CELLS)[column]
    start = narrow.mean(skipna=False).max()
    if np.isfinite(start) and start > 0:
        line = {"color": LAZY_LIMIT.colour, "linestyle": "--", "lw": 0.8}
        axis.plot(widths, 1.5 * start * (widths / widths[0]) ** -0.5, label=r"$N^{-1/2}$", **line)


def kernels(metrics: pd.DataFrame) -> Figure:
    """The empirical NTK over time, by width: NTK parameterization above, the last one below.

    Of the first activation; a row for every lazy scale.
    """
    metrics = metrics[metrics["activation"] == metrics["activation"].iloc[0]]
    names = list(metrics["parameterization"].unique())
    networks = NETWORK.rows(metrics[metrics["step"] > 0])
    scales = sorted(networks["lazy_scale"].unique())
    ends = dict.fromkeys([names[0], names[-1]])
    shown = [(name, scale) for name in ends for scale in scales]
    figure = Figure(figsize=(2.5 * len(_KERNELS), 2.5 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), len(_KERNELS), squeeze=False)
    for row, (name, scale) in zip(axes, shown, strict=True):
        part = networks[networks["parameterization"] == name]
        part = part[part["lazy_scale"] == scale]
        for axis, (column, label) in zip(row, _KERNELS.items(), strict=True):
            for width, colour in shades(_COLOURS[name], networks["width"]).items():
                rows = part[part["width"] == width]
                if column == "infinite_alignment":
                    rows = rows.assign(infinite_alignment=1.0 - rows["infinite_alignment"])
                line = {"color": colour, "label": f"N = {width}"}
                spread_line(axis, as_floats, rows, "step", column, **line)
            log_axes(axis, x="steps", y=label)
            if column == "effective_rank":  # of one order: logarithmic ticks would be few
                axis.set_yscale("linear")
            axis.set_title(with_scale(_NAMES[name], scale, scales), fontsize=8)
        row[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
