"""Coefficients of targets by degree: against their spectra, closed forms and simulation."""

import math

import jax
import numpy as np
import pytest
from scipy import integrate, special

from rf_limits.errors import RequirementError
from rf_limits.problem import make_target, sample_inputs
from rf_limits.theory import coefficients_by_degree, degree_products, zonal_spectrum
from rf_limits.theory.coefficients import sphere_tails
from rf_limits.theory.harmonics import gegenbauer, multiplicity

TARGETS = {
    "neuron": {"kind": "single_neuron", "norm": 1.5},
    "biased neuron": {"kind": "single_neuron", "bias": 0.7},
    "teacher": {"kind": "teacher"},
    "biased teacher": {"kind": "teacher", "bias": -0.4},
    "polynomial": {"kind": "polynomial", "degree": 3},
}


def target_of(key, name, dim):
    options = dict(TARGETS[name])
    return make_target(key, options.pop("kind"), dim=dim, **options)


def found(target, max_degree, inputs):
    return coefficients_by_degree(target, max_degree, target.second_moment(inputs), inputs)


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
@pytest.mark.parametrize("name", TARGETS)
def test_coefficients_match_simulation(key, name, inputs):
    """v_k^2 = B(d, k) E f(x) f(z) |x||z| P_k(cos)/d, x and z independent."""
    dim, count = 5, 400_000
    target = target_of(key, name, dim)
    keys = jax.random.split(jax.random.fold_in(key, 1))
    x, z = (sample_inputs(k, inputs, count, dim) for k in keys)
    product = np.asarray(target(x) * target(z))
    x, z = np.asarray(x), np.asarray(z)
    size = np.linalg.norm(x, axis=1) * np.linalg.norm(z, axis=1)
    polynomials = gegenbauer(dim, 4, np.clip(np.sum(x * z, axis=1) / size, -1.0, 1.0))
    weights = found(target, 4, inputs).weights
    for k in range(5):
        sample = multiplicity(dim, k) * product * size / dim * polynomials[k]
        # 6 standard errors, 5 degrees, 10 cases: false alarm below 1e-6
        assert abs(sample.mean() - weights[k]) < 6 * sample.std() / math.sqrt(count)


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
@pytest.mark.parametrize("dim", [2, 7, 40])
def test_a_neuron_has_the_weights_of_its_spectrum(key, inputs, dim):
    target = target_of(key, "neuron", dim)
    coefficients = found(target, 100, inputs)
    spectrum = zonal_spectrum(dim, 100, norm=1.5)
    np.testing.assert_allclose(coefficients.weights, spectrum.weights, rtol=1e-10)
    np.testing.assert_allclose(coefficients.total, spectrum.total, rtol=1e-14)


def test_a_biased_neuron_on_the_sphere_by_quadrature(key):
    dim, bias = 6, 0.7
    weights = found(target_of(key, "biased neuron", dim), 6, "sphere").weights
    constant = special.gamma(dim / 2) / (math.sqrt(math.pi) * special.gamma((dim - 1) / 2))
    for k in range(7):

        def integrand(t, k=k):
            value = (math.sqrt(dim) * t + bias) * gegenbauer(dim, k, np.array([t]))[k, 0]
            return constant * value * (1 - t * t) ** ((dim - 3) / 2)

        value, _ = integrate.quad(integrand, -bias / math.sqrt(dim), 1, epsabs=1e-14)
        np.testing.assert_allclose(weights[k], multiplicity(dim, k) * value**2, rtol=1e-9)


def test_a_polynomial_by_hand(key):
    """he_2 = (r^2 t^2 - 1)/sqrt(2): degree 2 goes like r^2, and r has (E r^3)^2/(d E r^4) of it."""
    dim = 9
    target = make_target(key, "polynomial", dim=dim, degree=2)
    cubed = 2**1.5 * special.gamma(dim / 2 + 1.5) / special.gamma(dim / 2)
    kept = cubed**2 / (dim * dim * (dim + 2))
    whole = float(degree_products(target, target, 2)[2])
    weights = found(target, 4, "gaussian").weights
    np.testing.assert_allclose(weights[2], kept * whole, rtol=1e-12)
    assert np.all(weights[[1, 3, 4]] < 1e-28)
    # on the sphere, where E x_1^4 = 3 d/(d + 2), degree 2 is all there is
    sphere = found(target, 4, "sphere")
    np.testing.assert_allclose(sphere.weights[2], (dim - 1) / (dim + 2), rtol=1e-12)
    np.testing.assert_allclose(sphere.total, (dim - 1) / (dim + 2), rtol=1e-12)


@pytest.mark.parametrize("name", TARGETS)
def test_on_the_sphere_degrees_add_up_within_the_tails(key, name):
    dim = 4
    target = target_of(key, name, dim)
    total = target.second_moment("sphere")
    tails = sphere_tails(target, 200, total, target.degree_tails(200))
    weights = found(target, 400, "sphere").weights
    beyond = np.sqrt(np.maximum(weights.sum() - np.cumsum(weights)[:201], 0.0))
    assert np.all(tails >= beyond - 1e-7)  # the root of the rounding of that difference
    assert tails[50] < 0.05 * math.sqrt(total)
    if name == "polynomial":
        assert np.all(tails[3:] == 0.0)
        assert tails[2] > 0.1


def test_high_dimensions_are_numbers(key):
    coefficients = found(target_of(key, "biased teacher", 5000), 400, "gaussian")
    assert np.all(np.isfinite(coefficients.weights))
    assert 0.0 < coefficients.weights.sum() < coefficients.total


def test_unknown_inputs_are_refused(key):
    with pytest.raises(RequirementError, match="inputs must be one of gaussian, sphere"):
        coefficients_by_degree(target_of(key, "neuron", 4), 3, 1.0, "cube")
