"""Exact expectations against hand-derived cases, mpmath, simulation and each other."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.theory import relu_gram as relu_gram_function
from rf_limits.theory import relu_moments
from rf_limits.theory.relu_moments import ReluSum
from tests.variants import kept

# compiled as a whole: operation by operation they take minutes
relu_gram = jax.jit(relu_gram_function)
relu_sum_product = jax.jit(relu_moments.relu_sum_product, static_argnames="block_entries")
_gated_product = jax.jit(relu_moments._gated_product)

DIM = 4


def draw(key, count, *, biased=False, sloped=False, dim=DIM):
    """A random sum of neurons."""
    keys = jax.random.split(key, 5)
    return ReluSum(
        jax.random.normal(keys[0], (count, dim)),
        jax.random.normal(keys[1], (count,)) if biased else None,
        jax.random.normal(keys[2], (count,)),
        jax.random.normal(keys[3], (count, dim)) if sloped else None,
        jax.random.normal(keys[4], (count,)) if sloped and biased else None,
    )


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


def test_gram_by_hand():
    w = jnp.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0]])
    found = relu_gram(w, None, w, None)
    # parallel: |w||v|/2; orthogonal: |w||v|/(2 pi); antiparallel: 0; 45 degrees:
    # |w||v| (1/sqrt 2)(1 + 3 pi/4)/(2 pi)
    assert abs(found[0, 0] - 0.5) < 1e-15
    assert abs(found[0, 1] - 2.0 / (2.0 * np.pi)) < 1e-15
    assert abs(found[0, 2]) < 1e-15
    assert abs(found[0, 3] - (1.0 + 0.75 * np.pi) / (2.0 * np.pi)) < 1e-15


@pytest.mark.parametrize("angle", [1e-6, 0.3, np.pi / 2, 2.0, np.pi - 1e-6])
@pytest.mark.parametrize(
    ("a", "b"), [(0.0, 0.5), (-1.0, 2.0), (1.5, 1.5), (-3.0, -3.0), (4.0, 0.0)]
)
def test_biased_gram_matches_mpmath(angle, a, b):
    s, t = 1.7, 0.6
    w = s * jnp.array([[1.0, 0.0]])
    v = t * jnp.array([[np.cos(angle), np.sin(angle)]])
    found = relu_gram(w, jnp.array([a]), v, jnp.array([b]))[0, 0]
    expected = mp_gram(s, a, t, b, angle)
    scale = np.sqrt(s**2 + a**2) * np.sqrt(t**2 + b**2)
    assert abs(float(found) - expected) < 2e-14 * scale


def test_biased_gram_continues_unbiased(key):
    f, g = draw(key, 7), draw(jax.random.fold_in(key, 1), 5)
    biased = relu_gram(f.weights, jnp.zeros(7), g.weights, jnp.zeros(5))
    np.testing.assert_allclose(
        biased, relu_gram(f.weights, None, g.weights, None), rtol=1e-13, atol=1e-15
    )


@pytest.mark.parametrize("biased", [False, True])
def test_gram_of_equal_and_opposite_neurons(key, biased):
    f = draw(key, 6, biased=biased)
    w = jnp.concatenate([f.weights, -f.weights, 1e-3 * f.weights])
    b = None if f.biases is None else jnp.concatenate([f.biases, f.biases, 1e-3 * f.biases])
    gram = relu_gram(w, b, w, b)
    assert np.all(np.isfinite(gram))
    # relu(h)^2 for h ~ N(b, |w|^2)
    s = jnp.linalg.norm(f.weights, axis=1)
    beta = jnp.zeros(6) if f.biases is None else f.biases / s
    phi = jnp.exp(-(beta**2) / 2) / jnp.sqrt(2 * jnp.pi)
    square = s**2 * ((1 + beta**2) * jax.scipy.special.ndtr(beta) + beta * phi)
    np.testing.assert_allclose(jnp.diag(gram)[:6], square, rtol=1e-12)
    np.testing.assert_allclose(jnp.diag(gram[:6, 12:]), 1e-3 * square, rtol=1e-12)


@pytest.mark.parametrize("biased", [False, True])
def test_gated_form_equals_gram_form(key, biased):
    f, g = draw(key, 9, biased=biased), draw(jax.random.fold_in(key, 1), 5, biased=biased)
    for left, right in [(f, g), (f, f), (g, f)]:
        plain, gated = relu_sum_product(left, right), _gated_product(left, right)
        np.testing.assert_allclose(gated, plain, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("sloped", kept([False, True], [True]))
def test_product_matches_simulation(key, biased, sloped):
    f = draw(key, 6, biased=biased, sloped=sloped)
    g = draw(jax.random.fold_in(key, 1), 5, biased=biased)
    x = jax.random.normal(jax.random.fold_in(key, 2), (400_000, DIM))
    for left, right in [(f, g), (f, f)]:
        values = left(x) * right(x)
        error = float(jnp.std(values)) / np.sqrt(values.size)
        # 6 standard errors: false alarm below 1e-8 per comparison
        assert abs(float(jnp.mean(values) - relu_sum_product(left, right))) < 6 * error


@pytest.mark.parametrize("biased", [False, True])
def test_slopes_are_derivatives_of_neurons(key, biased):
    """The gated form with slopes equals the derivative of the Gram form along them."""
    f = draw(key, 6, biased=biased, sloped=True)._replace(amplitudes=jnp.ones(6))
    g = draw(jax.random.fold_in(key, 1), 5, biased=biased)
    offsets = jnp.zeros(6) if f.offsets is None else f.offsets

    def moved(t):
        biases = None if f.biases is None else f.biases + t * offsets
        return ReluSum(f.weights + t * f.slopes, biases, f.amplitudes)

    _, slope = jax.jvp(lambda t: relu_sum_product(moved(t), g), (0.0,), (1.0,))
    tangent = f._replace(amplitudes=jnp.zeros(6))
    np.testing.assert_allclose(relu_sum_product(tangent, g), slope, rtol=1e-9, atol=1e-12)


def test_tangent_at_coinciding_gates_by_hand():
    """E 1[h>0] <p,x><r,x> over equal gates is <p,r>/2, over opposite gates 0."""
    w = jnp.array([[0.3, -0.4, 1.2]])
    p, r = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[-1.0, 0.5, 2.0]])
    f = ReluSum(w, None, jnp.zeros(1), p)
    g = ReluSum(5.0 * w, None, jnp.zeros(1), r)
    assert abs(relu_sum_product(f, g) - jnp.sum(p * r) / 2) < 1e-13
    assert abs(relu_sum_product(f, g._replace(weights=-w))) < 1e-13
