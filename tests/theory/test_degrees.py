"""Products and risks by degree: against 22 digits, simulation, spectra and whole products."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.problem.neurons import Teacher
from rf_limits.problem.polynomial_kinds import make_polynomial
from rf_limits.theory import ReluSum, degree_products, degree_risks, relu_sum_product
from rf_limits.theory.risks.population_risk import population_risk
from rf_limits.theory.spectra.harmonics import gegenbauer, multiplicity
from rf_limits.theory.spectra.relu_degrees import neuron_coefficients
from rf_limits.theory.spectra.spectrum import zonal_spectrum
from rf_limits.theory.spectra.zonal import Radii
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

RADII = 480
"""Radii of the rule at most, a sum of positive terms."""

products = jax.jit(degree_products, static_argnums=2)
whole = jax.jit(relu_sum_product)


def relu_sum(seed, size, dim, *, biased, sloped):
    """Random neurons, with gradient features where asked for."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape))

    return ReluSum(
        draw(size, dim) / math.sqrt(dim),
        draw(size) if biased else None,
        draw(size) / size,
        draw(size, dim) / size if sloped else None,
        draw(size) / size if sloped and biased else None,
    )


def teacher(dim, bias):
    """Three neurons of random directions."""
    units = np.random.default_rng(7).normal(size=(3, dim))
    units /= np.linalg.norm(units, axis=1)[:, None]
    return Teacher(*map(jnp.asarray, (units, np.full(3, bias), np.array([1.0, -1.0, 1.0]) / 3)))


def polynomial(dim, degree, norm):
    """he_degree of one coordinate."""
    return make_polynomial(jnp.asarray(np.eye(1, dim)), "single_index", degree, norm)


def neuron(dim, norm, bias=None):
    """One neuron along the diagonal."""
    biases = None if bias is None else jnp.asarray([bias])
    return ReluSum(jnp.asarray(norm * np.full((1, dim), dim**-0.5)), biases, jnp.asarray([1.0]))


def size_of(f):
    """Sum of the sizes of the neurons and features that f consists of, before they cancel."""
    w, b, u, s, o = (0.0 if x is None else np.asarray(x) for x in f)
    lengths = np.linalg.norm(w, axis=1) + np.abs(b)
    return np.sum(np.abs(u) * lengths + np.linalg.norm(np.atleast_2d(s), axis=1) + np.abs(o))


def coefficient(dim, degree, rho, bias):
    """E relu(rho t + bias) P_k(t) from its definition, 22 digits."""
    with mpmath.workdps(22):
        rho, bias, half = mpmath.mpf(rho), mpmath.mpf(bias), mpmath.mpf(dim - 3) / 2

        def polynomial(t):
            before, now = mpmath.mpf(0), mpmath.mpf(1)
            for k in range(degree):
                above = k + dim - 2 or 1  # P_1 = t for d = 2 too
                before, now = now, ((2 * k + dim - 2 or 1) * t * now - k * before) / above
            return now

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


@pytest.mark.sharp
@pytest.mark.parametrize("dim", kept([2, 3, 6, 21], [2, 21]))
def test_neuron_coefficients_against_their_definition(dim):
    radii = Radii(np.array([0.1, 1.0, 2.5, 7.0]), np.ones(4))  # with and without a kink
    norm, biases = 0.8, np.array([-1.2, 0.4, 3.0])
    found = jax.jit(lambda w, b: neuron_coefficients(w, b, dim, 5, radii))
    values = np.asarray(found(jnp.asarray(np.full(3, norm)), jnp.asarray(biases)))
    # an arc-cosine, a power, exponentials of logarithms, and the sum of d/2 terms of a share
    operations = 5 * LIBRARY + dim
    for k, (j, r), (i, bias) in itertools.product(
        range(6), enumerate(radii.nodes), enumerate(biases)
    ):
        root = math.sqrt(multiplicity(dim, k))
        size = root * (norm * r + abs(bias))
        expected = root * float(coefficient(dim, k, norm * r, bias))
        assert abs(values[i, k, j] - expected) < rounding(operations) * size


