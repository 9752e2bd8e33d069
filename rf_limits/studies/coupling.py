"""The coupling of networks to random features on the same samples, against width.

The coupling in the proof of Yehudai and Shamir (2019, section 3), measured: the network, its
linearization and SGD on its random features take the same steps on the same stream; how far
apart do they come, and how far do weights move, beside what the argument of the proof
gives with means for suprema (:mod:`rf_limits.theory.guarantees.coupling`).
"""

import math
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.exponents import exponents, interval, short_interval, upper_half
from rf_limits.analysis.seeds import over_seeds, words_of_seeds
from rf_limits.analysis.tables import with_scale
from rf_limits.config import option
from rf_limits.config.kinds import Several, among
from rf_limits.errors import check, check_choice
from rf_limits.figures.curves import by_scale, log_axes, spread_line
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import MARKERS, Look, new_figure
from rf_limits.methods import NETWORK
from rf_limits.studies.experiment import Drawing, Summary, experiment
from rf_limits.studies.regimes import REGIMES, OnePass
from rf_limits.studies.study import Label, Member
from rf_limits.table import Table, short_number
from rf_limits.theory.guarantees.coupling import REGIMES as ESTIMATED
from rf_limits.theory.guarantees.coupling import coupling_estimate
from rf_limits.training.result import Result

SUPREMA = {
    "coupled_gap": "gap to RF",
    "linearization_gap": "lin. gap",
    "weight_movement": "movement",
    "output_movement": "output mov.",
}
"""Largest values over the log points, with their heads in the printed table: the first is the
distance to the random-features run."""
_RUN = ["regime", "width", "lazy_scale"]
_BOUNDED = ["weight_movement", "coupled_gap"]


