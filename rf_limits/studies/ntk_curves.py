"""Train and test error of growing networks over the infinite-width predictions, in time.

Three parts: networks trained in both layers on fixed data, over the NTK's ensemble; trained in
the output layer alone, over the NNGP's; and trained on the population at a large lazy scale,
over the exact degree-by-degree theory (:mod:`rf_limits.studies.infinite_width_theory`).
"""

import dataclasses
import itertools
import math
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.exponents import exponents, interval
from rf_limits.analysis.seeds import check_told_apart, over_seeds, words_of_seeds
from rf_limits.analysis.tables import final_rows, with_scale
from rf_limits.config import Config, option, section
from rf_limits.config.kinds import Degree, Positive, Several, Sized, Whole
from rf_limits.figures.curves import limit_heights, log_axes, spread_line
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.style import Look, new_figure, shades
from rf_limits.methods import NETWORK, NNGP, NTK, Method, keys_of
from rf_limits.studies.experiment import Drawing, Summary, experiment
from rf_limits.studies.infinite_width_theory import POPULATION, THEORY, theory_rows
from rf_limits.studies.small_differences import SmallDifferences
from rf_limits.studies.study import Member
from rf_limits.table import Cell, Table, short_number
from rf_limits.training.result import Result
from rf_limits.training.run import TrainingRun

LABELS = ("part",)
KERNELS = (NTK, NNGP)
"""Kernels whose ensembles the parts on fixed data are put over."""


@dataclasses.dataclass(frozen=True)
class PopulationFields(Config):
    """Networks trained on the population risk, beside the theory of infinitely many samples."""

    path: ClassVar[str] = "population"
    dim: Sized = option(5, "d")
    widths: Several[Whole] = option((32, 128, 512), "N")
    lazy_scale: Positive = option(30.0, "alpha")
    max_degree: Degree = option(4, "risks by degree of the target, 0 to this")
    seeds: Whole = option(4, "draws of the initialization")


