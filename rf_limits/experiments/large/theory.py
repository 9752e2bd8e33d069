"""Expected risks beside measured ones, where the kernels' spectra are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.errors import RequirementError
from rf_limits.experiments.large.configs import LargeConfig
from rf_limits.experiments.large.plan import is_kernel
from rf_limits.methods import NNGP
from rf_limits.models.zonal_kernels import has_zonal_kernels, zonal_kernels
from rf_limits.problem import Problem
from rf_limits.theory import (
    LearningCurve,
    kernel_regression_risk,
    random_features_risk,
)

THEORY = "theory"
"""Suffix of the methods of theory rows, as in "nngp_theory"."""
DEGREES = 400
_BETWEEN = 20  # numbers of samples at which theory is drawn, between the smallest and largest


def curve_or_refusal(
    expected: Callable[..., LearningCurve], *arguments: Any, **options: Any
) -> tuple[LearningCurve | None, str | None]:
    """A learning curve, or None, and what is to be said of it.

    Args:
      expected: computes it.
      *arguments: of ``expected``.
      **options: of ``expected``.

    Returns:
      The curve and its remark, None where there is none to make; where the mean risk is infinite
      no curve, and why.
    """
    try:
        found = expected(*arguments, **options)
    except RequirementError as refusal:
        return None, f"No theory: {refusal}"
    return found, found.remark or None


def around_peak(features: int, low: int, high: int) -> np.ndarray:
    """Numbers of samples that show the peak of random features: at n = N, and ever closer to it.

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
    """A line for every different remark about theory, with the methods that it is about.

    Args:
      metrics: a table with theory rows; ``theory_remark`` may be missing.
    """
    if "theory_remark" not in metrics:
        return []
    held = metrics[metrics["theory_remark"].notna()]
    return [
        f"{', '.join(dict.fromkeys(group['method']))}: {remark}"
        for remark, group in held.groupby("theory_remark", sort=False)
    ]


def theory_rows(config: LargeConfig, problem: Problem) -> list[dict[str, Any]]:
    """Returns rows ``<method>_theory``: risk and training loss at the config's n and between them.

    For ReLU without biases and dimension at least 2; else none. Sources:
    :mod:`rf_limits.theory.regression.random_features_regression`,
    :mod:`rf_limits.theory.regression.kernel_regression`.

    Args:
      config: large_config.
      problem: what is learned.

    Returns:
      The rows; of a method whose mean risk is infinite one row without a risk, which says so.
    """
    network = config.network()
    if not has_zonal_kernels(network) or problem.dim < 2:
        return []
    nums = np.array(config.nums_train, dtype=float)
    between = np.geomspace(nums.min(), nums.max(), _BETWEEN)
    nums = np.unique(np.round(np.append(nums, between)).astype(int))
    kernels = zonal_kernels(network, problem.dim, DEGREES)
    target = problem.by_degree(DEGREES)
    options = {"inputs": problem.inputs, "ridge": config.ridge, "noise": problem.noise}
    rows = []
    for method in config.methods:
        if is_kernel(method):
            found = curve_or_refusal(
                kernel_regression_risk, kernels[method], target, nums, **options
            )
            rows += _rows(method, None, nums, *found)
            continue
        for width in config.widths:
            counts = np.union1d(nums, around_peak(width, int(nums[0]), int(nums[-1])))
            found = curve_or_refusal(
                random_features_risk, kernels[NNGP.key], target, counts, width, **options
            )
            rows += _rows(method, width, counts, *found)
    return rows


def _rows(
    method: str,
    width: int | None,
    nums: np.ndarray,
    found: LearningCurve | None,
    remark: str | None,
) -> list[dict[str, Any]]:
    common = {"method": f"{method}_{THEORY}", "width": width, "theory_remark": remark}
    if found is None:
        return [{**common, "num_train": int(nums[0]), "risk": np.nan, "train_loss": np.nan}]
    return [
        {**common, "num_train": int(n), "risk": float(risk), "train_loss": float(loss)}
        for n, risk, loss in zip(nums, found.risk, found.train_risk, strict=True)
    ]
