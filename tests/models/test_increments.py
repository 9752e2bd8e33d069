"""Increments of activations against 60 digits, and outputs made of them at any lazy scale."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.models import ScaledNetwork, make_network
from rf_limits.models.increments import ACTIVATIONS, increment
from rf_limits.models.relu_output import relu_output, relu_output_change
from tests.models.drawn import drawn_params
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

EXACT = {
    "relu": lambda h: max(h, mpmath.mpf(0)),
    "erf": mpmath.erf,
    "tanh": mpmath.tanh,
    "gelu": lambda h: h * mpmath.ncdf(h),
    "sigmoid": lambda h: 1 / (1 + mpmath.exp(-h)),
    "softplus": lambda h: mpmath.log1p(mpmath.exp(h)),
    "sin": mpmath.sin,
    "linear": lambda h: h,
    "quadratic": lambda h: h**2,
    "abs": abs,
    "relu_squared": lambda h: max(h, mpmath.mpf(0)) ** 2,
    "own": lambda h: h / (1 + mpmath.exp(-h)),
    "own with a kink": lambda h: h if h > 0 else h / 8,
}
OWN = {"own": jax.nn.silu, "own with a kink": lambda h: jnp.where(h > 0, h, h / 8)}
STEPS = (1e-30, 1e-17, 1e-8, 1e-3, 0.03, 0.1, 0.3, 0.6, 2.0, 30.0, 120.0)
SATURATED = {"relu", "linear", "sigmoid", "softplus"}
"""Whose increments are right to rounding of themselves, and not of s times slopes alone."""


@pytest.fixture(autouse=True)
def own_activations(monkeypatch):
    for name, function in OWN.items():
        monkeypatch.setitem(ACTIVATIONS, name, function)


def preactivations(dtype):
    """Of both signs, on kinks, and where activations saturate."""
    rng = np.random.default_rng(0)
    sizes = np.repeat([1e-18, 1e-3, 1.0, 8.0], 8)
    return np.concatenate([sizes * rng.normal(size=32), np.zeros(2)]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", kept(EXACT, ["relu", "erf", "tanh", "own with a kink"]))
def test_against_many_digits(activation, dtype):
    """To rounding of s times slopes, with what a plain difference loses where s is not small."""
    assert set(EXACT) == {*ACTIVATIONS}
    h = preactivations(dtype)
    rng = np.random.default_rng(1)
    signs = rng.choice([-1.0, 1.0], (len(STEPS), h.size))
    s = (signs * np.array(STEPS)[:, None] * rng.uniform(1.0, 2.0, h.size)).astype(dtype)
    h = np.tile(h, (len(STEPS), 1))
    found = np.asarray(jax.jit(increment, static_argnums=0)(activation, h, s))
    assert found.dtype == dtype
    function = EXACT[activation]
    with mpmath.workdps(60):
        wide = np.frompyfunc(lambda value: mpmath.mpf(float(value)), 1, 1)
        value = np.frompyfunc(function, 1, 1)
        exact = value(wide(h) + wide(s)) - value(wide(h))
        error = np.abs(wide(found) - exact).astype(float)
        exact = exact.astype(float)
    # a difference of two values below 1 for erf, of P times h for gelu and of one's own
    lost = {"erf": 1.0, "gelu": np.abs(h), "own": np.abs(h) + 1.0, "own with a kink": np.abs(h)}
    plain = np.where(np.abs(s) >= 1 / 16, lost.get(activation, 0.0), 0.0)
    room = rounding(4 * LIBRARY, dtype=dtype) * (np.abs(s) + plain)
    # sums h + s are rounded, and are arguments of slopes of size 1 and less
    room += 0.5 * np.finfo(dtype).eps * np.abs(h) * np.minimum(np.abs(s), 1.0)
    np.testing.assert_array_less(error, room + np.finfo(dtype).tiny)
    if activation in SATURATED:
        # an argument of size 64 in an exponential is rounded by so much more than a slope
        share = rounding(4 * LIBRARY + 64, dtype=dtype)
        normal = np.abs(exact) > np.finfo(dtype).tiny
        np.testing.assert_array_less(error[normal], share * np.abs(exact[normal]))


@pytest.mark.parametrize("activation", kept(EXACT, ["relu", "gelu", "own"]))
def test_derivatives(activation):
    """That by s is the slope at h + s; that by h is the difference of two slopes."""
    h, s = np.random.default_rng(0).normal(size=(2, 50))
    own = lambda h, s: jnp.sum(increment(activation, h, s))
    slopes = jax.jit(jax.grad(lambda h: jnp.sum(ACTIVATIONS[activation](h))))
    by_h, by_s = jax.jit(jax.grad(own, (0, 1)))(h, s)
    error = rounding(4 * LIBRARY)
    np.testing.assert_allclose(by_s, slopes(h + s), rtol=error, atol=error)
    np.testing.assert_allclose(by_h, slopes(h + s) - slopes(h), rtol=error, atol=4 * error)
    np.testing.assert_array_equal(jax.jit(jax.grad(own, 1))(h, s), by_s)


@pytest.mark.parametrize("wanted", [(3, 4), (0,), (1, 2), (0, 1, 2, 3, 4)], ids=str)
def test_derivatives_of_relu_neurons(wanted):
    rng = np.random.default_rng(0)
    given = [jnp.asarray(rng.normal(size=size)) for size in ((7, 4), (4, 9), 9, (4, 9), 9)]

    def difference(x, kernel, u, dkernel, du):
        return relu_output(x, kernel + dkernel, u + du) - relu_output(x, kernel, u)

    def derivatives(function):
        along = [jnp.ones_like(given[i]) for i in wanted]

        def some(*values):
            full = list(given)
            for i, value in zip(wanted, values, strict=True):
                full[i] = value
            return function(*full)

        at = [given[i] for i in wanted]
        return jax.jit(lambda: (jax.jvp(some, at, along), jax.vjp(some, *at)[1](jnp.arange(7.0))))()

    # sums of 4 coordinates, 9 neurons and 7 points of numbers below 3, three at most multiplied
    error = rounding(4 * (4 + 9 + 7)) * 27 * 4 * 9 * 7
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=error),
        derivatives(relu_output_change),
        derivatives(difference),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", kept([*EXACT], ["relu", "tanh", "own"]))
def test_nothing_is_lost_at_large_scales(activation, dtype):
    """At alpha = 1e18 f is its linearization to rounding; a difference of outputs is zero."""
    network = make_network(16, activation=activation, use_bias=True, centring="subtract")
    init, change = (
        jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), drawn_params(network, 3, seed))
        for seed in (0, 1)
    )
    trained = ScaledNetwork(network, init, jnp.asarray(1e18, dtype))
    small = jax.tree.map(lambda leaf: leaf / trained.alpha, change)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(9, 3)), dtype)
    f, g = (jax.jit(one)(small, x) for one in (trained.after, trained.linearized_after))
    assert f.dtype == dtype
    # 16 neurons of size 10 at most with their slopes, in sums over coordinates and neurons, twice
    error = rounding(2 * (16 + 4 + 4 * LIBRARY), dtype=dtype) * 10.0 * 16**0.5
    np.testing.assert_allclose(f, g, rtol=0, atol=error)
    assert np.min(np.abs(g)) > 10 * error
