"""Movement, drift and linearization error against width, in several parameterizations."""

from typing import Any

import pandas as pd
from ml_collections import ConfigDict

from rf_limits.errors import check_choice
from rf_limits.experiments.fits import exponents, short_interval, upper_half
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.study import Member, Study, member, validate_members
from rf_limits.experiments.tables import (
    final_rows,
    rounding_remarks,
    short_number,
    summary_rows,
)
from rf_limits.experiments.validation import check_sequence
from rf_limits.models.network import PARAMETERIZATIONS

LABELS = ("parameterization",)
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
PROVED = {
    "weight_movement": -0.5,
    "output_movement": -0.5,
    "kernel_drift": -0.5,
    "kernel_fluctuation": -0.5,
    "linearization_gap": -0.5,
    "ntk_gap": -0.5,
}
"""Exponents of upper bounds proved for ntk parameterization, with n and time fixed: Lee et al.
(2019), theorem 2.1 and section G; the fluctuation by the law of large numbers. And
:func:`_proved_of_neurons`."""


def _proved_of_neurons(group: pd.DataFrame) -> float:
    """-1/2 + 1/d for the largest |w_i,t - w_i,0|/|w_i,0|.

    A neuron moves by at most N^{-1/2} |u_i| times a constant, and the largest of N ratios
    |u_i|/|w_i| of Gaussians grows like N^{1/d}: the shortest w_i, d parameters each, decide.
    """
    row = group.iloc[0]
    return -0.5 + 1.0 / (int(row["parameters"]) / int(row["width"]) - 1.0)


def study_members(config: ConfigDict) -> list[Member]:
    """The training runs of the study."""
    return [
        member(config, {"parameterization": name}, model__parameterization=name)
        for name in config.parameterizations
    ]


def validate(config: ConfigDict) -> None:
    """Checks every field.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    check_sequence(config.parameterizations, "parameterizations")
    for name in config.parameterizations:
        check_choice(name, PARAMETERIZATIONS, "parameterizations")
    validate_members(study_members(config))


def prepare(config: ConfigDict, report: Report = no_report) -> Study:
    """Checks the config and prepares one training run per parameterization.

    Raises:
      RequirementError: a config that cannot be run.
    """
    validate(config)
    return Study(study_members(config), report)


def fits(metrics: pd.DataFrame, least: float = 0.0) -> list[dict[str, Any]]:
    """Exponents of final measurements against width, by parameterization and lazy scale.

    Args:
      metrics: the study's table.
      least: smallest width fitted.

    Returns:
      Rows of :func:`~rf_limits.experiments.fits.exponents`, with the exponent of the
      proved upper bound where there is one.
    """
    final = final_rows(metrics[metrics["method"] == "network"], LABELS)
    rows = []
    for (name, scale), group in final.groupby([*LABELS, "lazy_scale"], sort=False):
        for column in FITTED:
            if column not in group:
                continue
            found = exponents(group, ["width"], column, least)
            if found is not None:
                row = {"parameterization": name, "lazy_scale": scale, "measurement": column}
                bound = PROVED.get(column)
                if column == "neuron_movement":
                    bound = _proved_of_neurons(group)
                bound = bound if name == "ntk" else None
                rows.append(row | found | {"proved_bound": bound})
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
    """Exponents by parameterization, with their intervals."""
    names = {
        "weight_movement": "movement",
        "kernel_drift": "drift",
        "linearization_gap": "lin. gap",
        "ntk_gap": "NTK gap",
    }
    found = {(r["parameterization"], r["measurement"]): r for r in fits(metrics)}
    cells = []
    for name in metrics["parameterization"].unique():
        row = [name, *(short_interval(found.get((name, column)), "width") for column in names)]
        cells.append(row)
    widths = metrics["width"].dropna()
    title = f"Exponents in N, {widths.min()} to {widths.max()} (95% over seeds)"
    return title, ["parameterization", *names.values()], cells


def remarks(result: Result) -> list[str]:
    """Lines under the table."""
    final = final_rows(result.metrics[result.metrics["method"] == "network"], LABELS)
    widest = final[final["width"] == final["width"].max()]
    lines = []
    for name, group in widest.groupby("parameterization", sort=False):
        move, drift = (group[c].mean(skipna=False) for c in ("weight_movement", "kernel_drift"))
        lines.append(
            f"{name}, N = {group['width'].iloc[0]}: movement {short_number(move)}, NTK drift "
            f"{short_number(drift)}, test loss {short_number(group['risk'].mean(skipna=False))}."
        )
    return lines + rounding_remarks(result.metrics, LABELS)
