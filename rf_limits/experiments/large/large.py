"""Random-features and kernel regression of any size, with certificates, beside their theory.

A fit per method, number of features, number of samples and seed
(:mod:`rf_limits.regression.streamed`): samples are drawn block by block and never held for
features; the solver is chosen, and a job that cannot fit refused, before anything is computed
(:mod:`~rf_limits.experiments.large.plan`).
"""

import functools
import math
from typing import Any

import pandas as pd
from jax.sharding import Mesh

from rf_limits.config import accepts_builder
from rf_limits.devices.mesh import make_mesh
from rf_limits.experiments.keep import NO_KEEP, Keep
from rf_limits.experiments.large.configs import LargeConfig
from rf_limits.experiments.large.fit import fit_row, history_rows
from rf_limits.experiments.large.jobs import Job, make_jobs
from rf_limits.experiments.large.plan import kernel_supplier, planned_bytes
from rf_limits.experiments.large.states import States
from rf_limits.experiments.large.theory import THEORY, theory_remarks, theory_rows
from rf_limits.experiments.large.validation import validate
from rf_limits.experiments.progress import Progress
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.seeds import over_seeds, words_of_seeds
from rf_limits.experiments.tables import short_number
from rf_limits.methods import METHODS
from rf_limits.problem import Problem, make_problem, moment_words
from rf_limits.remarks import Remark

KEYS = ("method", "width", "num_train", "seed", "iteration")
MEASUREMENTS = (
    "solver",
    "preconditioner",
    "risk",
    "risk_standard_error",
    "risk_bound",
    "relative_risk",
    "train_loss",
    "relative_residual",
    "backward_error",
    "excess_bound",
    "iterations",
    "condition_number",
    "preconditioner_condition",
    "is_solved",
    "operations",
    "seconds",
    "theory_remark",
)
_TYPES = {
    "method": "string",
    "solver": "string",
    "preconditioner": "string",
    "theory_remark": "string",
    **dict.fromkeys(("width", "num_train", "seed", "iteration", "iterations"), "Int64"),
    "is_solved": "boolean",
}


@accepts_builder
def prepare(config: LargeConfig, report: Report = no_report) -> "Large":
    """Checks the config; the work is in ``run``.

    Raises:
      RequirementError: as :func:`validate`.
    """
    validate(config)
    return Large(config)


class Large:
    """The experiment, checked."""

    def __init__(self, config: LargeConfig):
        self.config = config

    def run(self, report: Report = no_report, keep: Keep = NO_KEEP) -> Result:
        """Carries out all fits; every one is a part."""
        config = self.config
        jobs, mesh = make_jobs(config), make_mesh(vars(config.mesh))
        problem = make_problem(**vars(config.problem))
        progress = Progress(report, sum(job.plan.operations for job in jobs))
        tables = []
        for job in jobs:
            part = progress.part(job.plan.operations, f"{job.name}:")
            width = "" if job.width is None else f".N-{job.width}"
            name = f"{job.method}{width}.n-{job.num_train}.seed-{job.seed}"
            part(f"{job.plan.solver}, about {job.plan.operations:.1e} operations", 0.0)
            options = {"report": part, "states": States(keep, name)}
            compute = functools.partial(_fit_table, config, problem, mesh, job, **options)
            tables.append(keep.part(name, compute))
        theory = theory_rows(config, problem)
        if theory:
            tables.append(large_table(theory, problem))
        table = large_table(pd.concat(tables, ignore_index=True), problem)
        return Result(table, _choices(config, problem, jobs))


def _fit_table(
    config: LargeConfig, problem: Problem, mesh: Mesh | None, job: Job, **options: Any
) -> pd.DataFrame:
    """The row of a fit, and rows of how its iterations converged."""
    keys = {key: getattr(job, key) for key in KEYS[:-1]}
    fit, row = fit_row(config, problem, mesh, job, **options)
    return large_table([keys | row, *history_rows(keys, fit)], problem)


def _choices(config: LargeConfig, problem: Problem, jobs: list[Job]) -> dict[str, Any]:
    """Facts about the target, and the solver of every fit with the bytes it was planned with."""
    plans = {}
    for job in jobs:
        planned = planned_bytes(config, job.plan)
        plans[job.name.rsplit(", ", 1)[0]] = {
            "solver": job.plan.solver,
            "preconditioner": job.plan.preconditioner,
            "gibibytes": round(planned / 2**30, 3),
            "operations": job.plan.operations,
        }
    facts = {"target": problem.target.formula(), "second_moment": problem.second_moment}
    facts["second_moment_se"] = problem.second_moment_error
    return facts | {"kernel_supplier": kernel_supplier(config), "plans": plans}


