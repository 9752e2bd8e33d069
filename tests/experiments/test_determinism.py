"""A network is the same network alone and among others (docs/determinism.md)."""

import numpy as np
import pandas as pd
import pytest

from rf_limits import default_config, train
from rf_limits.analysis.tables import KEYS
from rf_limits.training.run import prepare
from tests.experiments.conftest import small_config
from tests.rounding import rounding

VECTORIZED = 1e-9
"""Relative tolerance of docs/determinism.md for networks in float64 stepped at once."""


def of(ensemble, scales, seeds, precision="float64"):
    """Rows of networks and linearizations of a small run."""
    config = small_config()
    config.problem.dim, config.data.num_train, config.data.num_test = 3, 20, 40
    config.model.widths, config.model.lazy_scales, config.seeds = (6,), scales, seeds
    config.training.steps, config.precision = 40, precision
    config.training.ensemble, config.measure.max_degree = ensemble, -1
    config.predictors.methods = ("network", "linearized")
    return prepare(config).run().metrics


def member(table, scale=0.5, seed=0):
    chosen = (table["lazy_scale"] == scale) & (table["seed"] == seed)
    return table[chosen].sort_values(list(KEYS)).reset_index(drop=True)


@pytest.fixture(scope="module")
def alone():
    return of("map", (0.5,), 1)


def test_mapped_networks_are_those_alone_to_the_last_bit(alone):
    among = of("map", (0.5, 10.0), 3)
    pd.testing.assert_frame_equal(member(among), member(alone), check_exact=True)


def test_vectorized_networks_are_those_alone_to_rounding(alone):
    among = member(of("vmap", (0.5, 10.0), 3))
    assert list(among["step"]) == list(member(alone)["step"])
    for name in ("risk", "train_loss", "weight_movement", "kernel_drift"):
        np.testing.assert_allclose(
            among[name].astype(float),
            member(alone)[name].astype(float),
            rtol=VECTORIZED,
            atol=rounding(100),  # of what starts at 0: sums of 100 terms of size 1
        )


def test_the_same_again(alone):
    pd.testing.assert_frame_equal(of("map", (0.5,), 1), alone, check_exact=True)


@pytest.mark.slow
def test_neurons_come_to_rest_on_kinks():
    """Where rounding alone opens their gates: pairs of a neuron and a training point at 1e-12.

    Of random weights one pair in 1e12 is that close.
    """
    config = default_config()
    config.problem.dim, config.data.num_train, config.data.num_test = 20, 16, 10
    config.model.widths, config.model.lazy_scales, config.seeds = (64,), (0.1,), 1
    config.training.steps, config.training.log_points, config.precision = 600, 2, "float64"
    config.predictors.methods, config.measure.max_degree = ("network",), -1
    result = train(config)
    x = np.asarray(result.data().x_train)

    def resting(params):
        weights = np.asarray(params["params"]["hidden_kernel"])
        sizes = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(weights, axis=0)
        return np.sum(np.abs(x @ weights) < 1e-12 * sizes)

    trained, init = result.params("network", width=64, lazy_scale=0.1)
    assert result.metrics["train_loss"].min() < 1e-25
    assert resting(init) == 0
    assert resting(trained) >= 5
