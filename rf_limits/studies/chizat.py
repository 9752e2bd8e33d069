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
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.seeds import means_over, over_seeds
from rf_limits.analysis.tables import final_rows, records
from rf_limits.config import option
from rf_limits.config.kinds import Positive, Several, Sized, Whole, among
from rf_limits.errors import check
from rf_limits.figures.curves import log_axes, spread_line
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import MARKERS, OTHERS, Look, new_figure
from rf_limits.methods import NETWORK, keys_of
from rf_limits.studies.experiment import Drawing, Summary, experiment
from rf_limits.studies.small_differences import SmallDifferences
from rf_limits.studies.study import Member
from rf_limits.table import Cell, Table, short_number
from rf_limits.training.result import Result

LABELS = ("part", "prefactor")
PARTS = ("scale", "width", "stream")
PREFACTORS = {"m^-0.5": "ntk", "m^-1": "mean_field"}
"""Factors of the output of m neurons, with our parameterizations."""


def scale_of(tau: float, width: int) -> float:
    """Returns the lazy scale alpha of a student with initial weights tau N(0, 1)."""
    return tau**2 * math.sqrt(width)


def rate_of(tau: float, width: int) -> float:
    """Returns our learning rate for the paper's step min(10, 0.1/tau^2)."""
    return min(10.0, 0.1 / tau**2) * tau**2 * width


@experiment("chizat")
class Chizat(SmallDifferences):
    """The two-layer student-teacher experiments of Chizat, Oyallon and Bach (2019)."""

    parts: Several[Annotated[str, among(PARTS)]] = option(PARTS, "which of the experiments")
    taus: Several[Positive] = option(
        tuple(10.0 ** (k / 10.0) for k in range(-22, 11, 8)), "tau, scales of initial weights"
    )
    student: Sized = option(50, "neurons of the student in the parts scale and stream")
    batch_size: Whole = option(200, "samples of a step in the part stream", "samples")

    script = "dynamics"
    labels = LABELS
    full = {"seeds": 4}
    paper: ClassVar[Mapping[str, Any]] = {
        "taus": tuple(10.0 ** (k / 10.0) for k in range(-22, 11)),
        "model.widths": (2, 4, 8, 16, 32, 64, 128, 256, 512),
        "seeds": 10,
    }
    """The paper's grid of initialization scales, widths and trials: hours."""
    defaults = {
        # Neurons of unit norm on the unit sphere, output weights +-1: ours divide by
        # sqrt(neurons), and by sqrt(dim) where the sphere's radius is sqrt(dim).
        "problem.dim": 100,
        "problem.inputs": "sphere",
        "problem.target": "teacher",
        "problem.neurons": 3,
        "problem.norm": (3.0 / 100.0) ** 0.5,
        "data.num_train": 1000,
        "data.num_test": 1000,
        "model.widths": (2, 8, 32, 128),
        "model.lazy_scales": (1.0,),
        "model.centring": "antisymmetric",
        "training.learning_rate": "auto_ntk",
        "training.steps": 10_000,
        "training.log_points": 60,
        "predictors.methods": keys_of((NETWORK,)),
        "measure.max_degree": -1,
        "measure.num_probe": 100,
        "measure.test_loss": True,
        "seeds": 2,
    }
    quick = {
        "data.num_train": 100,
        "data.num_test": 200,
        "taus": (0.01, 1.0, 10.0),
        "student": 10,
        "model.widths": (2, 8),
        "batch_size": 20,
        "training.steps": 500,
        "training.log_points": 8,
        "seeds": 2,
    }

    def members(self) -> list[Member]:
        """Returns the training runs of the parts: by scale, by width and prefactor, in one pass."""
        scales = {
            "model.widths": (self.student,),
            "model.lazy_scales": tuple(scale_of(tau, self.student) for tau in self.taus),
            "training.learning_rate": tuple(rate_of(tau, self.student) for tau in self.taus),
        }
        sources = {
            "model.widths": "student",
            "model.lazy_scales": "taus",
            "training.batch_size": "batch_size",
        }
        widths = {"training.learning_rate": "auto", "model.lazy_scales": (1.0,)}
        stream = {"data.kind": "stream", "training.batch_size": self.batch_size}
        members = {
            "scale": [self.member({"part": "scale", "prefactor": "1"}, scales, sources)],
            "width": [
                self.member(
                    {"part": "width", "prefactor": name},
                    {"model.parameterization": parameterization, **widths},
                )
                for name, parameterization in PREFACTORS.items()
            ],
            "stream": [self.member({"part": "stream", "prefactor": "1"}, scales | stream, sources)],
        }
        return [member for part in self.parts for member in members[part]]

    def check(self) -> None:
        """Checks the members, and that the student's neurons come in pairs."""
        check(self.student % 2 == 0, "student", "be even, for antisymmetric pairs", self.student)
        super().check()

    def analyse(self, result: Result) -> Summary:
        """Computes losses by tau and by width, means and standard deviations."""
        keys = [*LABELS, "width", "lazy_scale", "tau"]
        columns = ["train_loss", "test_loss", "best_test_loss", "risk", "best_risk"]
        groups = over_seeds(ends(result.metrics), keys, dropna=False)[[*columns, "rounding_error"]]
        deviations = groups.std(ddof=1, skipna=False).add_suffix("_std")
        table = groups.mean(skipna=False).join(deviations).reset_index()
        return super().analyse(result) | {"losses": records(table)}

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns losses at the end and at their best, by part."""
        cells = []
        for row in summary["losses"]:
            point = f"m = {row['width']}, {row['prefactor']}"
            if row["part"] != "width":
                point = f"tau = {row['tau']:.3g}"
            columns = ("train_loss", "test_loss", "best_test_loss", "risk")
            values = (Cell.of(math.nan if row[c] is None else row[c]) for c in columns)
            cells.append([row["part"], point, *values])
        over = means_over(result.metrics, "trial")
        heads = ["part", "point", "train", "test", "best test", "population"]
        return Table(f"Losses E (f - f*)^2: {over}", heads, cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns population losses at the smallest and the largest tau, and warnings."""
        table = pd.DataFrame(summary["losses"], columns=["part", "tau", "risk"])
        lines = []
        for part in ("scale", "stream"):
            risks = table[table["part"] == part].set_index("tau")["risk"].astype(float)
            if len(risks):
                low, high = short_number(risks.iloc[0]), short_number(risks.iloc[-1])
                lines.append(
                    f"{part}: population loss {low} at tau = {risks.index[0]:.3g}, "
                    f"{high} at tau = {risks.index[-1]:.3g}."
                )
        return lines + super().remarks(result, summary)

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns the paper's figures 1 and 2."""
        return {"chizat": chizat}


