"""The training run itself as an experiment: its summary, printed table, remarks and figures."""

from typing import Any

import pandas as pd

from rf_limits.analysis.certificate import certificate_lines, certificates
from rf_limits.analysis.limits import LIMITS, SAMPLES, UNKNOWN
from rf_limits.analysis.numerical_warnings import solver_warnings, training_warnings
from rf_limits.analysis.seeds import means_over
from rf_limits.analysis.tables import (
    diverged_rows,
    exponent_rows,
    final_rows,
    overview,
    printed_name,
    summary_rows,
)
from rf_limits.analysis.verdict import verdict
from rf_limits.config.training import TrainingConfig
from rf_limits.figures.degrees import drawn_degrees, unlearned_by_degree
from rf_limits.figures.training import risk_against_time, risk_against_width
from rf_limits.methods import METHODS, NETWORK, Kind
from rf_limits.problem import moment_words
from rf_limits.remarks import Remark
from rf_limits.studies.cost import Cost, cost_of_one, estimate_trainings
from rf_limits.studies.experiment import Drawing, Experiment, Summary, experiment
from rf_limits.studies.pilot_runs import Estimate
from rf_limits.table import Cell, Table, short_number
from rf_limits.training import run as training
from rf_limits.training.result import Report, Result, no_report
from rf_limits.training.validation import validate


@experiment("training")
class Training(TrainingConfig, Experiment):
    """Networks of several widths and lazy scales, beside methods that keep their features."""

    script = "train"

    def check(self) -> None:
        """Checks what concerns several fields, and sizes."""
        validate(self)

    def prepare(self, report: Report = no_report) -> training.TrainingRun:
        """Draws data and initializations, and resolves step sizes."""
        return training.prepare(self, report)

    def cost(self) -> Cost:
        """Returns sizes and memory."""
        return cost_of_one(self)

    def estimate(self) -> Estimate:
        """Estimates the seconds from pilot runs."""
        return estimate_trainings([self])

    def analyse(self, result: Result) -> Summary:
        """Computes means over seeds at the end, and exponents against width."""
        return {
            "choices": result.choices,
            "diverged": len(diverged_rows(result.metrics)),
            "final": summary_rows(result.metrics),
            "exponents": exponent_rows(result.metrics),
        }

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns risks by width and lazy scale; an R*(n) of all rows stands in the title."""
        del summary
        table = overview(result.metrics)
        limits = table.get(SAMPLES.column, pd.Series(dtype=float)).dropna().unique()
        one_limit = len(limits) == 1
        samples = f"; {SAMPLES.symbol} = {short_number(float(limits[0]))}" if one_limit else ""
        absent = [name for name, method in METHODS.items() if not method.is_in(result.metrics)]
        table = table.drop(columns=[SAMPLES.column, *absent], errors="ignore")
        columns = [printed_name(name) for name in table.columns]
        cells = [[Cell.of(value) for value in row] for row in table.itertuples(index=False)]
        over = means_over(result.metrics, "seed")
        return Table(f"Final risk E (f - f*)^2, movement, drift: {over}{samples}", columns, cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns the target and its size, certificates, and whatever needs a warning."""
        del summary
        lines = [_units(result.choices, result.metrics), *limit_lines(result.metrics)]
        lines += solver_warnings(result.choices) + training_warnings(result.metrics)
        bad = diverged_rows(result.metrics)
        if len(bad):
            text = f"{len(bad)} trained networks have no finite risk; their means read nan. "
            lines.append(Remark(f"{text}A smaller training.learning_rate may help.", "DIVERGED"))
        return lines

    def verdict(self, metrics: pd.DataFrame, summary: Summary) -> list[str]:
        """Returns how networks stand beside methods that keep their features, and moved."""
        return verdict(metrics, summary["final"])

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns risks against width, against time, and what is not learned by degree."""
        drawings: dict[str, Drawing] = {"risk_against_width": risk_against_width}
        if any(method.is_in(metrics) for method in METHODS.of(Kind.TRAINED)):
            drawings["risk_against_time"] = risk_against_time
        if NETWORK.is_in(metrics) and drawn_degrees(metrics):
            drawings["unlearned_by_degree"] = unlearned_by_degree
        return drawings


def _units(choices: dict[str, Any], metrics: pd.DataFrame) -> str:
    """Returns the target, its second moment, and how risks were measured."""
    formula, moment = choices["target"], choices["target_second_moment"]
    error = choices.get("target_second_moment_se", 0.0)
    size = "" if "E f*^2" in formula else f": {moment_words(moment, error)}"
    kernels = [method for method in METHODS.of(Kind.KERNEL) if method.is_in(metrics)]
    limits = {method for method in kernels if method.uses_infinite_width}
    of_kernels = f"; of kernels: {choices['risk_of_kernels']}" if limits else ""
    sampled = [method for method in kernels if method not in limits]
    if choices["risk_of_networks"] == "exact":
        fitted = METHODS.of(Kind.FITTED)
        sampled += [m for m in fitted if (m.rows(metrics)["risk_standard_error"] > 0.0).any()]
    of_kernels += "".join(f"; of {method.label}: test set" for method in sampled)
    return (
        f"Target {formula}{size}. Risks of networks and features: "
        f"{choices['risk_of_networks']}{of_kernels}."
    )


def limit_lines(metrics: pd.DataFrame) -> list[str]:
    """Returns what the lazy limits say of the networks of a run, and where they say nothing."""
    networks = NETWORK.rows(metrics)
    rows = networks if len(networks) else metrics
    shown = [limit for limit in LIMITS if limit.column in rows and rows[limit.column].notna().any()]
    if not shown:
        return [UNKNOWN]
    lines = certificate_lines(certificates(final_rows(metrics)))
    if len(networks):
        others = (limit for limit in LIMITS if limit not in shown)
        lines += [f"No certificate against {limit.symbol}: {limit.absent}." for limit in others]
    return lines
