"""Population risks by hand and against simulation."""

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.problem import SingleNeuron
from rf_limits.theory.population_risk import mean_square_difference, population_risk
from rf_limits.theory.relu_moments import ReluSum


def neuron():
    """relu(x_1) in three dimensions."""
    return SingleNeuron.create(jnp.array([1.0, 0.0, 0.0]), 1.0, 0.0)


def test_risk_by_hand():
    # f = 2 relu(x_2): E f^2 = 2, E f f* = 2/(2 pi), E f*^2 = 1/2
    f = ReluSum(jnp.array([[0.0, 1.0, 0.0]]), None, jnp.array([2.0]))
    assert abs(population_risk(f, neuron(), 0.5) - (2.5 - 2.0 / np.pi)) < 1e-12
    # x_1 = relu(x_1) - relu(-x_1): risk of the linear function x_1/2 is 1/4
    g = ReluSum(jnp.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]), None, jnp.array([0.5, -0.5]))
    assert abs(population_risk(g, neuron(), 0.5) - 0.25) < 1e-12
    # the target itself, written with a gradient feature: 1[x_1 > 0] x_1
    h = ReluSum(jnp.array([[2.0, 0.0, 0.0]]), None, jnp.zeros(1), jnp.array([[1.0, 0.0, 0.0]]))
    assert abs(population_risk(h, neuron(), 0.5)) < 1e-15


def test_sum_of_parts_is_one_sum(key):
    w, a = jax.random.normal(key, (6, 3)), jnp.arange(6.0)
    whole = ReluSum(w, None, a)
    parts = (ReluSum(w[:2], None, a[:2]), ReluSum(w[2:], None, a[2:]))
    np.testing.assert_allclose(
        population_risk(parts, neuron(), 0.5), population_risk(whole, neuron(), 0.5), rtol=1e-13
    )
    assert mean_square_difference(whole, parts) < 1e-11


def test_mean_square_difference_against_simulation(key):
    w, v = jax.random.normal(key, (2, 5, 3))
    f = ReluSum(w, None, jnp.arange(5.0))
    g = ReluSum(v, None, jnp.ones(5), v[::-1])
    x = jax.random.normal(jax.random.fold_in(key, 1), (400_000, 3))
    values = (f(x) - g(x)) ** 2
    error = float(jnp.std(values)) / np.sqrt(values.size)
    # 6 standard errors: false alarm below 1e-8
    assert abs(float(jnp.mean(values) - mean_square_difference(f, g))) < 6 * error
