"""Streamed regression against the same regression with everything in memory."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.devices.pace import in_chunks
from rf_limits.errors import RequirementError
from rf_limits.measure.kernel_risk import exact_kernel_risk
from rf_limits.measure.tiled_kernel_risk import tiled_kernel_risk
from rf_limits.models import InfiniteNetwork, infinite_width_kernels
from rf_limits.models.features import random_features
from rf_limits.models.network import make_network
from rf_limits.problem import Problem, make_target
from rf_limits.regression.dense import feature_regression, kernel_regression
from rf_limits.regression.streamed.conjugate_gradients import solve
from rf_limits.regression.streamed.feature_data import FeatureData
from rf_limits.regression.streamed.feature_fits import (
    fit_features_by_samples,
    fit_features_directly,
    fit_features_iteratively,
)
from rf_limits.regression.streamed.feature_sums import gram_sums, residual_sums, tiles_of
from rf_limits.regression.streamed.kernel_fits import fit_kernel_directly, fit_kernel_iteratively
from rf_limits.regression.streamed.kernel_tiles import KernelData
from rf_limits.regression.streamed.preconditioners import (
    nystrom_preconditioner,
    population_gram,
    population_preconditioner,
    sample_preconditioner,
)
from rf_limits.regression.streamed.stream import SampleStream
from rf_limits.theory.risks.kernel_predictors import kernel_moments
from tests.models.drawn import drawn_params
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

DIM, WIDTH, NUM, RIDGE = 6, 40, 500, 0.05
TARGET = make_target(jax.random.key(1), "single_neuron", dim=DIM)
STREAM = SampleStream(Problem(TARGET, noise=0.2), NUM, 64)  # the last block is not full
KEY = jax.random.key(7)


def features_of(activation="relu"):
    network = make_network(WIDTH, activation=activation, use_bias=activation != "relu")
    params = jax.tree.map(jnp.asarray, drawn_params(network, DIM))
    return FeatureData(network, params, STREAM, KEY)


_collect = functools.cache(lambda: STREAM.collect(KEY))


def in_memory(data):
    """Features and labels of all samples."""
    x, y = _collect()
    features = jax.jit(random_features, static_argnums=0)
    return np.asarray(features(data.network, data.params, x)), y


def sums_over(terms):
    """How far two sums over all samples may be apart, of terms with this sum of sizes.

    The terms are products of features, of which each goes through sums over coordinates.
    """
    return 2 * rounding(NUM + 2 * (DIM + 2 * LIBRARY)) * terms


def test_stream_is_its_seed():
    x, y = _collect()
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


def solver(precondition, **options):
    """Conjugate gradients with their options."""
    return functools.partial(solve, precondition=precondition, **options)


def test_chunks_cover_the_range_once(monkeypatch):
    seen, told = [], []

    def step(state, first, last):
        seen.extend(range(first, last))
        return state + 1

    calls = in_chunks(step, 0, 100, first=3, after_chunk=lambda s, k: told.append(k))
    assert seen == list(range(3, 100))
    assert told[-1] == 100
    assert calls == len(told) < 12
    monkeypatch.setattr("rf_limits.devices.pace.SECONDS", 0.0)
    slow = in_chunks(step, 0, 100)  # never faster than asked: one at a time
    assert slow == 100


@pytest.mark.sharp
def test_gram_sums_equal_one_product():
    data = features_of()
    phi, y = in_memory(data)
    sums = gram_sums(data)
    gram = np.asarray(sums.gram).reshape(WIDTH, WIDTH)
    size = np.outer(*2 * [np.linalg.norm(phi, axis=0)])  # by Cauchy's inequality
    np.testing.assert_array_less(np.abs(np.tril(gram - phi.T @ phi)), sums_over(size))
    size = np.linalg.norm(phi, axis=0) * np.linalg.norm(y)
    np.testing.assert_array_less(np.abs(sums.moments - phi.T @ y), sums_over(size))
    assert abs(sums.square - y @ y) <= sums_over(y @ y)
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


@pytest.mark.sharp
def test_residual_sums():
    data = features_of()
    phi, y = in_memory(data)
    theta = np.random.default_rng(0).normal(size=WIDTH)
    for labels in (0.0, 1.0):
        z = labels * y - phi @ theta
        sums = residual_sums(data.placed(), theta, labels)
        # terms of z come with their own sum over features
        size = labels * np.abs(y) + np.abs(phi) @ np.abs(theta)
        slope = np.abs(sums.slope - phi.T @ z)
        np.testing.assert_array_less(slope, sums_over(np.abs(phi).T @ size))
        assert abs(sums.square - z @ z) <= sums_over(size @ size)


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
    expected = jax.jit(feature_regression)(phi, y, RIDGE)
    if kind == "direct":
        fit = fit_features_directly(data, RIDGE)
    else:
        precondition = (
            population_preconditioner(data, RIDGE)
            if kind == "population"
            else sample_preconditioner(data, RIDGE, 4 * WIDTH)
        )
        options = {"tolerance": 1e-11, "max_iterations": 100}
        fit = fit_features_iteratively(data, RIDGE, solver(precondition, **options))
        assert 0 < fit.iterations < 60
        assert fit.certificate.relative_residual <= 1e-11
    assert fit.is_solved
    theta = fit.coefficients
    error = theta - np.asarray(expected.coefficients)
    excess = (np.sum((phi @ error) ** 2) + RIDGE * error @ error) / NUM
    # the roots of excesses add up: that of the certificate, those of the solution in memory and of
    # the rounding of the residual, each |r|^2/ridge/n with r a few sums over samples and features
    size = np.linalg.norm(phi, 2) ** 2 * np.linalg.norm(theta) + np.linalg.norm(phi.T @ y)
    rounded = rounding(10 * (NUM + WIDTH)) * size / np.sqrt(RIDGE * NUM)
    bound = (np.sqrt(fit.certificate.excess_bound) + rounded) ** 2
    assert np.mean((phi @ error) ** 2) <= excess <= bound
    size = np.abs(phi) @ np.abs(theta) + np.abs(y)
    loss = np.mean((phi @ theta - y) ** 2)
    np.testing.assert_allclose(fit.train_loss, loss, rtol=0, atol=sums_over(np.mean(size**2)))


@pytest.mark.sharp
@pytest.mark.parametrize("ridge", [RIDGE, 1e-11])
def test_few_samples_by_their_own_numbers(ridge):
    """theta = V s/(s^2 + ridge) U^T y by singular values, for n < N."""
    data = features_of()
    data = data._replace(stream=dataclasses.replace(STREAM, num=20))
    x, y = data.stream.collect(KEY)
    phi = np.asarray(random_features(data.network, data.params, jnp.asarray(x)))
    fit = fit_features_by_samples(data, ridge)
    assert fit.is_solved
    u, s, vt = np.linalg.svd(phi, full_matrices=False)
    exact = vt.T @ (s / (s**2 + ridge) * (u.T @ y))
    error = fit.coefficients - exact
    condition = (s[0] ** 2 + ridge) / (s[-1] ** 2 + ridge)
    size = s[0] * np.linalg.norm(y) / (s[-1] ** 2 + ridge)
    known = rounding(10 * (20 + WIDTH), condition=condition) * size
    assert np.linalg.norm(error) <= known
    gram = population_gram(data)
    distance = np.sqrt(max(error @ gram @ error, 0.0))
    assert distance <= fit.certificate.distance + known
    loss = np.mean((phi @ exact - y) ** 2)
    np.testing.assert_allclose(fit.train_loss, loss, rtol=0, atol=known * s[0] * np.abs(y).max())


@pytest.mark.parametrize("ridge", [RIDGE, 1e-9])
@pytest.mark.parametrize("num", [30, 60, 100, NUM])
def test_population_distances_are_bounded(num, ridge):
    """Of solutions that have not converged, by whichever preconditioner."""
    data = features_of()
    data = data._replace(stream=dataclasses.replace(STREAM, num=num))
    x, y = data.stream.collect(KEY)
    phi = np.asarray(random_features(data.network, data.params, jnp.asarray(x)))
    u, s, vt = np.linalg.svd(phi, full_matrices=False)
    exact, gram = vt.T @ (s / (s**2 + ridge) * (u.T @ y)), population_gram(data)
    for precondition in (np.copy, population_preconditioner(data, ridge)):
        for steps in (3, 12):
            options = {"tolerance": 1e-13, "max_iterations": steps}
            fit = fit_features_iteratively(data, ridge, solver(precondition, **options))
            error = fit.coefficients - exact
            assert np.sqrt(error @ gram @ error) <= fit.certificate.distance


def test_features_that_do_not_converge_say_so():
    data = features_of()
    fit = fit_features_iteratively(data, RIDGE, solver(np.copy, tolerance=1e-11, max_iterations=3))
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


@pytest.mark.parametrize("name", kept(["ntk", "nngp"], ["ntk"]))
def test_kernels_agree_with_the_regression_in_memory(name):
    network = make_network(1)
    x, y = (part[:200] for part in _collect())
    num, data = len(x), KernelData(InfiniteNetwork(network, supplier="exact"), name, x)
    kernels = jax.jit(infinite_width_kernels, static_argnums=0)
    gram = np.asarray(getattr(kernels(network, x), name))
    # a cosine from sums over coordinates, its angle, and a few products, twice; relative to
    # lengths, as the part by the angle is <x, x'> (pi - theta)/(2 pi)
    error = 2 * rounding(2 * DIM + 4 * LIBRARY)
    size = np.sqrt(np.outer(*2 * [np.diagonal(gram)]))
    np.testing.assert_array_less(np.abs(data.block(x, x) - gram), error * size)
    np.testing.assert_allclose(data.diagonal(), np.diagonal(gram), rtol=error)
    terms = (error + 2 * rounding(num)) * size @ np.abs(y)
    np.testing.assert_array_less(np.abs(data.product(y) - gram @ y), terms)
    np.testing.assert_array_less(np.abs(data.product(y, x[:7]) - (gram @ y)[:7]), terms[:7])

    expected = np.asarray(jax.jit(kernel_regression)(gram, y, RIDGE).coefficients)
    precondition = nystrom_preconditioner(data, RIDGE, 50)
    options = {"tolerance": 1e-11, "max_iterations": 200}
    iterative = fit_kernel_iteratively(data, y, RIDGE, solver(precondition, **options))
    direct = fit_kernel_directly(data, y, RIDGE)
    for fit in (direct, iterative):
        assert fit.is_solved
        c = fit.coefficients
        # |K (K + ridge)^{-1} r| is at most |r|, of the certificate and of rounding: both kernels,
        # products with them, and the decomposition in memory
        known = np.linalg.norm((error + rounding(10 * num)) * size @ np.abs(c)) / num**0.5
        bound = (np.sqrt(fit.certificate.excess_bound) + 2.0 * known) ** 2
        assert np.mean((gram @ (c - expected)) ** 2) <= bound
        loss = np.mean((gram @ c - y) ** 2)
        # mean squares of vectors that are apart by the same
        np.testing.assert_allclose(fit.train_loss, loss, rtol=0, atol=3.0 * known * np.sqrt(loss))
    assert 0 < iterative.iterations < 100
    residual = np.linalg.norm(y - gram @ direct.coefficients - RIDGE * direct.coefficients)
    largest = np.linalg.eigvalsh(gram)[-1] + RIDGE
    scale = largest * np.linalg.norm(direct.coefficients) + np.linalg.norm(y)
    assert direct.certificate.backward_error >= 0.1 * residual / scale


class _Perturbed(KernelData):
    """A kernel of rank two with errors of 1e-9, as of angles between parallel inputs."""

    def block(self, left, right):
        found = super().block(left, right)
        return found + 1e-9 * np.sin(1e3 * (left @ right.T))


@pytest.mark.parametrize("name", ["nngp", "ntk"])
@pytest.mark.parametrize("kind", [KernelData, _Perturbed])
def test_kernels_in_one_dimension(kind, name):
    """n = 20, ridge 1e-6: two functions, relu(x) and relu(-x), by least squares."""
    x = np.random.default_rng(0).normal(size=(20, 1))
    y = np.maximum(x[:, 0], 0.0) + 0.1 * np.random.default_rng(1).normal(size=20)
    data = kind(InfiniteNetwork(make_network(1), supplier="exact"), name, x)
    precondition = nystrom_preconditioner(data, 1e-6, 2000)
    options = {"tolerance": 1e-9, "max_iterations": 200}
    fit = fit_kernel_iteratively(data, y, 1e-6, solver(precondition, **options))
    assert fit.is_solved
    basis = np.maximum(np.concatenate([x, -x], axis=1), 0.0)
    expected = basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    found = data.product(fit.coefficients)
    # the ridge is 1e-6 of kernels of size 1; errors of 1e-9 are multiplied by labels over it
    assert np.max(np.abs(found - expected)) < (0.02 if kind is _Perturbed else 1e-5)


def test_tiled_risk_is_the_risk():
    network, c = make_network(1), np.random.default_rng(2).normal(size=150)
    x = _collect()[0][:150]
    exact = exact_kernel_risk(network, Problem(TARGET))
    second_moment = exact.problem.second_moment
    for name, series in exact.series.items():
        moments = jax.jit(lambda x, series=series: kernel_moments(series, x))(x)
        gram, cross = np.asarray(moments.gram), np.asarray(moments.cross)
        expected = float(moments.risk(jnp.asarray(c), second_moment))
        found = tiled_kernel_risk(exact, name, x, c)
        # sums over pairs of points, of series over degrees with one recurrence each
        root = np.sqrt(np.diagonal(gram))
        size = (root @ np.abs(c)) ** 2 + 2.0 * np.abs(c) @ np.abs(cross) + second_moment
        error = 2 * rounding(2 * len(x) + 10 * len(series.squares))
        assert abs(found - expected) <= error * size
