"""Movement, drift and linearization error against width, by parameterization and activation."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.exponents import exponents, short_interval, upper_half
from rf_limits.analysis.seeds import over_seeds, words_of_seeds
from rf_limits.analysis.tables import final_rows, with_scale
from rf_limits.config import option
from rf_limits.config.kinds import Several, among
from rf_limits.figures.curves import by_scale, log_axes, spread_line
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import MARKERS, OTHERS, Look, new_figure, shades
from rf_limits.methods import LAZY_LIMIT, LINEARIZED, NETWORK, NTK, keys_of
from rf_limits.models.increments import ACTIVATIONS
from rf_limits.models.network import PARAMETERIZATIONS
from rf_limits.studies.experiment import Drawing, Summary, experiment
from rf_limits.studies.small_differences import POWERS_OF_FOUR, SmallDifferences
from rf_limits.studies.study import Member
from rf_limits.table import Cell, Table, short_number
from rf_limits.training.result import Result

LABELS = ("activation", "parameterization")
NETWORKS = (*LABELS, "lazy_scale")
"""The columns that tell networks of one width apart."""
_HALF = {
    "weight_movement": -0.5,
    "output_movement": -0.5,
    "neuron_movement": None,  # depends on the dimension: _proved_of_neurons
    "kernel_drift": -0.5,
    "kernel_fluctuation": -0.5,
    "linearization_gap": -0.5,
    "ntk_gap": -0.5,
}
MEASUREMENTS = (*_HALF, "ntk_risk_gap", "activation_flips", "nngp_drift")
PROVED = {"relu": _HALF, "erf": {**_HALF, "kernel_drift": -1.0, "linearization_gap": -1.0}}
"""Exponents of upper bounds proved for ntk parameterization by activation, with n and time fixed.

