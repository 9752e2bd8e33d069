"""Angles between neurons and the target's, by hand and by E f(x) x."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.measure.alignment import alignment
from rf_limits.models import ScaledNetwork, change_of, make_network
from tests.rounding import LIBRARY, rounding

measured = jax.jit(alignment)
SHORT = rounding(3 * LIBRARY)  # products, a length and an arc tangent, here and by hand


def params_of(weights, u):
    return {"params": {"hidden_kernel": np.asarray(weights).T, "output_kernel": np.asarray(u)}}


def still(params):
    return jax.tree.map(np.zeros_like, params)


@pytest.mark.sharp
def test_one_neuron():
    at = params_of([[3.0, 4.0]], [2.0])
    found = measured(ScaledNetwork(make_network(1), at, 0.5), still(at), np.array([10.0, 0.0]))
    np.testing.assert_allclose(found.effective_angle, np.arctan2(4, 3), rtol=SHORT)
    np.testing.assert_allclose(found.effective_norm, 0.5 * 2.0 * 5.0 / 2**0.5 / 10, rtol=SHORT)
    np.testing.assert_allclose(found.best_angle, found.effective_angle, rtol=SHORT)
    assert found.aligned_neurons == 0.0
    assert found.aligned_mass == 0.0


@pytest.mark.sharp
def test_shares():
    """Cosines 1, 0.96, 0.6, -1: two neurons aligned, with mass 1 and 2 of 1 + 2 + 3 + 4."""
    weights = [[1.0, 0.0], [0.96, 0.28], [0.6, 0.8], [-1.0, 0.0]]
    at = params_of(weights, [1.0, -2.0, 3.0, 4.0])
    f = ScaledNetwork(make_network(4, centring="subtract"), at)
    found = measured(f, still(at), np.array([2.0, 0.0]))
    assert found.aligned_neurons == 0.5
    np.testing.assert_allclose(found.aligned_mass, 0.3, rtol=SHORT)
    np.testing.assert_allclose(found.best_angle, 0.0, atol=SHORT)
    assert found.effective_norm == 0.0  # centred, not moved
    assert np.isnan(found.effective_angle)


@pytest.mark.parametrize("parameterization", ["ntk", "mup"])
def test_effective_vector_is_twice_the_first_moment(parameterization):
    network = make_network(6, parameterization=parameterization, centring="subtract")
    rng = np.random.default_rng(0)
    init, moved = (params_of(rng.normal(size=(6, 3)), rng.normal(size=6)) for _ in range(2))

    @jax.jit
    def moment(f, moved, x):
        product = 2.0 * f(moved, x) * x[:, 1]
        return jnp.mean(product), jnp.std(product) / len(x) ** 0.5

    f = ScaledNetwork(network, init, 1.5)
    mean, error = moment(f, moved, rng.normal(size=(400_000, 3)))
    target = np.array([0.0, 1.0, 0.0])
    found = measured(f, change_of(moved, init), target)
    expected = found.effective_norm * np.cos(found.effective_angle)
    assert abs(mean - expected) < 6 * error  # false alarm 2e-9
