"""Risk against the number of samples: kernels, random features and networks beside theory.

One training run per dimension and number of samples gives NNGP, NTK, RF, NT and trained
networks on many training sets; beside them the expectation of kernel regression from its
spectrum alone (:mod:`rf_limits.theory.regression.kernel_regression`) and the lazy limit R*(n).
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from rf_limits.config import accepts_builder
from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.large.theory import (
    DEGREES,
    THEORY,
    around_peak,
    curve_or_refusal,
    theory_remarks,
)
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.samples.configs import SampleComplexityConfig
from rf_limits.experiments.seeds import over_seeds
from rf_limits.experiments.study import Member, Study, member, validate_members
from rf_limits.experiments.tables import (
    final_rows,
    means_over,
    short_number,
    summary_rows,
)
from rf_limits.experiments.training import Training
from rf_limits.methods import (
    LAZY_LIMIT,
    METHODS,
    NETWORK,
    NNGP,
    NTK,
    RANDOM_FEATURES,
    Kind,
    Method,
    keys_of,
)
from rf_limits.models.zonal_kernels import has_zonal_kernels, zonal_kernels
from rf_limits.theory import (
    LearningCurve,
    kernel_regression_risk,
    random_features_risk,
)
from rf_limits.theory.bounds.lazy_limit import lazy_limit

LABELS = ("dim", "num_train")
KERNELS = (NNGP, NTK)
"""Those with a theory of their own."""
_RARE = 0.01  # share of points beyond three standard errors that goes without saying
_BETWEEN = 4  # numbers of samples of theory rows, from one n to twice it


@accepts_builder
def study_members(config: SampleComplexityConfig) -> list[Member]:
    """The training runs of the study."""
    return [
        member(
            config,
            {"dim": dim, "num_train": n},
            {"problem.dim": "dims", "data.num_train": "nums_train"},
            problem__dim=dim,
            data__num_train=n,
        )
        for dim in config.dims
        for n in config.nums_train
    ]


@accepts_builder
def validate(config: SampleComplexityConfig) -> None:
    """Checks what concerns several fields.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    validate_members(study_members(config))


def _theory(one: Member, prepared: Training) -> pd.DataFrame:
    """Expected risks of kernels and features, and the lazy limit where known, n to twice n."""
    config, network = one.config, prepared.widths[-1].network
    problem = config.problem
    if not has_zonal_kernels(network):
        return pd.DataFrame()
    dim, n = problem.dim, config.data.num_train
    counts = np.unique(np.round(n * 2.0 ** (np.arange(_BETWEEN) / _BETWEEN)).astype(int))
    moment, target = prepared.problem.second_moment, prepared.problem.by_degree(DEGREES)
    options = {"inputs": problem.inputs, "noise": problem.noise}
    ridge = config.predictors.ridge
    tables = []
    kernels = zonal_kernels(network, dim, DEGREES, config.model.trainable)
    for key in keys_of(KERNELS):
        curve = (kernel_regression_risk, kernels[key], target, counts)
        found = curve_or_refusal(*curve, ridge=ridge, **options)
        tables.append(_rows(key, None, counts, *found))
    for width in (run.network for run in prepared.widths):
        distinct = width.width // 2 if width.antisymmetric else width.width
        nums = np.union1d(counts, around_peak(distinct, n, 2 * n - 1))
        # features have the NNGP kernel over the output weights' variance
        kernel = zonal_kernels(width, dim, DEGREES)[NNGP.key]
        curve = (random_features_risk, kernel, target, nums, distinct)
        found = curve_or_refusal(*curve, ridge=ridge * width.output_std**2, **options)
        tables.append(_rows(RANDOM_FEATURES.key, width.width, nums, *found))
    if problem.target == "single_neuron" and problem.bias == 0.0:
        limits = [float(lazy_limit(int(p), dim, norm=problem.norm)) for p in counts]
        columns = {"method": LAZY_LIMIT.key, "theory_num_train": counts, "risk": limits}
        tables.append(pd.DataFrame(columns))
    found = pd.concat(tables, ignore_index=True)
    return found.assign(relative_risk=found["risk"] / moment)


