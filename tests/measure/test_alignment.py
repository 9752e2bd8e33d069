"""Angles between neurons and the target's, by hand and by E f(x) x."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.measure.alignment import alignment
from rf_limits.models import ScaledOutput, init_params, make_network


def params_of(weights, u):
    return {"params": {"hidden_kernel": jnp.asarray(weights).T, "output_kernel": jnp.asarray(u)}}


def test_one_neuron():
    network = make_network(1)
    at = params_of([[3.0, 4.0]], [2.0])
    found = alignment(network, at, at, jnp.asarray(0.5), jnp.array([10.0, 0.0]), centred=False)
    np.testing.assert_allclose(found.effective_angle, np.arctan2(4, 3), rtol=1e-14)
    np.testing.assert_allclose(found.effective_norm, 0.5 * 2.0 * 5.0 / np.sqrt(2) / 10, rtol=1e-14)
    np.testing.assert_allclose(found.best_angle, found.effective_angle)
    assert found.aligned_neurons == 0.0
    assert found.aligned_mass == 0.0


def test_shares():
    """Cosines 1, 0.96, 0.6, -1: two neurons aligned, with mass 1 and 2 of 1 + 2 + 3 + 4."""
    weights = [[1.0, 0.0], [0.96, 0.28], [0.6, 0.8], [-1.0, 0.0]]
    at = params_of(weights, [1.0, -2.0, 3.0, 4.0])
    network = make_network(4)
    found = alignment(network, at, at, jnp.asarray(1.0), jnp.array([2.0, 0.0]), centred=True)
    np.testing.assert_allclose(found.aligned_neurons, 0.5)
    np.testing.assert_allclose(found.aligned_mass, 0.3, rtol=1e-14)
    np.testing.assert_allclose(found.best_angle, 0.0, atol=1e-15)
    np.testing.assert_allclose(found.effective_norm, 0.0, atol=1e-15)  # centred, not moved
    assert np.isnan(found.effective_angle)


@pytest.mark.parametrize("parameterization", ["ntk", "mup"])
def test_effective_vector_is_twice_the_first_moment(key, parameterization):
    network = make_network(6, parameterization=parameterization)
    output = ScaledOutput(network, centred=True)
    init = init_params(network, key, 3)
    moved = jax.tree.map(
        lambda p: p + 0.3 * jax.random.normal(jax.random.fold_in(key, p.ndim), p.shape), init
    )
    x = jax.random.normal(jax.random.fold_in(key, 7), (400_000, 3))
    f = output(moved, init, jnp.asarray(1.5), x)
    moment = 2.0 * jnp.mean(f[:, None] * x, axis=0)
    error = 2.0 * jnp.std(f[:, None] * x, axis=0) / 400_000**0.5
    target = jnp.array([0.0, 1.0, 0.0])
    found = alignment(network, moved, init, jnp.asarray(1.5), target, centred=True)
    expected = float(found.effective_norm * jnp.cos(found.effective_angle))
    assert abs(float(moment[1]) - expected) < 6 * float(error[1])  # false alarm 2e-9
