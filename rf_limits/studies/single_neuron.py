"""One neuron learned by gradient descent: by one neuron, by many, and by a lazy network.

Yehudai and Shamir (2019) close on what random features cannot do and gradient descent can;
their follow-up, "Learning a single neuron with gradient methods" (2020), proves it for one
neuron. Here the time it takes, and how neurons turn to w*, against the dimension.
"""

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.analysis.exponents import exponents, interval, steps_to_threshold
from rf_limits.analysis.seeds import means_over, over_seeds
from rf_limits.analysis.tables import final_rows
from rf_limits.config import option
from rf_limits.config.kinds import Positive, Several, Sized, Whole
from rf_limits.errors import check_choice
from rf_limits.figures.curves import limit_heights, log_axes, mark, spread_line
from rf_limits.figures.legends import note_below, shared_legend
from rf_limits.figures.style import MARKERS, OTHERS, RELATIVE_RISK, new_figure, shades
from rf_limits.methods import NETWORK, keys_of
from rf_limits.studies.experiment import Drawing, Summary, experiment
from rf_limits.studies.small_differences import SmallDifferences
from rf_limits.studies.study import Label, Member
from rf_limits.table import Cell, Table
from rf_limits.training.result import Result

LABELS = ("dim", "data", "student")
ONE = "one neuron"
_STUDENT = ["data", "student", "width", "lazy_scale"]


