"""Products and risks by degree: against 30 digits, simulation, spectra and whole products."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.problem import make_target
from rf_limits.problem.neurons import SingleNeuron
from rf_limits.theory import ReluSum, degree_products, degree_risks, relu_sum_product
from rf_limits.theory.harmonics import gegenbauer, multiplicity
from rf_limits.theory.population_risk import population_risk
from rf_limits.theory.relu_degrees import neuron_coefficients
from rf_limits.theory.spectrum import zonal_spectrum
from rf_limits.theory.zonal import Radii
from tests.variants import kept


def relu_sum(key, size, dim, *, biased, sloped):
    """Random neurons, with gradient features where asked for."""
    keys = jax.random.split(key, 5)
    draw = jax.random.normal
    return ReluSum(
        draw(keys[0], (size, dim)) / math.sqrt(dim),
        draw(keys[1], (size,)) if biased else None,
        draw(keys[2], (size,)) / size,
        draw(keys[3], (size, dim)) / size if sloped else None,
        draw(keys[4], (size,)) / size if sloped and biased else None,
    )


def coefficient(dim, degree, rho, bias):
    """E relu(rho t + bias) P_k(t) from its definition, 30 digits."""
    with mpmath.workdps(30):
        rho, bias, half = mpmath.mpf(rho), mpmath.mpf(bias), mpmath.mpf(dim - 3) / 2

        def polynomial(t):
            if dim == 2:
                return mpmath.chebyt(degree, t)
            order = mpmath.mpf(dim - 2) / 2
            one = mpmath.gegenbauer(degree, order, 1)
            return mpmath.gegenbauer(degree, order, t) / one

        def integrand(angle):  # t = sin(angle)
            t = mpmath.sin(angle)
            density = mpmath.cos(angle) ** (2 * half + 1)
            return max(rho * t + bias, 0) * polynomial(t) * density

        edge = mpmath.asin(min(max(-bias / rho, -1), 1))
        ends = [edge, (edge + mpmath.pi / 2) / 2, mpmath.pi / 2]
        if edge == ends[2]:
            return mpmath.mpf(0)
        constant = mpmath.gamma(half + 1.5) / (mpmath.sqrt(mpmath.pi) * mpmath.gamma(half + 1))
        return constant * mpmath.quad(integrand, ends)


@pytest.mark.parametrize("dim", kept([2, 3, 6, 21], [2, 21]))
@pytest.mark.parametrize("bias", [-1.2, 0.4, 3.0])
def test_neuron_coefficients_against_their_definition(dim, bias):
    radii = Radii(np.array([0.1, 1.0, 2.5, 7.0]), np.ones(4))  # with and without a kink
    norm = 0.8
    found = neuron_coefficients(jnp.array([norm]), jnp.array([bias]), dim, 5, radii)[0]
    for k in range(6):
        root = math.sqrt(multiplicity(dim, k))
        for j, r in enumerate(radii.nodes):
            expected = root * float(coefficient(dim, k, norm * r, bias))
            # rounding, of numbers up to root (norm r + |bias|)
            assert abs(float(found[k, j]) - expected) < 4e-15 * root * (norm * r + abs(bias))


@pytest.mark.parametrize(
    "case",
    kept(
        [(2, 5e-7), (3, 5e-8), (5, 1e-9), (8, 1e-11), (10, 1e-12), (30, 1e-12)],
        [(2, 5e-7), (5, 1e-9), (10, 1e-12)],
    ),
)
def test_accuracy_with_biases_is_as_stated(case):
    """Relative to E f^2; the eigenvalues of the spectrum are good to 1e-11 of themselves."""
    dim, accuracy = case
    for bias in (-2.0, -1.2, -0.1, 0.3, 0.77, 2.5):
        neuron = SingleNeuron.create(jnp.ones(dim), 1.0, bias)
        spectrum = zonal_spectrum(dim, 6, bias=bias)
        found = degree_products(neuron, neuron, 6)
        assert np.max(np.abs(found - spectrum.weights)) < accuracy * spectrum.total


@pytest.mark.parametrize("dim", [2, 5, 20, 300])
def test_without_bias_the_spectrum_is_met_to_rounding(dim):
    neuron = SingleNeuron.create(jnp.ones(dim), 2.0, 0.0)
    expected = 4.0 * zonal_spectrum(dim, 12).weights
    np.testing.assert_allclose(degree_products(neuron, neuron, 12), expected, rtol=1e-11)


FUNCTIONS = {
    "neurons": {"biased": False, "sloped": False},
    "biased neurons": {"biased": True, "sloped": False},
    "gates": {"biased": False, "sloped": True},
    "biased gates": {"biased": True, "sloped": True},
}


PLAIN = ("biased neurons", "gates")
"""Functions that "biased gates" contain."""


@pytest.mark.parametrize(
    "name", ["neurons", "biased gates", *(pytest.param(n, marks=pytest.mark.slow) for n in PLAIN)]
)
@pytest.mark.parametrize(
    "kind",
    kept(["biased gates", "single_neuron", "teacher", "polynomial"], ["biased gates", "teacher"]),
)
def test_products_match_simulation(key, name, kind):
    """E f_k g_k = B(d, k) E f(r w) g(r w') P_k(<w, w'>), w and w' independent directions."""
    dim, count = 4, 400_000
    f = relu_sum(key, 5, dim, **FUNCTIONS[name])
    key = jax.random.fold_in(key, 1)
    if kind == "biased gates":
        g = relu_sum(key, 3, dim, **FUNCTIONS[kind])
    else:
        bias = 0.0 if kind == "polynomial" else 0.7
        g = make_target(key, kind, dim=dim, bias=bias, degree=3)
    found = degree_products(f, g, 5)
    x, z = jax.random.normal(jax.random.fold_in(key, 2), (2, count, dim))
    r = jnp.linalg.norm(x, axis=1)
    z = z * (r / jnp.linalg.norm(z, axis=1))[:, None]
    cosines = np.clip(np.asarray(jnp.sum(x * z, axis=1) / r**2), -1.0, 1.0)
    values = gegenbauer(dim, 5, cosines) * np.asarray(f(x) * g(z))
    for k in range(6):
        sample = multiplicity(dim, k) * values[k]
        error = sample.std() / math.sqrt(count)
        # 6 standard errors, 6 degrees, 16 cases: false alarm below 1e-6
        assert abs(sample.mean() - float(found[k])) < 6 * error


