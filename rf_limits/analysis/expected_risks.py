"""Learning curves of theory beside measured risks, where the kernels' spectra are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.errors import RequirementError
from rf_limits.methods import Method
from rf_limits.theory import LearningCurve

THEORY = "theory"
"""Suffix of the methods of theory rows, as in "nngp_theory"."""
DEGREES = 400


def curve_rows(
    method: Method, width: int | None, nums: np.ndarray, curve: Callable[[], LearningCurve]
) -> pd.DataFrame:
    """Computes the rows of a learning curve for the table of a study.

    Args:
      method: whose expected risks it has.
      width: N; None for kernels.
      nums: numbers of samples.
      curve: computes the expected risks at these.

    Returns:
      Columns method, num_train, risk, train_loss, bias, width (not for kernels) and theory_remark
      (where there is one). Where the mean risk is infinite, one row without a risk, which says so.
    """
    columns: dict[str, Any] = {}
    try:
        risks = curve()
    except RequirementError as refusal:
        columns = {"num_train": nums[:1], "risk": [np.nan]}
        remark = f"No theory: {refusal}"
    else:
        columns = {"num_train": nums, "risk": risks.risk, "train_loss": risks.train_risk}
        columns["bias"], remark = risks.bias, risks.remark
    table = pd.DataFrame(columns)
    if width is not None:
        table["width"] = width
    if remark:
        table["theory_remark"] = remark
    return table.assign(method=f"{method.key}_{THEORY}")


def around_peak(features: int, low: int, high: int) -> np.ndarray:
    """Returns numbers of samples that show the peak of random features, at n = N.

    Args:
      features: N.
      low: smallest number of samples.
      high: largest.

    Returns:
      N and N +- N/2, N/4, ..., 1, ascending: those from ``low`` to ``high``.
    """
    powers = features * 0.5 ** np.arange(1, np.log2(features) + 1)
    offsets = np.append(np.floor(powers).astype(int), 0)
    counts = np.unique([features - offsets, features + offsets])
    return counts[(counts >= low) & (counts <= high)]


def theory_remarks(metrics: pd.DataFrame) -> list[str]:
    """Returns a line for every different remark about theory, with the methods that it is about.

    Args:
      metrics: a table with theory rows; ``theory_remark`` may be missing.
    """
    if "theory_remark" not in metrics:
        return []
    remarked = metrics[metrics["theory_remark"].notna()]
    return [
        f"{', '.join(dict.fromkeys(group['method']))}: {remark}"
        for remark, group in remarked.groupby("theory_remark", sort=False)
    ]
