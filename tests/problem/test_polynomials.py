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
from rf_limits.problem.polynomials import Gegenbauer
from rf_limits.theory.risks.relu_moments import ReluSum
from rf_limits.theory.spectra.zonal import radial_rule, zonal_products
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

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


def target_of(kind, degree, norm=1.0):
    """A polynomial along random orthonormal rows, and all of these rows."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0].T
    few = jnp.asarray(axes[: polynomial_axes(kind, degree)])
    return make_polynomial(few, kind, degree, norm), axes


def terms(target):
    """Sum of the sizes of the coefficients of single-index polynomials."""
    return target.norm if isinstance(target, Gegenbauer) else np.abs(target.coefficients).sum()


def largest(target, radius):
    """Sum of the sizes of all terms of the polynomial at this distance from zero."""
    k = target.degree
    if isinstance(target, Gegenbauer):
        along = np.outer(radius, np.eye(DIM)[0])
        return target.norm * np.abs(by_hand("gegenbauer", k, along))
    powers = np.abs(np.polynomial.hermite_e.herme2poly([0.0] * k + [1.0]))
    return terms(target) * np.polyval(powers[::-1], radius) / math.sqrt(math.factorial(k))


@pytest.mark.sharp
@pytest.mark.parametrize("kind", POLYNOMIALS)
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_values_by_hand(kind, degree):
    target, axes = target_of(kind, degree, 1.5)
    x = np.random.default_rng(1).normal(size=(50, DIM))
    expected = 1.5 * by_hand(kind, degree, x @ axes.T)
    # ten roundings per degree and a sum of coordinates, twice, with coefficients from a system of
    # condition below 10; relative to the terms, which cancel
    error = rounding(200) * largest(target, np.linalg.norm(x, axis=1))
    np.testing.assert_array_less(np.abs(jax.jit(target)(x) - expected), error)
    assert f"d = {DIM}" in target.formula()


_DEGREES = [(kind, degree) for kind in POLYNOMIALS for degree in (2, 3)]
_FEW = [("single_index", 2), ("single_index", 3), ("monomial", 3), ("gegenbauer", 2)]


@pytest.mark.parametrize("polynomial", kept(_DEGREES, _FEW), ids=str)
def test_degrees_add_up_and_harmonics_have_one(polynomial):
    kind, degree = polynomial
    target, _ = target_of(kind, degree)
    # 24 panels of 20 nodes, whose weights are exponentials of up to 40 in size
    error = rounding(1000) * terms(target) ** 2
    for inputs in ("gaussian", "sphere"):
        radii = radial_rule(DIM, homogeneous=False, inputs=inputs)
        f = target.zonal_sum(degree + 1, radii)
        parts = np.asarray(jax.jit(lambda f, radii=radii: zonal_products(f, f, radii))(f))
        np.testing.assert_allclose(parts.sum(), target.second_moment(inputs), rtol=0, atol=error)
        if kind in ("harmonic", "gegenbauer", "monomial"):  # these three are harmonic
            np.testing.assert_allclose(np.delete(parts, degree), 0.0, atol=error)
        elif degree == 2 and kind == "single_index" and inputs == "gaussian":
            np.testing.assert_allclose(parts[0], 1.0 / DIM, atol=error)  # E (|x|^2/d - 1)^2/2


@pytest.mark.sharp
@pytest.mark.parametrize("kind", POLYNOMIALS)
def test_symbol_is_the_product_with_a_hermite_polynomial(kind):
    """By Gauss-Hermite quadrature in two coordinates, v in their plane."""
    degree = 2
    target = make_polynomial(jnp.eye(2)[: polynomial_axes(kind, degree)], kind, degree)
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    weights = weights / weights.sum()
    x = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    v = np.array([0.6, -0.8])
    products = np.outer(weights, weights).ravel() * hermite(degree, x @ v) * jax.jit(target)(x)
    # a sum of 12^2 products, whose factors have few roundings each
    error = rounding(12**2 + 100) * np.sum(np.abs(products))
    found = jax.jit(target.symbol)(v[None])
    np.testing.assert_allclose(found, [products.sum()], rtol=0, atol=error)


def test_neurons_without_weights_do_no_harm():
    target = make_polynomial(jnp.eye(3)[:1], "single_index", 2)
    f = ReluSum(jnp.zeros((2, 3)), jnp.array([1.0, 0.0]), jnp.ones(2))
    both = jax.jit(jax.value_and_grad(lambda w: target.product(f._replace(weights=w))))
    value, slopes = both(f.weights)
    assert float(value) == 0.0
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
    assert largest_coefficient(kind, degree) == pytest.approx(expected, rel=rounding(2 * LIBRARY))


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
