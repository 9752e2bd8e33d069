"""One neuron learned by one neuron, by many and by a lazy network."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.dynamics.single_neuron import LABELS
from rf_limits.experiments.fits import steps_to_threshold
from rf_limits.experiments.tables import final_rows
from rf_limits.figures.curves import as_floats, limit_heights, log_axes, mark, spread_line
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.style import MARKERS, OTHERS, new_figure, shades, style
from rf_limits.methods import NETWORK

_LEAST_RISK = 1e-8  # drawn; one neuron reaches zero, which comes out as +-1e-16


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures by file name.

    Args:
      metrics: the study's table (docs/dynamics.md).
    """
    with style():
        return {"single_neuron": single_neuron(metrics)}


def _students(metrics: pd.DataFrame) -> list[tuple[str, float, dict]]:
    """Students with how they are drawn: one neuron, then networks by scale."""
    pairs = metrics[["student", "lazy_scale"]].dropna().drop_duplicates()
    colours = shades(NETWORK.colour, pairs[pairs["student"] == "network"]["lazy_scale"])
    width = metrics["width"].max()
    found = []
    if (pairs["student"] == "one neuron").any():
        line = {"color": OTHERS[1], "marker": "o", "label": "one neuron"}
        found.append(("one neuron", 1.0, line))
    for i, (scale, colour) in enumerate(colours.items()):
        line = {
            "color": colour,
            "marker": MARKERS[1 + i % (len(MARKERS) - 1)],
            "label": rf"N = {width}, $\alpha={scale:g}$",
        }
        found.append(("network", scale, line))
    return found


def _of(table: pd.DataFrame, student: str, scale: float) -> pd.DataFrame:
    return table[(table["student"] == student) & (table["lazy_scale"] == scale)]


def single_neuron(metrics: pd.DataFrame) -> Figure:
    """Risk in time, and against d: risk, alignment, and steps to a threshold; widest network.

    Args:
      metrics: the study's table; its ``threshold`` is the relative risk that counts as learned.
    """
    threshold = float(metrics["threshold"].iloc[0])
    networks = NETWORK.rows(metrics)
    widest = networks["width"] == networks["width"].max()
    networks = networks[widest | (networks["student"] == "one neuron")]
    kinds = list(networks["data"].unique())
    first, final = networks[networks["data"] == kinds[0]], final_rows(networks, LABELS)
    times = steps_to_threshold(networks, threshold, LABELS)
    figure, axes = new_figure(5, height=3.6, width=2.3)
    largest = first["dim"].max()
    for student, scale, line in _students(networks):
        part = _of(first[(first["dim"] == largest) & (first["step"] > 0)], student, scale)
        plain = {k: v for k, v in line.items() if k != "marker"}
        spread_line(axes[0], as_floats, part, "step", "relative_risk", **plain)
        for kind, dashes in zip(kinds, ("-", "--"), strict=False):
            label = line["label"] if kind == kinds[0] else None
            shown = {**line, "linestyle": dashes, "label": label}
            part = _of(final[final["data"] == kind], student, scale)
            spread_line(axes[1], as_floats, part, "dim", "relative_risk", **shown)
            spread_line(axes[2], as_floats, part, "dim", "effective_angle", **shown)
            spread_line(axes[3], as_floats, part, "dim", "aligned_mass", **shown)
            part = _of(times[times["data"] == kind], student, scale)
            if np.isfinite(part["steps"]).any():
                spread_line(axes[4], as_floats, part, "dim", "steps", **shown)
    risk = r"relative risk $E(f-f^*)^2/E f^{*2}$"
    log_axes(axes[0], x="steps", y=risk)
    axes[0].set_title(f"{kinds[0]}, d = {largest}", fontsize=8)
    log_axes(axes[1], x="dimension $d$", y=risk)
    log_axes(axes[2], x="dimension $d$", y=r"angle between $\sum_i u_iw_i$ and $w^*$")
    axes[3].set_xscale("log")
    axes[3].set(xlabel="dimension $d$", ylabel=r"share of $\sum_i|u_i||w_i|$ within 26° of $w^*$")
    log_axes(axes[4], x="dimension $d$", y=f"steps to relative risk {threshold:g}")
    limit_heights(axes[:2], low=_LEAST_RISK)
    for axis in axes[1:]:
        mark(axis, sorted(final["dim"].unique()))
    if len(kinds) > 1:
        for kind, dashes in zip(kinds, ("-", "--"), strict=False):
            axes[1].plot([], [], color="0.4", linestyle=dashes, label=f"{kind} data")
    shared_legend(figure, axes)
    widths = sorted(map(int, metrics["width"].dropna().unique()))
    if len(widths) > 1:
        figure.suptitle(f"networks of N = {widths[-1]}, the largest of {widths}", fontsize=7)
    return figure
