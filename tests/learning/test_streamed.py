"""Streamed regression against the same regression with everything in memory."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.devices.pace import in_chunks
from rf_limits.errors import RequirementError
from rf_limits.learning.regression import feature_regression, kernel_regression
from rf_limits.learning.streamed.feature_data import FeatureData
from rf_limits.learning.streamed.feature_fits import (
    fit_features_directly,
    fit_features_iteratively,
)
from rf_limits.learning.streamed.feature_sums import gram_sums, residual_sums, tiles_of
from rf_limits.learning.streamed.kernel_fits import fit_kernel_directly, fit_kernel_iteratively
from rf_limits.learning.streamed.kernel_tiles import KernelData
from rf_limits.learning.streamed.preconditioners import (
    nystrom_preconditioner,
    population_gram,
    population_preconditioner,
    sample_preconditioner,
)
from rf_limits.learning.streamed.stream import SampleStream
from rf_limits.measure.kernel_risk import exact_kernel_risk
from rf_limits.measure.tiled_kernel_risk import tiled_kernel_risk
from rf_limits.models import infinite_width_kernels
from rf_limits.models.features import random_features
from rf_limits.models.network import init_params, make_network
from rf_limits.problem.targets import make_target
from rf_limits.theory.kernel_predictors import kernel_moments

DIM, WIDTH, NUM, RIDGE = 6, 40, 500, 0.05
TARGET = make_target(jax.random.key(1), "single_neuron", dim=DIM)
STREAM = SampleStream(TARGET, "gaussian", 0.2, NUM, 64)  # the last block is not full
KEY = jax.random.key(7)


def features_of(activation="relu"):
    network = make_network(WIDTH, activation=activation, use_bias=activation != "relu")
    return FeatureData(network, init_params(network, jax.random.key(3), DIM), STREAM, KEY)


def in_memory(data):
    x, y = data.stream.collect(data.key)
    return np.asarray(random_features(data.network, data.params, jnp.asarray(x))), y


def test_stream_is_its_seed():
    x, y = STREAM.collect(KEY)
    assert x.shape == (NUM, DIM)
    fewer = dataclasses.replace(STREAM, num=100).collect(KEY)
    np.testing.assert_array_equal(fewer[0], x[:100])
    np.testing.assert_array_equal(fewer[1], y[:100])
    noise = y - np.asarray(TARGET(jnp.asarray(x)))
    assert abs(noise.std() / 0.2 - 1.0) < 5.0 / np.sqrt(2 * NUM)
    assert len(np.unique(x)) == x.size
    assert STREAM.block(KEY, STREAM.blocks - 1).mask.sum() == NUM % 64
    with pytest.raises(RequirementError, match="num must be at least 1"):
        dataclasses.replace(STREAM, num=0)


def test_chunks_cover_the_range_once():
    seen, told = [], []

    def step(state, first, last):
        seen.extend(range(first, last))
        return state + 1

    calls = in_chunks(step, 0, 100, first=3, after_chunk=lambda s, k: told.append(k))
    assert seen == list(range(3, 100))
    assert told[-1] == 100
    assert calls == len(told) < 12
    slow = in_chunks(step, 0, 100, seconds=0.0)  # never faster than asked: one at a time
    assert slow == 100


def test_gram_sums_equal_one_product():
    data = features_of()
    phi, y = in_memory(data)
    sums = gram_sums(data)
    gram = np.asarray(sums.gram).reshape(WIDTH, WIDTH)
    expected = phi.T @ phi
    atol = 1e-13 * np.abs(expected).max()
    np.testing.assert_allclose(np.tril(gram), np.tril(expected), rtol=1e-12, atol=atol)
    np.testing.assert_allclose(sums.moments, phi.T @ y, rtol=1e-12)
    np.testing.assert_allclose(sums.square, y @ y, rtol=1e-12)
    assert tiles_of(WIDTH) == 8
    assert tiles_of(37) == 1


def test_sums_go_on_where_they_were_saved(monkeypatch):
    monkeypatch.setattr("rf_limits.devices.pace.SECONDS", 0.0)  # block by block
    data, saved = features_of(), []
    keep = lambda sums, blocks: saved.append((jax.tree.map(np.array, sums), blocks))
    whole = gram_sums(data, after_chunk=keep)
    sums, blocks = saved[1]
    assert 0 < blocks < STREAM.blocks
    resumed = gram_sums(data, start=(sums, blocks))
    np.testing.assert_array_equal(resumed.gram, whole.gram)
    np.testing.assert_array_equal(resumed.moments, whole.moments)


@pytest.mark.parametrize("labels", [0.0, 1.0])
def test_residual_sums(labels):
    data = features_of()
    phi, y = in_memory(data)
    theta = np.random.default_rng(0).normal(size=WIDTH)
    z = labels * y - phi @ theta
    sums = residual_sums(data.placed(), theta, labels)
    scale = np.abs(phi).T @ np.abs(z)
    np.testing.assert_array_less(np.abs(np.asarray(sums.slope) - phi.T @ z), 1e-13 * scale)
    np.testing.assert_allclose(sums.square, z @ z, rtol=1e-12)


def test_population_gram_is_the_mean_of_many():
    data = features_of()
    gram = population_gram(data)
    many = dataclasses.replace(STREAM, num=400_000, rows=4000)
    sums = gram_sums(data._replace(stream=many))
    found = np.asarray(sums.gram).reshape(WIDTH, WIDTH) / 400_000
    # entries have a standard deviation of at most sqrt(E phi^4) = sqrt(6) E phi^2 per sample
    error = np.abs(np.tril(found - gram)).max()
    assert error < 6.0 * np.sqrt(6.0 / 400_000) * gram.max()


@pytest.mark.parametrize(
    ("activation", "kind"), [("relu", "direct"), ("relu", "population"), ("tanh", "sample")]
)
def test_features_agree_with_the_regression_in_memory(activation, kind):
    data = features_of(activation)
    phi, y = in_memory(data)
    expected = feature_regression(jnp.asarray(phi), jnp.asarray(y), RIDGE)
    if kind == "direct":
        fit = fit_features_directly(data, RIDGE)
    else:
        precondition = (
            population_preconditioner(data, RIDGE)
            if kind == "population"
            else sample_preconditioner(data, RIDGE, 4 * WIDTH)
        )
        options = {"tolerance": 1e-11, "max_iterations": 100}
        fit = fit_features_iteratively(data, RIDGE, precondition, **options)
        assert 0 < fit.iterations < 60
        assert fit.certificate.relative_residual <= 1e-11
    assert fit.is_solved
    error = fit.coefficients - np.asarray(expected.coefficients)
    excess = (np.sum((phi @ error) ** 2) + RIDGE * error @ error) / NUM
    # what the certificate says, and as much again for the rounding of both solutions
    assert excess <= fit.certificate.excess_bound + 1e-24
    assert np.mean((phi @ error) ** 2) <= fit.certificate.excess_bound + 1e-24
    loss = np.mean((phi @ fit.coefficients - y) ** 2)
    np.testing.assert_allclose(fit.train_loss, loss, rtol=1e-10)


def test_features_that_do_not_converge_say_so():
    data = features_of()
    fit = fit_features_iteratively(data, RIDGE, np.copy, tolerance=1e-11, max_iterations=3)
    assert fit.iterations == 3
    assert not fit.is_solved
    assert fit.certificate.relative_residual > 1e-11


def test_singular_features_are_refused():
    data = features_of()
    few = data._replace(stream=dataclasses.replace(STREAM, num=20))
    with pytest.raises(RequirementError, match="ridge must make the matrix of 40 rows"):
        fit_features_directly(few, 0.0)


def test_unknown_population_gram_is_refused():
    with pytest.raises(RequirementError, match="preconditioner must be sample or none"):
        population_gram(features_of("tanh"))


@pytest.mark.parametrize("name", ["ntk", pytest.param("nngp", marks=pytest.mark.slow)])
def test_kernels_agree_with_the_regression_in_memory(name):
    network = make_network(1)
    x, y = STREAM.collect(KEY)
    data = KernelData(network, name, x)
    gram = getattr(infinite_width_kernels(network, jnp.asarray(x)), name)
    scale = float(jnp.max(gram))
    np.testing.assert_allclose(data.block(x, x), gram, rtol=0, atol=1e-14 * scale)
    np.testing.assert_allclose(data.diagonal(), jnp.diagonal(gram), rtol=1e-13)
    np.testing.assert_allclose(data.product(y), gram @ y, rtol=0, atol=1e-11 * scale)
    few = data.product(y, x[:7])
    np.testing.assert_allclose(few, (gram @ y)[:7], rtol=0, atol=1e-11 * scale)

    expected = np.asarray(kernel_regression(gram, jnp.asarray(y), RIDGE).coefficients)
    precondition = nystrom_preconditioner(data, RIDGE, 100)
    options = {"tolerance": 1e-11, "max_iterations": 200}
    iterative = fit_kernel_iteratively(data, y, RIDGE, precondition, **options)
    direct = fit_kernel_directly(data, y, RIDGE)
    for fit in (direct, iterative):
        assert fit.is_solved
        difference = np.asarray(gram @ (fit.coefficients - expected))
        assert np.mean(difference**2) <= fit.certificate.excess_bound + 1e-22
        loss = np.mean(np.asarray(gram @ fit.coefficients - y) ** 2)
        np.testing.assert_allclose(fit.train_loss, loss, rtol=1e-8)
    assert 0 < iterative.iterations < 100
    eigenvalues = np.linalg.eigvalsh(gram)
    assert (
        direct.certificate.backward_error
        >= np.linalg.norm(y - np.asarray(gram @ direct.coefficients) - RIDGE * direct.coefficients)
        / ((eigenvalues[-1] + RIDGE) * np.linalg.norm(direct.coefficients) + np.linalg.norm(y))
        * 0.1
    )


def test_tiled_risk_is_the_risk():
    network, c = make_network(1), np.random.default_rng(2).normal(size=150)
    x, _ = dataclasses.replace(STREAM, num=150).collect(KEY)
    exact = exact_kernel_risk(network, TARGET, "gaussian")
    for series in exact.series.values():
        moments = kernel_moments(series, jnp.asarray(x))
        expected = float(moments.risk(jnp.asarray(c), exact.second_moment))
        found = tiled_kernel_risk(series, x, c, exact.second_moment)
        np.testing.assert_allclose(found, expected, rtol=1e-11)
