"""Risk against the number of samples: kernels, random features and networks beside theory.

One training run per dimension and number of samples gives NNGP, NTK, RF, NT and trained
networks on many training sets; beside them the expectation of kernel regression from its
spectrum alone (:mod:`rf_limits.theory.regression.kernel_regression`) and the lazy limit R*(n).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import special

from rf_limits.analysis.expected_risks import (
    DEGREES,
    THEORY,
    around_peak,
    curve_rows,
    theory_remarks,
)
from rf_limits.analysis.seeds import means_over, over_seeds
from rf_limits.analysis.tables import final_rows, measured_rows
from rf_limits.config import option
from rf_limits.config.kinds import Several, Sized, Whole
from rf_limits.figures.curves import (
    limit_heights,
    log_axes,
    networks_by_scale,
    spread_line,
)
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.style import MARKERS, RELATIVE_RISK, Look, new_figure
from rf_limits.figures.theory_line import LARGEST_RISK, theory_line
from rf_limits.methods import (
    LAZY_LIMIT,
    METHODS,
    NETWORK,
    NNGP,
    NTK,
    RANDOM_FEATURES,
    TANGENT_FEATURES,
    Kind,
    Method,
    keys_of,
)
from rf_limits.models.zonal_kernels import has_zonal_kernels, zonal_kernels
from rf_limits.studies.experiment import Drawing, Summary, experiment
from rf_limits.studies.study import Member, Study
from rf_limits.table import Cell, Table
from rf_limits.theory import kernel_regression_risk, random_features_risk
from rf_limits.theory.bounds.lazy_limit import lazy_limit
from rf_limits.training.result import Result
from rf_limits.training.run import TrainingRun

LABELS = ("dim", "num_train")
KERNELS = (NNGP, NTK)
"""Kernels whose learning curves are computed."""
_RARE = 0.01  # share of points beyond three standard errors that needs no mention
_BETWEEN = 4  # numbers of samples of theory rows, from one n to twice it


@experiment("sample_complexity")
class SampleComplexity(Study):
    """Risk against the number of samples, for every learner, at several dimensions."""

    dims: Several[Sized] = option((10, 20), "d, dimensions to compare")
    nums_train: Several[Whole] = option(
        (16, 32, 64, 128, 256, 512, 1024), "n, numbers of samples to compare"
    )

    script = "samples"
    labels = LABELS
    defaults = {
        "precision": "float64",
        "model.widths": (256,),
        # feature learning, lazy
        "model.lazy_scales": (0.1, 10.0),
        "training.log_points": 2,
        "measure.max_degree": -1,
        "measure.num_probe": 16,
        "seeds": 5,
    }
    quick = {
        "dims": (10,),
        "nums_train": (16, 128),
        "model.widths": (64,),
        "training.steps": 200,
        "seeds": 3,
    }

    def members(self) -> list[Member]:
        """Returns a training run for every dimension and number of samples."""
        sources = {"problem.dim": "dims", "data.num_train": "nums_train"}
        return [
            self.member(
                {"dim": dim, "num_train": n}, {"problem.dim": dim, "data.num_train": n}, sources
            )
            for dim, n in itertools.product(self.dims, self.nums_train)
        ]

    def theory(self, member: Member, run: TrainingRun) -> pd.DataFrame:
        """Computes expected risks of kernels and features, and the lazy limit, from n to 2 n."""
        return _theory_rows(run)

    def analyse(self, result: Result) -> Summary:
        """Computes kernels and features beside theory, and means over training sets."""
        features = agreement(result.metrics, (RANDOM_FEATURES,))
        return super().analyse(result) | {
            "kernels_beside_theory": agreement(result.metrics).to_dict("records"),
            "features_beside_theory": features.to_dict("records"),
        }

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns relative risks by dimension, samples and learner, and by width if several."""
        final = final_rows(measured_rows(result.metrics), LABELS)
        scales = sorted(final["lazy_scale"].dropna().unique())
        fixed = [m for m in METHODS.of(Kind.FITTED, Kind.KERNEL) if m.is_in(final)]
        cells, widths = [], widths_of(result.metrics)
        several = len(widths) > 1
        for (key, rows), width in itertools.product(final.groupby(list(LABELS)), widths):
            group = of_width(rows, width)
            networks = _means(NETWORK.rows(group), "lazy_scale")
            others = _means(group[group["method"].isin(keys_of(fixed))], "method")
            values = [*(networks.get(s, np.nan) for s in scales), *(others[m.key] for m in fixed)]
            sizes = [*map(int, key), *([width] if several else [])]
            cells.append([*map(Cell.of, sizes), *(Cell.of(float(v)) for v in values)])
        first = ["d", "n", *(["N"] if several else [])]
        heads = [*first, *(f"scale {s:g}" for s in scales), *(m.short for m in fixed)]
        over = means_over(result.metrics, "training set")
        return Table(f"Relative risk: {over}", heads, cells)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns how measured kernels agree with theory, where theory is rough, and warnings."""
        rows = [row for row in summary["kernels_beside_theory"] if not pd.isna(row["distance"])]
        lines = [_agreement_line(rows, int(result.metrics["seed"].nunique()))] if rows else []
        return lines + theory_remarks(result.metrics) + super().remarks(result, summary)

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns learning curves."""
        return {"sample_complexity": sample_complexity}


