"""Derivatives of Gaussian expectations where weights vanish, against integrals over one variable.

At w = 0 E sigma(h) tau(g) and its derivatives are products of sigma^{(i)}(a) and
E tau^{(j)}(g) = E tau(|v| z + b) He_j(z)/|v|^j, by mpmath here.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.theory.expectations.gaussian_gram import FUNCTIONS, gaussian_gram
from tests.rounding import LIBRARY, rounding

KINKED = ("relu", "relu_squared", "step", "abs", "sign")
MPMATH = {
    "relu": lambda h: max(h, 0),
    "relu_squared": lambda h: max(h, 0) ** 2,
    "step": lambda h: mpmath.mpf(h > 0),
    "abs": abs,
    "sign": mpmath.sign,
    "erf": mpmath.erf,
    "gelu": lambda h: h * mpmath.ncdf(h),
    "linear": lambda h: h,
    "quadratic": lambda h: h**2,
    "sin": mpmath.sin,
    "tanh": mpmath.tanh,
    "sigmoid": lambda h: 1 / (1 + mpmath.exp(-h)),
    "softplus": lambda h: mpmath.log(1 + mpmath.exp(h)),
}
V = (1.0, 2.0)


@functools.cache
def slopes(name, at):
    """Value and four derivatives of a function; 0 for those of a kinked one at 0."""
    if name in KINKED and at == 0.0:
        return np.zeros(5)
    with mpmath.workdps(40):
        return np.array([float(mpmath.diff(MPMATH[name], mpmath.mpf(at), k)) for k in range(5)])


@functools.cache
def means(name, length_squared, bias):
    """E tau^{(j)}(|v| z + b) for j = 0, ..., 4."""
    if length_squared == 0.0:
        return slopes(name, bias)
    m = mpmath.sqrt(length_squared)
    knots = sorted({-12, -6, -3, 0, 3, 6, 12, -bias / m})

    def mean(k):
        inside = lambda z: MPMATH[name](m * z + bias) * mpmath.npdf(z) * hermite(k, z)
        return float(mpmath.quad(inside, knots) / m**k)

    return np.array([mean(k) for k in range(5)])


def hermite(k, z):
    """He_k(z)."""
    return (1, z, z**2 - 1, z**3 - 3 * z, z**4 - 6 * z**2 + 3)[k]


def expected(sigma, tau, a, v, b):
    """Gradient and Hessian in (w, a, v, b) at w = 0, two dimensions: (6,) and (6, 6)."""
    v, s, t = np.array(v), slopes(sigma, a), means(tau, float(np.dot(v, v)), b)
    i, vv = np.eye(2), np.outer(v, v)
    gradient = np.concatenate([s[1] * t[1] * v, [s[1] * t[0]], s[0] * t[2] * v, [s[0] * t[1]]])
    ww, wa = s[2] * (i * t[0] + vv * t[2]), s[2] * t[1] * v
    wv, wb = s[1] * (i * t[1] + vv * t[3]), s[1] * t[2] * v
    avv, vvv, vb = s[1] * t[2] * v, s[0] * (i * t[2] + vv * t[4]), s[0] * t[3] * v
    column = lambda x: np.asarray(x)[:, None]
    hessian = np.block(
        [
            [ww, column(wa), wv, column(wb)],
            [wa, s[2] * t[0], avv, s[1] * t[1]],
            [wv.T, column(avv), vvv, column(vb)],
            [wb, s[1] * t[1], vb, s[0] * t[2]],
        ]
    )
    return gradient, hessian


# a, v, b: with and without biases, one or both weights zero
CASES = [(a, v, b) for v in (V, (0.0, 0.0)) for a, b in ((0.0, 0.0), (0.3, -0.4), (-0.3, 0.5))]


def derivatives(sigma, tau, *, swapped=False, every_way=False):
    """Gradients and Hessians of all cases; ``every_way``: forward and reverse for both."""

    def gram(at):
        w, a, v, b = at[:2], at[2], at[3:5], at[5]
        own, other = (w[None], a[None]), (v[None], b[None])
        if swapped:
            return gaussian_gram(*other, *own, tau, sigma)[0, 0]
        return gaussian_gram(*own, *other, sigma, tau)[0, 0]

    @jax.jit
    @jax.vmap
    def found(at):
        gradient = jax.grad(gram)
        slope, curve = jax.vmap(lambda e: jax.jvp(gradient, (at,), (e,)), out_axes=(None, 0))(
            jnp.eye(6)
        )
        if not every_way:
            return [slope], [curve]
        return [slope, jax.jacfwd(gram)(at)], [curve, jax.jacrev(gradient)(at)]

    points = jnp.asarray([(0.0, 0.0, a, *v, b) for a, v, b in CASES])
    return jax.tree.map(np.asarray, found(points))


SOME = [("erf", "erf"), ("tanh", "tanh"), ("relu", "tanh")]
ALL = [
    (sigma, tau, swapped)
    for sigma, tau in itertools.combinations_with_replacement(FUNCTIONS, 2)
    for swapped in (False, True)
    if not (swapped and sigma == tau)
]


@pytest.mark.parametrize(
    ("sigma", "tau", "swapped"),
    [pytest.param(*p, marks=[] if p[:2] in SOME and not p[2] else pytest.mark.slow) for p in ALL],
)
def test_derivatives_at_zero_weights(sigma, tau, swapped):
    """First and second, in every argument, inside jit and vmap."""
    first, second = derivatives(sigma, tau, swapped=swapped, every_way=(sigma, tau) in SOME)
    for k, (a, v, b) in enumerate(CASES):
        gradient, hessian = expected(sigma, tau, a, v, b)
        # sums of 1025 nodes or of 257 coefficients of sizes up to those of the Hessian
        tolerance = rounding(4 * 1025 + 4 * LIBRARY) * max(1.0, np.max(np.abs(hessian)))
        for found in first:
            assert np.max(np.abs(found[k] - gradient)) < tolerance, CASES[k]
        for found in second:
            assert np.max(np.abs(found[k] - hessian)) < tolerance, CASES[k]


def test_gradients_of_the_entry():
    """d/dw at w = 0, v = (1, 2): E sigma'(0) E tau' v, of which relu'(0) = 0 makes nothing."""
    zero, v = jnp.zeros((1, 2)), jnp.asarray([V])
    right = {"erf": (0.38389617, 0.76779233), "tanh": (0.33155511, 0.66311023), "relu": (0.0, 0.0)}
    for name, expected_gradient in right.items():
        gram = lambda w, name=name: gaussian_gram(w, None, v, None, name)[0, 0]
        found = np.asarray(jax.jit(jax.grad(gram))(zero))[0]
        np.testing.assert_allclose(found, expected_gradient, rtol=0.0, atol=0.5e-8)


