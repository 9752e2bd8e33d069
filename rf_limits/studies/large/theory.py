"""Expected risks of features and kernels beside those of the fits."""

from functools import partial

import numpy as np
import pandas as pd

from rf_limits.analysis.expected_risks import DEGREES, around_peak, curve_rows
from rf_limits.methods import METHODS, NNGP
from rf_limits.models.zonal_kernels import has_zonal_kernels, zonal_kernels
from rf_limits.problem import Problem
from rf_limits.studies.large.configs import LargeConfig
from rf_limits.studies.large.plan import is_kernel
from rf_limits.theory import kernel_regression_risk, random_features_risk

_BETWEEN = 20  # numbers of samples at which theory is drawn, between the smallest and largest


def theory_rows(config: LargeConfig, problem: Problem) -> pd.DataFrame:
    """Computes risks and training losses of theory at the config's n and between them.

    They are known for ReLU without biases and dimension at least 2. Sources:
    :mod:`rf_limits.theory.regression.random_features_regression`,
    :mod:`rf_limits.theory.regression.kernel_regression`.

    Args:
      config: of the experiment.
      problem: its target.

    Returns:
      Rows of :func:`~rf_limits.analysis.expected_risks.curve_rows`; none where the kernels'
      spectra are not known.
    """
    network = config.network()
    dim, inputs = config.problem.dim, config.problem.inputs
    if not has_zonal_kernels(network) or dim < 2:
        return pd.DataFrame()
    nums = np.array(config.nums_train, dtype=float)
    between = np.geomspace(nums.min(), nums.max(), _BETWEEN)
    nums = np.unique(np.round(np.append(nums, between)).astype(int))
    kernels = zonal_kernels(network, dim, DEGREES)
    target = problem.by_degree(DEGREES)
    ridge, noise = config.ridge, config.problem.noise
    tables = []
    for key in config.methods:
        method = METHODS[key]
        if is_kernel(key):
            sizes = (kernels[key], target, nums)
            curve = partial(kernel_regression_risk, *sizes, inputs=inputs, ridge=ridge, noise=noise)
            tables.append(curve_rows(method, None, nums, curve))
        for width in () if is_kernel(key) else config.widths:
            counts = np.union1d(nums, around_peak(width, int(nums[0]), int(nums[-1])))
            features = (kernels[NNGP.key], target, counts, width)
            curve = partial(
                random_features_risk, *features, inputs=inputs, ridge=ridge, noise=noise
            )
            tables.append(curve_rows(method, width, counts, curve))
    return pd.concat(tables, ignore_index=True)
