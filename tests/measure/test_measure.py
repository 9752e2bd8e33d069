"""Measurements by hand, and exact risks against simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.measure.kernel import kernel_alignment, kernel_drift
from rf_limits.measure.movement import activation_flips, count_parameters, movement
from rf_limits.measure.risk import ExactRisk, Risk, SampledRisk, risk_is_exact, sampled_risk
from rf_limits.measure.scaling import power_law
from rf_limits.models import ScaledOutput, hidden_state, init_params, make_network
from rf_limits.problem import make_target, sample_inputs
from tests.variants import kept

DIM = 5


def params_of(kernel, output, bias=None):
    """A parameter tree from arrays."""
    inner = {"hidden_kernel": jnp.asarray(kernel), "output_kernel": jnp.asarray(output)}
    if bias is not None:
        inner["hidden_bias"] = jnp.asarray(bias)
    return {"params": inner}


def test_movement_by_hand():
    before = params_of([[3.0, 0.0], [4.0, 1.0]], [1.0, 1.0])
    after = params_of([[3.0, 0.0], [4.0, 3.0]], [1.0, 0.0])
    found = movement(after, before)
    assert abs(found.weight_movement - 2 / np.sqrt(26)) < 1e-15
    assert abs(found.output_movement - 1 / np.sqrt(2)) < 1e-15
    assert abs(found.neuron_movement - 2.0) < 1e-15


def test_movement_counts_biases():
    before = params_of([[3.0]], [1.0], bias=[4.0])
    after = params_of([[3.0]], [1.0], bias=[5.0])
    assert abs(movement(after, before).weight_movement - 0.2) < 1e-15


def test_drift_and_alignment_by_hand():
    before = jnp.eye(2)
    assert abs(kernel_drift(3 * before, before) - 2.0) < 1e-15
    y = jnp.array([1.0, -2.0])
    assert abs(kernel_alignment(jnp.outer(y, y), y) - 1.0) < 1e-15
    assert abs(kernel_alignment(jnp.eye(2), y) - 1 / np.sqrt(2)) < 1e-15


def test_flips_by_hand():
    network = make_network(2)
    x = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    before = hidden_state(network, params_of([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0]), x)
    after = hidden_state(network, params_of([[1.0, -1.0], [1.0, 1.0]], [1.0, 1.0]), x)
    assert activation_flips(after, before) == 0.25


@pytest.mark.parametrize("use_bias", [False, True])
def test_parameter_count(key, use_bias):
    network = make_network(7, use_bias=use_bias)
    leaves = jax.tree.leaves(init_params(network, key, DIM))
    assert count_parameters(network, DIM) == sum(leaf.size for leaf in leaves)


@pytest.mark.parametrize("centred", kept([False, True], [True]))
@pytest.mark.parametrize("use_bias", kept([False, True], [True]))
@pytest.mark.parametrize("kind", kept(["single_neuron", "polynomial"], ["single_neuron"]))
@pytest.mark.parametrize("parameterization", kept(["ntk", "standard"], ["standard"]))
def test_exact_risk_matches_simulation(key, centred, use_bias, kind, parameterization):
    """Network, linearization and gap, on the same inputs: exact against a large test set."""
    network = make_network(12, use_bias=use_bias, parameterization=parameterization)
    output = ScaledOutput(network, centred)
    target = make_target(key, kind, dim=DIM)
    init = init_params(network, jax.random.fold_in(key, 1), DIM)
    noise = init_params(network, jax.random.fold_in(key, 2), DIM)
    params = jax.tree.map(lambda a, b: a + 0.3 * b, init, noise)
    linear = jax.tree.map(lambda a, b: a - 0.2 * b, init, noise)
    alpha = jnp.asarray(1.7)
    x = sample_inputs(jax.random.fold_in(key, 3), "gaussian", 300_000, DIM)
    exact = ExactRisk(output, target, target.second_moment("gaussian"))
    sampled = SampledRisk(output, x, target(x))
    for method, point in [("network", params), ("linearized", linear)]:
        found = getattr(exact, method)(point, init, alpha)
        estimate = getattr(sampled, method)(point, init, alpha)
        # 6 standard errors: false alarm below 1e-8
        assert abs(found.risk - estimate.risk) < 6 * estimate.standard_error
        assert found.standard_error == 0.0
    gap = exact.gap(params, linear, init, alpha)
    f, g = output(params, init, alpha, x), output.linearized(linear, init, alpha, x)
    square = (f - g) ** 2
    error = float(jnp.std(square)) / np.sqrt(square.size)
    assert abs(float(gap**2 - jnp.mean(square))) < 6 * error


def test_risk_on_the_sphere_is_exact_without_biases(key):
    network, target = make_network(12), make_target(key, "single_neuron", dim=DIM)
    assert risk_is_exact(network, target, "sphere")
    output = ScaledOutput(network, False)
    init = init_params(network, key, DIM)
    x = sample_inputs(jax.random.fold_in(key, 3), "sphere", 300_000, DIM)
    exact = ExactRisk(output, target, target.second_moment("sphere"))
    found = exact.network(init, init, jnp.asarray(1.0)).risk
    estimate = SampledRisk(output, x, target(x)).network(init, init, jnp.asarray(1.0))
    assert abs(found - estimate.risk) < 6 * estimate.standard_error


def test_when_risk_is_exact(key):
    plain, biased = make_network(4), make_network(4, use_bias=True)
    neuron = make_target(key, "single_neuron", dim=DIM)
    shifted = make_target(key, "single_neuron", dim=DIM, bias=1.0)
    polynomial = make_target(key, "polynomial", dim=DIM)
    assert risk_is_exact(biased, shifted, "gaussian")
    assert risk_is_exact(plain, polynomial, "gaussian")
    assert not risk_is_exact(make_network(4, activation="erf"), neuron, "gaussian")
    for network, target in [(biased, neuron), (plain, shifted), (plain, polynomial)]:
        assert not risk_is_exact(network, target, "sphere")


def test_sampled_risk_by_hand():
    found = sampled_risk(jnp.array([1.0, 2.0]), jnp.zeros(2))
    assert found.risk == 2.5
    assert abs(found.standard_error - 1.5) < 1e-15


def test_power_law():
    x = np.array([2.0, 4.0, 8.0, 16.0])
    exponent, error = power_law(x, 3.0 * x**-0.5)
    assert abs(exponent + 0.5) < 1e-14
    assert error < 1e-12
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        exponent, error = power_law(x, x**-0.5 * np.exp(0.1 * rng.normal(size=4)))
        inside += abs(exponent + 0.5) < 4.303 * error  # t quantile, 2 degrees of freedom
    # 95% intervals: 380 expected, standard deviation 4.4; 6 of them either side
    assert 354 < inside <= 400


def test_columns_hold_no_negative_risk():
    found = Risk(jnp.array([-1e-17, 0.3, jnp.nan]), jnp.zeros(3)).columns()
    np.testing.assert_array_equal(found["risk"], [0.0, 0.3, np.nan])
