"""Random features trained by the network's own steps, beside the network."""

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.experiments.training import prepare
from rf_limits.experiments.validation import validate
from tests.experiments.conftest import small_config


def stream(trainable="both", output_init="gaussian", methods=("network", "rf_descent")):
    """One-pass training of one width on fresh samples."""
    config = small_config()
    config.data.kind, config.training.batch_size = "stream", 16
    config.problem.noise = 0.1
    config.model.widths, config.model.lazy_scales = (32,), (1.0,)
    config.model.trainable, config.model.output_init = trainable, output_init
    config.model.bias = True
    config.training.learning_rate = "0.5"
    config.training.steps = 40
    config.precision = "float64"
    config.predictors.methods = methods
    return config


def rows(config, method):
    """Rows of one method, by step and seed."""
    metrics = prepare(config).run().metrics
    return metrics[metrics["method"] == method].sort_values(["seed", "step"])


@pytest.fixture(scope="module")
def both():
    """Network and features together, outputs starting at zero."""
    return prepare(stream(output_init="zero")).run().metrics


def test_it_is_the_network_with_only_its_output_trained(both):
    alone = rows(stream("output", "zero", methods=("network",)), "network")
    beside = both[both["method"] == "rf_descent"].sort_values(["seed", "step"])
    for column in ("risk", "train_loss", "output_movement"):
        np.testing.assert_allclose(beside[column], alone[column], rtol=1e-12, atol=1e-15)
    assert np.all(beside["weight_movement"] == 0.0)


def test_the_gap_is_a_distance_between_the_two(both):
    """|root risk_1 - root risk_2| <= gap <= their sum."""
    network = both[both["method"] == "network"].sort_values(["seed", "step"])
    features = both[both["method"] == "rf_descent"].sort_values(["seed", "step"])
    roots = np.sqrt(network["risk"].to_numpy()), np.sqrt(features["risk"].to_numpy())
    gap = network["rf_gap"].to_numpy()
    assert np.all(gap >= np.abs(roots[0] - roots[1]) - 1e-9)
    assert np.all(gap <= roots[0] + roots[1])
    assert np.all(gap[network["step"] == 0] < 1e-7)
    assert np.all(gap[network["step"] == 40] > 1e-3)


@pytest.mark.slow
def test_a_network_that_only_trains_its_output_has_no_gap():
    network = rows(stream("output"), "network")
    assert np.all(network["rf_gap"] < 1e-7)


def test_outputs_from_zero(both):
    """Movement of zero outputs is their root mean square; the first step moves them alone."""
    network = both[both["method"] == "network"].sort_values(["seed", "step"])
    first = network[network["step"] == 1]
    assert np.all(first["output_movement"] > 0.0)
    assert np.all(first["weight_movement"] == 0.0)
    assert np.all(network[network["step"] == 40]["weight_movement"] > 0.0)
    names = ["risk", "kernel_drift", "activation_flips", "rf_gap", "rounding_error"]
    assert network[names].notna().all(axis=None)


def test_nothing_else_has_a_gradient():
    with pytest.raises(RequirementError, match="model.trainable must be both or output"):
        validate(stream("hidden", "zero"))