@pytest.mark.parametrize(
    "case",
    kept(
        [(2, 5e-7), (3, 5e-8), (5, 1e-9), (8, 1e-11), (10, 1e-12), (30, 1e-12)],
        [(2, 5e-7), (10, 1e-12)],
    ),
)
def test_accuracy_with_biases_is_as_stated(case):
    """Relative to E f^2; the eigenvalues of the spectrum are good to 1e-11 of themselves."""
    dim, accuracy = case
    for bias in (-2.0, -1.2, -0.1, 0.3, 0.77, 2.5):
        spectrum, f = zonal_spectrum(dim, 6, bias=bias), neuron(dim, 1.0, bias)
        found = np.asarray(products(f, f, 6))
        assert np.max(np.abs(found - spectrum.weights)) < accuracy * spectrum.total


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [2, 5, 20, 300])
def test_without_bias_the_spectrum_is_met(dim):
    """Within the error that the spectrum states of each of its eigenvalues."""
    spectrum, f = zonal_spectrum(dim, 12), neuron(dim, 2.0)
    found = products(f, f, 12)
    np.testing.assert_allclose(found, 4.0 * spectrum.weights, rtol=np.max(spectrum.error))


FUNCTIONS = {
    "neurons": {"biased": False, "sloped": False},
    "biased neurons": {"biased": True, "sloped": False},
    "gates": {"biased": False, "sloped": True},
    "biased gates": {"biased": True, "sloped": True},
}


@pytest.fixture(scope="module")
def pairs_of_points():
    """Normal points, others of the same length and independent direction, and P_k of the angle."""
    x, z = np.random.default_rng(5).normal(size=(2, 200_000, 4))
    r = np.linalg.norm(x, axis=1)
    z *= (r / np.linalg.norm(z, axis=1))[:, None]
    cosines = np.clip(np.sum(x * z, axis=1) / r**2, -1.0, 1.0)
    return jnp.asarray(x), jnp.asarray(z), gegenbauer(4, 5, cosines)


CASES = list(itertools.product(FUNCTIONS, ("biased gates", "neuron", "teacher", "polynomial")))


@pytest.mark.parametrize(
    "case",
    kept(CASES, [("biased gates", "biased gates"), ("neurons", "teacher")]),
    ids=" with ".join,
)
def test_products_match_simulation(pairs_of_points, case):
    """E f_k g_k = B(d, k) E f(r w) g(r w') P_k(<w, w'>), w and w' independent directions."""
    dim, (x, z, polynomials) = 4, pairs_of_points
    f = relu_sum(0, 5, dim, **FUNCTIONS[case[0]])
    g = {
        "biased gates": relu_sum(1, 3, dim, **FUNCTIONS["biased gates"]),
        "neuron": neuron(dim, 1.0, 0.7),
        "teacher": teacher(dim, 0.7),
        "polynomial": polynomial(dim, 3, 1.0),
    }[case[1]]
    found = jax.jit(lambda f: degree_products(f, g, 5))(f)
    values = polynomials * np.asarray(jax.jit(lambda f: f(x) * g(z))(f))
    for k in range(6):
        sample = multiplicity(dim, k) * values[k]
        error = sample.std() / math.sqrt(sample.size)
        # 6 standard errors, 6 degrees, 16 cases: false alarm below 1e-6
        assert abs(sample.mean() - float(found[k])) < 6 * error


# by default gradient features on both sides, with biases and without; and no biases at all
DEFAULT = [("biased gates", "gates"), ("gates", "neurons")]
PAIRS = kept(itertools.product(FUNCTIONS, repeat=2), DEFAULT)