def _theory_rows(run: TrainingRun) -> pd.DataFrame:
    config, network = run.config, run.widths[-1].network
    problem = config.problem
    if not has_zonal_kernels(network):
        return pd.DataFrame()
    dim, n, ridge = problem.dim, config.data.num_train, config.predictors.ridge
    counts = np.unique(np.round(n * 2.0 ** (np.arange(_BETWEEN) / _BETWEEN)).astype(int))
    moment, target = run.problem.second_moment, run.problem.by_degree(DEGREES)
    options: dict[str, Any] = {"inputs": problem.inputs, "noise": problem.noise}
    tables = []
    kernels = zonal_kernels(network, dim, DEGREES, config.model.trainable)
    for method in KERNELS:
        kernel = (kernels[method.key], target, counts)
        curve = partial(kernel_regression_risk, *kernel, ridge=ridge, **options)
        tables.append(curve_rows(method, None, counts, curve))
    for width in (part.network for part in run.widths):
        distinct = width.width // 2 if width.antisymmetric else width.width
        nums = np.union1d(counts, around_peak(distinct, n, 2 * n - 1))
        # features have the NNGP kernel over the output weights' variance
        features = (zonal_kernels(width, dim, DEGREES)[NNGP.key], target, nums, distinct)
        penalty = ridge * width.output_std**2
        curve = partial(random_features_risk, *features, ridge=penalty, **options)
        tables.append(curve_rows(RANDOM_FEATURES, width.width, nums, curve))
    if problem.target == "single_neuron" and problem.bias == 0.0:
        limits = [float(lazy_limit(int(p), dim, norm=problem.norm)) for p in counts]
        columns = {"method": LAZY_LIMIT.key, "num_train": counts, "risk": limits}
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True).rename(columns={"num_train": "theory_num_train"})
    return table.assign(relative_risk=table["risk"] / moment)


def agreement(metrics: pd.DataFrame, methods: Sequence[Method] = KERNELS) -> pd.DataFrame:
    """Computes measured mean risks beside theory, at convergence.

    Args:
      metrics: the study's table.
      methods: kernels, or random features.

    Returns:
      A row per dim, num_train, method and width (None of kernels): ``measured``, its standard
      error ``se`` over seeds, ``expected`` and ``distance`` in standard errors.
    """
    rows = []
    final = final_rows(metrics[metrics["method"].isin(keys_of(methods))], LABELS)
    keys = [*LABELS, "method", "width"]
    for (dim, n, name, width), group in over_seeds(final, keys, dropna=False):
        theory = metrics[
            (metrics["dim"] == dim)
            & (metrics["theory_num_train"] == n)
            & (metrics["method"] == f"{name}_{THEORY}")
        ]
        if not pd.isna(width):
            theory = theory[theory["width"] == width]
        if not len(theory) or theory["risk"].isna().all():
            continue
        risks = group["risk"].to_numpy(float)
        error = risks.std(ddof=1) / np.sqrt(len(risks)) if len(risks) > 1 else np.nan
        expected = float(theory["risk"].iloc[0])
        row = {"dim": int(dim), "num_train": int(n), "method": name}
        row["width"] = None if pd.isna(width) else int(width)
        row |= {"measured": risks.mean(), "se": error, "expected": expected}
        rows.append(row | {"distance": (risks.mean() - expected) / error})
    return pd.DataFrame(rows)


