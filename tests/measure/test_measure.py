"""Measurements by hand, and exact risks against simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.measure.kernel import kernel_alignment, kernel_drift
from rf_limits.measure.movement import activation_flips, movement
from rf_limits.measure.risk import ExactRisk, Risk, SampledRisk, risk_is_exact, sampled_risk
from rf_limits.measure.scaling import power_law
from rf_limits.models import ScaledNetwork, change_of, hidden_state, make_network
from rf_limits.problem import Problem, make_target
from tests.models.drawn import drawn_params
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

DIM, DRAWS = 5, 300_000
NORMS = rounding(16)  # of two norms of up to 4 numbers their quotient, here and in the reference


def params_of(kernel, output, bias=None):
    """A parameter tree from arrays."""
    inner = {"hidden_kernel": np.asarray(kernel), "output_kernel": np.asarray(output)}
    if bias is not None:
        inner["hidden_bias"] = np.asarray(bias)
    return {"params": inner}


def test_movement_by_hand():
    before = params_of([[3.0, 0.0], [4.0, 1.0]], [1.0, 1.0])
    after = params_of([[3.0, 0.0], [4.0, 3.0]], [1.0, 0.0])
    found = jax.jit(movement)(change_of(after, before), before)
    expected = (2 / np.sqrt(26), 1 / np.sqrt(2), 2.0)
    np.testing.assert_allclose(found, expected, rtol=NORMS)


def test_movement_counts_biases():
    before = params_of([[3.0]], [1.0], bias=[4.0])
    after = params_of([[3.0]], [1.0], bias=[5.0])
    np.testing.assert_allclose(
        jax.jit(movement)(change_of(after, before), before).weight_movement, 0.2, rtol=NORMS
    )


def test_movement_of_sizes_whose_squares_vanish():
    before = params_of([[3.0, 0.0], [4.0, 1.0]], [1.0, 1.0])
    by = params_of([[0.0, 0.0], [0.0, 2e-200]], [0.0, -1e-200])
    found = jax.jit(movement)(by, before)
    expected = (2e-200 / np.sqrt(26), 1e-200 / np.sqrt(2), 2e-200)
    np.testing.assert_allclose(found, expected, rtol=NORMS)
    assert not np.any(jax.jit(movement)(jax.tree.map(jnp.zeros_like, by), before))


def test_drift_and_alignment_by_hand():
    y, one = np.array([1.0, -2.0]), np.eye(2)
    np.testing.assert_allclose(jax.jit(kernel_drift)(3 * one, one), 2.0, rtol=NORMS)
    align = jax.jit(kernel_alignment)
    np.testing.assert_allclose(align(np.outer(y, y), y), 1.0, rtol=NORMS)
    np.testing.assert_allclose(align(one, y), 1 / np.sqrt(2), rtol=NORMS)


def test_flips_by_hand():
    network = make_network(2)

    @jax.jit
    def flips(after, before):
        return activation_flips(*(hidden_state(network, p, jnp.eye(2)) for p in (after, before)))

    before = params_of([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0])
    after = params_of([[1.0, -1.0], [1.0, 1.0]], [1.0, 1.0])
    assert flips(after, before) == 0.25


@pytest.mark.parametrize("centring", kept(["none", "subtract"], ["subtract"]))
@pytest.mark.parametrize("use_bias", kept([False, True], [True]))
@pytest.mark.parametrize("kind", kept(["single_neuron", "polynomial"], ["single_neuron"]))
@pytest.mark.parametrize("parameterization", kept(["ntk", "standard"], ["standard"]))
def test_exact_risk_matches_simulation(key, centring, use_bias, kind, parameterization):
    """Network, linearization and gap, on the same inputs: exact against a large test set."""
    network = make_network(
        12, use_bias=use_bias, parameterization=parameterization, centring=centring
    )
    target = make_target(key, kind, dim=DIM)
    rng = np.random.default_rng(0)
    init, noise = (drawn_params(network, DIM, seed) for seed in (1, 2))
    change = jax.tree.map(lambda leaf: 0.3 * leaf, noise)
    linear = jax.tree.map(lambda leaf: -0.2 * leaf, noise)

    @jax.jit
    def risks(f, change, linear, x):
        exact, sampled = ExactRisk(Problem(target)), SampledRisk(x, target(x))
        both = [(one.network(f, change), one.linearized(f, linear)) for one in (exact, sampled)]
        square = (f.after(change, x) - f.linearized_after(linear, x)) ** 2
        return *both, exact.gap(f, change, linear), jnp.mean(square), jnp.std(square)

    f, x = ScaledNetwork(network, init, 1.7), rng.normal(size=(DRAWS, DIM))
    exact, sampled, gap, mean, std = risks(f, change, linear, x)
    for found, estimate in zip(exact, sampled, strict=True):
        # 6 standard errors: false alarm below 1e-8
        assert abs(found.risk - estimate.risk) < 6 * estimate.standard_error
        assert found.standard_error == 0.0
    assert abs(gap**2 - mean) < 6 * std / DRAWS**0.5


def test_risk_on_the_sphere_is_exact_without_biases(key):
    network, target = make_network(12), make_target(key, "single_neuron", dim=DIM)
    problem = Problem(target, "sphere")
    assert risk_is_exact(network, problem)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(DRAWS, DIM))
    x *= DIM**0.5 / np.linalg.norm(x, axis=1, keepdims=True)

    @jax.jit
    def risks(f, x):
        pair = ExactRisk(problem), SampledRisk(x, target(x))
        still = jax.tree.map(jnp.zeros_like, f.init)
        return [one.network(f, still) for one in pair]

    found, estimate = risks(ScaledNetwork(network, drawn_params(network, DIM, 1)), x)
    assert abs(found.risk - estimate.risk) < 6 * estimate.standard_error


def test_when_risk_is_exact(key):
    plain, biased = make_network(4), make_network(4, use_bias=True)
    neuron = make_target(key, "single_neuron", dim=DIM)
    shifted = make_target(key, "single_neuron", dim=DIM, bias=1.0)
    polynomial = make_target(key, "polynomial", dim=DIM)
    assert risk_is_exact(biased, Problem(shifted))
    assert risk_is_exact(plain, Problem(polynomial))
    assert not risk_is_exact(make_network(4, activation="erf"), Problem(neuron))
    for network, target in [(biased, neuron), (plain, shifted), (plain, polynomial)]:
        assert not risk_is_exact(network, Problem(target, "sphere"))


def test_sampled_risk_by_hand():
    found = jax.jit(sampled_risk)(np.array([1.0, 2.0]), np.zeros(2))
    assert found.risk == 2.5
    np.testing.assert_allclose(found.standard_error, 1.5, rtol=NORMS)


def test_power_law():
    x = np.array([2.0, 4.0, 8.0, 16.0])
    exponent, error = power_law(x, 3.0 * x**-0.5)
    # a slope moves by at most twice what each of the logarithms, of size 3, is rounded by
    line = 3.0 * rounding(2 * x.size + LIBRARY, condition=2.0)
    assert abs(exponent + 0.5) < line
    assert error < line
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
