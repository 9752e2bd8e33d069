"""Expected risks beside measured ones, where the kernels' spectra are known."""

from typing import Any

import numpy as np
from ml_collections import ConfigDict

from rf_limits.models.network import make_network
from rf_limits.models.zonal_kernels import has_zonal_kernels, zonal_kernels
from rf_limits.problem.target import Target
from rf_limits.theory import coefficients_by_degree, kernel_regression_risk, random_features_risk

THEORY = "theory"
"""Suffix of the methods of theory rows, as in "nngp_theory"."""
_DEGREES = 400
_BETWEEN = 20  # numbers of samples at which theory is drawn, between the smallest and largest


def theory_rows(
    config: ConfigDict, target: Target, second_moment: float | int
) -> list[dict[str, Any]]:
    """Rows ``<method>_theory``: risk and training loss at the config's n and between them.

    For ReLU without biases and dimension at least 2; else none. Sources:
    :mod:`rf_limits.theory.random_features_regression`, :mod:`rf_limits.theory.kernel_regression`.

    Args:
      config: large_config.
      target: f*.
      second_moment: E f*^2.
    """
    network = make_network(1, activation=config.model.activation, use_bias=config.model.bias)
    problem = config.problem
    if not has_zonal_kernels(network) or problem.dim < 2:
        return []
    nums = np.array(config.nums_train, dtype=float)
    between = np.geomspace(nums.min(), nums.max(), _BETWEEN)
    nums = np.unique(np.round(np.append(nums, between)).astype(int))
    kernels = zonal_kernels(network, problem.dim, _DEGREES)
    known = coefficients_by_degree(target, _DEGREES, second_moment, problem.inputs)
    options = {"ridge": config.ridge, "noise": problem.noise}
    rows = []
    for method in config.methods:
        if method == "random_features":
            for width in config.widths:
                found = random_features_risk(kernels["nngp"], known, nums, width, **options)
                rows += _rows(method, width, nums, found)
        else:
            found = kernel_regression_risk(kernels[method], known, nums, **options)
            rows += _rows(method, None, nums, found)
    return rows


def _rows(method: str, width: int | None, nums: np.ndarray, found: Any) -> list[dict[str, Any]]:
    return [
        {
            "method": f"{method}_{THEORY}",
            "width": width,
            "num_train": int(n),
            "risk": float(risk),
            "train_loss": float(loss),
        }
        for n, risk, loss in zip(nums, found.risk, found.train_risk, strict=True)
    ]
