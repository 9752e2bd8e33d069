"""One neuron learned by gradient descent: by one neuron, by many, and by a lazy network.

Yehudai and Shamir (2019) close on what random features cannot do and gradient descent can;
their follow-up, "Learning a single neuron with gradient methods" (2020), proves it for one
neuron. Here the time it takes, and how neurons turn to w*, against the dimension.
"""

from typing import Any

import pandas as pd

from rf_limits.config import accepts_builder
from rf_limits.errors import check_choice
from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.dynamics.configs import SingleNeuronConfig
from rf_limits.experiments.fits import exponents, interval, steps_to_threshold
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

LABELS = ("dim", "data", "student")
_STUDENT = ["data", "student", "width", "lazy_scale"]


@accepts_builder
def study_members(config: SingleNeuronConfig) -> list[Member]:
    """The training runs of the study."""
    members = []
    given = {"problem.dim": "dims", "data.num_train": "samples_per_dim x dims"}
    for dim in config.dims:
        for kind in config.kinds:
            fields = {
                "problem__dim": dim,
                "data__kind": kind,
                "data__num_train": config.samples_per_dim * dim,
                "measure__num_probe": min(64, config.samples_per_dim * dim),
            }
            labels = {"dim": dim, "data": kind}
            # The output weight of the one neuron is +1 and stays: f(x) = relu(<w, x>/sqrt(d)).
            one = {
                "model__widths": (1,),
                "model__lazy_scales": (1.0,),
                "model__trainable": "hidden",
                "model__output_init": "positive",
                "model__centring": "none",
            }
            members.append(
                member(config, {**labels, "student": "one neuron"}, given, **fields, **one)
            )
            members.append(member(config, {**labels, "student": "network"}, given, **fields))
    return members


@accepts_builder
def validate(config: SingleNeuronConfig) -> None:
    """Checks what concerns several fields.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    check_choice(config.problem.target, ("single_neuron",), "problem.target")
    validate_members(study_members(config))


@accepts_builder
def prepare(config: SingleNeuronConfig, report: Report = no_report) -> Study:
    """Checks the config and prepares every dimension, data kind and student.

    Raises:
      RequirementError: a config that cannot be run.
    """
    validate(config)
    return Study(study_members(config), report, constants={"threshold": config.threshold})


def fits(metrics: pd.DataFrame, threshold: float) -> list[dict[str, Any]]:
    """Exponents of steps and time to the threshold against the dimension, where reached."""
    times = steps_to_threshold(metrics, threshold, LABELS)
    rows = []
    for key, group in times.groupby(_STUDENT):
        for name in ("steps", "time"):
            found = exponents(group, ["dim"], name)
            if found is not None:
                rows.append({**dict(zip(_STUDENT, key, strict=True)), "measurement": name, **found})
    return rows


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: times to the threshold, exponents, means at the end."""
    threshold = result.choices["threshold"]
    times = steps_to_threshold(result.metrics, threshold, LABELS)
    keys = [*LABELS, "width", "lazy_scale"]
    groups = over_seeds(times, keys)
    reached = groups["steps"].agg(lambda v: int(v.notna().sum()))
    table = groups[["steps", "time"]].mean(skipna=False)  # a mean over some would flatter
    table = table.assign(reached=reached, seeds=groups.size())
    return {
        "choices": result.choices,
        "times": table.reset_index().to_dict("records"),
        "exponents": fits(result.metrics, threshold),
        "final": summary_rows(result.metrics, LABELS),
    }


def _who(student: str, width: int, scale: float) -> str:
    return student if student == "one neuron" else f"N = {width}, scale {scale:g}"


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Risk, alignment and movement at the end."""
    final = final_rows(NETWORK.rows(metrics), LABELS)
    columns = ("relative_risk", "effective_angle", "aligned_neurons", "weight_movement")
    cells = []
    for (kind, name, width, scale, dim), group in over_seeds(final, [*_STUDENT, "dim"]):
        values = (short_number(float(group[c].mean(skipna=False))) for c in columns)
        cells.append([kind, _who(name, width, scale), str(dim), *values])
    title = f"At the end: {means_over(int(metrics['seed'].nunique()), 'seed')}"
    return title, ["data", "student", "d", "rel. risk", "angle", "aligned", "movement"], cells


def remarks(result: Result) -> list[str]:
    """Lines under the table."""
    threshold, lines = result.choices["threshold"], []
    times = steps_to_threshold(result.metrics, threshold, LABELS)
    for (kind, name, width, scale), group in times.groupby(_STUDENT):
        every_run = over_seeds(group.assign(reached=group["steps"].notna()), "dim")["reached"].all()
        dims = [str(dim) for dim, every in every_run.items() if every]
        text = f"in every run for d = {', '.join(dims)}" if dims else "in every run at no dimension"
        who = f"{kind}, {_who(name, width, scale)}"
        lines.append(f"{who}: relative risk {threshold:g} reached {text}.")
    for row in fits(result.metrics, threshold):
        if row["measurement"] == "steps" and row["data"] == "population":
            who = _who(row["student"], row["width"], row["lazy_scale"])
            lines.append(f"population, {who}: steps ~ d^{interval(row, 'dim')}.")
    return lines + doubts(result.metrics, LABELS)
