"""Polynomials and a neuron: risk against samples and width, and the estimate beside practice."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.power.polynomials import FITTED, LABELS, practice, scales_of
from rf_limits.experiments.power.regimes import COUPLED
from rf_limits.experiments.tables import final_rows
from rf_limits.figures.curves import (
    as_floats,
    by_scale,
    limit_heights,
    log_axes,
    mark,
    spread_line,
)
from rf_limits.figures.legends import legend_above, shared_legend
from rf_limits.figures.samples.theory_line import LARGEST_RISK
from rf_limits.figures.style import MARKERS, OTHERS, REGIMES, new_figure, style
from rf_limits.methods import METHODS, NETWORK, Kind

_WORDS = {"hidden": "hidden layer", "all": r"all layers, $u_0=0$", "ntk": "all, Gaussian $u_0$"}


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures by file name, the one to look at first.

    Args:
      metrics: the study's table (docs/power.md).
    """
    with style():
        return {"polynomials": polynomials(metrics), "asked_and_needed": asked_and_needed(metrics)}


def polynomials(metrics: pd.DataFrame) -> Figure:
    """Relative risk against samples, a panel per target; SGD on random features dashed."""
    targets, scales = list(metrics["target"].unique()), scales_of(metrics)
    figure, axes = new_figure(len(targets), height=3.2, width=2.3, sharey=True)
    for axis, target in zip(axes, targets, strict=True):
        table = metrics[metrics["target"] == target]
        _trained(axis, table, scales)
        final = final_rows(table[table["regime"] == FITTED], LABELS)
        final = final[final["width"].isna() | (final["width"] == final["width"].max())]
        for i, method in enumerate(METHODS.default(Kind.FITTED, Kind.KERNEL)):
            part = method.rows(final)
            line = {"color": method.colour, "marker": MARKERS[i], "linestyle": ":"}
            if len(part):
                line["label"] = method.label
                spread_line(axis, as_floats, part, "num_train", "relative_risk", **line)
        axis.axhline(float(metrics["accuracy"].iloc[0]), color="0.6", lw=0.6)
        log_axes(axis, x="samples", y=r"relative risk $E(f-f^*)^2/E f^{*2}$")
        axis.set_title(target.replace("_", " "), fontsize=8)
        if axis is not axes[0]:
            axis.set_ylabel("")
    limit_heights(axes, high=LARGEST_RISK)
    shared_legend(figure, axes)
    widths = sorted(map(int, metrics["width"].dropna().unique()))
    if len(widths) > 1:
        figure.suptitle(f"N = {widths[-1]}, the largest of {widths}", fontsize=7)
    return figure


def _trained(axis, table: pd.DataFrame, scales: list[float]) -> None:
    table = table[(table["width"] == table["width"].max()) & (table["step"] > 0)]
    table = table.assign(samples=table["step"].astype(float) * table["batch_size"])
    for regime, coupled in COUPLED.items():
        rows = table[table["regime"] == regime]
        for one, look in ((NETWORK, "-"), (coupled, "--")):
            part = one.rows(rows)
            for own, colour, words in by_scale(part, REGIMES[regime], scales):
                if not len(own):
                    continue
                label = f"{_WORDS[regime]}{'' if one is NETWORK else ', RF'}{words}"
                line = {"color": colour, "linestyle": look, "label": label}
                spread_line(axis, as_floats, own, "samples", "relative_risk", **line)


def asked_and_needed(metrics: pd.DataFrame) -> Figure:
    """Steps to the accuracy by target, estimated and needed; risk at the end against width."""
    table = practice(metrics)
    targets, scales = list(metrics["target"].unique()), scales_of(metrics)
    places = {target: i for i, target in enumerate(targets)}
    figure, axes = new_figure(2, height=3.7, width=3.6)
    for i, (regime, group) in enumerate(table.groupby("regime", sort=False)):
        for own, colour, words in by_scale(group, REGIMES[regime], scales):
            x = np.array([places[t] for t in own["target"]], float)
            line = {"color": colour, "marker": MARKERS[i]}
            asked = own["asked_steps"].to_numpy(float)
            finite = np.isfinite(asked)
            word = _WORDS[regime] + words
            estimate = {"linestyle": "--", "label": f"{word}: estimate"}
            axes[0].plot(x[finite], asked[finite], **estimate, **line)
            axes[0].plot(x, own["steps"], label=f"{word}: needed", **line)
    axes[0].set_yscale("log")
    axes[0].set_ylabel(f"steps to relative risk {metrics['accuracy'].iloc[0]:g}")
    words = ["\n".join(t.split("_")) for t in targets]
    axes[0].set_xticks(range(len(targets)), words, fontsize=6)
    legend_above(axes[0], handlelength=3.5)
    networks = NETWORK.rows(metrics[metrics["regime"] != FITTED])
    final = final_rows(networks, LABELS)
    for i, target in enumerate(targets):
        for regime, part in final[final["target"] == target].groupby("regime", sort=False):
            line = {"marker": MARKERS[i % len(MARKERS)]}
            line["linestyle"] = "-" if regime == "hidden" else "--"
            for own, colour, words in by_scale(part, OTHERS[i % len(OTHERS)], scales):
                first = regime == final["regime"].iloc[0]
                line |= {
                    "color": colour,
                    "label": target.replace("_", " ") + words if first else None,
                }
                spread_line(axes[1], as_floats, own, "width", "relative_risk", **line)
    log_axes(axes[1], x="width $N$", y="relative risk at the end")
    mark(axes[1], sorted(final["width"].unique()))
    legend_above(axes[1], "solid: hidden layer; dashed: all layers", ncols=2)
    return figure
