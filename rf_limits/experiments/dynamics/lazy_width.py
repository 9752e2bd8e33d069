"""Movement, drift and linearization error against width, by parameterization and activation."""

from typing import Any

import pandas as pd

from rf_limits.config import accepts_builder
from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.dynamics.configs import LazyWidthConfig
from rf_limits.experiments.fits import exponents, short_interval, upper_half
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.seeds import over_seeds, words_of_seeds
from rf_limits.experiments.study import Member, Study, member, validate_members
from rf_limits.experiments.tables import (
    final_rows,
    short_number,
    summary_rows,
    with_scale,
)
from rf_limits.methods import NETWORK

LABELS = ("activation", "parameterization")
CELLS = [*LABELS, "lazy_scale"]
"""What tells networks of one width apart."""
FITTED = (
    "weight_movement",
    "output_movement",
    "neuron_movement",
    "kernel_drift",
    "kernel_fluctuation",
    "linearization_gap",
    "ntk_gap",
    "ntk_risk_gap",
    "activation_flips",
    "nngp_drift",
)
_HALF = dict.fromkeys(
    (
        "weight_movement",
        "output_movement",
        "kernel_drift",
        "kernel_fluctuation",
        "linearization_gap",
        "ntk_gap",
    ),
    -0.5,
)
PROVED = {"relu": _HALF, "erf": {**_HALF, "kernel_drift": -1.0, "linearization_gap": -1.0}}
"""Exponents of upper bounds proved for ntk parameterization by activation, with n and time fixed.

relu: Du et al. (2019), whose number of flipped gates gives the drift; Lee et al. (2019, theorem
2.1) ask for an activation with a Lipschitz derivative. erf: movement and gap to infinite width as
there; drift by Huang and Yau (2020), O(1/N) up to logarithms for activations with bounded
derivatives (Dyer and Gur-Ari 2020 have it from Feynman diagrams), and the gap to the
linearization by integrating it over time. The fluctuation by the law of large numbers. And
:func:`_proved_of_neurons`."""


def _proved_of_neurons(group: pd.DataFrame) -> float:
    """-1/2 + 1/d for the largest |w_i,t - w_i,0|/|w_i,0|.

    A neuron moves by at most N^{-1/2} |u_i| times a constant, and the largest of N ratios
    |u_i|/|w_i| of Gaussians grows like N^{1/d}: the shortest w_i, d parameters each, decide. That
    is asymptotic: for d = 10 the mean of the largest ratio grows like N^0.14 from N = 256 to 4096.
    """
    row = group.iloc[0]
    return -0.5 + 1.0 / (int(row["parameters"]) / int(row["width"]) - 1.0)


@accepts_builder
def study_members(config: LazyWidthConfig) -> list[Member]:
    """The training runs of the study."""
    first, *others = config.activations
    cases = [(first, name) for name in config.parameterizations]
    cases += [(name, config.parameterizations[0]) for name in others]
    return [
        member(
            config,
            dict(zip(LABELS, case, strict=True)),
            model__activation=case[0],
            model__parameterization=case[1],
        )
        for case in cases
    ]


@accepts_builder
def validate(config: LazyWidthConfig) -> None:
    """Checks what concerns several fields.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    validate_members(study_members(config))


@accepts_builder
def prepare(config: LazyWidthConfig, report: Report = no_report) -> Study:
    """Checks the config and prepares one training run per parameterization and activation.

    Raises:
      RequirementError: a config that cannot be run.
    """
    validate(config)
    return Study(study_members(config), report)


def cells_of(metrics: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Activation, parameterization and lazy scale of all networks of a table, in its order."""
    networks = NETWORK.rows(metrics)
    return list(networks[CELLS].drop_duplicates().itertuples(index=False, name=None))


def fits(metrics: pd.DataFrame, least: float = 0.0) -> list[dict[str, Any]]:
    """Exponents of final measurements against width, by network and lazy scale.

    Args:
      metrics: the study's table.
      least: smallest width fitted.

    Returns:
      Rows of :func:`~rf_limits.experiments.fits.exponents`, with the exponent of the
      proved upper bound where there is one.
    """
    final = final_rows(NETWORK.rows(metrics), LABELS)
    rows = []
    for (activation, name, scale), group in final.groupby(CELLS, sort=False):
        for column in FITTED:
            if column not in group:
                continue
            found = exponents(group, ["width"], column, least)
            if found is not None:
                row = {"activation": activation, "parameterization": name, "lazy_scale": scale}
                bounds = PROVED.get(activation, {}) if name == "ntk" else {}
                bound = bounds.get(column)
                if bounds and column == "neuron_movement":
                    bound = _proved_of_neurons(group)
                rows.append(row | {"measurement": column} | found | {"proved_bound": bound})
    return rows


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: exponents, and means over seeds at the end."""
    return {
        "choices": result.choices,
        "exponents": fits(result.metrics),
        "exponents_of_wide": fits(result.metrics, upper_half(result.metrics)),
        "final": summary_rows(result.metrics, LABELS),
    }


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Exponents by activation and parameterization, with their intervals."""
    names = {
        "weight_movement": "movement",
        "kernel_drift": "drift",
        "linearization_gap": "lin. gap",
        "ntk_gap": "NTK gap",
    }
    found = {(*(r[name] for name in CELLS), r["measurement"]): r for r in fits(metrics)}
    networks = NETWORK.rows(metrics)
    scales = networks["lazy_scale"].unique()
    cells = []
    for *case, scale in cells_of(metrics):
        exponents_of = (found.get((*case, scale, column)) for column in names)
        *first, last = case
        words = (*first, with_scale(last, scale, scales))
        cells.append([*words, *(short_interval(row, "width") for row in exponents_of)])
    widths, level = metrics["width"].dropna(), words_of_seeds(metrics, "95% over seeds")
    title = f"Exponents in N, {widths.min()} to {widths.max()} ({level})"
    return title, [*LABELS, *names.values()], cells


def remarks(result: Result) -> list[str]:
    """Lines under the table."""
    final = final_rows(NETWORK.rows(result.metrics), LABELS)
    widest = final[final["width"] == final["width"].max()]
    lines = []
    scales = widest["lazy_scale"].unique()
    for (*case, scale), group in over_seeds(widest, CELLS, sort=False):
        move, drift = (group[c].mean(skipna=False) for c in ("weight_movement", "kernel_drift"))
        who = with_scale(", ".join(case), scale, scales)
        lines.append(
            f"{who}, N = {group['width'].iloc[0]}: movement {short_number(move)}, NTK "
            f"drift {short_number(drift)}, test loss "
            f"{short_number(group['risk'].mean(skipna=False))}."
        )
    return lines + doubts(result.metrics, LABELS)
