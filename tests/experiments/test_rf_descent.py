"""Random features trained by the network's own steps, beside the network."""

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.training.run import prepare
from rf_limits.training.validation import validate
from tests.experiments.conftest import small_config
from tests.rounding import LIBRARY, rounding
from tests.variants import kept


def stream(
    trainable="both", output_init="gaussian", methods=("network", "rf_descent"), exact=False
):
    """One-pass training of one width on fresh samples."""
    config = small_config()
    config.data.kind, config.training.batch_size = "stream", 16
    config.problem.noise = 0.1
    config.model.widths, config.model.lazy_scales = (32,), (1.0,)
    config.model.trainable, config.model.output_init = trainable, output_init
    config.model.bias, config.measure.max_degree = True, -1
    config.training.learning_rate = "0.5"
    config.training.steps = 40
    config.precision, config.measure.exact = "float64", exact
    config.predictors.methods = methods
    return config


def rows(config, method):
    """Rows of one method, by step and seed."""
    metrics = prepare(config).run().metrics
    return metrics[metrics["method"] == method].sort_values(["seed", "step"])


@pytest.fixture(scope="module", params=kept([False, True], [False]), ids=["sampled", "exact"])
def exact(request):
    """Whether risks are exact, which takes long to compile."""
    return request.param


@pytest.fixture(scope="module")
def both(exact):
    """Network and features together, outputs starting at zero."""
    return prepare(stream(output_init="zero", exact=exact)).run().metrics


# A step: an output of 32 neurons in 5 dimensions, a mean of 16 gradients, the update.
STEPS = 40 * (32 + 5 + 16 + 10)


def test_it_is_the_network_with_only_its_output_trained(both, exact):
    alone = rows(stream("output", "zero", methods=("network",), exact=exact), "network")
    beside = both[both["method"] == "rf_descent"].sort_values(["seed", "step"])
    moved = alone["output_movement"].to_numpy()
    np.testing.assert_allclose(beside["output_movement"], moved, rtol=rounding(STEPS))
    # f is N^(-1/2) sum_i u_i relu(h_i), E relu(h_i)^2 = 1: its terms have sum |u| at most
    size = 1.0 + np.sqrt(32) * moved
    for column in ("risk", "train_loss"):
        square = size if exact else np.sqrt(alone[column].to_numpy())
        error = np.abs(beside[column].to_numpy() - alone[column].to_numpy())
        assert np.all(error <= rounding(STEPS) * 2.0 * size * square)
    assert np.all(beside["weight_movement"] == 0.0)


def test_the_gap_is_a_distance_between_the_two(both, exact):
    """|root risk_1 - root risk_2| <= gap <= their sum."""
    network = both[both["method"] == "network"].sort_values(["seed", "step"])
    features = both[both["method"] == "rf_descent"].sort_values(["seed", "step"])
    roots = np.sqrt(network["risk"].to_numpy()), np.sqrt(features["risk"].to_numpy())
    gap = network["rf_gap"].to_numpy()
    # risks and squares of gaps are differences of terms of the size of these
    moved = max(one["output_movement"].max() for one in (network, features))
    size = 1.0 + np.sqrt(32) * (1.0 + moved)
    room = rounding(4 * 32 + LIBRARY) * size**2 if exact else rounding(200) * roots[0].max() ** 2
    assert np.all(gap**2 >= (roots[0] - roots[1]) ** 2 - room)
    assert np.all(gap**2 <= (roots[0] + roots[1]) ** 2 + room)
    assert np.all(gap[network["step"] == 0] == 0.0)
    assert np.all(gap[network["step"] == 40] > 1e-3)


@pytest.mark.slow
def test_a_network_that_only_trains_its_output_has_no_gap():
    network = rows(stream("output"), "network")
    size = np.sqrt(32) * (1.0 + network["output_movement"].max())
    assert np.all(network["rf_gap"] < rounding(STEPS) * 2.0 * size)


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
