"""Polynomials, learned by SGD in the paper's two regimes and by features.

Networks are trained by one-pass SGD with the hidden layer moving alone (u_i = +-1) or with all
layers moving from u = 0, beside SGD on the random features of each regime; random features, tangent
features and kernels are fitted to n samples. The targets are polynomials of one degree and, for
contrast, a ReLU neuron of the same norm. Beside them stands what the paper's argument asks for
(:mod:`rf_limits.studies.asked_and_needed`).
"""

import dataclasses
import itertools
import math
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.seeds import means_over, over_seeds
from rf_limits.analysis.tables import final_rows, measured_rows, with_scale
from rf_limits.config import option
from rf_limits.config.kinds import Positive, Several, Whole, among
from rf_limits.errors import RequirementError, check, check_choice
from rf_limits.figures.curves import by_scale, limit_heights, log_axes, spread_line
from rf_limits.figures.legends import note_below, shared_legend
from rf_limits.figures.style import MARKERS, RELATIVE_RISK, Look, new_figure
from rf_limits.figures.theory_line import LARGEST_RISK
from rf_limits.methods import METHODS, NETWORK, Kind, keys_of
from rf_limits.problem.polynomial_kinds import BY_COORDINATES, check_polynomial, largest_coefficient
from rf_limits.studies.asked_and_needed import (
    ESTIMATE,
    REQUIRED,
    asked_and_needed,
    estimate_rows,
    practice,
    scales_of,
)
from rf_limits.studies.experiment import Drawing, Summary, experiment
from rf_limits.studies.regimes import FITTED, REGIMES, OnePass
from rf_limits.studies.study import Label, Member, PreparedStudy
from rf_limits.table import Cell, Table, short_number
from rf_limits.training.result import Result
from rf_limits.training.run import TrainingRun

LABELS = ("target", "regime", "num_train")
NEURON = "neuron"
_FITTED_METHODS = METHODS.default(Kind.FITTED, Kind.KERNEL)
TEST_MOMENTS = "test_moments"
"""The choice that holds, by target with sampled risks, means of f*^2 on test sets over E f*^2."""
_FAR = 0.2  # a test set whose mean of f*^2 is off by more is worth a line


