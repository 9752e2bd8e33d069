"""Regression against direct solves, and the agreement of features with their kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.learning.regression import feature_regression, kernel_regression


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
