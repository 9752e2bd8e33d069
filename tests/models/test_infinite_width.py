"""Infinite-width kernels against wide networks, closed forms, and direct regression."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from rf_limits.errors import RequirementError
from rf_limits.models import (
    gradient_flow_ensemble,
    infinite_width_kernels,
    init_params,
    make_network,
    tangent_kernel,
)
from rf_limits.models.network import PARAMETERIZATIONS
from rf_limits.regression.dense import kernel_regression
from rf_limits.theory import relu_gram
from rf_limits.theory.expectations.activation_kernels import DEGREE
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

DIM = 5
kernels_of = jax.jit(infinite_width_kernels, static_argnums=0)


def inputs(count=6, seed=0):
    """A few Gaussian inputs."""
    return np.random.default_rng(seed).normal(size=(count, DIM))


def ensemble_of(network, **options):
    """gradient_flow_ensemble of (x, y, z, times), compiled as a whole."""
    return jax.jit(partial(gradient_flow_ensemble, network, **options))


def solution_error(gram, operations):
    """Relative error of what is put together from the solution of a system with this matrix."""
    return rounding(operations * len(gram), condition=np.linalg.cond(gram))


@pytest.mark.parametrize(
    ("activation", "parameterization"),
    [
        ("relu", "ntk"),
        ("relu", "mup"),
        ("tanh", "standard"),
        pytest.param("relu", "standard", marks=pytest.mark.slow),
        pytest.param("relu", "mean_field", marks=pytest.mark.slow),
        *(
            pytest.param(activation, parameterization, marks=pytest.mark.slow)
            for activation in ("erf", "gelu", "tanh")
            for parameterization in PARAMETERIZATIONS
            if (activation, parameterization) != ("tanh", "standard")
        ),
    ],
)
def test_wide_network_converges_to_kernel(key, activation, parameterization):
    """The empirical NTK approaches the infinite-width one like N^{-1/2}."""

    def errors_of(width):
        network = make_network(
            width, activation=activation, use_bias=True, parameterization=parameterization
        )

        @jax.jit
        def errors(keys, x):
            trained = ("both", "hidden", "output")
            limits = [infinite_width_kernels(network, x, trainable=part).ntk for part in trained]

            def one(key):
                params = init_params(network, key, DIM)
                found = [tangent_kernel(network, params, x, layers=part) for part in trained]
                pairs = zip(found, limits, strict=True)
                return jnp.stack(
                    [jnp.linalg.norm(k - limit) / jnp.linalg.norm(limit) for k, limit in pairs]
                )

            return jax.lax.map(one, keys).mean(axis=0)

        return np.asarray(errors(jax.random.split(key, 4), inputs()))

    narrow, wide = errors_of(2**9), errors_of(2**13)
    assert np.all(wide < 0.04)
    # 16 times the width: the error falls by 4 on average; below 2 is beyond 6 sigma
    assert np.all(narrow / wide > 2.0)


def test_kernels_by_series_are_symmetric():
    """Apart by more than rounding, their fits would be refused."""
    x, solve = inputs(30), jax.jit(kernel_regression)
    nngp, ntk, error = kernels_of(make_network(8, activation="softplus"), x)
    assert error == 0.0
    for kernel in (nngp, ntk):
        # sums of 1024 terms, smaller and smaller
        np.testing.assert_allclose(kernel, kernel.T, rtol=rounding(DEGREE))
        assert solve(kernel, x[:, 0]).is_solved


@pytest.mark.slow
def test_network_covariance_is_the_nngp_kernel(key):
    network = make_network(512, use_bias=True)
    x = jnp.asarray(inputs(3))
    keys = jax.random.split(jax.random.fold_in(key, 1), 20_000)
    outputs = jax.lax.map(
        lambda k: network.apply(init_params(network, k, DIM), x), keys, batch_size=500
    )
    products = outputs[:, :, None] * outputs[:, None, :]
    error = jnp.std(products, axis=0) / np.sqrt(len(keys))
    nngp = infinite_width_kernels(network, x).nngp
    # 6 standard errors on 6 distinct entries: false alarm below 1e-7
    assert np.all(np.abs(jnp.mean(products, axis=0) - nngp) < 6 * error)


@pytest.mark.sharp
def test_relu_nngp_is_the_arc_cosine_kernel():
    """Two independent computations: E over weights of relu features, and neural-tangents."""
    scaled, gram_of = inputs() / DIM**0.5, jax.jit(relu_gram)
    plain = kernels_of(make_network(4), inputs()).nngp
    # With a bias of variance 1 the input gains a coordinate equal to 1.
    extended = np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
    biased = kernels_of(make_network(4, use_bias=True), inputs()).nngp
    # inner products, an angle and its sine on either side; K moves by at most |x||z| of them
    error = 2 * rounding(2 * DIM + 4 * LIBRARY)
    for found, x in ((plain, scaled), (biased, extended)):
        size = np.linalg.norm(x, axis=1)
        difference = np.abs(found - gram_of(x, None, x, None))
        np.testing.assert_array_less(difference, error * np.outer(size, size))


@pytest.mark.sharp
def test_relu_ntk_is_exact_where_points_coincide():
    """The angle of parallel points has the root of the rounding of their cosine, 1e-8."""
    x = inputs(8)
    x[1], x[2], x[3] = x[0], 2.0 * x[0], -x[0]
    for use_bias in (False, True):
        network = make_network(4, use_bias=use_bias)
        for kernel in (kernels_of(network, x).ntk, kernels_of(network, x, x).ntk):
            square = np.sum(x**2, axis=1) / DIM + float(use_bias)
            error = rounding(4 * DIM + 2 * LIBRARY)  # sums of squares and a few products
            np.testing.assert_allclose(np.diagonal(kernel), square, rtol=error)
            np.testing.assert_allclose(kernel[0, 1], square[0], rtol=error)
            if not use_bias:
                np.testing.assert_allclose(kernel[0, 2], 2.0 * square[0], rtol=error)
                np.testing.assert_allclose(kernel[0, 3], 0.0, atol=error * square[0])


@pytest.mark.parametrize("method", kept(["nngp", "ntk"], ["ntk"]))
def test_convergence_is_kernel_regression(method):
    network = make_network(64)
    x, z = inputs(20), inputs(20, seed=1)
    y, solve = np.maximum(x[:, 0], 0.0), jax.jit(kernel_regression)
    gram = np.asarray(getattr(kernels_of(network, x), method))
    cross = np.asarray(getattr(kernels_of(network, z, x), method))
    for ridge in (0.0, 0.1):
        coefficients = np.asarray(solve(gram, y, ridge).coefficients)
        found = ensemble_of(network, method=method, ridge=ridge)(x, y, z, None).mean[0]
        # a factorization, a decomposition and two products
        error = solution_error(gram + ridge * np.eye(20), 10)
        size = np.linalg.norm(cross, axis=1) * np.linalg.norm(coefficients)
        np.testing.assert_array_less(np.abs(found - cross @ coefficients), error * size)


def test_flow_from_zero_to_its_limit():
    """Mean at time t: K_* (I - exp(-Theta t/n)) Theta^{-1} y, by matrix exponential."""
    network = make_network(64)
    x, z = inputs(8), inputs(8, seed=1)
    y = np.maximum(x[:, 0], 0.0)
    times = np.array([0.0, 3.0, 1e9])
    ensemble = ensemble_of(network, covariance=True)
    flow, limit = ensemble(x, y, z, times), ensemble(x, y, z, None)
    gram, cross = (np.asarray(kernels_of(network, *pair).ntk) for pair in ((x,), (z, x)))
    prior = np.asarray(kernels_of(network, z).nngp)
    solved = np.linalg.solve(gram, y)
    halfway = np.linalg.solve(gram, y - expm(-gram * times[1] / 8) @ y)
    # decompositions, factorizations and products; the exponential is accurate to its norm of 1
    error = solution_error(gram, 20)
    size = np.linalg.norm(cross, axis=1) * np.linalg.norm(np.linalg.inv(gram), 2)
    np.testing.assert_array_equal(flow.mean[0], 0.0)
    for found, expected in zip(flow.mean[1:], (cross @ halfway, limit.mean[0]), strict=True):
        np.testing.assert_array_less(np.abs(found - expected), error * size * np.linalg.norm(y))
    difference = np.abs(limit.mean[0] - cross @ solved)
    np.testing.assert_array_less(difference, error * size * np.linalg.norm(y))
    # covariances: two solutions, less than the prior and their square in size
    scale = np.max(prior) * (1.0 + np.max(size)) ** 2
    np.testing.assert_allclose(flow.covariance[2], limit.covariance[0], rtol=0, atol=error * scale)
    np.testing.assert_allclose(flow.covariance[0], prior, rtol=rounding(4))


def test_refusals():
    network, x = make_network(8), jnp.ones((2, DIM))
    with pytest.raises(RequirementError, match="model.trainable"):
        infinite_width_kernels(network, x, trainable="all")
    with pytest.raises(RequirementError, match="method"):
        gradient_flow_ensemble(network, x, jnp.ones(2), x, None, method="nn")
