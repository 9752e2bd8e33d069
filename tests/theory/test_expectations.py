"""Expectations of every pair of activations against plane quadrature and hand-derived cases."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from rf_limits.errors import RequirementError
from rf_limits.theory.expectations import FUNCTIONS, gaussian_gram, series_gram
from rf_limits.theory.pair_quadrature import pair_quadrature
from tests.theory.plane import expectation
from tests.variants import kept

NUMPY = {
    "relu": lambda h: np.maximum(h, 0.0),
    "step": lambda h: (h > 0.0).astype(float),
    "erf": special.erf,
    "gelu": lambda h: h * special.ndtr(h),
    "linear": lambda h: h,
    "quadratic": lambda h: h**2,
    "sin": np.sin,
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softplus": lambda h: np.logaddexp(h, 0.0),
}
CLOSED = ("relu", "step", "erf", "gelu", "linear", "quadratic")
PAIRS = [(s, t) for s, t in itertools.combinations_with_replacement(CLOSED, 2)]
PAIRS += [("linear", "sin"), ("quadratic", "sin"), ("sin", "sin")]
SERIES = [(s, t) for s in ("tanh", "sigmoid", "softplus") for t in NUMPY] + [("sin", "erf")]


def one(sigma, tau, n, a, m, b, theta, **options):
    """A single expectation through the package."""
    w = jnp.array([[n, 0.0]])
    v = m * jnp.array([[np.cos(theta), np.sin(theta)]])
    return float(gaussian_gram(w, jnp.array([a]), v, jnp.array([b]), sigma, tau, **options)[0, 0])


def scale(sigma, tau, n, a, m, b):
    """sqrt(E sigma^2 E tau^2)."""
    square = lambda f, n, a: expectation(lambda h: f(h) ** 2, np.ones_like, n, a, 1.0, 0.0, 1.0)
    return np.sqrt(square(sigma, n, a) * square(tau, m, b))


def error(sigma, tau, *case):
    """Disagreement relative to sqrt(E sigma^2 E tau^2)."""
    f, g = NUMPY[sigma], NUMPY[tau]
    n, a, m, b, _ = case
    return abs(one(sigma, tau, *case) - expectation(f, g, *case)) / scale(f, g, n, a, m, b)


@pytest.mark.parametrize(("sigma", "tau"), PAIRS)
@pytest.mark.parametrize("case", [(1.7, 0.0, 0.6, 0.0, 1.1), (0.4, -0.8, 2.5, 1.3, 2.6)])
def test_closed_forms(sigma, tau, case):
    assert error(sigma, tau, *case) < 1e-13


@pytest.mark.parametrize(("sigma", "tau"), SERIES)
def test_series(sigma, tau):
    for case in [(1.2, 0.0, 0.6, 0.0, 1.1), (0.4, -0.8, 1.3, 0.7, 0.3)]:
        assert error(sigma, tau, *case) < 1e-12


@pytest.mark.parametrize(("sigma", "tau"), [p for p in PAIRS if "sin" not in p])
def test_small_weights(sigma, tau):
    for b in (0.0, 0.5):
        assert error(sigma, tau, 1e-8, 0.0, 1e-8, b, 0.8) < 1e-10


@pytest.mark.parametrize(("sigma", "tau"), [p for p in PAIRS if "sin" not in p])
def test_mixed_lengths_and_small_angles(sigma, tau):
    for case in [
        (1e-8, 20.0, 30.0, -20.0, 0.5),
        (1e4, 3.0, 0.5, 1.0, 1e-3),
        (5.0, 1.0, 7.0, 1.0, 3.14),
    ]:
        assert error(sigma, tau, *case) < 1e-10, case


def test_by_hand():
    w = jnp.array([[1.0, 2.0]])
    v = jnp.array([[3.0, -1.0]])
    zero = jnp.zeros(1)
    # E <w,x>^2 <v,x>^2 = |w|^2 |v|^2 + 2 <w,v>^2 = 5 * 10 + 2
    assert abs(gaussian_gram(w, None, v, None, "quadratic")[0, 0] - 52.0) < 1e-13
    # Williams (1997)
    found = gaussian_gram(w, zero, v, zero, "erf")[0, 0]
    assert abs(found - 2 / np.pi * np.arcsin(2.0 / np.sqrt(11.0 * 21.0))) < 1e-15
    # Sheppard (1899): P(h > 0, g > 0) = 1/4 + arcsin(c)/(2 pi)
    found = gaussian_gram(w, zero, v, zero, "step")[0, 0]
    assert abs(found - 0.25 - np.arcsin(1.0 / np.sqrt(50.0)) / (2 * np.pi)) < 1e-15


@pytest.mark.parametrize(
    "activation", kept(["relu", "step", "erf", "gelu", "sin"], ["relu", "sin"])
)
def test_series_agrees_with_closed_form(key, activation):
    """Within the error the series states, gates included, and it is not vacuous."""
    w, v = jax.random.normal(key, (2, 6, 3))
    v = v.at[:2].set(w[:2])  # parallel pairs: the slowest case
    a, b = jax.random.normal(jax.random.fold_in(key, 1), (2, 6))
    found = series_gram(w, a, v, b, activation)
    exact = gaussian_gram(w, a, v, b, activation)
    assert np.all(np.abs(found.value - exact) <= found.error)
    assert np.median(found.error / found.scale) < 1e-6


def test_callable_is_its_name(key):
    w, v = jax.random.normal(key, (2, 4, 3))
    by_name = gaussian_gram(w, None, v, None, "tanh", "relu")
    np.testing.assert_allclose(gaussian_gram(w, None, v, None, jnp.tanh, "relu"), by_name, rtol=0)
    np.testing.assert_allclose(
        gaussian_gram(v, None, w, None, "relu", jnp.tanh), by_name.T, atol=1e-15
    )


def test_long_weights_fall_back_to_quadrature():
    """At |w| = 12 the series' error is too large, and pairwise quadrature takes over."""
    case = (12.0, 0.5, 9.0, -1.0, 0.7)
    w, v = jnp.array([[12.0, 0.0]]), 9.0 * jnp.array([[np.cos(0.7), np.sin(0.7)]])
    a, b = jnp.array([0.5]), jnp.array([-1.0])
    assert float(series_gram(w, a, v, b, "tanh").error[0, 0]) > 1e-10
    assert abs(one("tanh", "tanh", *case) - expectation(np.tanh, np.tanh, *case)) < 1e-12


