"""Regression against direct solves, and the agreement of features with their kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.learning.regression import (
    decomposed_kernel_regression,
    factored_kernel_regression,
    feature_regression,
    kernel_regression,
)
from rf_limits.models import infinite_width_kernels, make_network


@pytest.mark.parametrize("shape", [(20, 7), (7, 20)])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_features_and_their_kernel_agree(key, shape, ridge):
    features = jax.random.normal(key, shape)
    labels = jax.random.normal(jax.random.fold_in(key, 1), shape[:1])
    by_features = feature_regression(features, labels, ridge)
    by_kernel = kernel_regression(features @ features.T, labels, ridge)
    weights = features.T @ by_kernel.coefficients
    np.testing.assert_allclose(weights, by_features.coefficients, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_against_direct_solution(key, ridge):
    features = jax.random.normal(key, (30, 6))
    labels = jax.random.normal(jax.random.fold_in(key, 1), (30,))
    normal = features.T @ features + ridge * jnp.eye(6)
    expected = jnp.linalg.solve(normal, features.T @ labels)
    fit = feature_regression(features, labels, ridge)
    np.testing.assert_allclose(fit.coefficients, expected, rtol=1e-10)
    np.testing.assert_allclose(fit.condition_number, jnp.linalg.cond(normal), rtol=1e-10)
    assert fit.rank == 6


def test_singular_kernel_gives_least_norm_solution(key):
    features = jax.random.normal(key, (10, 4))
    doubled = jnp.concatenate([features, features])  # duplicate training points
    labels = jax.random.normal(jax.random.fold_in(key, 1), (20,))
    expected, *_ = jnp.linalg.lstsq(doubled, labels)
    fit = kernel_regression(doubled @ doubled.T, labels)
    np.testing.assert_allclose(doubled.T @ fit.coefficients, expected, rtol=1e-9)
    assert fit.rank == 4
    assert np.isfinite(fit.condition_number)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 1.0])
def test_factoring_agrees_with_decomposing(key, ridge):
    x = jax.random.normal(key, (200, 8))
    labels = jnp.sin(x[:, 0])
    gram = infinite_width_kernels(make_network(4), x).ntk
    factored = factored_kernel_regression(gram, labels, ridge)
    decomposed = decomposed_kernel_regression(gram, labels, ridge)
    np.testing.assert_allclose(factored.coefficients, decomposed.coefficients, rtol=1e-9)
    # Ritz values lie inside the spectrum: the estimate is from below
    share = float(factored.condition_number / decomposed.condition_number)
    assert 0.5 < share < 1.0 + 1e-9
    assert factored.backward_error < 1e-15
    assert bool(factored.is_solved)


def test_a_large_singular_kernel_is_decomposed(key, monkeypatch):
    monkeypatch.setattr("rf_limits.learning.regression.DECOMPOSED", 5)
    features = jax.random.normal(key, (20, 4))
    labels = features @ jnp.arange(4.0)
    gram = features @ features.T
    assert not bool(factored_kernel_regression(gram, labels).is_solved)
    fit = kernel_regression(gram, labels)
    assert fit.rank == 4
    np.testing.assert_allclose(gram @ fit.coefficients, labels, rtol=1e-9)
    assert kernel_regression(gram, labels, 0.1).rank == 20  # factored