def _rows(
    method: str,
    width: int | None,
    counts: np.ndarray,
    found: LearningCurve | None,
    remark: str | None,
) -> pd.DataFrame:
    """Rows of a learning curve; without one a single row that says why."""
    columns = {"risk": [np.nan]}
    if found is not None:
        columns = {"risk": found.risk, "train_loss": found.train_risk, "bias": found.bias}
    table = pd.DataFrame({"theory_num_train": counts[: len(columns["risk"])], **columns})
    if width is not None:
        table["width"] = width
    if remark is not None:
        table["theory_remark"] = remark
    return table.assign(method=f"{method}_{THEORY}")


@accepts_builder
def prepare(config: SampleComplexityConfig, report: Report = no_report) -> Study:
    """Checks the config and prepares one training run per dimension and number of samples.

    Raises:
      RequirementError: a config that cannot be run.
    """
    validate(config)
    return Study(study_members(config), report, _theory)


def agreement(metrics: pd.DataFrame, methods: Sequence[Method] = KERNELS) -> pd.DataFrame:
    """Measured mean risks beside theory, at convergence.

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


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: kernels beside theory, means over training sets."""
    measured = result.metrics[result.metrics["seed"].notna()]
    return {
        "choices": result.choices,
        "kernels_beside_theory": agreement(result.metrics).to_dict("records"),
        "features_beside_theory": agreement(result.metrics, (RANDOM_FEATURES,)).to_dict("records"),
        "final": summary_rows(measured, LABELS),
    }


def _means(table: pd.DataFrame, by: str) -> pd.Series:
    """Mean relative risks over seeds, NaN where one is."""
    return over_seeds(table, by)["relative_risk"].mean(skipna=False)


def widths_of(metrics: pd.DataFrame) -> list[int | None]:
    """Widths of what was measured, ascending; None alone where nothing has a width."""
    widths = metrics[metrics["seed"].notna()]["width"].dropna().unique()
    return sorted(map(int, widths)) or [None]


def of_width(table: pd.DataFrame, width: int | None) -> pd.DataFrame:
    """Rows of one width, and of what has none: kernels, and limits."""
    own = table["width"].isna()
    return table[own if width is None else own | (table["width"] == width)]


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Relative risks by dimension, number of samples and learner, and by width if several."""
    final = final_rows(metrics[metrics["seed"].notna()], LABELS)
    scales = sorted(final["lazy_scale"].dropna().unique())
    fixed = [m for m in METHODS.of(Kind.FITTED, Kind.KERNEL) if m.is_in(final)]
    cells, widths = [], widths_of(metrics)
    several = len(widths) > 1
    for ((dim, n), cell), width in itertools.product(final.groupby(list(LABELS)), widths):
        group = of_width(cell, width)
        networks = _means(NETWORK.rows(group), "lazy_scale")
        others = _means(group[group["method"].isin(keys_of(fixed))], "method")
        values = [*(networks.get(s, np.nan) for s in scales), *(others[m.key] for m in fixed)]
        first = [str(dim), str(n), *([str(width)] if several else [])]
        cells.append([*first, *(short_number(float(v)) for v in values)])
    first = ["d", "n", *(["N"] if several else [])]
    heads = [*first, *(f"scale {s:g}" for s in scales), *(m.short for m in fixed)]
    over = means_over(int(metrics["seed"].nunique()), "training set")
    return f"Relative risk: {over}", heads, cells


def remarks(result: Result) -> list[str]:
    """Lines under the table."""
    table = agreement(result.metrics)
    lines = []
    table = table[table["distance"].notna()] if len(table) else table
    if len(table):
        within = (table["distance"].abs() < 3.0).sum()
        seeds = int(result.metrics["seed"].nunique())
        outside = 2.0 * float(special.stdtr(seeds - 1, -3.0))  # Student's t: errors are estimated
        chance = (
            ""
            if outside < _RARE
            else (
                f" (a right theory is outside at {100 * outside:.0f}%, with {seeds} training sets)"
            )
        )
        lines.append(
            f"Kernel-regression theory within 3 standard errors at {within} of {len(table)} "
            f"points{chance}."
        )
    lines += theory_remarks(result.metrics)
    measured = result.metrics[result.metrics["seed"].notna()]
    return lines + doubts(measured, LABELS)
