"""The two lazy limits beside measured risks: whose they are, and where they bound a mean.

An expected risk below a limit is one that no method of a class has over the same draws
(docs/theory.md, "What the limits exclude"). There are two classes, one for each :class:`Limit`.
"""

import dataclasses
import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.config.training import TrainingConfig
from rf_limits.methods import METHODS, Kind
from rf_limits.theory.bounds.lazy_limit import lazy_limit

UNKNOWN = (
    "No lazy limit R* bounds these means: none is known for this target and these inputs, or all "
    "seeds share the test set."
)
SECOND_MOMENT = "second_moment"
"""Column of the metrics table that holds E f*^2."""
_CURVE_POINTS = 120  # evenly on a logarithmic axis


@dataclasses.dataclass(frozen=True)
class Limit:
    """A least mean risk, and whose it is.

    Attributes:
      column: of the metrics table.
      functions: field of :class:`~rf_limits.methods.FixedFunctions`.
      symbol: as it is printed.
      excludes: what cannot be below it on average.
      absent: why no mean of a table may have it as a bound.
    """

    column: str
    functions: str
    symbol: str
    excludes: str
    absent: str


FEATURES = Limit(
    "features_limit",
    "features",
    "R*(P)",
    "whatever is learned in the span of P features of rotation-invariant law, by any algorithm",
    "all seeds share the test set on which risks are measured",
)
SAMPLES = Limit(
    "samples_limit",
    "samples",
    "R*(n)",
    "rotation-invariant kernel methods whose predictors lie in the span of n functions fixed by "
    "the inputs (ridge, least norm, gradient descent from zero; not l1, nonnegative, adaptive or "
    "sign methods, nor a kernel chosen by labels)",
    "it is a mean over training sets, and these seeds share theirs or have none",
)
LIMITS = (FEATURES, SAMPLES)


def has_lazy_limit(config: TrainingConfig) -> bool:
    """Returns whether the bound is known for the config's target and inputs.

    It is for a single neuron under Gaussian inputs, and on the sphere without bias, where
    risks are the same by homogeneity.
    """
    problem = config.problem
    inputs_known = problem.inputs == "gaussian" or problem.bias == 0.0
    return problem.target == "single_neuron" and problem.dim >= 2 and inputs_known


def _holds_for(limit: Limit, config: TrainingConfig, row: Mapping[Hashable, Any]) -> bool:
    """Returns whether a limit bounds the mean over the seeds of a row.

    R*(n) is a mean over training sets, R*(P) one over initial weights. Where seeds share their
    data, the first is none over seeds; nor is the second, where risks are measured on a test set.
    """
    if config.data.seed is None:
        return True
    if row["risk_standard_error"] > 0.0:
        return False
    fresh = config.data.kind == "stream" and METHODS[row["method"]].kind is Kind.TRAINED
    return limit is FEATURES or fresh


def _functions(
    config: TrainingConfig, rows: Iterable[dict[Hashable, Any]], limit: Limit
) -> list[float | int]:
    """Returns how many functions' limit bounds the mean of each row; infinite where none does."""
    numbers: list[float | int] = []
    for row in rows:
        counts = METHODS[row["method"]].fixed_functions(config, row)
        holds = _holds_for(limit, config, row)
        numbers.append(getattr(counts, limit.functions) if holds else math.inf)
    return numbers


def add_limits(metrics: pd.DataFrame, config: TrainingConfig) -> pd.DataFrame:
    """Returns the table with its columns of limits filled, NaN where none bounds a row's mean."""
    metrics = metrics.copy()
    rows, problem = metrics.to_dict("records"), config.problem
    for limit in LIMITS:
        if not has_lazy_limit(config):
            metrics[limit.column] = np.nan
            continue
        counts = _functions(config, rows, limit)
        limits = {
            p: float(lazy_limit(int(p), problem.dim, norm=problem.norm, bias=problem.bias))
            for p in sorted(set(counts) - {math.inf})
        }
        metrics[limit.column] = [limits.get(p, math.nan) for p in counts]
    return metrics


def one_limit(table: pd.DataFrame) -> pd.Series:
    """Returns one limit for each row, NaN where none is known.

    Of a network the smaller of its two: what is below it is below both. Of a method that keeps
    its features the larger, by which its own mean risk is bounded.
    """
    limits = table.reindex(columns=[limit.column for limit in LIMITS]).astype("float64")
    moving = [method.key for method in METHODS.values() if not method.keeps_features]
    return limits.min(axis=1).where(table["method"].isin(moving), limits.max(axis=1))


def limit_curve(config: TrainingConfig, most: int) -> pd.DataFrame:
    """Returns R*(p) for numbers p of fixed functions; no rows where no bound is known.

    Args:
      config: of a training run.
      most: the largest p.

    Returns:
      Columns ``num_features`` and ``risk``.
    """
    counts = np.unique(np.geomspace(1, max(most, 2), _CURVE_POINTS).astype(int))
    if not has_lazy_limit(config):
        counts = counts[:0]
    problem = config.problem
    risks = lazy_limit(counts, problem.dim, norm=problem.norm, bias=problem.bias)
    return pd.DataFrame({"num_features": counts, "risk": risks})
