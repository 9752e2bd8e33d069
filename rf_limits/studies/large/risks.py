"""Risks of the fits of a large job: exact where they are known, else on a test set."""

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.measure.kernel_risk import exact_kernel_risk
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.measure.risk import sampled_risk
from rf_limits.measure.tiled_kernel_risk import tiled_kernel_risk
from rf_limits.models.features import random_features
from rf_limits.models.scaled_network import ScaledNetwork
from rf_limits.problem import Problem
from rf_limits.problem.seeds import streams
from rf_limits.regression.streamed.feature_data import FeatureData
from rf_limits.regression.streamed.kernel_tiles import KernelData
from rf_limits.regression.streamed.stream import SampleStream
from rf_limits.studies.large.configs import LargeConfig

_TEST_ROWS = 256


def feature_risk(
    config: LargeConfig, problem: Problem, data: FeatureData, theta: np.ndarray, seed: int
) -> tuple[float, float]:
    """Returns the risk of sum_i theta_i phi_i and its standard error."""
    exact, weights = exact_risk(data.network, problem), jnp.asarray(theta)
    if exact is not None:
        f = ScaledNetwork(data.network, data.params)
        risk = jax.jit(exact.random_features)(f, weights)
    else:
        x, y = _test_set(config, problem, seed)
        predict = jax.jit(lambda rows: random_features(data.network, data.params, rows) @ weights)
        parts = [predict(x[i : i + _TEST_ROWS]) for i in range(0, len(x), _TEST_ROWS)]
        risk = sampled_risk(jnp.concatenate(parts), y)
    return float(risk.risk), float(risk.standard_error)


def kernel_risk(
    config: LargeConfig, problem: Problem, data: KernelData, c: np.ndarray, seed: int
) -> tuple[float, float]:
    """Returns the risk of sum_i c_i k(x, x_i) and its standard error."""
    exact = exact_kernel_risk(data.network, problem)
    if exact is not None:
        return tiled_kernel_risk(exact, data.name, data.x, c), 0.0
    x, y = _test_set(config, problem, seed)
    risk = sampled_risk(jnp.asarray(data.product(c, x)), y)
    return float(risk.risk), float(risk.standard_error)


def _test_set(config: LargeConfig, problem: Problem, seed: int) -> tuple[np.ndarray, jax.Array]:
    """Draws inputs that no training set shares, with noise-free target values."""
    stream = SampleStream(problem.noiseless, config.num_test, config.block_size)
    x, _ = stream.collect(streams(seed).batches)
    return x, problem.target(jnp.asarray(x))
