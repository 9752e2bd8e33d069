"""Infinite-width kernels against wide networks, closed forms, and direct regression."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.learning.regression import kernel_regression
from rf_limits.models import (
    gradient_flow_ensemble,
    infinite_width_kernels,
    init_params,
    make_network,
    tangent_kernel,
)
from rf_limits.models.network import PARAMETERIZATIONS
from rf_limits.theory import relu_gram
from tests.variants import kept

DIM = 5


def inputs(key, count=6):
    """A few Gaussian inputs."""
    return jax.random.normal(key, (count, DIM))


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("activation", kept(["relu", "erf", "gelu", "tanh"], ["relu", "tanh"]))
@pytest.mark.parametrize("trainable", ["both", "hidden", "output"])
def test_wide_network_converges_to_kernel(key, parameterization, activation, trainable):
    """The empirical NTK approaches the infinite-width one like N^{-1/2}."""
    x = inputs(key)
    errors = []
    for width in (2**9, 2**13):
        network = make_network(
            width, activation=activation, use_bias=True, parameterization=parameterization
        )
        limit = infinite_width_kernels(network, x, trainable=trainable).ntk
        draws = [
            tangent_kernel(
                network, init_params(network, jax.random.fold_in(key, s), DIM), x, layers=trainable
            )
            for s in range(4)
        ]
        scale = jnp.linalg.norm(limit)
        errors.append(np.mean([float(jnp.linalg.norm(k - limit) / scale) for k in draws]))
    assert errors[1] < 0.04
    # 16 times the width: the error falls by 4 on average; below 2 is beyond 6 sigma
    assert errors[0] / errors[1] > 2.0


def test_kernels_by_quadrature_are_symmetric(key):
    """Apart by 1e-9, as the quadrature leaves them, their fits would be refused."""
    kernels = infinite_width_kernels(make_network(8, activation="softplus"), inputs(key, 30))
    for kernel in kernels:
        np.testing.assert_array_equal(kernel, kernel.T)
        assert kernel_regression(kernel, inputs(key, 30)[:, 0]).is_solved


@pytest.mark.slow
def test_network_covariance_is_the_nngp_kernel(key):
    network = make_network(512, use_bias=True)
    x = inputs(key, 3)
    keys = jax.random.split(jax.random.fold_in(key, 1), 20_000)
    outputs = jax.lax.map(
        lambda k: network.apply(init_params(network, k, DIM), x), keys, batch_size=500
    )
    products = outputs[:, :, None] * outputs[:, None, :]
    error = jnp.std(products, axis=0) / np.sqrt(len(keys))
    nngp = infinite_width_kernels(network, x).nngp
    # 6 standard errors on 6 distinct entries: false alarm below 1e-7
    assert np.all(np.abs(jnp.mean(products, axis=0) - nngp) < 6 * error)


def test_relu_nngp_is_the_arc_cosine_kernel(key):
    """Two independent computations: E over weights of relu features, and neural-tangents."""
    x = inputs(key)
    scaled = x / jnp.sqrt(DIM)
    plain = infinite_width_kernels(make_network(4), x).nngp
    np.testing.assert_allclose(plain, relu_gram(scaled, None, scaled, None), rtol=1e-12)
    # With a bias of variance 1 the input gains a coordinate equal to 1.
    extended = jnp.concatenate([scaled, jnp.ones((len(x), 1))], axis=1)
    biased = infinite_width_kernels(make_network(4, use_bias=True), x).nngp
    np.testing.assert_allclose(biased, relu_gram(extended, None, extended, None), rtol=1e-12)


@pytest.mark.parametrize("method", ["nngp", "ntk"])
def test_convergence_is_kernel_regression(key, method):
    network = make_network(64)
    x, z = inputs(key, 20), inputs(jax.random.fold_in(key, 1), 7)
    y = jnp.maximum(x[:, 0], 0.0)
    gram = getattr(infinite_width_kernels(network, x), method)
    cross = getattr(infinite_width_kernels(network, z, x), method)
    for ridge in (0.0, 0.1):
        fit = kernel_regression(gram, y, ridge)
        ensemble = gradient_flow_ensemble(network, x, y, z, None, method=method, ridge=ridge)
        np.testing.assert_allclose(ensemble.mean[0], cross @ fit.coefficients, rtol=1e-12)


def test_flow_starts_at_zero_and_converges(key):
    network = make_network(64)
    x, z = inputs(key, 10), inputs(jax.random.fold_in(key, 1), 4)
    y = jnp.maximum(x[:, 0], 0.0)
    times = jnp.array([0.0, 10.0, 1e9])
    flow = gradient_flow_ensemble(network, x, y, z, times, covariance=True)
    limit = gradient_flow_ensemble(network, x, y, z, None, covariance=True)
    np.testing.assert_allclose(flow.mean[0], 0.0, atol=1e-12)
    np.testing.assert_allclose(flow.mean[2], limit.mean[0], rtol=1e-6)
    np.testing.assert_allclose(flow.covariance[2], limit.covariance[0], rtol=1e-5, atol=1e-8)
    prior = infinite_width_kernels(network, z).nngp
    np.testing.assert_allclose(flow.covariance[0], prior, rtol=1e-9)


def test_gradient_flow_in_time(key):
    """Mean at time t: K_* (I - exp(-Theta t/n)) Theta^{-1} y, by matrix exponential."""
    network = make_network(64)
    x, z = inputs(key, 8), inputs(jax.random.fold_in(key, 1), 4)
    y = jnp.maximum(x[:, 0], 0.0)
    gram = infinite_width_kernels(network, x).ntk
    cross = infinite_width_kernels(network, z, x).ntk
    decay = jax.scipy.linalg.expm(-gram * 3.0 / 8)
    expected = cross @ jnp.linalg.solve(gram, (jnp.eye(8) - decay) @ y)
    found = gradient_flow_ensemble(network, x, y, z, jnp.array([3.0]))
    np.testing.assert_allclose(found.mean[0], expected, rtol=1e-8)


def test_refusals(key):
    network = make_network(8)
    with pytest.raises(RequirementError, match="model.trainable"):
        infinite_width_kernels(network, inputs(key), trainable="all")
    with pytest.raises(RequirementError, match="method"):
        gradient_flow_ensemble(network, inputs(key), jnp.ones(6), inputs(key), None, method="nn")