def large_table(rows: list[dict[str, Any]] | pd.DataFrame, problem: Problem) -> pd.DataFrame:
    """Returns rows as the documented table (docs/large.md); missing columns become nulls."""
    columns = [*KEYS, *MEASUREMENTS]
    table = pd.DataFrame(rows).reindex(columns=columns)
    table["relative_risk"] = table["risk"].astype("float64") / problem.second_moment
    return table.astype(dict.fromkeys(columns, "float64") | _TYPES)


def final_fits(metrics: pd.DataFrame) -> pd.DataFrame:
    """A row per fit, without residual histories and theory."""
    return metrics[metrics["seed"].notna() & metrics["iteration"].isna()]


def means(metrics: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds by fit with theory beside; NaN where a seed was not solved."""
    fits = final_fits(metrics)
    keys = ["method", "width", "num_train", "solver"]
    rows = []
    for key, group in over_seeds(fits, keys, dropna=False, sort=False):
        row = {k: None if pd.isna(v) else v for k, v in zip(keys, key, strict=True)}
        for name in ("risk", "relative_risk", "train_loss", "seconds"):
            row[name] = float(group[name].mean(skipna=False))
        for name in ("iterations", "relative_residual", "excess_bound", "risk_bound"):
            row[name] = float(group[name].astype("float64").max())
        row |= {"seeds": len(group), "not_solved": int((~group["is_solved"]).sum())}
        beside = metrics[
            (metrics["method"] == f"{row['method']}_{THEORY}")
            & (metrics["num_train"] == row["num_train"])
        ]
        if row["width"] is not None:
            beside = beside[beside["width"] == row["width"]]
        row["theory"] = float(beside["risk"].iloc[0]) if len(beside) else float("nan")
        rows.append(row)
    return pd.DataFrame(rows)


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: means over seeds beside theory."""
    return {"choices": result.choices, "means": means(result.metrics).to_dict("records")}


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and cells of the table a run prints."""
    cells = [
        [
            METHODS[row.method].short,
            "-" if row.width is None or pd.isna(row.width) else str(int(row.width)),
            str(row.num_train),
            row.solver if row.solver == "cholesky" else f"cg, {int(row.iterations)}",
            *(short_number(v) for v in (row.risk, row.theory, row.excess_bound)),
            short_number(row.relative_residual),
            short_number(row.seconds),
        ]
        for row in means(metrics).itertuples()
    ]
    heads = ["method", "N", "n", "solver", "risk", "theory", "excess <", "residual", "seconds"]
    over = words_of_seeds(metrics, "mean over seeds")
    title = f"Population risk, {over}; largest excess bound and residual"
    return title, heads, cells


def remarks(result: Result) -> list[str]:
    """Lines under the table: the target, where theory is rough, every fit not solved."""
    moment, error = result.choices["second_moment"], result.choices.get("second_moment_se", 0.0)
    lines = [f"Target {result.choices['target']}: {moment_words(moment, error)}."]
    lines += theory_remarks(result.metrics)
    fits = final_fits(result.metrics)
    for row in fits[~fits["is_solved"]].itertuples():
        width = "" if pd.isna(row.width) else f"N = {row.width}, "
        where = f"{row.method} at {width}n = {row.num_train}, seed {row.seed}"
        if row.solver == "cg":
            why = f"relative residual {row.relative_residual:.1e} after {row.iterations} iterations"
            how = "a larger max_iterations, tolerance or ridge makes it solvable"
            if math.isinf(row.risk_bound):
                why += ", from which without a ridge no bound on the risk follows"
                how = "a positive ridge or solver = 'cholesky' makes it solvable"
            elif not pd.isna(row.risk_bound):
                why += f" fixes the risk to {row.risk_bound:.1e} only"
                how = "a smaller tolerance or a larger ridge makes it solvable"
                if not pd.isna(row.width) and row.num_train < row.width:
                    how += ", solver = 'cholesky' solves for n numbers instead of N"
        else:
            why = f"condition number {short_number(row.condition_number)}"
            how = "a larger ridge makes it solvable"
        lines.append(Remark(f"{where}: {why}; its risk is left out; {how}.", "NOT SOLVED"))
    return lines