@experiment("coupling")
class Coupling(OnePass):
    """Network, linearization and random features on the same samples, against width."""

    regimes: Several[Annotated[str, among(REGIMES)]] = option(
        ("hidden", "all", "ntk"), "what is trained, and how it begins"
    )

    script = "power"
    labels = ("regime",)
    defaults = {
        "problem.dim": 10,
        # the training set is for kernel drift and train_loss alone
        "data.kind": "stream",
        "data.num_train": 64,
        "data.num_test": 16,
        "model.widths": (16, 64, 256, 1024),
        "model.lazy_scales": (1.0,),
        "training.learning_rate": 0.5,
        "training.batch_size": 16,
        "training.steps": 400,
        "training.log_points": 10,
        "measure.max_degree": -1,
        "measure.num_probe": 64,
        "seeds": 4,
    }
    quick = {
        "model.widths": (16, 64),
        "training.steps": 100,
        "training.log_points": 6,
        "seeds": 2,
    }

    def members(self) -> list[Member]:
        """Returns a training run for every regime."""
        return [self.member({"regime": name}, REGIMES[name].fields()) for name in self.regimes]

    def check(self) -> None:
        """Checks the members, and that they are what the coupling is about."""
        model = self.model
        check_choice(self.data.kind, ("stream",), "data.kind")
        check_choice(model.activation, ("relu",), "model.activation")
        check_choice(model.parameterization, ("ntk",), "model.parameterization")
        requirement = "be subtract or antisymmetric: both runs start at 0"
        check(model.centring != "none", "model.centring", requirement, model.centring)
        super().check()

    def constants(self) -> dict[str, Label]:
        """Returns the fields from which estimates are computed."""
        problem = self.problem
        return {"dim": problem.dim, "noise": problem.noise, "bias": self.model.bias}

    def analyse(self, result: Result) -> Summary:
        """Computes exponents, suprema beside estimates, and means at the end."""
        metrics = result.metrics
        table = suprema(metrics)
        measured = over_seeds(table, _RUN, sort=False)[["impulse", *SUPREMA]]
        means = measured.mean(skipna=False).reset_index()
        bounds = estimates(metrics, table)
        bounds = bounds.rename(columns={name: f"{name}_estimate" for name in _BOUNDED})
        return super().analyse(result) | {
            "exponents": suprema_exponents(table),
            "exponents_of_wide": suprema_exponents(table, upper_half(table)),
            "suprema": means.merge(bounds, on=_RUN, how="left").to_dict("records"),
        }

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns exponents by regime, with their intervals."""
        rows = _by_run(summary["exponents"])
        cells = [
            [words, *(short_interval(rows.get((*key, column)), "width") for column in SUPREMA)]
            for key, words in _runs(result.metrics).items()
        ]
        widths = result.metrics["width"].dropna()
        level = words_of_seeds(result.metrics, "95% over seeds")
        over = f"{widths.min()} to {widths.max()} ({level})"
        title = f"Exponents in N of suprema over time, {over}"
        return Table(title, ["regime", *SUPREMA.values()], cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns gap and movement of the widest networks beside their estimates, and warnings."""
        wide, lines = _by_run(summary["exponents_of_wide"]), []
        table = pd.DataFrame(summary["suprema"]).set_index(_RUN)
        for (regime, scale), words in _runs(result.metrics).items():
            width = result.metrics[result.metrics["regime"] == regime]["width"].max()
            row, parts = table.loc[(regime, width, scale)], []
            for name in reversed(_BOUNDED):
                bound = float(row[f"{name}_estimate"])
                text = f"{SUPREMA[name]} {short_number(float(row[name]))}"
                parts.append(
                    text + ("" if math.isnan(bound) else f" (estimate {short_number(bound)})")
                )
            fit = wide.get((regime, scale, "coupled_gap"))
            if fit is not None:
                parts[-1] += f"; widest half: gap ~ N^{interval(fit, 'width')}"
            lines.append(f"{words}, N = {width}: {', '.join(parts)}.")
        return lines + super().remarks(result, summary)

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns suprema against width."""
        return {"coupling": coupling}


def _by_run(rows: list[dict[str, Any]]) -> dict[tuple[str, float, str], dict[str, Any]]:
    return {(row["regime"], row["lazy_scale"], row["measurement"]): row for row in rows}


def _runs(metrics: pd.DataFrame) -> dict[tuple[str, float], str]:
    """Returns regimes with their lazy scales, in words; a single scale is not named."""
    networks = NETWORK.rows(metrics)
    scales = networks["lazy_scale"].unique()
    keys = networks[["regime", "lazy_scale"]].drop_duplicates().itertuples(index=False)
    return {(regime, scale): with_scale(regime, scale, scales) for regime, scale in keys}


def suprema(metrics: pd.DataFrame) -> pd.DataFrame:
    """Computes largest distances and movements over the log points of every network.

    Args:
      metrics: the study's table.

    Returns:
      Columns regime, width, lazy_scale, seed, time, ``impulse`` (M of
      :mod:`rf_limits.theory.guarantees.coupling`, by the trapezoidal rule between log points) and
      :data:`SUPREMA`; NaN where a run diverged.
    """
    rows = []
    keys = [*_RUN, "seed"]
    for key, curve in NETWORK.rows(metrics).groupby(keys, sort=False):
        curve = curve.sort_values("step")
        row = dict(zip(keys, key, strict=True))
        curve = curve.assign(coupled_gap=curve[REGIMES[row["regime"]].gap])
        time = curve["time"].to_numpy(float)
        error = np.sqrt(curve["risk"].to_numpy(float) + curve["noise"].to_numpy(float) ** 2)
        row["time"] = float(time[-1])
        row["impulse"] = float(np.trapezoid(error, time) / row["lazy_scale"])
        row |= {name: float(np.max(curve[name].to_numpy(float))) for name in SUPREMA}  # NaN stays
        rows.append(row)
    return pd.DataFrame(rows)


def estimates(metrics: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Computes what the coupling argument gives, by regime, width and lazy scale; not guaranteed.

    Args:
      metrics: the study's table.
      table: of :func:`suprema`.

    Returns:
      Columns regime, width, lazy_scale, ``weight_movement`` and ``coupled_gap``: at the mean
      impulse over seeds. The regime "ntk" has none.
    """
    first = metrics.iloc[0]
    rows = []
    means = over_seeds(table, _RUN, sort=False)[["impulse", "time"]].mean(skipna=False)
    for (regime, width, scale), row in means.iterrows():
        if regime not in ESTIMATED or not math.isfinite(row["impulse"]):
            continue
        estimate = coupling_estimate(
            regime,
            float(row["impulse"]),
            float(row["time"]),
            int(width),
            int(first["dim"]),
            lazy_scale=float(scale),
            bias=bool(first["bias"]),
        )
        rows.append((regime, int(width), float(scale), estimate.weight_movement, estimate.gap))
    return pd.DataFrame(rows, columns=[*_RUN, *_BOUNDED])


