"""Series for any activation, and relu's kernels, against closed forms and 30 digits."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.theory.expectations.activation_kernels import (
    Jumps,
    activation_gram,
    activation_rows,
    jumps_at_zero,
)
from rf_limits.theory.expectations.gaussian_gram import FUNCTIONS, gaussian_gram
from rf_limits.theory.expectations.relu_kernels import relu_kernels
from tests.rounding import rounding

KNOWN = ("relu", "step", "erf", "gelu", "sin", "linear", "quadratic")
KINKED = ("abs", "sign", "relu_squared")


def _rows(dim, seed, count=12):
    return np.random.default_rng(seed).normal(size=(count, dim)) * 1.2 / dim**0.5


def _gram(function, w, v):
    def both(w, v):
        left, right = activation_rows(function, w), activation_rows(function, v)
        return activation_gram(left, right, function), left.error, right.error

    return jax.jit(both)(w, v)


def _closed(w, v, *names):
    return np.asarray(gaussian_gram(jnp.asarray(w), None, jnp.asarray(v), None, *names))


@pytest.mark.parametrize("dim", [1, 2, 20])
def test_series_are_the_closed_forms(dim):
    """Among the rows are multiples, opposites and zero."""
    w, v = _rows(dim, 0), _rows(dim, 1)
    v[0], v[1], v[2] = 1.1 * w[0], -w[1], 0.0
    for name in KNOWN + KINKED:
        found, *errors = _gram(FUNCTIONS[name], w, v)
        expected = _closed(w, v, name)
        squares = [np.diagonal(_closed(x, x, name)) for x in (w, v)]
        size = np.sqrt(np.outer(*squares))
        assert max(float(np.max(error)) for error in errors) == 0.0, name
        # 1025 nodes and as many degrees, whose terms fall
        assert np.all(np.abs(found - expected) <= rounding(100) * np.max(size)), name


@pytest.mark.sharp
def test_tanh_at_large_variance():
    """Variance 3.2 and correlation 0.6, in 30 digits: E of tanh and of its derivative."""
    size, c = 3.2**0.5, 0.6
    w, v = np.array([[size, 0.0]]), np.array([[c * size, (1 - c * c) ** 0.5 * size]])

    def expected(f):
        with mpmath.workdps(20):
            rows = mpmath.linspace(-12, 12, 13)

            def inner(x):
                mean, spread = c * size * x, mpmath.sqrt(1 - mpmath.mpf(c) ** 2) * size
                g = mpmath.quad(lambda z: f(mean + spread * z) * mpmath.npdf(z), rows)
                return f(size * x) * mpmath.npdf(x) * g

            return float(mpmath.quad(inner, rows))

    pairs = ((jnp.tanh, mpmath.tanh), (_tanh_slope, lambda h: mpmath.sech(h) ** 2))
    for function, exact in pairs:
        found, *errors = _gram(function, w, v)
        assert max(float(error[0]) for error in errors) < 1e-13
        np.testing.assert_allclose(found[0, 0], expected(exact), rtol=rounding(100))


def _tanh_slope(h):
    return 1.0 - jnp.tanh(h) ** 2


def test_kinks_at_zero_are_taken_out():
    """Leaky relu is 0.1 h + 0.9 relu(h); its derivative jumps by 0.9."""

    def leaky(h):
        return jnp.where(h > 0.0, h, 0.1 * h)

    assert jumps_at_zero(leaky) == Jumps(0.0, 0.9, 0.0)
    assert jumps_at_zero(jnp.tanh) == jumps_at_zero(jax.nn.silu) == Jumps(0.0, 0.0, 0.0)
    assert jumps_at_zero(lambda h: jnp.where(h > 0.0, 1.0, 0.1)) == Jumps(0.9, 0.0, 0.0)
    assert jumps_at_zero(jax.nn.elu) == Jumps(0.0, 0.0, -1.0)
    w, v = _rows(5, 0), _rows(5, 1)
    v[0] = 1.1 * w[0]
    found, *errors = _gram(leaky, w, v)
    assert max(float(np.max(error)) for error in errors) == 0.0
    pieces = [("linear", 0.1), ("relu", 0.9)]
    expected = sum(a * b * _closed(w, v, sigma, tau) for sigma, a in pieces for tau, b in pieces)
    size = np.outer(np.linalg.norm(w, axis=1), np.linalg.norm(v, axis=1))
    assert np.all(np.abs(found - expected) <= rounding(100) * size)


def test_kinks_elsewhere_are_said():
    """relu6 has a kink at 6: with |w| = 4 the series is off by some 1e-3, and says so."""
    w = np.array([[4.0, 0.0]])
    found, error, _ = _gram(jax.nn.relu6, w, w)
    with mpmath.workdps(20):
        edge = mpmath.mpf(6) / 4
        below = mpmath.quad(lambda z: 16 * z**2 * mpmath.npdf(z), [0, edge])
        expected = float(below + 36 * mpmath.ncdf(-edge))
    off = abs(float(found[0, 0]) - expected) / expected
    assert 1e-8 < off < float(error[0]) < 1e-1


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [1, 2, 3, 30])
def test_relu_kernels_of_parallel_and_ordinary_rows(dim):
    w, v = _rows(dim, 0), _rows(dim, 1)
    v[0], v[1], v[2], v[3] = 1.1 * w[0], -0.3 * w[1], w[2], w[2]
    found = jax.jit(relu_kernels)(w, v)
    lengths = np.outer(np.linalg.norm(w, axis=1), np.linalg.norm(v, axis=1))
    with mpmath.workdps(50):
        for i, row in enumerate(w):
            for j, other in enumerate(v):
                a, b = (mpmath.matrix([float(x) for x in one]) for one in (row, other))
                a, b = a / mpmath.norm(a), b / mpmath.norm(b)
                theta = 2 * mpmath.atan2(mpmath.norm(a - b), mpmath.norm(a + b))
                gate = (mpmath.pi - theta) / (2 * mpmath.pi)
                relu = mpmath.sin(theta) / (2 * mpmath.pi) + gate * mpmath.cos(theta)
                # cosines are sums of dim products of unit vectors with two roundings each
                error = rounding(dim + 8)
                assert abs(float(found.gate[i, j]) - float(gate)) <= 10.0 * error
                assert abs(float(found.relu[i, j]) / lengths[i, j] - float(relu)) <= error