@pytest.mark.parametrize("pair", PAIRS, ids=" with ".join)
def test_degrees_add_up_to_the_whole(pair):
    """No two directions are close: the series converges like P_k of the cosines between them."""
    dim, degree = 1000, 10
    f, g = (relu_sum(i, 6 - i, dim, **FUNCTIONS[name]) for i, name in enumerate(pair))
    missing = float(whole(f, g)) - np.sum(np.asarray(products(f, g, degree)))
    units = [w / np.linalg.norm(w, axis=1)[:, None] for w in map(np.asarray, (f[0], g[0]))]
    beyond = np.max(np.abs(gegenbauer(dim, degree + 1, (units[0] @ units[1].T).ravel())[-1]))
    assert beyond < 1e-12
    # 1e-12 is the stated accuracy of the radial rule
    assert abs(missing) < (1e-12 + beyond) * size_of(f) * size_of(g)


def test_quadratic_by_hand():
    """he_2(x_1) = (r^2/d - 1)/sqrt(2) + a harmonic: E f_0^2 = Var(r^2)/(2 d^2) = 1/d."""
    dim = 7
    target = polynomial(dim, 2, 3.0)
    found = jax.jit(lambda: degree_products(target, target, 4))()
    # the sums over radii and over the d^2 entries of a matrix, and the radial density
    tolerance = rounding(RADII + dim**2 + 3 * LIBRARY) * 9
    np.testing.assert_allclose(found, [9 / dim, 0, 9 - 9 / dim, 0, 0], rtol=0, atol=tolerance)


@pytest.mark.parametrize("degree", kept([1, 4, 5], [1, 5]))
def test_polynomials_add_up(degree):
    target = polynomial(6, degree, 1.5)
    f = relu_sum(0, 5, 6, biased=False, sloped=True)

    @jax.jit
    def sums(f):
        own, mixed = (degree_products(g, target, degree) for g in (target, f))
        return jnp.sum(own), jnp.sum(mixed), target.product(f)

    own, mixed, product = map(float, sums(f))
    # he_k in powers of z: E of the square with all signs positive, over E he_k^2 = 1
    powers = np.abs(np.polynomial.hermite_e.herme2poly([0] * degree + [1]))
    square = np.polynomial.polynomial.polymul(powers, powers)[::2]
    moments = [math.prod(range(1, 2 * i, 2)) for i in range(degree + 1)]
    condition = square @ moments / math.factorial(degree)
    # sums of squares over radii, and the recurrences of he_k and P_k
    tolerance = rounding(RADII + 36 + 3 * LIBRARY) + rounding(5 * degree, condition)
    np.testing.assert_allclose(own, 2.25, rtol=tolerance)
    assert abs(mixed - product) < tolerance * 1.5 * size_of(f)


def test_risks_are_those_of_the_parts():
    """Several parts are their sum; what lies beyond K is positive, and bounded by the tail."""
    target = teacher(20, 0.0)
    parts = tuple(relu_sum(i, 5, 20, biased=False, sloped=i == 1) for i in range(3))
    neurons = (parts[0], parts[2])

    @jax.jit
    def numbers(parts):
        products = [
            degree_products(f, g, 6) for f, g in ((parts, parts), (parts, target), (target,) * 2)
        ]
        return degree_risks(parts, target, 6), products

    found, (square, cross, own) = jax.tree.map(np.asarray, numbers(parts))
    sizes = [size_of(part) for part in (*parts, target.as_relu_sum())]
    # sums of 18 rows on either side; and, of positive terms, of the d^2 entries of a matrix
    tolerance = rounding(2 * 18 + 3 * LIBRARY) * sum(sizes) ** 2
    expected = square - 2 * cross + own
    np.testing.assert_allclose(found, expected, rtol=rounding(20**2), atol=tolerance)
    moment = target.second_moment("gaussian")

    @jax.jit
    def beyond(neurons):
        risk = population_risk(neurons, target, moment)
        return risk - jnp.sum(degree_risks(neurons, target, 6))

    missing = float(beyond(neurons))
    size = sizes[0] + sizes[2] + sizes[3]
    assert 0.0 < missing < size**2 * zonal_spectrum(20, 6).tail


