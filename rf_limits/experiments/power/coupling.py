"""Why training behaves like random features: both on the same samples, against width.

The coupling in the proof of Yehudai and Shamir (2019, section 3), measured: the network, its
linearization and SGD on its random features take the same steps on the same stream; how far
apart do they come, and how far do weights move, beside what the argument of the proof
gives with means for suprema (:mod:`rf_limits.theory.guarantees.coupling`).
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.config import accepts_builder
from rf_limits.errors import check, check_choice
from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.fits import exponents, interval, short_interval, upper_half
from rf_limits.experiments.power.configs import CouplingConfig
from rf_limits.experiments.power.regimes import COUPLED, REGIMES
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.seeds import over_seeds, words_of_seeds
from rf_limits.experiments.study import Member, Study, member, validate_members
from rf_limits.experiments.tables import short_number, summary_rows, with_scale
from rf_limits.methods import NETWORK
from rf_limits.theory.guarantees.coupling import REGIMES as ESTIMATED
from rf_limits.theory.guarantees.coupling import coupling_estimate

LABELS = ("regime",)
SUPREMA = ("coupled_gap", "linearization_gap", "weight_movement", "output_movement")
"""Largest values over the log points: the first is the distance to the random-features run."""


@accepts_builder
def study_members(config: CouplingConfig) -> list[Member]:
    """The training runs of the study."""
    return [member(config, {"regime": name}, **REGIMES[name]) for name in config.regimes]


@accepts_builder
def validate(config: CouplingConfig) -> None:
    """Checks what concerns several fields.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    check_choice(config.data.kind, ("stream",), "data.kind")
    model = config.model
    check_choice(model.activation, ("relu",), "model.activation")
    check_choice(model.parameterization, ("ntk",), "model.parameterization")
    check(
        model.centring != "none",
        "model.centring",
        "be subtract or antisymmetric: both runs start at 0",
        model.centring,
    )
    validate_members(study_members(config))


@accepts_builder
def prepare(config: CouplingConfig, report: Report = no_report) -> Study:
    """Checks the config and prepares every regime.

    Raises:
      RequirementError: a config that cannot be run.
    """
    validate(config)
    constants = {"dim": config.problem.dim, "noise": config.problem.noise}
    return Study(study_members(config), report, constants={**constants, "bias": config.model.bias})


def suprema(metrics: pd.DataFrame) -> pd.DataFrame:
    """Largest distances and movements over the log points of every network.

    Args:
      metrics: the study's table.

    Returns:
      Columns regime, width, lazy_scale, seed, time, ``impulse`` (M of
      :mod:`rf_limits.theory.guarantees.coupling`, by the trapezoidal rule between log points) and
      :data:`SUPREMA`; NaN where a run diverged.
    """
    rows = []
    keys = ["regime", "width", "lazy_scale", "seed"]
    for key, curve in NETWORK.rows(metrics).groupby(keys, sort=False):
        curve = curve.sort_values("step")
        row = dict(zip(keys, key, strict=True))
        curve = curve.assign(coupled_gap=curve[COUPLED[row["regime"]].gap])
        time = curve["time"].to_numpy(float)
        error = np.sqrt(curve["risk"].to_numpy(float) + curve["noise"].to_numpy(float) ** 2)
        row["time"] = float(time[-1])
        row["impulse"] = float(np.trapezoid(error, time) / row["lazy_scale"])
        for name in SUPREMA:
            row[name] = float(np.max(curve[name].to_numpy(float)))  # NaN stays
        rows.append(row)
    return pd.DataFrame(rows)


def estimates(metrics: pd.DataFrame) -> pd.DataFrame:
    """What the coupling argument gives, by regime, width and lazy scale; not guaranteed.

    Returns:
      Columns regime, width, lazy_scale, ``weight_movement`` and ``coupled_gap``: at the mean
      impulse over seeds. The regime "ntk" has none.
    """
    first = metrics.iloc[0]
    rows = []
    means = over_seeds(suprema(metrics), ["regime", "width", "lazy_scale"], sort=False)
    whole = means[["impulse", "time"]].mean(skipna=False)
    for (regime, width, scale), row in whole.iterrows():
        if regime not in ESTIMATED or not math.isfinite(row["impulse"]):
            continue
        found = coupling_estimate(
            regime,
            float(row["impulse"]),
            float(row["time"]),
            int(width),
            int(first["dim"]),
            lazy_scale=float(scale),
            bias=bool(first["bias"]),
        )
        bounds = {"weight_movement": found.weight_movement, "coupled_gap": found.gap}
        rows.append({"regime": regime, "width": int(width), "lazy_scale": float(scale), **bounds})
    return pd.DataFrame(
        rows, columns=["regime", "width", "lazy_scale", *("weight_movement", "coupled_gap")]
    )