@experiment("polynomials")
class Polynomials(OnePass):
    """Polynomials and a neuron, learned by SGD in the paper's two regimes and by features."""

    targets: Several[str] = option(
        ("harmonic_1", "harmonic_2", "monomial_3", "hermite_product_4", "neuron"),
        "kinds of polynomials with their degree, or neuron",
    )
    regimes: Several[Annotated[str, among(REGIMES)]] = option(
        ("hidden", "all"), "what is trained, and how it begins"
    )
    nums_train: Several[Whole] = option((128, 1024), "n of the fitted features and kernels")
    accuracy: Positive = option(0.1, "relative risk that counts as learned")
    largest_coefficient: Positive | None = option(
        None, "of a monomial in the polynomials; None: E f*^2 = 1"
    )

    script = "power"
    labels = LABELS
    defaults = {
        "problem.dim": 5,
        "data.kind": "stream",
        "data.num_test": 10_000,
        "model.widths": (64, 512),
        "model.lazy_scales": (1.0,),
        # without biases relu has no odd degree but the first
        "model.bias": True,
        "training.batch_size": 64,
        "training.steps": 4000,
        "training.log_points": 10,
        # exact risks of networks and features would take 2.4 times the time
        "measure.max_degree": -1,
        "measure.num_probe": 64,
        "measure.exact": False,
    }
    quick = {
        "targets": ("harmonic_2", "neuron"),
        "nums_train": (128,),
        "data.num_test": 1000,
        "model.widths": (32,),
        "training.steps": 300,
        "training.log_points": 6,
        "seeds": 2,
    }

    def members(self) -> list[Member]:
        """Returns training runs of every target: of every regime, and of fits by samples."""
        most, widest = max(self.nums_train), (max(self.model.widths),)
        fits = {"predictors.methods": keys_of(_FITTED_METHODS), "model.widths": widest}
        cases: list[tuple[str, int, dict[str, Any]]] = []
        for name in self.regimes:
            # the coupled run alone: measurements are what takes time
            methods = {"predictors.methods": keys_of((NETWORK, REGIMES[name].coupled))}
            cases.append((name, most, REGIMES[name].fields() | methods))
        cases += [(FITTED, n, fits) for n in self.nums_train]
        return [
            self.member(
                {"target": target, "regime": regime, "num_train": n},
                _target_fields(self, target) | fields | {"data.num_train": n},
                {"data.num_train": "nums_train"},
            )
            for target, (regime, n, fields) in itertools.product(self.targets, cases)
        ]

    def check(self) -> None:
        """Checks the members, and that they are what the estimate is about."""
        requirement = "be at least 2: the estimate is by harmonics"
        check(self.problem.dim >= 2, "problem.dim", requirement, self.problem.dim)
        check_choice(self.data.kind, ("stream",), "data.kind")
        check_choice(self.model.activation, ("relu",), "model.activation")
        check_choice(self.model.parameterization, ("ntk",), "model.parameterization")
        super().check()

    def constants(self) -> dict[str, Label]:
        """Returns what figures need: the batch size, and the relative risk that counts."""
        return {"batch_size": self.training.batch_size or 0, "accuracy": self.accuracy}

    def theory(self, member: Member, run: TrainingRun) -> pd.DataFrame:
        """Computes estimates of SGD on the regime's features; none of fits."""
        regime = REGIMES.get(str(member.labels["regime"]))
        return pd.DataFrame() if regime is None else estimate_rows(regime, run, self.accuracy)

    def completed(self, result: Result, study: PreparedStudy) -> Result:
        """Puts sampled relative risks over the test set's own mean of f*^2.

        A polynomial of high degree has its second moment from inputs so rare that a test set may
        hold none: its mean of f*^2 is far from E f*^2, and risk over E f*^2 is not even 1 for
        f = 0. The ratio of both means over the same inputs is.
        """
        metrics = result.metrics
        moments: dict[Label, list[float]] = {}
        names = ("risk", "risk_standard_error")
        risk, error = (metrics[name].astype("float64") for name in names)
        for member, run in zip(study.members, study.runs, strict=True):
            squares = np.mean(np.asarray(run.seeded.data.y_test, np.float64) ** 2, axis=1)
            sampled = (metrics[list(LABELS)] == pd.Series(member.labels)).all(axis=1) & (error > 0)
            for seed, square in zip(run.seeded.seeds, squares, strict=True):
                rows = sampled & metrics["seed"].eq(seed).fillna(False).astype(bool)
                metrics.loc[rows, "relative_risk"] = risk[rows] / (square or np.nan)
                if rows.any():
                    ratios = moments.setdefault(member.labels["target"], [])
                    ratios.append(float(square) / run.problem.second_moment)
        return dataclasses.replace(result, choices={**result.choices, TEST_MOMENTS: moments})

    def analyse(self, result: Result) -> Summary:
        """Computes what is asked for and needed, coefficients, and means at the end."""
        estimated = result.metrics[result.metrics["method"] == ESTIMATE]
        columns = ["target", "regime", "width", "risk", "relative_risk"]
        if estimated["lazy_scale"].notna().any():
            columns.insert(3, "lazy_scale")
        targets = result.metrics["target"].unique()
        return super().analyse(result) | {
            "largest_coefficient_at_norm_1": {name: _coefficient(name) for name in targets},
            "asked_and_needed": practice(result.metrics).to_dict("records"),
            "estimates": estimated[columns].to_dict("records"),
        }

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns relative risks at the end, widest networks and features, most samples."""
        measured = measured_rows(result.metrics)
        final = final_rows(measured, LABELS)
        final = final[(final["num_train"] == final["num_train"].max())]
        final = final[final["width"].isna() | (final["width"] == final["width"].max())]
        keys = ["target", "regime", "method", "lazy_scale"]
        # what is fitted has no lazy scale: it is the same beside each
        means = over_seeds(final, keys, dropna=False)["relative_risk"].mean(skipna=False)
        risks = {(*key[:3], None if pd.isna(key[3]) else key[3]): v for key, v in means.items()}
        scales, targets = scales_of(result.metrics), result.metrics["target"].unique()
        regimes = [name for name in result.metrics["regime"].unique() if name != FITTED]
        columns = [(r, m.key) for r in regimes for m in (NETWORK, REGIMES[r].coupled)]
        cells = []
        for target, scale in itertools.product(targets, scales):
            values = [risks.get((target, *column, scale), np.nan) for column in columns]
            fits = ((target, FITTED, method.key, None) for method in _FITTED_METHODS)
            values += [risks.get(key, np.nan) for key in fits]
            name = with_scale(target, scale, scales)
            cells.append([name, *(Cell.of(float(value)) for value in values)])
        heads = [name for r in regimes for name in (r, f"{r} RF")]
        over = means_over(measured, "seed")
        title = f"Relative risk, N = {result.metrics['width'].max()}: {over}"
        return Table(title, ["target", *heads, *(m.short for m in _FITTED_METHODS)], cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns what the estimate asks for beside what was needed, and warnings."""
        lines, scales = [], scales_of(result.metrics)
        for row in summary["asked_and_needed"]:
            needed = "not reached"
            if math.isfinite(row["steps"]):
                needed = f"{row['steps']:.0f} steps"
            if math.isfinite(row["width"]):
                needed += f", N = {row['width']:.0f}"
            rate, steps, width = (short_number(row[f"asked_{name}"]) for name in REQUIRED)
            who = with_scale(f"{row['target']}, {row['regime']}", row["lazy_scale"], scales)
            lines.append(
                f"{who}: relative risk {self.accuracy:g} by the estimate "
                f"asks for {steps} steps of {rate} and N = {width}; needed: {needed}."
            )
        for target, ratios in result.choices.get(TEST_MOMENTS, {}).items():
            if max(abs(ratio - 1.0) for ratio in ratios) > _FAR:
                spread = " to ".join(short_number(f(ratios)) for f in (min, max))
                lines.append(
                    f"{target}: E f*^2 over test sets is {spread} times the exact one: sampled "
                    "relative risks are over the test set's own, and miss what its inputs miss; "
                    "measure.exact = True makes those of networks and features exact."
                )
        return lines + super().remarks(result, summary)

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns risks against samples, and what the estimate asks for beside practice."""
        return {"polynomials": polynomials, "asked_and_needed": asked_and_needed}


def _kind_and_degree(name: str, dim: int) -> tuple[str, int]:
    """Returns ``("harmonic", 2)`` for ``"harmonic_2"``."""
    kind, _, degree = name.rpartition("_")
    check(degree.isdigit(), "targets", 'hold entries like "harmonic_2" or "neuron"', name)
    try:
        check_polynomial(kind, int(degree), dim)
    except RequirementError as error:
        raise RequirementError(f"targets: for {name!r} {error}") from error
    return kind, int(degree)


def _target_fields(config: Polynomials, name: str) -> dict[str, Any]:
    """Returns fields of the problem: E f*^2 = 1, or the largest coefficient as asked for."""
    if name == NEURON:
        return {"problem.target": "single_neuron", "problem.norm": math.sqrt(2.0)}
    kind, degree = _kind_and_degree(name, config.problem.dim)
    norm, size = 1.0, config.largest_coefficient
    if size is not None:
        requirement = f"be None for {name!r}, which is no polynomial in some of the coordinates"
        check(kind in BY_COORDINATES, "largest_coefficient", requirement, size)
        norm = size / largest_coefficient(kind, degree)
    fields = {"polynomial": kind, "degree": degree, "norm": norm, "target": "polynomial"}
    return {f"problem.{key}": value for key, value in fields.items()}


def _coefficient(target: str) -> float:
    """Returns the largest coefficient of a polynomial with E f*^2 = 1; NaN where it has none."""
    kind, _, degree = target.rpartition("_")
    return largest_coefficient(kind, int(degree)) if kind in BY_COORDINATES else math.nan


def polynomials(metrics: pd.DataFrame) -> Figure:
    """Relative risk against samples, a panel per target; SGD on random features dashed."""
    targets, scales = list(metrics["target"].unique()), scales_of(metrics)
    figure, axes = new_figure(len(targets), height=3.2, width=2.3, sharey=True)
    for axis, target in zip(axes, targets, strict=True):
        table = metrics[metrics["target"] == target]
        _trained(axis, table, scales)
        final = final_rows(table[table["regime"] == FITTED], LABELS)
        final = final[final["width"].isna() | (final["width"] == final["width"].max())]
        for i, method in enumerate(METHODS.default(Kind.FITTED, Kind.KERNEL)):
            part = method.rows(final)
            line: Look = {"color": method.colour, "marker": MARKERS[i], "linestyle": ":"}
            if len(part):
                line["label"] = method.label
                spread_line(axis, part, "num_train", "relative_risk", **line)
        axis.axhline(float(metrics["accuracy"].iloc[0]), color="0.6", lw=0.6)
        log_axes(axis, x="samples", y=RELATIVE_RISK)
        axis.set_title(target.replace("_", " "), fontsize=8)
        if axis is not axes[0]:
            axis.set_ylabel("")
    limit_heights(axes, high=LARGEST_RISK)
    shared_legend(figure, axes)
    widths = sorted(map(int, metrics["width"].dropna().unique()))
    if len(widths) > 1:
        note_below(figure, f"N = {widths[-1]}, the largest of {widths}")
    return figure


def _trained(axis: Axes, table: pd.DataFrame, scales: list[float]) -> None:
    table = table[(table["width"] == table["width"].max()) & (table["step"] > 0)]
    table = table.assign(samples=table["step"].astype(float) * table["batch_size"])
    for name, regime in REGIMES.items():
        rows = table[table["regime"] == name]
        for method, look in ((NETWORK, "-"), (regime.coupled, "--")):
            for part, colour, words in by_scale(method.rows(rows), regime.colour, scales):
                if len(part):
                    label = f"{regime.words}{'' if method is NETWORK else ', RF'}{words}"
                    line: Look = {"color": colour, "linestyle": look, "label": label}
                    spread_line(axis, part, "samples", "relative_risk", **line)