def suprema_exponents(table: pd.DataFrame, least: float = 0.0) -> list[dict[str, Any]]:
    """Computes exponents of the suprema against width, by regime and lazy scale.

    Args:
      table: of :func:`suprema`.
      least: smallest width that counts.
    """
    rows = []
    for (regime, scale), group in table.groupby(["regime", "lazy_scale"], sort=False):
        for name in SUPREMA:
            row = exponents(group, ["width"], name, least)
            if row is not None:
                labels = {"regime": regime, "lazy_scale": scale, "measurement": name}
                rows.append(labels | row)
    return rows


_NAMES = {
    "hidden": r"hidden layer, $u_i=\pm1$",
    "all": "all layers, $u_0=0$",
    "ntk": "all layers, Gaussian $u_0$",
}
_PANELS = {
    "coupled_gap": r"$\sup_t$ rms of $f_t-f_t^{\rm RF}$",
    "linearization_gap": r"$\sup_t$ rms of $f_t-f_t^{\rm lin}$",
    "weight_movement": r"$\sup_t\,|W_t-W_0|_F/|W_0|_F$",
}


def coupling(metrics: pd.DataFrame) -> Figure:
    """Suprema over time against width, with exponents; estimates dashed."""
    table = suprema(metrics)
    bounds = estimates(metrics, table)
    scales = sorted(table["lazy_scale"].unique())
    exponent_rows = _by_run(suprema_exponents(table))
    figure, axes = new_figure(len(_PANELS), height=3.5, width=2.8)
    for axis, (column, label) in zip(axes, _PANELS.items(), strict=True):
        for i, regime in enumerate(table["regime"].unique()):
            part = table[table["regime"] == regime]
            for rows, colour, words in by_scale(part, REGIMES[regime].colour, scales):
                scale = rows["lazy_scale"].iloc[0]
                row = exponent_rows.get((regime, scale, column))
                slope = "" if row is None else f": {row['width_exponent']:.2f}"
                text = (_NAMES[regime] + words + slope).replace("-", "\N{MINUS SIGN}")
                line: Look = {"color": colour, "marker": MARKERS[i], "label": text}
                spread_line(axis, rows, "width", column, **line)
                estimate = bounds[(bounds["regime"] == regime) & (bounds["lazy_scale"] == scale)]
                _dash(axis, estimate, column, colour)
        log_axes(axis, x="width $N$", y=label)
        if column in bounds and len(bounds):
            axis.plot([], [], color="0.4", linestyle="--", lw=0.9, label="estimate")
        legend_above(axis)
    return figure


def _dash(axis: Axes, estimate: pd.DataFrame, column: str, colour: str) -> None:
    """Draws the estimates of one line, if there are any."""
    if column in estimate and len(estimate):
        estimate = estimate.sort_values("width")
        x, y = (np.asarray(estimate[name], float) for name in ("width", column))
        axis.plot(x, y, color=colour, linestyle="--", lw=0.9)
