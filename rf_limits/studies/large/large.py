"""Random-features and kernel regression of any size, with residual bounds, beside their theory.

A fit per method, number of features, number of samples and seed
(:mod:`rf_limits.regression.streamed`): samples are drawn block by block and never held for
features; the solver is chosen, and a job that cannot fit refused, before anything is computed
(:mod:`~rf_limits.studies.large.plan`).
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.analysis.expected_risks import THEORY, theory_remarks
from rf_limits.analysis.seeds import cells_over_seeds, words_of_seeds
from rf_limits.devices.mesh import make_mesh
from rf_limits.figures.curves import limit_heights, log_axes, spread_line
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.style import MARKERS, RELATIVE_RISK, Look, new_figure, shades
from rf_limits.figures.theory_line import LARGEST_RISK, theory_line
from rf_limits.methods import METHODS
from rf_limits.problem import Problem, make_problem, moment_words
from rf_limits.remarks import Remark
from rf_limits.studies.cost import Cost, matrix_speed
from rf_limits.studies.experiment import Drawing, Experiment, Summary, experiment
from rf_limits.studies.large.configs import STREAMED, LargeConfig
from rf_limits.studies.large.fit import fit_row, history_rows
from rf_limits.studies.large.jobs import Job, make_jobs
from rf_limits.studies.large.plan import kernel_supplier, planned_bytes
from rf_limits.studies.large.states import States
from rf_limits.studies.large.theory import theory_rows
from rf_limits.studies.large.validation import validate
from rf_limits.studies.pilot_runs import Estimate
from rf_limits.table import Cell, Table, short_number
from rf_limits.training.checkpointing import Keep
from rf_limits.training.progress import Progress
from rf_limits.training.result import Report, Result

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
    **dict.fromkeys(("method", "solver", "preconditioner", "theory_remark"), "string"),
    **dict.fromkeys(("width", "num_train", "seed", "iteration", "iterations"), "Int64"),
    "is_solved": "boolean",
}


@experiment("large")
class Large(LargeConfig, Experiment):
    """Random-features and kernel regression of any size."""

    script = "large"
    quick = {
        "widths": (100, 200),
        "nums_train": (250, 1000),
        "block_size": 250,
        "seeds": 1,
    }

    def check(self) -> None:
        """Checks what concerns several fields, and that every fit is one that memory holds."""
        validate(self)

    def cost(self) -> Cost:
        """Returns sizes and memory of the fits."""
        jobs = make_jobs(self)
        sizes = {
            "fits": len(jobs),
            "dimension d": self.problem.dim,
            "largest fit": max(jobs, key=lambda job: job.plan.operations).name,
            "operations": f"{sum(job.plan.operations for job in jobs):.1e}",
        }
        return Cost(sizes, max(planned_bytes(self, job.plan) for job in jobs))

    def estimate(self) -> Estimate:
        """Estimates the seconds from the measured speed of matrix products."""
        operations = sum(job.plan.operations for job in make_jobs(self))
        speed = matrix_speed()
        return Estimate(0.0, operations / speed, f"at {speed / 1e9:.0f} Gflop/s, measured")

    def compute(self, report: Report, keep: Keep) -> Result:
        """Carries out all fits; every one is a part."""
        jobs, problem = make_jobs(self), make_problem(**vars(self.problem))
        mesh = make_mesh(vars(self.mesh))
        progress = Progress(report, sum(job.plan.operations for job in jobs))
        tables = []
        for job in jobs:
            part = progress.part(job.plan.operations, f"{job.name}:")
            width = "" if job.width is None else f".N-{job.width}"
            name = f"{job.method}{width}.n-{job.num_train}.seed-{job.seed}"
            part(f"{job.plan.solver}, about {job.plan.operations:.1e} operations", 0.0)

            def compute(job: Job = job, part: Report = part, name: str = name) -> pd.DataFrame:
                keys: dict[str, Any] = {key: getattr(job, key) for key in KEYS[:-1]}
                states = States(keep, name)
                fit, row = fit_row(self, problem, mesh, job, report=part, states=states)
                return large_table([keys | row, *history_rows(keys, fit)], problem)

            tables.append(keep.part(name, compute))
        theory = theory_rows(self, problem)
        tables += [large_table(theory, problem)] if len(theory) else []
        table = large_table(pd.concat(tables, ignore_index=True), problem)
        return Result(table, self._choices(problem, jobs))

    def _choices(self, problem: Problem, jobs: list[Job]) -> dict[str, Any]:
        """Returns facts about the target, and how every fit was planned."""
        plans = {
            job.name.rsplit(", ", 1)[0]: {
                "solver": job.plan.solver,
                "preconditioner": job.plan.preconditioner,
                "gibibytes": round(planned_bytes(self, job.plan) / 2**30, 3),
                "operations": job.plan.operations,
            }
            for job in jobs
        }
        return {
            "target": problem.target.formula(),
            "second_moment": problem.second_moment,
            "second_moment_se": problem.second_moment_error,
            "kernel_supplier": kernel_supplier(self),
            "plans": plans,
        }

    def analyse(self, result: Result) -> Summary:
        """Computes means over seeds beside theory."""
        return {"choices": result.choices, "means": means(result.metrics).to_dict("records")}

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns mean risks beside theory, and how well fits are solved."""
        cells = []
        for row in summary["means"]:
            solver = row["solver"]
            if solver != "cholesky":
                solver = f"cg, {int(row['iterations'])}"
            width = None if pd.isna(row["width"]) else int(row["width"])
            first = (METHODS[row["method"]].short, width, row["num_train"], solver)
            names = ("risk", "theory", "excess_bound", "relative_residual", "seconds")
            cells.append([Cell.of(value) for value in (*first, *(row[name] for name in names))])
        heads = ["method", "N", "n", "solver", "risk", "theory", "excess <", "residual", "seconds"]
        over = words_of_seeds(result.metrics, "mean over seeds")
        title = f"Population risk, {over}; largest excess bound and residual"
        return Table(title, heads, cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns the target, where theory is rough, and every fit that is not solved."""
        choices = result.choices
        size = moment_words(choices["second_moment"], choices.get("second_moment_se", 0.0))
        lines = [f"Target {choices['target']}: {size}.", *theory_remarks(result.metrics)]
        fits = final_fits(result.metrics)
        bad = fits[~fits["is_solved"]]
        return lines + [Remark(_why_not_solved(row), "NOT SOLVED") for row in bad.itertuples()]

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns risks against n, and residuals where a fit was iterative."""
        iterative = metrics["iteration"].notna().any()
        return {"risk": risk, **({"residuals": residuals} if iterative else {})}


def large_table(rows: list[dict[str, Any]] | pd.DataFrame, problem: Problem) -> pd.DataFrame:
    """Returns rows as the documented table (docs/large.md); missing columns become nulls."""
    columns = [*KEYS, *MEASUREMENTS]
    table = pd.DataFrame(rows).reindex(columns=columns)
    table["relative_risk"] = table["risk"].astype("float64") / problem.second_moment
    return table.astype(dict.fromkeys(columns, "float64") | _TYPES)


def final_fits(metrics: pd.DataFrame) -> pd.DataFrame:
    """Returns a row per fit, without residual histories and theory."""
    return metrics[metrics["seed"].notna() & metrics["iteration"].isna()]


def means(metrics: pd.DataFrame) -> pd.DataFrame:
    """Computes means over seeds by fit with theory beside; NaN where a seed was not solved."""
    fits = final_fits(metrics)
    keys = ["method", "width", "num_train", "solver"]
    rows = []
    for row, group in cells_over_seeds(fits, keys, sort=False):
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


def _why_not_solved(row: Any) -> str:
    """Returns which fit is not solved, why, and what would make it solvable."""
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
    width = "" if pd.isna(row.width) else f"N = {row.width}, "
    where = f"{row.method} at {width}n = {row.num_train}, seed {row.seed}"
    return f"{where}: {why}; its risk is left out; {how}."


def _lines(table: pd.DataFrame) -> list[tuple[str, int | None, Look]]:
    """Returns method, N and look of every curve: darker for fewer features."""
    lines: list[tuple[str, int | None, Look]] = []
    for method in STREAMED:
        part = method.rows(table)
        widths = sorted(int(w) for w in part["width"].dropna().unique())
        colours = shades(method.colour, widths)
        none: list[int | None] = [None] if len(part) else []
        for width in widths or none:
            colour = method.colour if width is None else colours[width]
            label = method.label if width is None else f"{method.label}, N = {width}"
            look: Look = {
                "color": colour,
                "label": label,
                "marker": MARKERS[len(lines) % len(MARKERS)],
            }
            lines.append((method.key, width, look))
    return lines


def _of(table: pd.DataFrame, method: str, width: int | None) -> pd.DataFrame:
    part = table[table["method"] == method]
    return part if width is None else part[part["width"] == width]


def risk(metrics: pd.DataFrame) -> Figure:
    """Draws relative risk against n by method and N; theory dashed, faint if rough."""
    figure, (axis,) = new_figure(1, height=3.4, width=4.2)
    fits = final_fits(metrics)
    for method, width, look in _lines(fits):
        part = _of(fits, method, width)
        spread_line(axis, part, "num_train", "relative_risk", **look, linestyle="none")
        theory = _of(metrics, f"{method}_{THEORY}", width).sort_values("num_train")
        theory_line(axis, theory, "num_train", look["color"])
    log_axes(axis, x="number of samples $n$", y=RELATIVE_RISK)
    limit_heights([axis], high=LARGEST_RISK)
    shared_legend(figure, [axis])
    return figure


def residuals(metrics: pd.DataFrame) -> Figure:
    """Draws relative residuals against iterations, a line per fit by conjugate gradients."""
    figure, (axis,) = new_figure(1, height=3.0, width=4.2)
    history = metrics[metrics["iteration"].notna()]
    for method, width, look in _lines(history):
        label = look.pop("label")
        look.pop("marker")
        for _, curve in _of(history, method, width).groupby(["num_train", "seed"]):
            x, y = (np.asarray(curve[c], float) for c in ("iteration", "relative_residual"))
            axis.plot(x, y, **look, label=label)
            label = None
    log_axes(axis, x="iteration of conjugate gradients", y=r"relative residual $|r|/|b|$")
    axis.set_xscale("linear")
    shared_legend(figure, [axis])
    return figure
