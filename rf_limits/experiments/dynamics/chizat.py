"""The two-layer student-teacher experiments of Chizat, Oyallon and Bach (2019).

Inputs uniform on the unit sphere, a teacher of three ReLU neurons of unit norm with output
weights +-1, a student f(x) = sum_j a_j relu(<b_j, x>) with antisymmetric initialization of
entries tau N(0, 1), gradient descent on the mean of half squared errors.

In our terms inputs have radius sqrt(d) and the network its factors 1/sqrt(d) and 1/sqrt(N) with
weights N(0, 1); dividing all weights by tau, their student is ours with lazy scale
alpha = tau^2 sqrt(N), and, the loss here being divided by alpha^2, their step eta is ours of
size eta alpha^2/tau^2 = eta tau^2 N.
"""

import math
from typing import Any

import pandas as pd

from rf_limits.config import accepts_builder
from rf_limits.errors import check
from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.dynamics.configs import ChizatConfig
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.seeds import over_seeds
from rf_limits.experiments.study import Member, Study, member, validate_members
from rf_limits.experiments.tables import (
    final_rows,
    means_over,
    short_number,
    summary_rows,
)
from rf_limits.methods import NETWORK

LABELS = ("part", "prefactor")


def scale_of(tau: float, width: int) -> float:
    """Lazy scale alpha of a student with initial weights tau N(0, 1)."""
    return tau**2 * math.sqrt(width)


def rate_of(tau: float, width: int) -> float:
    """Our learning rate for the paper's step min(10, 0.1/tau^2)."""
    return min(10.0, 0.1 / tau**2) * tau**2 * width


@accepts_builder
def study_members(config: ChizatConfig) -> list[Member]:
    """The training runs of the study."""
    student, taus = config.student, tuple(config.taus)
    scales = {
        "model__widths": (student,),
        "model__lazy_scales": tuple(scale_of(tau, student) for tau in taus),
        "training__learning_rate": tuple(rate_of(tau, student) for tau in taus),
    }
    given = {
        "model.widths": "student",
        "model.lazy_scales": "taus",
        "training.batch_size": "batch_size",
    }
    prefactors = {"m^-0.5": "ntk", "m^-1": "mean_field"}
    widths = {"training__learning_rate": "auto", "model__lazy_scales": (1.0,)}
    stream = {"data__kind": "stream", "training__batch_size": config.batch_size}
    members = {
        "scale": [member(config, {"part": "scale", "prefactor": "1"}, given, **scales)],
        "width": [
            member(
                config,
                {"part": "width", "prefactor": name},
                model__parameterization=parameterization,
                **widths,
            )
            for name, parameterization in prefactors.items()
        ],
        "stream": [member(config, {"part": "stream", "prefactor": "1"}, given, **scales, **stream)],
    }
    return [one for part in config.parts for one in members[part]]


@accepts_builder
def validate(config: ChizatConfig) -> None:
    """Checks what concerns several fields.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    check(config.student % 2 == 0, "student", "be even, for antisymmetric pairs", config.student)
    validate_members(study_members(config))


@accepts_builder
def prepare(config: ChizatConfig, report: Report = no_report) -> Study:
    """Checks the config and prepares its parts.

    Raises:
      RequirementError: a config that cannot be run.
    """
    validate(config)
    return Study(study_members(config), report)


def ends(metrics: pd.DataFrame) -> pd.DataFrame:
    """Final and best-over-time losses of every network.

    Returns:
      Final rows, with ``tau`` (of parts "scale" and "stream") and ``best_test_loss``,
      ``best_risk``: the least over time.
    """
    keys = [*LABELS, "width", "lazy_scale", "seed"]
    networks = NETWORK.rows(metrics)
    best = networks.groupby(keys)[["test_loss", "risk"]].min().add_prefix("best_").reset_index()
    final = final_rows(networks, LABELS).merge(best, on=keys, validate="one_to_one")
    tau = (final["lazy_scale"] / final["width"].astype(float) ** 0.5) ** 0.5
    return final.assign(tau=tau.where(final["part"] != "width"))


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: losses by tau and by width, mean and standard deviation."""
    keys = [*LABELS, "width", "lazy_scale", "tau"]
    columns = ["train_loss", "test_loss", "best_test_loss", "risk", "best_risk", "rounding_error"]
    groups = over_seeds(ends(result.metrics), keys, dropna=False)[columns]
    deviations = groups.std(ddof=1, skipna=False).add_suffix("_std")
    table = groups.mean(skipna=False).join(deviations).reset_index()
    return {
        "choices": result.choices,
        "losses": table.astype(object).where(table.notna(), None).to_dict("records"),
        "final": summary_rows(result.metrics, LABELS),
    }


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Losses at the end and at their best, by part."""
    table = ends(metrics)
    cells = []
    keys = [*LABELS, "width", "tau"]
    for (part, prefactor, width, tau), group in over_seeds(table, keys, dropna=False):
        point = f"m = {width}, {prefactor}" if part == "width" else f"tau = {tau:.3g}"
        columns = ("train_loss", "test_loss", "best_test_loss", "risk")
        values = (short_number(float(group[c].mean(skipna=False))) for c in columns)
        cells.append([part, point, *values])
    over = means_over(int(metrics["seed"].nunique()), "trial")
    title = f"Losses E (f - f*)^2: {over}"
    return title, ["part", "point", "train", "test", "best test", "population"], cells


def remarks(result: Result) -> list[str]:
    """Lines under the table."""
    table = ends(result.metrics)
    lines = []
    for part in ("scale", "stream"):
        means = over_seeds(table[table["part"] == part], "tau")["risk"].mean(skipna=False)
        if len(means):
            low, high = means.iloc[0], means.iloc[-1]
            lines.append(
                f"{part}: population loss {short_number(low)} at tau = {means.index[0]:.3g}, "
                f"{short_number(high)} at tau = {means.index[-1]:.3g}."
            )
    return lines + doubts(result.metrics, LABELS)
