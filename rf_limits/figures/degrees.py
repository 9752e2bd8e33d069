"""Figures of how much of each degree of the target a run learned, from its table alone."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.seeds import SEED, check_told_apart, over_seeds
from rf_limits.analysis.tables import final_rows
from rf_limits.figures.curves import networks_by_scale
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.style import MARKERS, Look, new_figure
from rf_limits.methods import METHODS, NETWORK, Kind
from rf_limits.table import short_number

_PANELS = 6  # at most; the last is "rest"
_LEAST_WIDTH = 4.2  # inches, of the figure
_LEAST_SHARE = 1e-10  # of E f*^2, of a degree that is drawn


def drawn_degrees(metrics: pd.DataFrame) -> list[str]:
    """Returns degrees with a share in the target and a measured risk: "0", "1", ..., "rest"."""
    ends = [name.rsplit("_", 1)[1] for name in metrics if name.startswith("target_degree_")]
    targets = {end: metrics[f"target_degree_{end}"].max() for end in ends}
    total = sum(share for share in targets.values() if np.isfinite(share))
    kept = [
        end
        for end, share in targets.items()
        if share > _LEAST_SHARE * total and metrics[f"risk_degree_{end}"].notna().any()
    ]
    return kept if len(kept) <= _PANELS else [*kept[: _PANELS - 1], kept[-1]]


def unlearned_by_degree(metrics: pd.DataFrame) -> Figure:
    """Share of each degree not yet learned, E (f_k - f*_k)^2 / E f*_k^2, by the widest network.

    One panel per degree that the target has: the network against time at every lazy scale, and
    at the right edge where the methods end that keep their features (the linearization at the
    largest lazy scale).
    """
    degrees = drawn_degrees(metrics)
    width = max(2.1, _LEAST_WIDTH / len(degrees))
    figure, axes = new_figure(len(degrees), height=2.2, width=width, sharey=True)
    networks = NETWORK.rows(metrics[metrics["step"] > 0])
    widest = metrics["width"].max()
    networks = networks[networks["width"] == widest]
    final = final_rows(metrics)
    final = final[final["width"].isna() | (final["width"] == widest)]
    for axis, end in zip(axes, degrees, strict=True):
        last = 1.0
        for part, look in networks_by_scale(networks):
            shares = part[f"risk_degree_{end}"] / part[f"target_degree_{end}"]
            steps = over_seeds(part.assign(share=shares), "step")
            share = steps["share"]
            times = steps["time"].mean(skipna=False).to_numpy(float)
            mean = share.mean(skipna=False).to_numpy(float)
            axis.plot(times, mean, **look)
            ends = (share.min().to_numpy(float), share.max().to_numpy(float))
            spread = [np.where(np.isnan(mean), np.nan, end) for end in ends]
            axis.fill_between(times, *spread, color=look["color"], alpha=0.15, lw=0)
            last = max(last, times.max())
        _end_values(axis, final, end, last)
        axis.axhline(1.0, color="0.6", linewidth=0.6)
        if any(np.any(np.asarray(line.get_ydata(), float) > 0.0) for line in axis.lines):
            axis.set_xscale("log")
            axis.set_yscale("log")
        axis.set_title(_title(end, metrics), fontsize=8)
        axis.set_xlabel("time")
    axes[0].set_ylabel(r"not learned $E(f_k-f^*_k)^2\,/\,E{f^*_k}^2$")
    shared_legend(figure, axes)
    return figure


def _end_values(axis: Axes, final: pd.DataFrame, end: str, last: float) -> None:
    """Draws final means of methods that keep their features, side by side beyond ``last``."""
    fixed = [method for method in METHODS.values() if method.keeps_features]
    for i, method in enumerate(fixed):
        rows = method.rows(final)
        if method.kind is Kind.TRAINED:
            rows = rows[rows["lazy_scale"] == rows["lazy_scale"].max()]
        if not len(rows):
            continue
        check_told_apart(rows, [SEED])
        share = float(np.mean(rows[f"risk_degree_{end}"] / rows[f"target_degree_{end}"]))
        marker = MARKERS[i % len(MARKERS)]
        style: Look = {"color": method.colour, "marker": marker, "linestyle": "none"}
        style["label"] = f"{method.label}, end"
        axis.plot([last * 1.6 ** (i + 1)], [share], **style)


def _title(end: str, metrics: pd.DataFrame) -> str:
    share = float(metrics[f"target_degree_{end}"].max())
    total = sum(float(metrics[name].max()) for name in metrics if name.startswith("target_degree_"))
    name = "all higher degrees" if end == "rest" else f"degree {end}"
    return f"{name}: {short_number(100 * share / total)}% of $E{{f^*}}^2$"
