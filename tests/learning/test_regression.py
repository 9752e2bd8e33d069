"""Regression against direct solves, and the agreement of features with their kernel."""

import jax
import numpy as np
import pytest

from rf_limits.models import infinite_width_kernels, make_network
from rf_limits.regression.dense import (
    decomposed_kernel_regression,
    factored_kernel_regression,
    feature_regression,
    kernel_regression,
)
from tests.rounding import rounding

by_features = jax.jit(feature_regression)
by_kernel = jax.jit(kernel_regression)


def drawn(*shape):
    """Features and labels."""
    rng = np.random.default_rng(0)
    return rng.normal(size=shape), rng.normal(size=shape[0])


def error_of(fit, size):
    """Relative error of the coefficients: decompositions of a matrix of this size, twice."""
    return rounding(20 * size, condition=float(fit.condition_number))


def assert_within(found, expected, error):
    """Compares two vectors by their distance over the length of one."""
    assert np.linalg.norm(found - expected) < error * np.linalg.norm(expected)


@pytest.mark.sharp
@pytest.mark.parametrize("shape", [(20, 7), (7, 20)])
def test_features_and_their_kernel_agree(shape):
    features, labels = drawn(*shape)
    for ridge in (0.0, 0.3):
        fit = by_features(features, labels, ridge)
        kernel_fit = by_kernel(features @ features.T, labels, ridge)
        weights = features.T @ np.asarray(kernel_fit.coefficients)
        # coefficients of length |y| over the least eigenvalue
        assert_within(weights, fit.coefficients, error_of(kernel_fit, max(shape)) * 10.0)


@pytest.mark.sharp
def test_against_direct_solution():
    features, labels = drawn(30, 6)
    for ridge in (0.0, 0.3):
        normal = features.T @ features + ridge * np.eye(6)
        fit = by_features(features, labels, ridge)
        expected = np.linalg.solve(normal, features.T @ labels)
        assert_within(fit.coefficients, expected, error_of(fit, 30))
        condition = np.linalg.cond(normal)
        np.testing.assert_allclose(fit.condition_number, condition, rtol=error_of(fit, 30))
        assert fit.rank == 6


def test_singular_kernel_gives_least_norm_solution():
    features, _ = drawn(10, 4)
    doubled = np.concatenate([features, features])  # duplicate training points
    _, labels = drawn(20, 1)
    expected, *_ = np.linalg.lstsq(doubled, labels)
    fit = by_kernel(doubled @ doubled.T, labels)
    # labels outside of the range are twenty times longer than what is fitted, at most
    error = 20.0 * error_of(fit, 20)
    assert_within(doubled.T @ np.asarray(fit.coefficients), expected, error)
    assert fit.rank == 4
    assert np.isfinite(fit.condition_number)


@pytest.mark.sharp
def test_factoring_agrees_with_decomposing():
    x, _ = drawn(200, 8)
    labels = np.sin(x[:, 0])
    gram = jax.jit(lambda x: infinite_width_kernels(make_network(4), x).ntk)(x)
    both = jax.jit(factored_kernel_regression), jax.jit(decomposed_kernel_regression)
    for ridge in (0.0, 1e-3, 1.0):
        factored, decomposed = (solve(gram, labels, ridge) for solve in both)
        error = error_of(decomposed, 200)
        assert_within(factored.coefficients, decomposed.coefficients, error)
        # Ritz values lie inside the spectrum: the estimate is from below
        share = float(factored.condition_number / decomposed.condition_number)
        assert 0.5 < share < 1.0 + error
        # Higham 2002, theorem 10.4: 3 n + 1 roundings at most
        assert factored.backward_error < rounding(3 * 200 + 1)
        assert bool(factored.is_solved)


def test_a_large_singular_kernel_is_decomposed(monkeypatch):
    monkeypatch.setattr("rf_limits.regression.dense.DECOMPOSED", 5)
    features, _ = drawn(20, 4)
    labels = features @ np.arange(4.0)
    gram = features @ features.T
    assert not bool(jax.jit(factored_kernel_regression)(gram, labels).is_solved)
    solve = jax.jit(lambda *arguments: kernel_regression(*arguments))  # not compiled before
    fit = solve(gram, labels, 0.0)
    assert fit.rank == 4
    assert_within(gram @ np.asarray(fit.coefficients), labels, error_of(fit, 20))
    assert solve(gram, labels, 0.1).rank == 20  # factored
