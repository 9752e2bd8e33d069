"""Finite networks over the infinite-width theory, in time."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.dynamics.ntk_curves import THEORY, scales_of
from rf_limits.experiments.tables import with_scale
from rf_limits.figures.curves import as_floats, limit_heights, log_axes, spread_line
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.style import new_figure, shades, style
from rf_limits.methods import NETWORK, NNGP, NTK, Method

_TITLES = {NTK: "both layers: NTK", NNGP: "output layer: NNGP"}


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures by file name, the one to look at first.

    Args:
      metrics: the study's table (docs/dynamics.md).
    """
    with style():
        return {"ntk_curves": ntk_curves(metrics), "population_degrees": degrees(metrics)}


def _networks(axis, table: pd.DataFrame, column: str) -> None:
    """Networks of every width against time, mean and range over seeds."""
    networks = NETWORK.rows(table[table["time"] > 0])
    for width, colour in shades(NETWORK.colour, networks["width"]).items():
        part = networks[networks["width"] == width]
        line = {"color": colour, "label": f"N = {width}"}
        spread_line(axis, as_floats, part, "time", column, **line)


def _band(axis, table: pd.DataFrame, column: str, kernel: Method) -> None:
    """The ensemble's mean and two standard deviations."""
    theory = table[(table["method"] == THEORY) & (table["time"] > 0)].sort_values("time")
    times, mean, std = (theory[name].to_numpy(float) for name in ("time", column, f"{column}_std"))
    colour = kernel.colour
    axis.plot(times, mean, color=colour, linestyle="--", label=kernel.label)
    low = np.maximum(mean - 2 * std, 1e-3 * mean)
    axis.fill_between(times, low, mean + 2 * std, color=colour, alpha=0.2, lw=0)


def ntk_curves(metrics: pd.DataFrame) -> Figure:
    """Train and test error in time, by width; dashed the ensemble, shaded two deviations.

    A row for every lazy scale.
    """
    scales = scales_of(metrics)
    rows = max(len(scales), 1)
    figure = Figure(figsize=(2.5 * 4, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, 4, squeeze=False).flat
    panels = [(s, part, c) for s in scales for part in _TITLES for c in ("train_loss", "test_loss")]
    for axis, (scale, part, column) in zip(axes, panels, strict=True):
        table = metrics[metrics["part"] == part.key]
        table = table[table["lazy_scale"].isna() | (table["lazy_scale"] == scale)]
        _networks(axis, table, column)
        _band(axis, table, column, part)
        log_axes(axis, x="time: learning rate x steps", y=column.replace("_", "ing "))
        axis.set_ylabel({"train_loss": "training loss", "test_loss": "test loss"}[column])
        axis.set_title(with_scale(_TITLES[part], scale, scales), fontsize=8)
    shared_legend(figure, figure.axes)
    return figure


def degrees(metrics: pd.DataFrame) -> Figure:
    """Risk by degree on the population against the exact theory; degrees fall one by one."""
    table = metrics[metrics["part"] == "population"]
    theory = table[(table["method"] == THEORY) & (table["time"] > 0)].sort_values("time")
    names = [
        name
        for name in metrics
        if name.startswith("risk_degree_") and theory[name].astype(float).max() > 1e-12
    ]
    figure, axes = new_figure(1 + len(names), height=2.8, width=2.1)
    for axis, name in zip(axes, ["risk", *names], strict=True):
        _networks(axis, table, name)
        axis.plot(
            theory["time"].to_numpy(float),
            theory[name].to_numpy(float),
            color=NTK.colour,
            linestyle="--",
            label=NTK.label,
        )
        log_axes(axis, x="time", y="population risk")
        start = float(theory[name].iloc[0])
        limit_heights([axis], low=1e-4 * start)
        end = name.rsplit("_", 1)[1] if name != "risk" else "all"
        title = {"all": "all degrees", "rest": "all higher degrees"}.get(end, f"degree {end}")
        axis.set_title(title, fontsize=8)
    shared_legend(figure, axes)
    return figure
