"""Exact expectations against hand-derived cases, mpmath, simulation and each other."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import special

from rf_limits.theory import relu_gram as relu_gram_function
from rf_limits.theory.risks import relu_moments
from rf_limits.theory.risks.relu_moments import ReluSum
from tests.rounding import rounding
from tests.variants import kept

# compiled as a whole: operation by operation they take minutes
relu_gram = jax.jit(relu_gram_function)
relu_sum_product = jax.jit(relu_moments.relu_sum_product, static_argnames="block_entries")
_gated_product = jax.jit(relu_moments._gated_product)

DIM, COUNT = 4, 6
PAIR = 200
"""Roundings behind one pair of neurons, relative to sqrt(|w|^2 + a^2) sqrt(|v|^2 + b^2).

Units and inner products (4 d), the angle's series (36), Owen's T with its 32 nodes twice, and five
library functions; gradient features take two products more.
"""


def draw(seed, *, biased=False, sloped=False, count=COUNT):
    """A random sum of neurons."""
    normal = np.random.default_rng(seed).normal
    shapes = ((count, DIM), (count,), (count,), (count, DIM), (count,))
    w, b, u, p, q = (jnp.asarray(normal(size=shape)) for shape in shapes)
    slopes = (p if sloped else None, q if sloped and biased else None)
    return ReluSum(w, b if biased else None, u, *slopes)


def size_of(f):
    """sum_i sqrt(E h_i^2) for the terms h_i of a sum, gates left out."""
    parts = [f.amplitudes[:, None] * f.weights, f.slopes]
    parts += [None if f.biases is None else f.amplitudes * f.biases, f.offsets]
    columns = [np.reshape(part, (len(f.amplitudes), -1)) for part in parts if part is not None]
    return sum(float(np.linalg.norm(rows, axis=1).sum()) for rows in columns)


def mp_gram(s, a, t, b, angle):
    """E relu(s z1 + a) relu(t z2 + b), corr = cos(angle), by one integral in 30 digits."""
    with mpmath.workdps(30):
        c, rest = mpmath.cos(mpmath.mpf(angle)), mpmath.sin(mpmath.mpf(angle))

        def inner(z):
            mean, scale = s * c * z + a, s * rest
            if scale == 0:
                return max(mean, mpmath.mpf(0))
            r = mean / scale
            return mean * mpmath.ncdf(r) + scale * mpmath.npdf(r)

        f = lambda z: mpmath.npdf(z) * (t * z + b) * inner(z)
        start = max(mpmath.mpf(-b) / t, mpmath.mpf(-16))
        kink = -mpmath.mpf(a) / (s * c) if c else start
        width = rest / abs(c) if c else mpmath.mpf(1)
        knots = {start, mpmath.mpf(16)} | {kink + k * width for k in (-8, -2, 0, 2, 8)}
        knots |= {mpmath.mpf(k) for k in range(-14, 16, 2)}
        return float(mpmath.quad(f, sorted(k for k in knots if start <= k <= 16)))


@pytest.mark.sharp
def test_gram_by_hand():
    w = jnp.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0]])
    found = relu_gram(w, None, w, None)
    # parallel: |w||v|/2; orthogonal: |w||v|/(2 pi); antiparallel: 0; 45 degrees:
    # |w||v| (1/sqrt 2)(1 + 3 pi/4)/(2 pi)
    expected = [0.5, 2.0 / (2.0 * np.pi), 0.0, (1.0 + 0.75 * np.pi) / (2.0 * np.pi)]
    # without biases an angle, of units and inner products (4 d) and a series (36)
    lengths = np.linalg.norm(w, axis=1)
    atol = rounding(4 * 2 + 36 + 10)
    np.testing.assert_allclose(found[0] / lengths, expected / lengths, rtol=0, atol=atol)


BIASES = [(0.0, 0.5), (-1.0, 2.0), (1.5, 1.5), (-3.0, -3.0), (4.0, 0.0)]
ANGLES = [1e-6, 0.3, np.pi / 2, 2.0, np.pi - 1e-6]


@pytest.mark.sharp
@pytest.mark.parametrize(
    "case",
    kept(
        itertools.product(ANGLES, BIASES),
        [(0.3, biases) for biases in BIASES] + [(angle, (-1.0, 2.0)) for angle in ANGLES],
    ),
    ids=str,
)
def test_biased_gram_matches_mpmath(case):
    angle, (a, b) = case
    s, t = 1.7, 0.6
    w = s * jnp.array([[1.0, 0.0]])
    v = t * jnp.array([[np.cos(angle), np.sin(angle)]])
    found = relu_gram(w, jnp.array([a]), v, jnp.array([b]))[0, 0]
    expected = mp_gram(s, a, t, b, angle)
    scale = np.sqrt(s**2 + a**2) * np.sqrt(t**2 + b**2)
    assert abs(float(found) - expected) < rounding(PAIR) * scale


def test_biased_gram_continues_unbiased():
    w, v = (draw(seed, count=3 * COUNT).weights for seed in (0, 1))
    zero = jnp.zeros(3 * COUNT)
    found, expected = relu_gram(w, zero, v, zero), relu_gram(w, None, v, None)
    lengths = np.linalg.norm(w, axis=1)[:, None] * np.linalg.norm(v, axis=1)
    found, expected = found / lengths, expected / lengths
    np.testing.assert_allclose(found, expected, rtol=0, atol=rounding(2 * PAIR))


@pytest.mark.parametrize("biased", [False, True])
def test_gram_of_equal_and_opposite_neurons(biased):
    f = draw(0, biased=biased)
    w = np.concatenate([f.weights, -f.weights, 1e-3 * f.weights])
    b = np.concatenate([f.biases, f.biases, 1e-3 * f.biases]) if biased else None
    w, b = jnp.asarray(w), None if b is None else jnp.asarray(b)
    gram = np.asarray(relu_gram(w, b, w, b))
    assert np.all(np.isfinite(gram))
    # relu(h)^2 for h ~ N(b, |w|^2)
    s = np.linalg.norm(f.weights, axis=1)
    beta = np.asarray(f.biases) / s if biased else np.zeros(COUNT)
    phi = np.exp(-(beta**2) / 2) / np.sqrt(2 * np.pi)
    square = s**2 * ((1 + beta**2) * special.ndtr(beta) + beta * phi)
    size = s**2 * (1 + beta**2)
    for found, factor in ((np.diag(gram)[:COUNT], 1.0), (np.diag(gram[:COUNT, 2 * COUNT :]), 1e-3)):
        share = found / (factor * size)
        np.testing.assert_allclose(share, square / size, rtol=0, atol=rounding(PAIR))


@pytest.mark.parametrize("biased", [False, True])
def test_gated_form_equals_gram_form(biased):
    f, g = draw(0, biased=biased), draw(1, biased=biased)
    for left, right in [(f, g), (f, f)]:
        plain, gated = relu_sum_product(left, right), _gated_product(left, right)
        atol = rounding(2 * PAIR + COUNT**2) * size_of(left) * size_of(right)
        np.testing.assert_allclose(gated, plain, rtol=0, atol=atol)


@pytest.mark.parametrize("biased", kept([False, True], [True]))
@pytest.mark.parametrize("sloped", kept([False, True], [True]))
def test_product_matches_simulation(biased, sloped):
    f, g = (draw(seed, biased=biased, sloped=sloped) for seed in (0, 1))
    x = np.random.default_rng(2).normal(size=(200_000, DIM))

    def values(of):
        """The sum written out."""
        h = x @ np.asarray(of.weights).T + (np.asarray(of.biases) if biased else 0.0)
        inside = np.asarray(of.amplitudes) * h
        if sloped:
            inside += x @ np.asarray(of.slopes).T + (np.asarray(of.offsets) if biased else 0.0)
        return np.sum(inside * (h > 0.0), axis=1)

    of_f, of_g = values(f), values(g)
    few = x[:9]  # inner products of d terms and a sum over the neurons
    atol = rounding(2 * DIM + COUNT + 5) * size_of(f) * (1.0 + np.linalg.norm(few, axis=1).max())
    np.testing.assert_allclose(f(jnp.asarray(few)), of_f[:9], rtol=0, atol=atol)
    for right, products in ((g, of_f * of_g), (f, of_f**2)):
        error = np.std(products) / np.sqrt(len(x))
        # 6 standard errors: false alarm below 1e-8 per comparison
        assert abs(np.mean(products) - float(relu_sum_product(f, right))) < 6 * error


@pytest.mark.parametrize("biased", kept([False, True], [True]))
def test_slopes_are_derivatives_of_neurons(biased):
    """The gated form with slopes equals the derivative of the Gram form along them."""
    f = draw(0, biased=biased, sloped=True)._replace(amplitudes=jnp.ones(COUNT))
    g = draw(1, biased=biased)
    change = ReluSum(f.slopes, f.offsets, jnp.zeros(COUNT))

    @jax.jit
    def derivative(f, change, g):
        return jax.jvp(lambda f: relu_moments.relu_sum_product(f, g), (f,), (change,))[1]

    slope = derivative(ReluSum(f.weights, f.biases, f.amplitudes), change, g)
    tangent = f._replace(amplitudes=jnp.zeros(COUNT))
    atol = rounding(2 * PAIR + COUNT**2) * size_of(tangent) * size_of(g)
    np.testing.assert_allclose(relu_sum_product(tangent, g), slope, rtol=0, atol=atol)


def test_tangent_at_coinciding_gates_by_hand():
    """E 1[h>0] <p,x><r,x> over equal gates is <p,r>/2, over opposite gates 0."""
    w = jnp.array([[0.3, -0.4, 1.2]])
    p, r = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[-1.0, 0.5, 2.0]])
    f = ReluSum(w, None, jnp.zeros(1), p)
    g = ReluSum(5.0 * w, None, jnp.zeros(1), r)
    # P is within 2e-11 of it, the error of an angle
    bound = rounding(PAIR) * np.linalg.norm(p) * np.linalg.norm(r)
    assert abs(relu_sum_product(f, g) - np.sum(p * r) / 2) < bound
    assert abs(relu_sum_product(f, g._replace(weights=-w))) < bound