@experiment("single_neuron")
class SingleNeuron(SmallDifferences):
    """One neuron learned by one neuron, by many, and by a lazy network."""

    dims: Several[Sized] = option((5, 10, 20, 40), "d, dimensions to compare")
    kinds: Several[Literal["population", "fixed"]] = option(
        ("population", "fixed"), "trained on the population risk, or on a training set"
    )
    samples_per_dim: Whole = option(32, "n / d, for kind fixed", "samples")
    threshold: Positive = option(0.01, "relative risk that counts as learned")

    script = "dynamics"
    labels = LABELS
    defaults = {
        "data.num_test": 1000,
        "model.widths": (16, 64),
        # feature learning, lazy
        "model.lazy_scales": (0.1, 10.0),
        "training.log_points": 24,
        "predictors.methods": keys_of((NETWORK,)),
        "measure.max_degree": -1,
        "measure.alignment": True,
        "seeds": 4,
    }
    quick = {
        "dims": (5, 10),
        "model.widths": (16,),
        "training.steps": 200,
        "training.log_points": 12,
        "seeds": 2,
    }

    def members(self) -> list[Member]:
        """Returns a training run for every dimension, kind of data and student."""
        members = []
        sources = {"problem.dim": "dims", "data.num_train": "samples_per_dim x dims"}
        # The output weight of the one neuron is +1 and stays: f(x) = relu(<w, x>/sqrt(d)).
        neuron = {
            "model.widths": (1,),
            "model.lazy_scales": (1.0,),
            "model.trainable": "hidden",
            "model.output_init": "positive",
            "model.centring": "none",
        }
        for dim in self.dims:
            for kind in self.kinds:
                fields = {
                    "problem.dim": dim,
                    "data.kind": kind,
                    "data.num_train": self.samples_per_dim * dim,
                    "measure.num_probe": min(64, self.samples_per_dim * dim),
                }
                for student, more in ((ONE, neuron), ("network", {})):
                    labels = {"dim": dim, "data": kind, "student": student}
                    members.append(self.member(labels, fields | more, sources))
        return members

    def check(self) -> None:
        """Checks the members, and that the target is a single neuron."""
        check_choice(self.problem.target, ("single_neuron",), "problem.target")
        super().check()

    def constants(self) -> dict[str, Label]:
        """Returns the threshold, which the figure marks."""
        return {"threshold": self.threshold}

    def analyse(self, result: Result) -> Summary:
        """Computes times to the threshold, their exponents, and means at the end."""
        times = steps_to_threshold(result.metrics, self.threshold, LABELS)
        groups = over_seeds(times, [*LABELS, "width", "lazy_scale"])
        reached = groups["steps"].agg(lambda v: int(v.notna().sum()))
        table = groups[["steps", "time"]].mean(skipna=False)  # a mean over some would flatter
        table = table.assign(reached=reached, seeds=groups.size())
        return super().analyse(result) | {
            "times": table.reset_index().to_dict("records"),
            "exponents": time_exponents(times),
        }

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns risk, alignment and movement at the end."""
        final = final_rows(NETWORK.rows(result.metrics), LABELS)
        columns = ["relative_risk", "effective_angle", "aligned_neurons", "weight_movement"]
        cells = []
        for (kind, name, width, scale, dim), group in over_seeds(final, [*_STUDENT, "dim"]):
            values = group[columns].mean(skipna=False)
            who = _who(name, width, scale)
            cells.append([kind, who, Cell.of(int(dim)), *(Cell.of(float(v)) for v in values)])
        title = f"At the end: {means_over(result.metrics, 'seed')}"
        heads = ["data", "student", "d", "rel. risk", "angle", "aligned", "movement"]
        return Table(title, heads, cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns at which dimensions every run got there, exponents, and warnings."""
        lines = []
        table = pd.DataFrame(summary["times"])
        for (kind, name, width, scale), group in table.groupby(_STUDENT):
            dims = [str(dim) for dim in group[group["reached"] == group["seeds"]]["dim"]]
            text = "in every run at no dimension"
            if dims:
                text = f"in every run for d = {', '.join(dims)}"
            who = f"{kind}, {_who(name, width, scale)}"
            lines.append(f"{who}: relative risk {self.threshold:g} reached {text}.")
        for row in summary["exponents"]:
            if row["measurement"] == "steps" and row["data"] == "population":
                who = _who(row["student"], row["width"], row["lazy_scale"])
                lines.append(f"population, {who}: steps ~ d^{interval(row, 'dim')}.")
        return lines + super().remarks(result, summary)

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns risk in time, and risk, alignment and steps against the dimension."""
        return {"single_neuron": single_neuron}


def time_exponents(times: pd.DataFrame) -> list[dict[str, Any]]:
    """Computes exponents of steps and time to the threshold against d, where all reached it.

    Args:
      times: of :func:`~rf_limits.analysis.exponents.steps_to_threshold`.
    """
    rows = []
    for key, group in times.groupby(_STUDENT):
        for name in ("steps", "time"):
            row = exponents(group, ["dim"], name)
            if row is not None:
                rows.append({**dict(zip(_STUDENT, key, strict=True)), "measurement": name, **row})
    return rows


def _who(student: str, width: int, scale: float) -> str:
    return student if student == ONE else f"N = {width}, scale {scale:g}"


_LEAST_RISK = 1e-8  # drawn; one neuron reaches zero, which comes out as +-1e-16


def _students(networks: pd.DataFrame) -> list[tuple[str, float, dict]]:
    """Returns students with how they are drawn: one neuron, then networks by scale."""
    pairs = networks[["student", "lazy_scale"]].dropna().drop_duplicates()
    colours = shades(NETWORK.colour, pairs[pairs["student"] == "network"]["lazy_scale"])
    students = []
    if (pairs["student"] == ONE).any():
        students.append((ONE, 1.0, {"color": OTHERS[1], "marker": "o", "label": ONE}))
    for i, (scale, colour) in enumerate(colours.items()):
        marker = MARKERS[1 + i % (len(MARKERS) - 1)]
        label = rf"N = {networks['width'].max()}, $\alpha={scale:g}$"
        students.append(("network", scale, {"color": colour, "marker": marker, "label": label}))
    return students


def _of(table: pd.DataFrame, student: str, scale: float) -> pd.DataFrame:
    return table[(table["student"] == student) & (table["lazy_scale"] == scale)]


def single_neuron(metrics: pd.DataFrame) -> Figure:
    """Risk in time, and against d: risk, alignment, and steps to a threshold; widest network.

    Args:
      metrics: the study's table; its ``threshold`` is the relative risk that counts as learned.
    """
    threshold = float(metrics["threshold"].iloc[0])
    networks = NETWORK.rows(metrics)
    widest = networks["width"] == networks["width"].max()
    networks = networks[widest | (networks["student"] == ONE)]
    kinds = list(networks["data"].unique())
    first, final = networks[networks["data"] == kinds[0]], final_rows(networks, LABELS)
    times = steps_to_threshold(networks, threshold, LABELS)
    figure, axes = new_figure(5, height=3.6, width=2.3)
    largest = first["dim"].max()
    for student, scale, line in _students(networks):
        part = _of(first[(first["dim"] == largest) & (first["step"] > 0)], student, scale)
        plain = {k: v for k, v in line.items() if k != "marker"}
        spread_line(axes[0], part, "step", "relative_risk", **plain)
        for kind, dashes in zip(kinds, ("-", "--"), strict=False):
            label = line["label"] if kind == kinds[0] else None
            shown = {**line, "linestyle": dashes, "label": label}
            part = _of(final[final["data"] == kind], student, scale)
            columns = ("relative_risk", "effective_angle", "aligned_mass")
            for axis, column in zip(axes[1:4], columns, strict=True):
                spread_line(axis, part, "dim", column, **shown)
            part = _of(times[times["data"] == kind], student, scale)
            if np.isfinite(part["steps"]).any():
                spread_line(axes[4], part, "dim", "steps", **shown)
    axes[0].set_title(f"{kinds[0]}, d = {largest}", fontsize=8)
    _label(axes, threshold)
    for axis in axes[1:]:
        mark(axis, sorted(final["dim"].unique()))
    if len(kinds) > 1:
        for kind, dashes in zip(kinds, ("-", "--"), strict=False):
            axes[1].plot([], [], color="0.4", linestyle=dashes, label=f"{kind} data")
    shared_legend(figure, axes)
    widths = sorted(map(int, metrics["width"].dropna().unique()))
    if len(widths) > 1:
        note_below(figure, f"networks of N = {widths[-1]}, the largest of {widths}")
    return figure


def _label(axes: list, threshold: float) -> None:
    log_axes(axes[0], x="steps", y=RELATIVE_RISK)
    log_axes(axes[1], x="dimension $d$", y=RELATIVE_RISK)
    log_axes(axes[2], x="dimension $d$", y=r"angle between $\sum_i u_iw_i$ and $w^*$")
    axes[3].set_xscale("log")
    axes[3].set(xlabel="dimension $d$", ylabel=r"share of $\sum_i|u_i||w_i|$ within 26° of $w^*$")
    log_axes(axes[4], x="dimension $d$", y=f"steps to relative risk {threshold:g}")
    limit_heights(axes[:2], low=_LEAST_RISK)
