"""Lazy limits of several runs: how many fixed functions each had, and the limit of each problem."""

import json
import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from rf_limits.analysis.limits import LIMITS, SECOND_MOMENT, limit_curve
from rf_limits.analysis.tables import CELL, final_rows
from rf_limits.config.training import TrainingConfig
from rf_limits.methods import METHODS
from rf_limits.report.configuration import without_unknown
from rf_limits.studies import Training


def _number(config: TrainingConfig, row: Mapping[Hashable, Any]) -> float:
    """Counts the functions that the row's :func:`~rf_limits.analysis.limits.one_limit` is for.

    NaN stands for a row without a limit.
    """
    method = METHODS[row["method"]]
    functions = method.fixed_functions(config, row)
    holds = (limit for limit in LIMITS if not pd.isna(row.get(limit.column)))
    counts = [getattr(functions, limit.functions) for limit in holds]
    if not counts:
        return math.nan
    return float(min(counts) if method.keeps_features else max(counts))


def with_limits(
    table: pd.DataFrame, configs: Mapping[str, Mapping[str, Any]]
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Returns the ends of runs with the number of their fixed functions, and limits to draw.

    Args:
      table: of :func:`rf_limits.sweeps.compare.gather`.
      configs: contents of config.json by the name of the run.

    Returns:
      Final rows with a column ``fixed_functions``, NaN where no limit bounds the mean; for every
      problem ``num_features`` and the limit's relative risk ``risk``.
    """
    final = final_rows(table, (CELL,))
    final = final[final["method"].isin(METHODS)]
    resolved = {
        name: Training.from_json(without_unknown(Training, config)[0])
        for name, config in configs.items()
    }
    counts = [_number(resolved[r[CELL]], r) for r in final.to_dict("records")]
    final = final.assign(fixed_functions=counts)
    limits: dict[str, pd.DataFrame] = {}
    for name, rows in final.groupby(CELL):
        problem = configs[name]["problem"]
        same = json.dumps([problem[key] for key in ("target", "dim", "norm", "bias", "inputs")])
        if same not in limits:
            curve = limit_curve(resolved[name], int(max([2.0, *final["fixed_functions"].dropna()])))
            limits[same] = curve.assign(risk=curve["risk"] / rows[SECOND_MOMENT].iloc[0])
    return final, [limit for limit in limits.values() if len(limit)]
