"""Warnings about what rounding and ill-conditioned systems did to training runs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rf_limits.analysis.tables import ROUNDING_LIMIT, final_rows, printed_name, rounded
from rf_limits.methods import NETWORK
from rf_limits.remarks import Remark
from rf_limits.table import short_number

_SAME = 1e-12
_ROUNDED = 1e-3  # of the target's size: where rounding of outputs is said


def unmoved(metrics: pd.DataFrame, labels: Sequence[str] = ()) -> pd.DataFrame:
    """Returns final rows of networks with the training loss of their first row, to 12 digits."""
    networks = NETWORK.rows(metrics)
    keys = [*labels, "width", "lazy_scale", "seed"]
    first = networks.sort_values("step").groupby(keys, dropna=False)["train_loss"].first()
    final = final_rows(networks, labels).set_index(keys)
    change = (final["train_loss"] - first).abs() <= _SAME * first
    return final[(change & (final["step"] > 0)).fillna(False).to_numpy(bool)].reset_index()


def _rounding(metrics: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """Returns warnings where nothing was trained, or rounding decided how training ended."""
    still = unmoved(metrics, labels)
    text = f"{len(still)} networks end with the training loss they began with; a larger "
    text += "training.learning_rate may move them."
    lines: list[str] = [Remark(text, "UNMOVED")] * (len(still) > 0)
    final = final_rows(metrics, labels)
    keys = [*labels, "method", "width", "lazy_scale", "seed"]
    moved = ~pd.MultiIndex.from_frame(final[keys]).isin(pd.MultiIndex.from_frame(still[keys]))
    bad = final[rounded(final) & moved]
    if not len(bad):
        return lines
    scales = ", ".join(f"{scale:g}" for scale in sorted(bad["lazy_scale"].unique()))
    text = (
        f"{len(bad)} networks (lazy scales {scales}) end where more than "
        f"{ROUNDING_LIMIT:.0%} of a training step is rounded away; exponents leave them out. "
        "An output that starts at zero (model.centring) is rounded less, and in float64."
    )
    return [*lines, Remark(text, "ROUNDING")]


def _refusals(metrics: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """Returns a line for every fitted predictor that was too ill-conditioned to be solved."""
    if "ridge_needed" not in metrics:
        return []
    lines: list[str] = []
    bad = metrics[metrics["ridge_needed"].astype("float64") > 0.0]
    keys = ["method", *labels, "width"]
    for (method, *values), group in bad.groupby(keys, dropna=False, sort=True):
        names = (printed_name(name) for name in keys[1:])
        pairs = zip(names, values, strict=True)
        where = ", ".join(f"{name} = {value}" for name, value in pairs if not pd.isna(value))
        seeds = f"{len(group)} fits" if len(group) > 1 else "1 fit"
        text = (
            f"{method}{f' at {where}' if where else ''} ({seeds}): condition number "
            f"{short_number(group['condition_number'].max())}, too ill-conditioned to be solved; "
            f"predictors.ridge above {short_number(group['ridge_needed'].max())} makes it solvable."
        )
        lines.append(Remark(text, "REFUSED"))
    return lines


def training_warnings(metrics: pd.DataFrame, labels: Sequence[str] = ()) -> list[str]:
    """Returns lines where nothing was trained, rounding decided the end, or a fit was refused.

    Args:
      metrics: table of training runs.
      labels: columns that tell runs apart.
    """
    return _rounding(metrics, labels) + _refusals(metrics, labels)


def solver_warnings(choices: Mapping[str, Any]) -> list[str]:
    """Returns lines on how right outputs are that are integrated, or do not start at zero.

    Args:
      choices: of a training run.
    """
    lines, solver = [], choices.get("solver")
    if solver:
        rtol, atol = solver["rtol"], solver["atol"]
        square = max(choices["target_second_moment"], choices["output_start"] ** 2)
        floor = max(rtol, 10.0 * atol) ** 2 * square
        lines.append(
            f"Gradient flow: steps of the solver are right to rtol = {rtol:g} of the change of "
            f"weights, and atol = {atol:g} over max(scale, 1); training losses below "
            f"{short_number(floor)} may be its error."
        )
    lost = choices.get("output_rounding", 0.0)
    if lost > _ROUNDED * math.sqrt(choices["target_second_moment"]):
        text = (
            f"outputs that do not start at zero are rounded to about {lost:.0e} at the "
            "largest lazy scale, those of linearizations too; model.centring takes f_0 off."
        )
        lines.append(Remark(text, "ROUNDING"))
    return lines