def test_accuracy_out_of_reach_is_refused():
    with pytest.raises(RequirementError, match="tolerance must"):
        one("tanh", "tanh", 1e5, 0.0, 1e5, 0.0, 0.7)
    assert abs(one("tanh", "tanh", 300.0, 0.0, 300.0, 0.0, 0.7, tolerance=1e-2)) < 1.0
    with pytest.raises(RequirementError, match="Did you mean 'tanh'"):
        one("tan", "tanh", 1.0, 0.0, 1.0, 0.0, 0.7)


def test_pair_quadrature_states_its_error(key):
    w, v = jax.random.normal(key, (2, 2, 3))
    zero = jnp.zeros(2)
    relu = FUNCTIONS["relu"]
    found = pair_quadrature(w, zero, v, zero, relu, relu, nodes=257)
    difference = np.abs(found.value - gaussian_gram(w, None, v, None))
    assert np.all(difference <= found.error)


@pytest.mark.parametrize("activation", kept(sorted(FUNCTIONS), ["relu", "gelu"]))
def test_gradients_match_differences(key, activation):
    keys = jax.random.split(key, 6)
    at = [
        jax.random.normal(k, (2, 3)) if i < 2 else jax.random.normal(k, (2,))
        for i, k in enumerate(keys[:4])
    ]

    @jax.jit
    def total(w, v, a, b):
        return jnp.sum(gaussian_gram(w, a, v, b, activation))

    along = [jax.random.normal(jax.random.fold_in(keys[4], i), x.shape) for i, x in enumerate(at)]
    _, slope = jax.jvp(total, at, along)
    step = 1e-5
    ends = [
        float(total(*(x + s * dx for x, dx in zip(at, along, strict=True)))) for s in (step, -step)
    ]
    # central difference: step^2 third derivative and rounding/step, both below 1e-9 here
    assert abs(float(slope) - (ends[0] - ends[1]) / (2 * step)) < 1e-8 * max(1.0, abs(float(slope)))


@pytest.mark.parametrize(
    ("activation", "other"),
    [
        ("erf", "relu"),
        pytest.param("erf", "gelu", marks=pytest.mark.slow),
        pytest.param("gelu", "relu", marks=pytest.mark.slow),
        ("sin", "sin"),
        ("tanh", "tanh"),
    ],
)
def test_derivatives_at_coinciding_weights(key, activation, other):
    """First and mixed second derivatives at equal and opposite weights, by central differences."""
    w = jax.random.normal(key, (2, 3))
    w = jnp.concatenate([w, -w[:1], 2.0 * w[:1]])
    b = jnp.array([0.2, -0.4, 0.3, 0.0])
    along, across = jax.random.normal(jax.random.fold_in(key, 1), (2, 4, 3))
    step = 1e-5

    @jax.jit
    def value(w, v):
        return gaussian_gram(w, b, v, b, activation, other)

    @jax.jit
    def slope(v):
        return jax.jvp(lambda w: value(w, v), (w,), (along,))[1]

    first = (value(w + step * along, w) - value(w - step * along, w)) / (2 * step)
    np.testing.assert_allclose(slope(w), first, atol=1e-8)
    second = (slope(w + step * across) - slope(w - step * across)) / (2 * step)
    found = jax.jvp(slope, (w,), (across,))[1]
    np.testing.assert_allclose(found, second, atol=1e-7)
