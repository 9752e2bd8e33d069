"""The crossover from feature learning to lazy training, in the lazy scale alpha."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.exponents import crossing, exponents, interval, spread, upper_half
from rf_limits.analysis.seeds import over_seeds, words_of_seeds
from rf_limits.analysis.tables import final_rows
from rf_limits.config import option
from rf_limits.config.kinds import Positive, Several, Whole
from rf_limits.figures.curves import log_axes, spread_line
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import MARKERS, Look, new_figure, shades
from rf_limits.methods import LAZY_LIMIT, LINEARIZED, NETWORK, keys_of
from rf_limits.studies.experiment import Drawing, Summary, experiment
from rf_limits.studies.small_differences import POWERS_OF_FOUR, SmallDifferences
from rf_limits.studies.study import Label, Member
from rf_limits.table import Cell, Table, short_number
from rf_limits.training.result import Result

LABELS = ("num_train",)
MEASUREMENTS = {"weight_movement": "weight movement", "kernel_drift": "NTK drift"}
"""Measurements whose crossovers are computed, with their names in figures."""


@experiment("lazy_scale")
class LazyScale(SmallDifferences):
    """The crossover from feature learning to lazy training as the scale alpha grows."""

    nums_train: Several[Whole] = option((32, 64, 128), "n, numbers of samples to compare")
    threshold: Positive = option(
        0.1, "relative movement and drift below which training counts as lazy"
    )

    script = "dynamics"
    labels = LABELS
    defaults = {
        "data.num_test": 1000,
        "model.widths": POWERS_OF_FOUR,
        "model.lazy_scales": tuple(10.0 ** (k / 2.0) for k in range(-6, 7)),
        "training.steps": 500,
        "training.log_points": 2,
        "predictors.methods": keys_of((NETWORK, LINEARIZED)),
        "measure.max_degree": -1,
        "measure.num_probe": 128,
        "measure.exact": False,
        "seeds": 4,
    }
    quick = {
        "nums_train": (16, 64),
        "model.widths": (16, 64),
        "model.lazy_scales": (0.01, 0.1, 1.0, 10.0, 100.0),
        "data.num_test": 200,
        "training.steps": 100,
        "seeds": 2,
    }

    def members(self) -> list[Member]:
        """Returns a training run for every number of samples."""
        sources = {"data.num_train": "nums_train"}
        return [
            self.member({"num_train": n}, {"data.num_train": n}, sources) for n in self.nums_train
        ]

    def constants(self) -> dict[str, Label]:
        """Returns the threshold, which the figure marks."""
        return {"threshold": self.threshold}

    def analyse(self, result: Result) -> Summary:
        """Computes crossovers, their exponents, the collapse of curves, and means at the end."""
        table = crossovers(result.metrics, self.threshold)
        groups = over_seeds(table, ["measurement", "num_train", "width"], sort=False)
        return super().analyse(result) | {
            "crossovers": groups["crossover"].agg(list).reset_index().to_dict("records"),
            "exponents": crossover_exponents(table),
            "collapse": collapse(result.metrics),
        }

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns the drift at the end by width and scale, for the largest n."""
        final = networks_at_the_end(result.metrics)
        final = final[final["num_train"] == final["num_train"].max()]
        widths = sorted(final["width"].unique())
        means = over_seeds(final, ["lazy_scale", "width"])["kernel_drift"].mean(skipna=False)
        drift = means.unstack()  # noqa: PD010
        cells = [
            [Cell.of(float(scale)), *(Cell.of(float(row[w])) for w in widths)]
            for scale, row in drift.iterrows()
        ]
        title = f"NTK drift at the end, n = {final['num_train'].iloc[0]}: {words_of_seeds(final)}"
        return Table(title, ["scale", *(f"N = {w}" for w in widths)], cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns how the crossover moves with N and n, how far curves collapse, and warnings."""
        lines = []
        for row in summary["exponents"]:
            which = "all widths" if row["widths_from"] == 0.0 else f"N >= {row['widths_from']:g}"
            lines.append(
                f"{row['measurement']} falls below {self.threshold:g} at a scale "
                f"~ N^{interval(row, 'width')} n^{interval(row, 'num_train')} ({which})."
            )
        several = len(set(result.metrics["width"])) > 1  # of one width there is nothing to compare
        for row in summary["collapse"] if several else ():
            places = {"lazy_scale": "at equal alpha", "collapsed": "at equal alpha sqrt(N)"}
            spreads = {words: row[f"spread_against_{axis}"] for axis, words in places.items()}
            parts = [
                f"{short_number(v)} decades {at}" for at, v in spreads.items() if math.isfinite(v)
            ]
            if parts:
                where = f"{row['measurement']}, n = {row['num_train']}"
                lines.append(f"{where}: widths differ by {', '.join(parts)}.")
        return lines + super().remarks(result, summary)

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns movement, drift and risk against alpha, and crossovers against width."""
        return {"lazy_scale": lazy_scale}


def networks_at_the_end(metrics: pd.DataFrame) -> pd.DataFrame:
    """Returns final rows of networks, with ``collapsed``: alpha sqrt(N)."""
    final = final_rows(NETWORK.rows(metrics), LABELS)
    return final.assign(collapsed=final["lazy_scale"] * np.sqrt(final["width"].astype(float)))


def crossovers(metrics: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Computes the scale at which each seed's measurement falls through ``threshold``.

    Args:
      metrics: the study's table.
      threshold: of relative movement and of NTK drift.

    Returns:
      Columns measurement, num_train, width, seed, crossover (NaN where not passed).
    """
    final = networks_at_the_end(metrics)
    rows = []
    for (n, width, seed), curve in final.groupby([*LABELS, "width", "seed"]):
        curve = curve.sort_values("lazy_scale")
        scales = curve["lazy_scale"].to_numpy(float)
        for name in MEASUREMENTS:
            key = {"measurement": name, "num_train": int(n), "width": int(width)}
            at = crossing(scales, curve[name].to_numpy(float), threshold)
            rows.append({**key, "seed": int(seed), "crossover": at})
    return pd.DataFrame(rows)


def crossover_exponents(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Computes exponents of the crossover in N and n, of all widths and of their upper half.

    Args:
      table: of :func:`crossovers`.
    """
    rows = []
    for least in sorted({0.0, upper_half(table)}):
        for name, group in table.groupby("measurement", sort=False):
            row = exponents(group, ["width", "num_train"], "crossover", least)
            if row is not None:
                rows.append({"measurement": name, "widths_from": least, **row})
    return rows


def collapse(metrics: pd.DataFrame) -> list[dict[str, Any]]:
    """Computes how far the curves of all widths are from one, against alpha and alpha sqrt(N).

    Root mean square in decades (:func:`~rf_limits.analysis.exponents.spread`).
    """
    final = networks_at_the_end(metrics)
    rows = []
    for n, group in final.groupby("num_train"):
        for name in MEASUREMENTS:
            row: dict[str, Any] = {"measurement": name, "num_train": int(n)}
            for axis in ("lazy_scale", "collapsed"):
                curves = []
                for _, part in group.groupby("width"):
                    mean = over_seeds(part, axis)[name].mean(skipna=False)
                    curves.append((mean.index.to_numpy(float), mean.to_numpy(float)))
                row[f"spread_against_{axis}"] = spread(curves)
            rows.append(row)
    return rows


_PANELS = (
    ("kernel_drift", "lazy_scale", r"lazy scale $\alpha$"),
    ("kernel_drift", "collapsed", r"$\alpha\sqrt{N}$"),
    ("risk", "collapsed", r"$\alpha\sqrt{N}$"),
)


def lazy_scale(metrics: pd.DataFrame) -> Figure:
    """Movement and drift against alpha, the same against alpha sqrt(N), and the risk.

    Args:
      metrics: the study's table, whose ``threshold`` marks the crossover.
    """
    threshold = float(metrics["threshold"].iloc[0])
    final = networks_at_the_end(metrics)
    final = final[final["num_train"] == final["num_train"].max()]
    names = {**MEASUREMENTS, "risk": r"test loss $E(f-f^*)^2$"}
    figure, axes = new_figure(4, height=3.6, width=2.5)
    for axis, (column, by, label) in zip(axes, _PANELS, strict=False):
        for i, (width, colour) in enumerate(shades(NETWORK.colour, final["width"]).items()):
            part = final[final["width"] == width]
            marker = MARKERS[i % len(MARKERS)]
            line: Look = {"color": colour, "marker": marker, "label": f"N = {width}"}
            spread_line(axis, part, by, column, **line)
        if column in MEASUREMENTS:
            axis.axhline(threshold, color=LAZY_LIMIT.colour, lw=0.8, linestyle="--")
        log_axes(axis, x=label, y=names[column])
    legend_above(axes[0])
    _crossover_panel(axes[3], crossovers(metrics, threshold), threshold)
    return figure


def _crossover_panel(axis: Axes, table: pd.DataFrame, threshold: float) -> None:
    """Draws the crossover against width, by number of samples."""
    colours = shades(NETWORK.colour, table["num_train"])
    for dashes, (name, words) in zip(("-", ":"), MEASUREMENTS.items(), strict=True):
        for i, (n, colour) in enumerate(colours.items()):
            part = table[(table["measurement"] == name) & (table["num_train"] == n)]
            if not np.isfinite(part["crossover"]).any():
                continue
            line: Look = {"color": colour, "linestyle": dashes, "marker": MARKERS[i % len(MARKERS)]}
            line["label"] = f"{words}, n = {n}"
            spread_line(axis, part, "width", "crossover", **line)
    log_axes(axis, x="width $N$", y=rf"$\alpha$ at which it falls below {threshold:g}")
    legend_above(axis)