PAIRS = [
    # the product is symmetric: the other halves are slow tests, and so are squares
    pytest.param(
        left, right, marks=[pytest.mark.slow] * (left >= right or left == "biased neurons")
    )
    for left, right in itertools.product(FUNCTIONS, repeat=2)
]


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_degrees_add_up_to_the_whole(key, left, right):
    """No two directions are close, so the series converges like their cosines' powers."""
    f = relu_sum(key, 6, 20, **FUNCTIONS[left])
    g = relu_sum(jax.random.fold_in(key, 1), 4, 20, **FUNCTIONS[right])
    size = math.sqrt(float(relu_sum_product(f, f) * relu_sum_product(g, g)))
    missing = relu_sum_product(f, g) - jnp.sum(degree_products(f, g, 60))
    assert abs(float(missing)) < 1e-10 * size


def test_quadratic_by_hand():
    """he_2(x_1) = (r^2/d - 1)/sqrt(2) + a harmonic: E f_0^2 = Var(r^2)/(2 d^2) = 1/d."""
    dim = 7
    target = make_target(jax.random.key(0), "polynomial", dim=dim, degree=2, norm=3.0)
    found = degree_products(target, target, 4)
    np.testing.assert_allclose(found, [9 / dim, 0, 9 - 9 / dim, 0, 0], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("degree", [1, 4, 5])
def test_polynomials_add_up(key, degree):
    target = make_target(key, "polynomial", dim=6, degree=degree, norm=1.5)
    total = jnp.sum(degree_products(target, target, degree))
    np.testing.assert_allclose(total, 2.25, rtol=1e-13)
    f = relu_sum(key, 5, 6, biased=False, sloped=True)
    np.testing.assert_allclose(
        jnp.sum(degree_products(f, target, degree)), target.product(f), rtol=1e-12, atol=1e-14
    )


def test_risks_are_those_of_the_parts(key):
    """Several parts are their sum; what lies beyond K is positive, and bounded by the tail."""
    target = make_target(key, "teacher", dim=20)
    parts = tuple(
        relu_sum(jax.random.fold_in(key, i), 5, 20, biased=False, sloped=i == 1) for i in range(3)
    )
    found = degree_risks(parts, target, 12)
    expected = (
        degree_products(parts, parts, 12)
        - 2 * degree_products(parts, target, 12)
        + degree_products(target, target, 12)
    )
    np.testing.assert_allclose(found, expected, atol=1e-14)
    neurons = (parts[0], parts[2])
    risk = population_risk(neurons, target, target.second_moment("gaussian"))
    missing = float(risk - jnp.sum(degree_risks(neurons, target, 12)))
    rows = [(part.weights, part.amplitudes) for part in neurons]
    rows.append((target.directions, target.coefficients))
    size = sum(float(jnp.sum(jnp.linalg.norm(w, axis=1) * jnp.abs(a))) for w, a in rows)
    assert 0.0 < missing < size**2 * zonal_spectrum(20, 12).tail


def test_small_risks_keep_their_digits():
    """Degrees 0 to 2 are squares of differences: 1e-16 of E f*_k^2 is not lost in rounding."""
    neuron = SingleNeuron.create(jnp.array([1.0, 0.0, 0.0, 0.0]), 1.0, 0.0)
    f = ReluSum(neuron.directions, None, jnp.array([1.0 + 2.0**-27]))
    weights = zonal_spectrum(4, 2).weights
    np.testing.assert_allclose(degree_risks(f, neuron, 2), 2.0**-54 * weights, rtol=1e-7)


@pytest.mark.parametrize("name", kept(["gates", "biased gates"], ["biased gates"]))
def test_blocks_and_gradients(key, name):
    """Blocks change nothing, and gradients are central differences."""
    f = relu_sum(key, 30, 5, **FUNCTIONS[name])
    target = make_target(jax.random.fold_in(key, 1), "teacher", dim=5, bias=0.2)
    move = relu_sum(jax.random.fold_in(key, 2), 30, 5, **FUNCTIONS[name])

    @partial(jax.jit, static_argnums=1)
    def risks(step, entries):
        moved = jax.tree.map(lambda x, v: x + step * v, f, move)
        return degree_risks(moved, target, 5, block_entries=entries)

    values, slopes = jax.jvp(lambda s: risks(s, 2**20), (0.0,), (1.0,))
    blocked, blocked_slopes = jax.jvp(lambda s: risks(s, 64), (0.0,), (1.0,))
    np.testing.assert_allclose(blocked, values, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(blocked_slopes, slopes, rtol=1e-11, atol=1e-14)
    back = jax.grad(lambda s: jnp.sum(risks(s, 64)))(0.0)
    np.testing.assert_allclose(back, jnp.sum(slopes), rtol=1e-11)
    step = 1e-6
    difference = (risks(step, 2**20) - risks(-step, 2**20)) / (2 * step)
    np.testing.assert_allclose(difference, slopes, atol=1e-8 * float(jnp.max(jnp.abs(slopes))))


@pytest.mark.parametrize("name", ["neurons", "biased gates"])
def test_wide_networks_fit_in_memory(key, name):
    """16,384 neurons: 2 GiB would hold one matrix of pairs."""
    shapes = jax.eval_shape(lambda: relu_sum(key, 16_384, 20, **FUNCTIONS[name]))
    target = make_target(key, "single_neuron", dim=20)
    compiled = jax.jit(lambda f: degree_risks(f, target, 4)).lower(shapes).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 2**29


def test_a_neuron_without_weights_is_a_constant():
    f = ReluSum(jnp.zeros((2, 4)), jnp.array([0.7, -0.3]), jnp.ones(2))
    found = degree_products(f, f, 3)
    np.testing.assert_allclose(found, [0.49, 0.0, 0.0, 0.0], rtol=1e-13, atol=1e-15)


def test_refusals():
    neuron = SingleNeuron.create(jnp.ones(3), 1.0, 0.0)
    with pytest.raises(RequirementError, match="max_degree"):
        degree_products(neuron, neuron, -1)
    with pytest.raises(RequirementError, match="dim"):
        degree_products(SingleNeuron.create(jnp.ones(1), 1.0, 0.0), neuron, 2)
