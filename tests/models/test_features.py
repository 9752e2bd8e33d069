"""Closed-form features and kernels against Jacobians and neural-tangents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from rf_limits.models import init_params, make_network, tangent_features, tangent_kernel
from rf_limits.models._neural_tangents import nt
from rf_limits.models.network import ACTIVATIONS, PARAMETERIZATIONS

DIM = 6


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("centring", ["none", "antisymmetric"])
def test_tangent_kernel_matches_neural_tangents(key, parameterization, activation, centring):
    network = make_network(
        32,
        activation=activation,
        use_bias=True,
        parameterization=parameterization,
        centring=centring,
    )
    params = init_params(network, key, DIM)
    x, z = jax.random.normal(jax.random.fold_in(key, 1), (2, 8, DIM))
    contraction = nt.NtkImplementation.JACOBIAN_CONTRACTION
    kernel_fn = nt.empirical_ntk_fn(network.apply, (), implementation=contraction)
    expected = kernel_fn(x, z, params)
    found = tangent_kernel(network, params, x, z)
    scale = float(jnp.max(jnp.abs(expected)))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize("use_bias", [False, True])
def test_tangent_features_are_the_jacobian(key, use_bias):
    network = make_network(12, use_bias=use_bias)
    params = init_params(network, key, DIM)
    x = jax.random.normal(jax.random.fold_in(key, 1), (5, DIM))
    flat, unravel = ravel_pytree(params)
    jacobian = jax.jacobian(lambda p: network.apply(unravel(p), x))(flat)
    features = tangent_features(network, params, x)
    np.testing.assert_allclose(features, jacobian, atol=1e-14)
    np.testing.assert_allclose(
        features @ features.T, tangent_kernel(network, params, x), rtol=1e-12
    )


@pytest.mark.parametrize("layers", ["hidden", "output"])
def test_kernel_by_layer(key, layers):
    network = make_network(12, use_bias=True)
    params = init_params(network, key, DIM)
    x = jax.random.normal(jax.random.fold_in(key, 1), (5, DIM))
    jacobian = jax.jacobian(lambda p: network.apply(p, x))(params)["params"]
    expected = sum(
        j.reshape(5, -1) @ j.reshape(5, -1).T
        for name, j in jacobian.items()
        if name.startswith(layers)
    )
    np.testing.assert_allclose(
        tangent_kernel(network, params, x, layers=layers), expected, rtol=1e-12
    )
