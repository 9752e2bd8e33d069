"""Sums of products of Hermite polynomials: values, products and degrees against simulation."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import hermite_e

from rf_limits.errors import RequirementError
from rf_limits.problem.hermite_sums import HermiteSum
from rf_limits.problem.polynomial_kinds import make_polynomial
from rf_limits.theory import ReluSum, degree_products, population_risk

INDICES = ((0, 0, 0), (1, 0, 0), (2, 1, 0), (1, 1, 1), (4, 1, 0), (0, 0, 3))
SIZES = (0.5, 1.0, -0.7, 2.0, 0.3, -1.0)


def axes(rows, dim, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0][:rows]


def reference(indices, sizes, z):
    """Returns the sum by NumPy's Hermite polynomials, normalized."""
    total = np.zeros(len(z))
    for index, size in zip(indices, sizes, strict=True):
        factors = [
            hermite_e.hermeval(z[:, j], np.eye(k + 1)[k]) / math.sqrt(math.factorial(k))
            for j, k in enumerate(index)
        ]
        total += size * np.prod(factors, axis=0)
    return total


@pytest.mark.parametrize("dim", [3, 7])
def test_values_and_parts_are_those_of_numpy(dim):
    rows = axes(3, dim)
    target = HermiteSum(rows, INDICES, SIZES)
    x = np.random.default_rng(1).standard_normal((200, dim))
    expected = reference(INDICES, SIZES, x @ rows.T)
    np.testing.assert_allclose(target(jnp.asarray(x)), expected, atol=1e-12)
    by_parts = sum(np.asarray(part(jnp.asarray(x))) for part in target.parts)
    np.testing.assert_allclose(by_parts, expected, atol=1e-11)


@pytest.mark.parametrize("bias", [False, True])
def test_product_with_neurons_is_the_mean_over_samples(bias):
    rng = np.random.default_rng(2)
    target = HermiteSum(axes(3, 4), INDICES, SIZES)
    biases = jnp.asarray(rng.standard_normal(5)) if bias else None
    neurons = ReluSum(jnp.asarray(rng.standard_normal((5, 4))), biases, jnp.ones(5))
    x = jnp.asarray(rng.standard_normal((1_000_000, 4)))
    products = np.asarray(neurons(x) * target(x))
    error = np.std(products) / math.sqrt(len(products))
    assert abs(float(target.product(neurons)) - np.mean(products)) < 4.0 * error
    squares = np.asarray((neurons(x) - target(x)) ** 2)
    second_moment = target.second_moment("gaussian")
    risk = float(population_risk(neurons, target, second_moment))
    assert abs(risk - np.mean(squares)) < 4.0 * np.std(squares) / math.sqrt(len(squares))


def test_second_moments_are_sums_over_degrees():
    target = HermiteSum(axes(3, 5), INDICES, SIZES)
    gaussian = sum(size**2 for size in SIZES)
    assert target.second_moment("gaussian") == pytest.approx(gaussian, rel=1e-15)
    degrees = degree_products(target, target, 5)
    assert float(np.sum(degrees)) == pytest.approx(gaussian, rel=1e-12)
    x = np.random.default_rng(3).standard_normal((400_000, 5))
    x *= math.sqrt(5) / np.linalg.norm(x, axis=1, keepdims=True)
    squares = np.asarray(target(jnp.asarray(x))) ** 2
    error = np.std(squares) / math.sqrt(len(squares))
    assert abs(target.second_moment("sphere") - np.mean(squares)) < 4.0 * error


def test_degree_tails_bound_what_is_above():
    target = HermiteSum(axes(3, 5), INDICES, SIZES)
    degrees = np.asarray(degree_products(target, target, 7))
    beyond = np.sqrt(np.maximum(np.cumsum(degrees[::-1])[::-1] - degrees, 0.0))
    tails = target.degree_tails(7)
    assert np.all(tails >= beyond - 1e-7)
    assert np.all(tails[5:] == 0.0)


@pytest.mark.parametrize(
    ("kind", "degree", "index"), [("monomial", 3, (1, 1, 1)), ("hermite_product", 5, (3, 2))]
)
def test_one_term_is_the_polynomial_of_that_name(kind, degree, index):
    rows = axes(len(index), 6)
    same = make_polynomial(jnp.asarray(rows), kind, degree, 1.5)
    target = HermiteSum(rows, (index,), [1.5])
    x = jnp.asarray(np.random.default_rng(4).standard_normal((50, 6)))
    np.testing.assert_allclose(target(x), same(x), atol=1e-11)
    np.testing.assert_allclose(
        degree_products(target, target, 6), degree_products(same, same, 6), atol=1e-12
    )


def test_information_exponent_is_the_least_degree_above_zero():
    rows = axes(2, 4)
    assert HermiteSum(rows, ((0, 0), (1, 1), (0, 3)), [1.0, 1.0, 1.0]).information_exponent == 2
    assert HermiteSum(rows, ((2, 1),), [1.0]).information_exponent == 3
    assert HermiteSum(rows, ((0, 0),), [1.0]).information_exponent is None


@pytest.mark.parametrize(
    ("rows", "indices", "sizes", "message"),
    [
        (np.ones((2, 4)), ((1, 1),), [1.0], "axes must be orthonormal"),
        (np.eye(2, 4), ((1, 1, 1),), [1.0], "problem.terms must have 2 powers each"),
        (np.eye(2, 4), ((1, -1),), [1.0], "problem.terms must be at least 0"),
        (np.eye(2, 4), (), [], "problem.terms must be at least one"),
        (np.eye(2, 4), ((1, 1), (1, 1)), [1.0, 2.0], "problem.terms must have different indices"),
        (np.eye(2, 4), ((1, 1),), [0.0], "coefficients must be finite and not 0"),
        (np.eye(2, 4), ((1, 1),), [1.0, 2.0], r"coefficients must have the shape \(1,\)"),
        (np.eye(2, 4), ((40, 40),), [1.0], "problem.terms must keep the cancellation"),
        (np.eye(14, 14), ((1,) * 14,), [1.0], "problem.terms must need 4096 forms at most"),
    ],
)
def test_impossible_sums_are_refused(rows, indices, sizes, message):
    with pytest.raises(RequirementError, match=message):
        HermiteSum(rows, indices, sizes)