@experiment("ntk_curves")
class NtkCurves(SmallDifferences):
    """Finite networks over the infinite-width predictions, in time."""

    population: PopulationFields = section(PopulationFields)

    script = "dynamics"
    labels = LABELS
    defaults = {
        "data.num_train": 64,
        "data.num_test": 500,
        "data.seed": 0,
        "model.widths": (16, 64, 256, 1024),
        "model.lazy_scales": (1.0,),
        # the ensemble's spread comes from f_0
        "model.centring": "none",
        "training.optimizer": "gradient_flow(rtol=1e-6)",
        # steps of 0.4 n / largest NTK eigenvalue each
        "training.learning_rate": "auto_ntk",
        "training.steps": 1000,
        "training.log_points": 16,
        "predictors.methods": keys_of((NETWORK,)),
        "measure.max_degree": -1,
        "measure.exact": False,
        "measure.infinite_width": True,
        "measure.test_loss": True,
        "seeds": 10,
    }
    quick = {
        "model.widths": (16, 64),
        "data.num_train": 16,
        "data.num_test": 50,
        "training.steps": 20,
        "training.log_points": 3,
        "seeds": 2,
        "population.widths": (8, 16),
        "population.max_degree": 2,
        "population.seeds": 2,
    }

    def members(self) -> list[Member]:
        """Returns the training runs of the three parts."""
        population = self.population
        sources = {
            "problem.dim": "population.dim",
            "model.widths": "population.widths",
            "model.lazy_scales": "population.lazy_scale",
            "seeds": "population.seeds",
        }
        fields = {
            "data.kind": "population",
            "problem.dim": population.dim,
            "model.widths": population.widths,
            "model.lazy_scales": (population.lazy_scale,),
            "model.centring": "subtract",
            "measure.exact": True,
            "measure.infinite_width": False,
            "measure.max_degree": population.max_degree,
            "seeds": population.seeds,
        }
        return [
            self.member({"part": NTK.key}),
            self.member({"part": NNGP.key}, {"model.trainable": "output"}),
            self.member({"part": POPULATION}, fields, sources),
        ]

    def theory(self, member: Member, run: TrainingRun) -> pd.DataFrame:
        """Computes the infinite-width theory of a part over the times of its widest network."""
        return theory_rows(str(member.labels["part"]), member.config, run)

    def analyse(self, result: Result) -> Summary:
        """Computes exponents of distances, agreement on the population, and means at the end."""
        distance = population_distance(result.metrics)
        kept = ["width", "mean_distance", "spread"]
        return super().analyse(result) | {
            "exponents": distance_exponents(result.metrics, distance),
            "population": distance[kept].drop_duplicates().to_dict("records"),
        }

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns the largest distance to the theory by width and part."""
        networks = NETWORK.rows(result.metrics)
        cells, scales = [], scales_of(result.metrics)
        for kernel, scale in itertools.product(KERNELS, scales):
            group = _of(networks, kernel, scale)
            largest = over_seeds(_suprema(group, skipna=False), "width")["ntk_gap"]
            final = over_seeds(final_rows(group, LABELS), "width")
            ends = final[["train_loss", "test_loss"]].mean(skipna=False)
            for width, gap in largest.mean(skipna=False).items():
                name, values = with_scale(kernel.key, scale, scales), (gap, *ends.loc[width])
                cells.append([Cell(name), Cell.of(width), *(Cell.of(float(v)) for v in values)])
        group = networks[networks["part"] == POPULATION]
        ends = over_seeds(final_rows(group, LABELS), "width")["risk"].mean(skipna=False)
        largest = over_seeds(population_distance(result.metrics), "width")["distance"]
        for width, gap in largest.mean(skipna=False).items():
            values = (width, gap, None, float(ends[width]))
            cells.append([Cell(POPULATION), *map(Cell.of, values)])
        over = words_of_seeds(networks)
        title = f"Largest distance to the theory over time, and losses at the end: {over}"
        return Table(title, ["part", "N", "distance", "train", "test"], cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns how distances shrink with N, agreement on the population, and warnings."""
        lines, scales = [], scales_of(result.metrics)
        for row in summary["exponents"]:
            scale = row.get("lazy_scale")
            name = row["part"] if scale is None else with_scale(row["part"], scale, scales)
            lines.append(f"{name}: distance ~ N^{interval(row, 'width')}.")
        for widest in summary["population"][-1:]:
            deviation, what = "", "risk"
            if math.isfinite(widest["spread"]):  # of one seed there is none
                spread = short_number(widest["spread"])
                what, deviation = "mean risk", f" (standard deviation over seeds there: {spread})"
            lines.append(
                f"Population, N = {widest['width']:.0f}: {what} within "
                f"{short_number(widest['mean_distance'])} E f*^2 of the theory at all times"
                f"{deviation}."
            )
        return lines + super().remarks(result, summary)

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns losses over the ensembles, and the population risk by degree."""
        return {"ntk_curves": ntk_curves, "population_degrees": degrees}


def population_distance(metrics: pd.DataFrame) -> pd.DataFrame:
    """Computes the largest distance over time of each network's risk from the theory.

    Returns:
      Columns width, seed, distance: sup_t |risk(t) - theory(t)|/risk(0), with the theory
      interpolated between its times; mean_distance: the same of the mean over seeds;
      spread: the standard deviation over seeds at the time of that largest distance.
    """
    part = metrics[metrics["part"] == POPULATION]
    theory = part[part["method"] == THEORY].sort_values("time")
    rows = []
    for width, group in NETWORK.rows(part).groupby("width"):
        risks = group.set_index(["time", "seed"])["risk"].unstack()  # noqa: PD010
        at = np.interp(risks.index, theory["time"], theory["risk"].astype(float))
        start = float(theory["risk"].iloc[0])
        gaps = (risks.to_numpy() - at[:, None]) / start
        mean = np.abs(gaps.mean(axis=1))
        worst = int(np.argmax(mean))
        deviation = float(gaps[worst].std(ddof=1)) if gaps.shape[1] > 1 else float("nan")
        for seed, column in zip(risks.columns, gaps.T, strict=True):
            row = {"width": int(width), "seed": int(seed), "distance": np.abs(column).max()}
            rows.append(row | {"mean_distance": mean[worst], "spread": deviation})
    return pd.DataFrame(rows, columns=["width", "seed", "distance", "mean_distance", "spread"])


def distance_exponents(metrics: pd.DataFrame, distance: pd.DataFrame) -> list[dict[str, Any]]:
    """Computes exponents in width of distances, those of :func:`population_distance` last."""
    rows = []
    networks = NETWORK.rows(metrics)
    for kernel, scale in itertools.product(KERNELS, scales_of(metrics)):
        suprema = _suprema(_of(networks, kernel, scale), skipna=True)
        row = exponents(suprema, ["width"], "ntk_gap")
        if row is not None:
            of_part = {"part": kernel.key, "lazy_scale": scale, "measurement": "sup_ntk_gap"}
            rows.append(of_part | row)
    row = exponents(distance, ["width"], "distance")
    if row is not None:
        rows.append({"part": POPULATION, "measurement": "sup_risk_distance", **row})
    return rows


def scales_of(metrics: pd.DataFrame) -> list[float]:
    """Returns the lazy scales of the parts on fixed data, ascending."""
    fixed = NETWORK.rows(metrics[metrics["part"] != POPULATION])
    return sorted(map(float, fixed["lazy_scale"].unique()))


def _of(networks: pd.DataFrame, kernel: Method, scale: float) -> pd.DataFrame:
    """Returns the rows of one part and lazy scale."""
    return networks[(networks["part"] == kernel.key) & (networks["lazy_scale"] == scale)]


def _suprema(group: pd.DataFrame, *, skipna: bool) -> pd.DataFrame:
    """Computes the largest distance over time of every network of one part and lazy scale."""
    check_told_apart(group, ["width", "seed", "step"])
    return group.groupby(["width", "seed"])["ntk_gap"].max(skipna=skipna).reset_index()


_TITLES = {NTK: "both layers: NTK", NNGP: "output layer: NNGP"}


def _networks(axis: Axes, table: pd.DataFrame, column: str) -> None:
    """Draws networks of every width against time, mean and range over seeds."""
    networks = NETWORK.rows(table[table["time"] > 0])
    for width, colour in shades(NETWORK.colour, networks["width"]).items():
        part = networks[networks["width"] == width]
        line: Look = {"color": colour, "label": f"N = {width}"}
        spread_line(axis, part, "time", column, **line)


def _theory(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["method"] == THEORY) & (table["time"] > 0)].sort_values("time")


def _band(axis: Axes, table: pd.DataFrame, column: str, kernel: Method) -> None:
    """Draws the ensemble's mean and two standard deviations."""
    theory, names = _theory(table), ("time", column, f"{column}_std")
    times, mean, std = (theory[name].to_numpy(float) for name in names)
    axis.plot(times, mean, color=kernel.colour, linestyle="--", label=kernel.label)
    low = np.maximum(mean - 2 * std, 1e-3 * mean)
    axis.fill_between(times, low, mean + 2 * std, color=kernel.colour, alpha=0.2, lw=0)


