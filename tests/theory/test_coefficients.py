"""Coefficients of targets by degree: against their spectra, closed forms and simulation."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special

from rf_limits.errors import RequirementError
from rf_limits.problem.neurons import Teacher
from rf_limits.problem.polynomial_kinds import make_polynomial
from rf_limits.theory import coefficients_by_degree, degree_products, zonal_spectrum
from rf_limits.theory.spectra.coefficients import sphere_tails
from rf_limits.theory.spectra.harmonics import gegenbauer, multiplicity
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

TARGETS = {
    "neuron": {"norm": 1.5},
    "biased neuron": {"bias": 0.7},
    "teacher": {"neurons": 3},
    "biased teacher": {"neurons": 3, "bias": -0.4},
    "polynomial": {"degree": 3},
}


def target_of(name, dim, **changes):
    """A target of random directions, made of NumPy's numbers."""
    options = {"neurons": 1, "norm": 1.0, "bias": 0.0, "degree": None} | TARGETS[name] | changes
    m = options["neurons"]
    units = np.random.default_rng(3).normal(size=(m, dim))
    units /= np.linalg.norm(units, axis=1)[:, None]
    if options["degree"] is not None:
        return make_polynomial(jnp.asarray(units), "single_index", options["degree"], 1.0)
    signs = (-1.0) ** np.arange(m) / math.sqrt(m)
    arrays = (options["norm"] * units, np.full(m, options["bias"]), signs)
    return Teacher(*map(jnp.asarray, arrays))


def found(target, max_degree, inputs):
    return coefficients_by_degree(target, max_degree, target.second_moment(inputs), inputs)


DIM = 5


@pytest.fixture(scope="module", params=["gaussian", "sphere"])
def points(request):
    """Inputs x and z, and |x||z| P_k(cos)/d for degrees up to 4."""
    x, z = np.random.default_rng(1).normal(size=(2, 200_000, DIM))
    if request.param == "sphere":
        x, z = (y * math.sqrt(DIM) / np.linalg.norm(y, axis=1)[:, None] for y in (x, z))
    size = np.linalg.norm(x, axis=1) * np.linalg.norm(z, axis=1)
    polynomials = gegenbauer(DIM, 4, np.clip(np.sum(x * z, axis=1) / size, -1.0, 1.0))
    return request.param, jnp.asarray(x), jnp.asarray(z), size / DIM * polynomials


@pytest.mark.parametrize("name", kept(TARGETS, ["biased teacher", "polynomial"]))
def test_coefficients_match_simulation(points, name):
    """v_k^2 = B(d, k) E f(x) f(z) |x||z| P_k(cos)/d, x and z independent."""
    inputs, x, z, polynomials = points
    target = target_of(name, DIM)
    product = np.asarray(target(x)) * np.asarray(target(z))
    weights = found(target, 4, inputs).weights
    for k in range(5):
        sample = multiplicity(DIM, k) * product * polynomials[k]
        # 6 standard errors, 5 degrees, 10 cases: false alarm below 1e-6
        assert abs(sample.mean() - weights[k]) < 6 * sample.std() / math.sqrt(sample.size)


@pytest.mark.sharp
@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
@pytest.mark.parametrize("dim", [2, 7, 40])
def test_a_neuron_has_the_weights_of_its_spectrum(inputs, dim):
    """Within the error that the spectrum states, of either."""
    coefficients = found(target_of("neuron", dim), 100, inputs)
    spectrum = zonal_spectrum(dim, 100, norm=1.5)
    error = 2.0 * np.max(spectrum.error)
    np.testing.assert_allclose(coefficients.weights, spectrum.weights, rtol=error)
    # the norm of a vector, squared
    tolerance = rounding(2 * dim + 2 * LIBRARY)
    np.testing.assert_allclose(coefficients.total, spectrum.total, rtol=tolerance)


def test_a_biased_neuron_on_the_sphere_by_quadrature():
    bias = 0.7
    weights = found(target_of("biased neuron", DIM), 6, "sphere").weights
    constant = special.gamma(DIM / 2) / (math.sqrt(math.pi) * special.gamma((DIM - 1) / 2))
    for k in range(7):

        def integrand(t, k=k):
            value = (math.sqrt(DIM) * t + bias) * gegenbauer(DIM, k, np.array([t]))[k, 0]
            return constant * value * (1 - t * t) ** ((DIM - 3) / 2)

        value, error = integrate.quad(integrand, -bias / math.sqrt(DIM), 1, epsabs=1e-14)
        # values of degree k are below sqrt(d) + bias over the root of the multiplicity
        size = (math.sqrt(DIM) + bias) / math.sqrt(multiplicity(DIM, k))
        error += rounding(21 + 4 * k + 5 * LIBRARY) * (math.sqrt(DIM) + bias)
        expected = multiplicity(DIM, k) * value**2
        assert abs(weights[k] - expected) < 2.0 * multiplicity(DIM, k) * error * size


def test_a_polynomial_by_hand():
    """he_2 = (r^2 t^2 - 1)/sqrt(2): degree 2 goes like r^2, and r has (E r^3)^2/(d E r^4) of it."""
    target = target_of("polynomial", DIM, degree=2)
    cubed = 2**1.5 * special.gamma(DIM / 2 + 1.5) / special.gamma(DIM / 2)
    kept = cubed**2 / (DIM * DIM * (DIM + 2))
    whole = float(degree_products(target, target, 2)[2])
    weights = found(target, 4, "gaussian").weights
    # sums over at most 480 radii with weights that are exponentials, and Gauss' rule
    tolerance = rounding(480 + 6 * LIBRARY)
    np.testing.assert_allclose(weights[2], kept * whole, rtol=2 * tolerance)
    assert np.all(weights[[1, 3, 4]] < (2 * tolerance) ** 2)  # squares of rounding
    # on the sphere, where E x_1^4 = 3 d/(d + 2), degree 2 is all there is
    sphere, expected = found(target, 4, "sphere"), (DIM - 1) / (DIM + 2)
    tolerance = rounding(DIM**2 + 6 * LIBRARY, condition=2)
    np.testing.assert_allclose(sphere.weights[2], expected, rtol=tolerance)
    np.testing.assert_allclose(sphere.total, expected, rtol=tolerance)


@pytest.mark.parametrize("name", kept(TARGETS, ["biased neuron", "polynomial"]))
def test_on_the_sphere_degrees_add_up_within_the_tails(name):
    dim, last = 4, 60
    target = target_of(name, dim)
    total = target.second_moment("sphere")
    tails = sphere_tails(target, last, total, target.degree_tails(last))
    weights = found(target, 2 * last, "sphere").weights
    beyond = np.sqrt(np.maximum(weights.sum() - np.cumsum(weights)[: last + 1], 0.0))
    # the root of the rounding of that difference of sums over degrees
    assert np.all(tails >= beyond - math.sqrt(rounding(4 * last) * total))
    assert tails[50] < 0.05 * math.sqrt(total)
    if name == "polynomial":
        assert np.all(tails[3:] == 0.0)
        assert tails[2] > 0.1


def test_high_dimensions_are_numbers():
    coefficients = found(target_of("biased teacher", 5000), 400, "gaussian")
    assert np.all(np.isfinite(coefficients.weights))
    assert 0.0 < coefficients.weights.sum() < coefficients.total


def test_unknown_inputs_are_refused():
    with pytest.raises(RequirementError, match="inputs must be one of gaussian, sphere"):
        coefficients_by_degree(target_of("neuron", DIM), 3, 1.0, "cube")