def fits(metrics: pd.DataFrame, least: float = 0.0) -> list[dict[str, Any]]:
    """Exponents of the suprema against width, by regime and lazy scale.

    Args:
      metrics: the study's table.
      least: smallest width fitted.
    """
    rows = []
    for (regime, scale), group in suprema(metrics).groupby(["regime", "lazy_scale"], sort=False):
        for name in SUPREMA:
            found = exponents(group, ["width"], name, least)
            if found is not None:
                labels = {"regime": regime, "lazy_scale": scale, "measurement": name}
                rows.append(labels | found)
    return rows


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: exponents, suprema beside estimates, means at the end."""
    metrics = result.metrics
    keys = ["regime", "width", "lazy_scale"]
    measured = over_seeds(suprema(metrics), keys, sort=False)[["impulse", *SUPREMA]]
    means = measured.mean(skipna=False).reset_index()
    bounds = estimates(metrics).rename(
        columns={name: f"{name}_estimate" for name in ("weight_movement", "coupled_gap")}
    )
    return {
        "choices": result.choices,
        "exponents": fits(metrics),
        "exponents_of_wide": fits(metrics, upper_half(metrics)),
        "suprema": means.merge(bounds, on=keys, how="left").to_dict("records"),
        "final": summary_rows(metrics, LABELS),
    }


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Exponents by regime, with their intervals."""
    names = {
        "coupled_gap": "gap to RF",
        "linearization_gap": "lin. gap",
        "weight_movement": "movement",
        "output_movement": "output mov.",
    }
    found = {(r["regime"], r["lazy_scale"], r["measurement"]): r for r in fits(metrics)}
    cells = [
        [words, *(short_interval(found.get((*key, column)), "width") for column in names)]
        for key, words in _runs(metrics).items()
    ]
    widths, level = metrics["width"].dropna(), words_of_seeds(metrics, "95% over seeds")
    most = f"{widths.min()} to {widths.max()}"
    title = f"Exponents in N of suprema over time, {most} ({level})"
    return title, ["regime", *names.values()], cells


def _runs(metrics: pd.DataFrame) -> dict[tuple[str, float], str]:
    """Regimes with their lazy scales, in words; a single scale goes without saying."""
    networks = NETWORK.rows(metrics)
    scales = networks["lazy_scale"].unique()
    keys = networks[["regime", "lazy_scale"]].drop_duplicates().itertuples(index=False)
    return {(regime, scale): with_scale(regime, scale, scales) for regime, scale in keys}


def remarks(result: Result) -> list[str]:
    """Lines under the table."""
    metrics = result.metrics
    keys = ["regime", "lazy_scale", "width"]
    means = over_seeds(suprema(metrics), keys, sort=False)
    bounds = estimates(metrics).set_index(keys)
    found = fits(metrics, upper_half(metrics))
    wide = {(r["regime"], r["lazy_scale"], r["measurement"]): r for r in found}
    lines = []
    for (regime, scale), words_of_run in _runs(metrics).items():
        width = metrics[metrics["regime"] == regime]["width"].max()
        key = (regime, scale, width)
        group = means.get_group(key)
        parts = []
        for name, words in (("coupled_gap", "gap to RF"), ("weight_movement", "movement")):
            text = f"{words} {short_number(float(np.mean(group[name].to_numpy(float))))}"
            if key in bounds.index:
                text += f" (estimate {short_number(float(bounds.loc[key, name]))})"
            parts.append(text)
        fit = wide.get((regime, scale, "coupled_gap"))
        if fit is not None:
            parts[-1] += f"; widest half: gap ~ N^{interval(fit, 'width')}"
        lines.append(f"{words_of_run}, N = {width}: {', '.join(parts)}.")
    return lines + doubts(metrics, LABELS)