def along_a_line(sigma, tau, sign, n=3.0, m=5.0):
    """E sigma^{(i)}(n z) tau^{(j)}(sign m z) for i + j <= 2, where neither has a kink in i, j."""
    knots = [-12, -3, -1, 0, 1, 3, 12]

    def mean(i, j):
        def inside(z):
            parts = (MPMATH[sigma], i, n * z), (MPMATH[tau], j, sign * m * z)
            left, right = (mpmath.diff(f, at, k) if k else f(at) for f, k, at in parts)
            return left * right * mpmath.npdf(z)

        return float(mpmath.quad(inside, knots))

    return mean(1, 0), mean(1, 1), mean(2, 0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("sigma", "tau"),
    [
        ("erf", "erf"),
        pytest.param("gelu", "gelu", marks=pytest.mark.slow),
        pytest.param("sin", "sin", marks=pytest.mark.slow),
        pytest.param("erf", "gelu", marks=pytest.mark.slow),
        ("erf", "relu"),
        pytest.param("gelu", "relu", marks=pytest.mark.slow),
    ],
)
def test_bias_derivatives_without_biases_along_a_line(sigma, tau, sign):
    """At parallel and opposite weights and no biases, correlations of gates above 0.9 included."""

    @jax.jit
    def found(at):
        def gram(at):
            w, v = jnp.asarray([[3.0, 0.0]]), jnp.asarray([[sign * 5.0, 0.0]])
            return gaussian_gram(w, at[:1], v, at[1:], sigma, tau)[0, 0]

        return jax.grad(gram)(at), jax.hessian(gram)(at)

    gradient, hessian = map(np.asarray, found(jnp.zeros(2)))
    expected_values = along_a_line(sigma, tau, sign)
    values = (gradient[0], hessian[0, 1], hessian[0, 0])
    for value, right in zip(values, expected_values, strict=True):
        # erf' and gelu'' are up to 1.2 in size, relu up to 20 within four deviations
        assert abs(value - right) < rounding(32 + 20 * LIBRARY) * 20.0