def ntk_curves(metrics: pd.DataFrame) -> Figure:
    """Train and test error in time, by width; dashed the ensemble, shaded two deviations.

    A row for every lazy scale.
    """
    scales = scales_of(metrics)
    rows = max(len(scales), 1)
    figure = Figure(figsize=(2.5 * 4, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, 4, squeeze=False).flat
    losses = {"train_loss": "training loss", "test_loss": "test loss"}
    for axis, panel in zip(axes, itertools.product(scales, KERNELS, losses), strict=True):
        scale, kernel, column = panel
        table = metrics[metrics["part"] == kernel.key]
        table = table[table["lazy_scale"].isna() | (table["lazy_scale"] == scale)]
        _networks(axis, table, column)
        _band(axis, table, column, kernel)
        log_axes(axis, x="time: learning rate x steps", y=losses[column])
        axis.set_title(with_scale(_TITLES[kernel], scale, scales), fontsize=8)
    shared_legend(figure, figure.axes)
    return figure


def degrees(metrics: pd.DataFrame) -> Figure:
    """Risk by degree on the population against the exact theory; degrees fall one by one."""
    table = metrics[metrics["part"] == POPULATION]
    theory = _theory(table)
    names = [name for name in metrics if name.startswith("risk_degree_")]
    names = ["risk", *(name for name in names if theory[name].astype(float).max() > 1e-12)]
    figure, axes = new_figure(len(names), height=2.8, width=2.1)
    for axis, name in zip(axes, names, strict=True):
        _networks(axis, table, name)
        times, risks = (theory[column].to_numpy(float) for column in ("time", name))
        axis.plot(times, risks, color=NTK.colour, linestyle="--", label=NTK.label)
        log_axes(axis, x="time", y="population risk")
        limit_heights([axis], low=1e-4 * risks[0])
        end = name.rsplit("_", 1)[1] if name != "risk" else "all"
        title = {"all": "all degrees", "rest": "all higher degrees"}.get(end, f"degree {end}")
        axis.set_title(title, fontsize=8)
    shared_legend(figure, axes)
    return figure
