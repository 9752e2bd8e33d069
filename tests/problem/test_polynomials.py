"""Polynomials against their formulas in coordinates, degree by degree, and at special points."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from rf_limits.errors import RequirementError
from rf_limits.problem.polynomial_kinds import (
    POLYNOMIALS,
    largest_coefficient,
    make_polynomial,
    polynomial_axes,
)
from rf_limits.theory.relu_moments import ReluSum
from rf_limits.theory.zonal import radial_rule, zonal_products

DIM = 5


def hermite(k, z):
    """he_k by scipy."""
    return special.eval_hermitenorm(k, z) / math.sqrt(math.factorial(k))


def by_hand(kind, k, z):
    """The formula of make_polynomial's docstring, E f*^2 = 1, from all coordinates."""
    if kind == "single_index":
        return hermite(k, z[:, 0])
    if kind == "hermite_product":
        return hermite(-(-k // 2), z[:, 0]) * hermite(k // 2, z[:, 1])
    if kind == "monomial":
        return np.prod(z[:, :k], axis=1)
    if kind == "harmonic":
        return np.real((z[:, 0] + 1j * z[:, 1]) ** k) / math.sqrt(
            2.0 ** (k - 1) * math.factorial(k)
        )
    radius = np.linalg.norm(z, axis=1)
    half = DIM / 2 - 1
    value = special.eval_gegenbauer(k, half, z[:, 0] / radius) / special.eval_gegenbauer(k, half, 1)
    count = special.comb(k + DIM - 1, k) - special.comb(k + DIM - 3, k - 2) * (k >= 2)
    moment = 2.0**k * special.gamma(DIM / 2 + k) / special.gamma(DIM / 2)  # E |x|^2k
    return value * radius**k * math.sqrt(count / moment)


def rotated(key):
    """Orthonormal rows and the points whose first coordinates along them are standard."""
    axes = jnp.linalg.qr(jax.random.normal(key, (DIM, DIM)))[0].T
    return axes, jax.random.normal(jax.random.fold_in(key, 1), (50, DIM))


@pytest.mark.parametrize("kind", POLYNOMIALS)
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_values_by_hand(key, kind, degree):
    axes, x = rotated(key)
    target = make_polynomial(axes[: polynomial_axes(kind, degree)], kind, degree, 1.5)
    expected = 1.5 * by_hand(kind, degree, np.asarray(x @ axes.T))
    np.testing.assert_allclose(target(x), expected, rtol=1e-11, atol=1e-12)
    assert f"d = {DIM}" in target.formula()


@pytest.mark.parametrize("kind", POLYNOMIALS)
@pytest.mark.parametrize("degree", [2, 3])
def test_degrees_add_up_and_harmonics_have_one(key, kind, degree):
    axes, _ = rotated(key)
    target = make_polynomial(axes[: polynomial_axes(kind, degree)], kind, degree)
    for inputs in ("gaussian", "sphere"):
        radii = radial_rule(DIM, homogeneous=False, inputs=inputs)
        f = target.zonal_sum(degree + 1, radii)
        parts = np.asarray(zonal_products(f, f, radii))
        np.testing.assert_allclose(parts.sum(), target.second_moment(inputs), rtol=1e-11)
        if kind in ("harmonic", "gegenbauer", "monomial"):  # these three are harmonic
            np.testing.assert_allclose(np.delete(parts, degree), 0.0, atol=1e-12)
        elif degree == 2 and kind == "single_index" and inputs == "gaussian":
            np.testing.assert_allclose(parts[0], 1.0 / DIM, rtol=1e-11)  # E (|x|^2/d - 1)^2/2


@pytest.mark.parametrize("kind", POLYNOMIALS)
def test_symbol_is_the_product_with_a_hermite_polynomial(key, kind):
    """By Gauss-Hermite quadrature in two coordinates, v in their plane."""
    degree = 2
    axes = jnp.eye(2)
    target = make_polynomial(axes[: polynomial_axes(kind, degree)], kind, degree)
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    weights = weights / weights.sum()
    x = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    v = np.array([0.6, -0.8])
    expected = np.outer(weights, weights).ravel() @ (
        hermite(degree, x @ v) * np.asarray(target(jnp.asarray(x)))
    )
    found = target.symbol(jnp.asarray(v[None]))
    np.testing.assert_allclose(found, [expected], rtol=1e-12, atol=1e-14)


def test_neurons_without_weights_do_no_harm(key):
    target = make_polynomial(jnp.eye(3)[:1], "single_index", 2)
    f = ReluSum(jnp.zeros((2, 3)), jnp.array([1.0, 0.0]), jnp.ones(2))
    assert float(target.product(f)) == 0.0
    slopes = jax.grad(lambda w: target.product(f._replace(weights=w)))(f.weights)
    assert np.all(np.isfinite(slopes))


@pytest.mark.parametrize(
    ("kind", "degree", "expected"),
    [
        ("monomial", 3, 1.0),
        ("single_index", 4, 6.0 / math.sqrt(24.0)),
        ("hermite_product", 3, 1.0 / math.sqrt(2.0)),
        ("harmonic", 2, 0.5),
        ("harmonic", 3, 3.0 / math.sqrt(24.0)),
        ("harmonic", 0, 1.0),
    ],
)
def test_largest_coefficient(kind, degree, expected):
    assert largest_coefficient(kind, degree) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("kind", "degree", "rows", "message"),
    [
        ("monomal", 2, 1, "Did you mean 'monomial'"),
        ("monomial", 0, 1, "problem.degree must be from 1 to 10"),
        ("monomial", 6, 5, "problem.dim must be at least 6 for problem.polynomial = 'monomial'"),
        ("harmonic", 2, 1, "axes must have 2 rows"),
        ("single_index", -1, 1, "problem.degree must be at least 0"),
    ],
)
def test_refusals(kind, degree, rows, message):
    with pytest.raises(RequirementError, match=message):
        make_polynomial(jnp.eye(DIM)[:rows], kind, degree)