@pytest.mark.sharp
def test_small_risks_keep_their_digits():
    """Degrees 0 to 2 are squares of differences: 1e-16 of E f*_k^2 is not lost in rounding."""
    f, target = neuron(4, 1.0), neuron(4, 1.0)
    f = f._replace(amplitudes=jnp.asarray([1.0 + 2.0**-27]))
    found = jax.jit(lambda f, g: degree_risks(f, g, 2))(f, target)
    # each of two terms of 2^27 times their difference is rounded twice, then it is squared
    tolerance = 2.0 * rounding(4, 2.0**27)
    np.testing.assert_allclose(found, 2.0**-54 * zonal_spectrum(4, 2).weights, rtol=tolerance)


@pytest.mark.parametrize("name", kept(["gates", "biased gates"], ["biased gates"]))
def test_blocks_and_gradients(name):
    """Blocks change nothing, and gradients are central differences."""
    f, move = (relu_sum(seed, 30, 5, **FUNCTIONS[name]) for seed in (0, 2))
    target = teacher(5, 0.2)

    def risks(step, entries):
        moved = jax.tree.map(lambda x, v: x + step * v, f, move)
        return degree_risks(moved, target, 3, block_entries=entries)

    @partial(jax.jit, static_argnums=1)
    def both(step, entries):
        return jax.jvp(lambda s: risks(s, entries), (step,), (1.0,))

    def numbers(step, entries):
        return [np.asarray(x) for x in both(step, entries)]

    values, slopes = numbers(0.0, 2**20)
    blocked, blocked_slopes = numbers(0.0, 64)
    back = jax.jit(jax.grad(lambda s: jnp.sum(risks(s, 64))))(0.0)
    size = size_of(f) + size_of(target.as_relu_sum())
    change = 2 * size * size_of(ReluSum(move[0], move[1], f[2], *move[3:])) + 2 * size * size_of(
        ReluSum(f[0], f[1], *move[2:])
    )
    # sums over radii and over 33 rows on either side
    operations = RADII + 2 * 33 + 5**2 + 6 * LIBRARY
    np.testing.assert_allclose(blocked, values, rtol=0, atol=rounding(operations) * size**2)
    tolerance = rounding(2 * operations) * change
    np.testing.assert_allclose(blocked_slopes, slopes, rtol=0, atol=tolerance)
    np.testing.assert_allclose(back, np.sum(slopes), rtol=0, atol=tolerance)
    step = 1e-6
    difference = (numbers(step, 2**20)[0] - numbers(-step, 2**20)[0]) / (2 * step)
    np.testing.assert_allclose(difference, slopes, atol=1e-8 * np.max(np.abs(slopes)))


@pytest.mark.parametrize("name", kept(["neurons", "biased gates"], ["biased gates"]))
def test_wide_networks_fit_in_memory(name):
    """16,384 neurons: 2 GiB would hold one matrix of pairs."""
    small = relu_sum(0, 2, 20, **FUNCTIONS[name])
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct((16_384, *x.shape[1:]), x.dtype), small)
    target = neuron(20, 1.0)
    compiled = jax.jit(lambda f: degree_risks(f, target, 4)).lower(shapes).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 2**29


def test_a_neuron_without_weights_is_a_constant():
    f = ReluSum(*map(jnp.asarray, (np.zeros((2, 4)), np.array([0.7, -0.3]), np.ones(2))))
    # a sum over radii, of weights that are exponentials
    tolerance = rounding(RADII + 3 * LIBRARY)
    np.testing.assert_allclose(products(f, f, 3), [0.49, 0, 0, 0], rtol=tolerance, atol=1e-15)


def test_refusals():
    f = neuron(3, 1.0)
    with pytest.raises(RequirementError, match="max_degree"):
        degree_products(f, f, -1)
    with pytest.raises(RequirementError, match="dim"):
        degree_products(neuron(1, 1.0), f, 2)