relu: Du et al. (2019), whose number of flipped gates gives the drift; Lee et al. (2019, theorem
2.1) ask for an activation with a Lipschitz derivative. erf: movement and gap to infinite width as
there; drift by Huang and Yau (2020), O(1/N) up to logarithms for activations with bounded
derivatives (Dyer and Gur-Ari 2020 have it from Feynman diagrams), and the gap to the
linearization by integrating it over time. The fluctuation by the law of large numbers. And
:func:`_proved_of_neurons`."""


@experiment("lazy_width")
class LazyWidth(SmallDifferences):
    """Movement, drift and gaps against width, in four parameterizations and without a kink."""

    parameterizations: Several[Annotated[str, among(PARAMETERIZATIONS)]] = option(
        ("ntk", "standard", "mean_field", "mup"), "scales of layers and steps to compare"
    )
    activations: Several[Annotated[str, among(ACTIVATIONS)]] = option(
        ("relu", "erf"),
        "the first is taken in every parameterization, the others in the first of these",
    )

    script = "dynamics"
    labels = LABELS
    defaults = {
        "data.num_train": 64,
        "data.num_test": 1000,
        "data.seed": 0,
        "model.widths": POWERS_OF_FOUR,
        "model.lazy_scales": (1.0,),
        "training.learning_rate": "auto_ntk",
        "training.steps": 500,
        "training.log_points": 8,
        "predictors.methods": keys_of((NETWORK, LINEARIZED, NTK)),
        "measure.max_degree": -1,
        "measure.num_probe": 64,
        "measure.exact": False,
        "measure.kernels": True,
        "measure.eigenvalues": 8,
        "measure.infinite_width": True,
        "measure.test_loss": True,
        "seeds": 10,
    }
    quick = {
        "parameterizations": ("ntk", "mup"),
        "model.widths": (16, 64),
        "data.num_test": 200,
        "training.steps": 100,
        "training.log_points": 4,
        "seeds": 3,
    }

    def members(self) -> list[Member]:
        """Returns a training run for every parameterization and activation."""
        first, *others = self.activations
        cases = [(first, name) for name in self.parameterizations]
        cases += [(name, self.parameterizations[0]) for name in others]
        labels = [dict(zip(LABELS, case, strict=True)) for case in cases]
        fields = [{f"model.{key}": value for key, value in case.items()} for case in labels]
        return list(map(self.member, labels, fields))

    def analyse(self, result: Result) -> Summary:
        """Computes exponents of all widths and of the upper half, and means at the end."""
        return super().analyse(result) | {
            "exponents": width_exponents(result.metrics),
            "exponents_of_wide": width_exponents(result.metrics, upper_half(result.metrics)),
        }

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns exponents by activation and parameterization, with their intervals."""
        names = {
            "weight_movement": "movement",
            "kernel_drift": "drift",
            "linearization_gap": "lin. gap",
            "ntk_gap": "NTK gap",
        }
        rows = {(*_network(row), row["measurement"]): row for row in summary["exponents"]}
        scales = NETWORK.rows(result.metrics)["lazy_scale"].unique()
        cells = []
        for first, last, scale in networks_of(result.metrics):
            of_case = (rows.get((first, last, scale, column)) for column in names)
            words = (first, with_scale(last, scale, scales))
            cells.append([*map(Cell, words), *(short_interval(row, "width") for row in of_case)])
        widths = result.metrics["width"].dropna()
        level = words_of_seeds(result.metrics, "95% over seeds")
        title = f"Exponents in N, {widths.min()} to {widths.max()} ({level})"
        return Table(title, [*LABELS, *names.values()], cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns movement, drift and loss of the widest networks, and warnings."""
        final = final_rows(NETWORK.rows(result.metrics), LABELS)
        widest = final[final["width"] == final["width"].max()]
        lines, scales = [], widest["lazy_scale"].unique()
        for (*case, scale), group in over_seeds(widest, NETWORKS, sort=False):
            means = group[["weight_movement", "kernel_drift", "risk"]].mean(skipna=False)
            move, drift, loss = map(short_number, means)
            lines.append(
                f"{with_scale(', '.join(case), scale, scales)}, N = {group['width'].iloc[0]}: "
                f"movement {move}, NTK drift {drift}, test loss {loss}."
            )
        return lines + super().remarks(result, summary)

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns exponents at the end, and kernels over time."""
        return {"lazy_width": lazy_width, "kernels": kernels}


def _network(row: Mapping[str, Any]) -> tuple[str, str, float]:
    return row["activation"], row["parameterization"], row["lazy_scale"]


def _proved_of_neurons(group: pd.DataFrame) -> float:
    """Returns -1/2 + 1/d, the exponent for the largest |w_i,t - w_i,0|/|w_i,0|.

    A neuron moves by at most N^{-1/2} |u_i| times a constant, and the largest of N ratios
    |u_i|/|w_i| of Gaussians grows like N^{1/d}: the shortest w_i, d parameters each, decide. That
    is asymptotic: for d = 10 the mean of the largest ratio grows like N^0.14 from N = 256 to 4096.
    """
    row = group.iloc[0]
    return -0.5 + 1.0 / (int(row["parameters"]) / int(row["width"]) - 1.0)


def networks_of(metrics: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Returns activation, parameterization and lazy scale of all networks, in the table's order."""
    networks = NETWORK.rows(metrics)[list(NETWORKS)]
    return list(networks.drop_duplicates().itertuples(index=False, name=None))


def width_exponents(metrics: pd.DataFrame, least: float = 0.0) -> list[dict[str, Any]]:
    """Computes exponents of final measurements against width, by network and lazy scale.

    Args:
      metrics: the study's table.
      least: smallest width that counts.

    Returns:
      Rows of :func:`~rf_limits.analysis.exponents.exponents`, with the exponent of the proved
      upper bound where there is one.
    """
    final = final_rows(NETWORK.rows(metrics), LABELS)
    rows = []
    for (activation, name, scale), group in final.groupby(list(NETWORKS), sort=False):
        bounds = PROVED.get(activation, {}) if name == "ntk" else {}
        for column in MEASUREMENTS:
            row = exponents(group, ["width"], column, least) if column in group else None
            if row is None:
                continue
            bound = bounds.get(column)
            if bounds and column == "neuron_movement":
                bound = _proved_of_neurons(group)
            network = {"activation": activation, "parameterization": name, "lazy_scale": scale}
            rows.append(network | {"measurement": column} | row | {"proved_bound": bound})
    return rows


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


def lazy_width(metrics: pd.DataFrame) -> Figure:
    """Movement, drift and gaps at the end against width, with exponents; N^{-1/2} for the eye.

    Dotted beside the drift: the fluctuation of the initial kernel around infinite width.
    """
    final = final_rows(NETWORK.rows(metrics), LABELS)
    scales = sorted(final["lazy_scale"].unique())
    rows = {(*_network(row), row["measurement"]): row for row in width_exponents(metrics)}
    cases = list(dict.fromkeys(network[:2] for network in networks_of(metrics)))
    figure, axes = new_figure(len(_PANELS), height=3.5, width=2.3)
    for axis, (column, label) in zip(axes, _PANELS.items(), strict=True):
        for i, case in enumerate(cases):
            of_case = (final["activation"] == case[0]) & (final["parameterization"] == case[1])
            for group, colour, words in by_scale(final[of_case], _colour(cases, case), scales):
                row = rows.get((*case, group["lazy_scale"].iloc[0], column))
                slope = "" if row is None else f": {row['width_exponent']:.2f}"
                text = (_name(cases, case) + words + slope).replace("-", "\N{MINUS SIGN}")
                line: Look = {"color": colour, "marker": MARKERS[i % len(MARKERS)], "label": text}
                spread_line(axis, group, "width", column, **line)
                if column == "kernel_drift":
                    line = {"color": colour, "linestyle": ":", "label": None}
                    spread_line(axis, group, "width", "kernel_fluctuation", **line)
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


def _half(axis: Axes, final: pd.DataFrame, column: str) -> None:
    """Draws a line of slope -1/2, the bound for ReLU in NTK parameterization."""
    widths = np.sort(final["width"].unique()).astype(float)
    narrow = over_seeds(final[final["width"] == widths[0]], NETWORKS)[column]
    start = narrow.mean(skipna=False).max()
    if np.isfinite(start) and start > 0:
        line: Look = {"color": LAZY_LIMIT.colour, "linestyle": "--", "lw": 0.8}
        axis.plot(widths, 1.5 * start * (widths / widths[0]) ** -0.5, label=r"$N^{-1/2}$", **line)


def kernels(metrics: pd.DataFrame) -> Figure:
    """The empirical NTK over time, by width: NTK parameterization above, the last one below.

    Of the first activation; a row for every lazy scale.
    """
    metrics = metrics[metrics["activation"] == metrics["activation"].iloc[0]]
    names = list(metrics["parameterization"].unique())
    networks = NETWORK.rows(metrics[metrics["step"] > 0])
    scales = sorted(networks["lazy_scale"].unique())
    shown = [(name, scale) for name in dict.fromkeys([names[0], names[-1]]) for scale in scales]
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
                line: Look = {"color": colour, "label": f"N = {width}"}
                spread_line(axis, rows, "step", column, **line)
            log_axes(axis, x="steps", y=label)
            if column == "effective_rank":  # of one order: logarithmic ticks would be few
                axis.set_yscale("linear")
            axis.set_title(with_scale(_NAMES[name], scale, scales), fontsize=8)
        row[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