def _agreement_line(rows: Sequence[Mapping[str, Any]], seeds: int) -> str:
    """Returns a line about the points that lie within three standard errors of theory."""
    within = sum(abs(row["distance"]) < 3.0 for row in rows)
    outside = 2.0 * float(special.stdtr(seeds - 1, -3.0))  # Student's t: errors are estimated
    chance = f" (a right theory is outside at {100 * outside:.0f}%, with {seeds} training sets)"
    return (
        f"Kernel-regression theory within 3 standard errors at {within} of {len(rows)} points"
        f"{'' if outside < _RARE else chance}."
    )


def _means(table: pd.DataFrame, by: str) -> pd.Series:
    """Returns mean relative risks over seeds, NaN where that of a seed is NaN."""
    return over_seeds(table, by)["relative_risk"].mean(skipna=False)


def widths_of(metrics: pd.DataFrame) -> list[int | None]:
    """Returns the measured widths, ascending; None alone where nothing has a width."""
    widths = measured_rows(metrics)["width"].dropna().unique()
    return [*sorted(map(int, widths))] or [None]


def of_width(table: pd.DataFrame, width: int | None) -> pd.DataFrame:
    """Returns the rows of one width, and those without a width: kernels and limits."""
    none = table["width"].isna()
    return table[none if width is None else none | (table["width"] == width)]


def sample_complexity(metrics: pd.DataFrame) -> Figure:
    """Relative risk against n by d and N; theory dashed (faint: rough), d^k/k! marked."""
    dims, widths = sorted(map(int, metrics["dim"].unique())), widths_of(metrics)
    panels = list(itertools.product(dims, widths))
    figure, axes = new_figure(len(panels), height=3.4, width=3.4, sharey=True)
    for axis, (dim, width) in zip(axes, panels, strict=True):
        table = of_width(metrics[metrics["dim"] == dim], width)
        _measured(axis, final_rows(measured_rows(table), LABELS))
        _lines(axis, table)
        log_axes(axis, x="number of samples $n$", y=RELATIVE_RISK)
        axis.set_title(f"d = {dim}" + (f", N = {width}" if len(widths) > 1 else ""), fontsize=8)
        _mark_powers(axis, dim)
    limit_heights(axes, high=LARGEST_RISK)
    shared_legend(figure, axes)
    return figure


def _mark_powers(axis: Axes, dim: int) -> None:
    low, high = axis.get_xlim()
    for k in range(1, 5):
        at = dim**k / math.factorial(k)
        if low < at < high:
            axis.axvline(at, color="0.6", lw=0.6, linestyle=":")
            place: Look = {"transform": axis.get_xaxis_transform(), "fontsize": 6, "color": "0.4"}
            axis.text(at, 0.01, rf" $d^{k}/{k}!$" if k > 1 else " $d$", **place)


def _measured(axis: Axes, final: pd.DataFrame) -> None:
    fixed = METHODS.of(Kind.FITTED, Kind.KERNEL)
    for i, method in enumerate(fixed):
        part = method.rows(final)
        if len(part):
            line: Look = {"color": method.colour, "marker": MARKERS[i % len(MARKERS)]}
            joined = "-" if method is TANGENT_FEATURES else "none"
            line |= {"label": method.label, "linestyle": joined}
            spread_line(axis, part, "num_train", "relative_risk", **line)
    for i, (part, look) in enumerate(networks_by_scale(final)):
        marker = MARKERS[(len(fixed) + i % 3) % len(MARKERS)]
        spread_line(axis, part, "num_train", "relative_risk", marker=marker, **look)


def _lines(axis: Axes, table: pd.DataFrame) -> None:
    for method in (*KERNELS, RANDOM_FEATURES):
        part = table[table["method"] == f"{method.key}_{THEORY}"]
        if len(part):
            part = part.sort_values("theory_num_train")
            theory_line(axis, part, "theory_num_train", method.colour)
    part = LAZY_LIMIT.rows(table).sort_values("theory_num_train")
    if len(part):
        x, y = (np.asarray(part[c], float) for c in ("theory_num_train", "relative_risk"))
        axis.plot(x, y, color=LAZY_LIMIT.colour, linestyle="-.", label=LAZY_LIMIT.label)
