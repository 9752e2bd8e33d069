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
from rf_limits.errors import RequirementError
from rf_limits.methods import METHODS, Kind
from rf_limits.problem import make_problem
from rf_limits.theory.bounds.rotated_family import Family, HasFamily, family_of
from rf_limits.theory.spectra.zonal import ByDegree

UNKNOWN = (
    "No lazy limit R* bounds these means: d = 1, a target of one's own that does not know its "
    "degrees, or a test set that all seeds share."
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


def lazy_family(config: TrainingConfig) -> Family | None:
    """Returns the family f*(O x) whose limits a training run has, or None where there are none.

    There are none for d = 1, for biased teachers on a circle, whose second moment is not known, and
    for a target of a user's own that does not know its degrees.
    """
    problem = make_problem(**vars(config.problem))
    if not isinstance(problem.target, HasFamily | ByDegree):
        return None
    try:
        family = family_of(problem.target, problem.inputs)
        family.limit(0)
    except (RequirementError, NotImplementedError):
        return None
    return family


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
    rows, family = metrics.to_dict("records"), lazy_family(config)
    for limit in LIMITS:
        if family is None:
            metrics[limit.column] = np.nan
            continue
        counts = _functions(config, rows, limit)
        limits = {p: family.limit(int(p)) for p in sorted(set(counts) - {math.inf})}
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
    family = lazy_family(config)
    if family is None:
        counts = counts[:0]
    risks = [] if family is None else [family.limit(int(p)) for p in counts]
    return pd.DataFrame({"num_features": counts, "risk": np.array(risks, np.float64)})