def ends(metrics: pd.DataFrame) -> pd.DataFrame:
    """Computes final and best-over-time losses of every network.

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


_TITLES = {
    "scale": "gradient descent, n = 1000",
    "width": "gradient descent by width",
    "stream": "population SGD",
}
_LOSSES = {
    "test_loss": ("end of training", NETWORK.colour),
    "best_test_loss": ("best over time", OTHERS[0]),
    "train_loss": ("training loss, end", OTHERS[1]),
}
_PREFACTORS = {"m^-0.5": r"$1/\sqrt{m}$ (lazy)", "m^-1": r"$1/m$ (mean field)"}


def chizat(metrics: pd.DataFrame) -> Figure:
    """Losses against tau on samples, against width by prefactor, and against tau in one pass."""
    table = ends(metrics)
    parts = [name for name in PARTS if (table["part"] == name).any()]
    figure, axes = new_figure(len(parts), height=3.5, width=3.0)
    for axis, name in zip(axes, parts, strict=True):
        rows = table[table["part"] == name]
        if name == "width":
            _widths(axis, rows)
        else:
            _scales(axis, rows, one_pass=name == "stream")
        legend_above(axis, _TITLES[name])
    return figure


def _scales(axis: Axes, rows: pd.DataFrame, *, one_pass: bool) -> None:
    for i, (column, (label, colour)) in enumerate(_LOSSES.items()):
        if one_pass and column == "train_loss":
            continue
        shown = column.replace("test_loss", "risk") if one_pass else column
        line: Look = {"color": colour, "marker": MARKERS[i], "label": label}
        line["linestyle"] = "--" if column == "best_test_loss" else "-"  # both may be the same
        spread_line(axis, rows, "tau", shown, **line)
    y = "population loss" if one_pass else "loss on 1000 points"
    log_axes(axis, x=r"initialization scale $\tau$", y=y)


def _widths(axis: Axes, rows: pd.DataFrame) -> None:
    colours = (OTHERS[0], NETWORK.colour)
    for i, (name, label) in enumerate(_PREFACTORS.items()):
        part = rows[rows["prefactor"] == name]
        line: Look = {"color": colours[i], "marker": MARKERS[i], "label": label}
        spread_line(axis, part, "width", "test_loss", **line)
    log_axes(axis, x="width $m$", y="test loss, end of training")
