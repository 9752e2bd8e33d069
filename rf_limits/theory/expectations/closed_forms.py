"""E sigma(h) tau(g) of named activations, where there is a closed form."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.expectations.activations import Units
from rf_limits.theory.expectations.angles import pairwise_angles, unit_vectors
from rf_limits.theory.expectations.erf_moments import erf_gram, erf_relu_gram, erf_step_gram
from rf_limits.theory.expectations.gated_gram import gated_gram
from rf_limits.theory.expectations.low_degree import MEANS, polynomial_gram
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.expectations.relu_powers import POWERS, relu_power_gram
from rf_limits.theory.expectations.stein import with_stein_derivatives

_POLYNOMIALS = ("linear", "quadratic")
_GATED = ("relu", "step", "gelu")
_WITH_ERF: dict[str, Callable[[Units, Units], Array]] = {
    "erf": erf_gram,
    "step": erf_step_gram,
    "relu": erf_relu_gram,
    "gelu": functools.partial(erf_relu_gram, noise=1.0),
}


def closed_form(left: Units, right: Units) -> Float[Array, "m k"] | None:
    """Returns E sigma(h_i) tau(g_j) for x ~ N(0, I_d), or None where no closed form is known."""
    value = _ordered(left, right)
    if value is None:
        mirrored = _ordered(right, left)
        value = None if mirrored is None else mirrored.T
    return value


def _ordered(left: Units, right: Units) -> Array | None:
    """Returns the closed form of a pair in this order, if there is one."""
    (w, a, sigma), (v, b, tau) = left, right
    if not isinstance(sigma, str) or not isinstance(tau, str):
        return None
    if sigma in _POLYNOMIALS and tau in MEANS:
        return polynomial_gram(left, right)
    if sigma == tau == "relu":
        return relu_gram(w, a, v, b)
    if "relu_squared" in (sigma, tau) and sigma in POWERS and tau in POWERS:
        return relu_power_gram(left, right)
    if sigma in ("erf", "gelu") and tau == "relu_squared":
        return _smooth_and_relu_squared(left, right)
    if sigma in _GATED and tau in _GATED:
        return _gated(left, right)
    if sigma == "erf" and tau in _WITH_ERF:
        return _WITH_ERF[tau](left, right)
    return _sines(0, 0, w, a, v, b) if sigma == tau == "sin" else None


def _gated(left: Units, right: Units) -> Array:
    return gated_gram(*_gates(left, 0), *_gates(right, 1))


def _gates(units: Units, axis: int) -> tuple[Array, Array, Array, Array]:
    """Returns gates and affine parts (weights, biases, slopes, offsets) in two more dimensions.

    gelu(h) = h P(n < h): a gate with noise of its own, along ``axis``.
    """
    w, a, activation = units
    none = jnp.zeros((w.shape[0], 2))
    noise = none.at[:, axis].set(1.0) if activation == "gelu" else none
    wide = jnp.concatenate([w, none], axis=1)
    gates = jnp.concatenate([w, noise], axis=1)
    if activation == "step":
        return gates, a, jnp.zeros_like(wide), jnp.ones_like(a)
    return gates, a, wide, a


def _smooth_and_relu_squared(left: Units, right: Units) -> Array:
    """Returns E sigma(h) relu(g)^2 for sigma = erf or gelu.

    It is b E sigma relu + |v|^2 E sigma step + <w, v> E sigma' relu, the last expectation being
    the derivative of the first along the bias of h.
    """
    (w, a, sigma), (v, b, _) = left, right

    def with_gate(a: Array, tau: str) -> Array:
        pair = left._replace(biases=a), right._replace(activation=tau)
        return _WITH_ERF[tau](*pair) if sigma == "erf" else _gated(*pair)

    value, slope = jax.jvp(lambda a: with_gate(a, "relu"), (a,), (jnp.ones_like(a),))
    square = jnp.sum(v**2, axis=1) * with_gate(a, "step")
    return b * value + square + (w @ v.T) * slope


def _turned(x: Array, order: int) -> tuple[Array, Array]:
    """Returns the derivative of sin of this order at ``x``, and the next one."""
    signs = (jnp.sin(x), jnp.cos(x), -jnp.sin(x), -jnp.cos(x), jnp.sin(x))
    return signs[order % 4], signs[order % 4 + 1]


@with_stein_derivatives
def _sines(i: int, j: int, w: Array, a: Array, v: Array, b: Array) -> Array:
    """Returns E sin^{(i)}(h) sin^{(j)}(g) from E cos(h -+ g) = cos(a -+ b) exp(-|w -+ v|^2/2).

    For i = j = 0 sin a sin b exp(-(|w|^2 + |v|^2)/2) cosh <w, v> + cos a cos b (the same with
    sinh), both without overflow and without cancellation for small weights.
    """
    inner = w @ v.T
    (unit_w, norms_w), (unit_v, norms_v) = unit_vectors(w), unit_vectors(v)
    size = jnp.abs(inner)
    # (|w|^2 + |v|^2)/2 - |<w, v>| = (|w| - |v|)^2/2 + |w||v| (1 - |c|)
    angles = pairwise_angles(unit_w, unit_v)
    n, m = norms_w[:, None], norms_v[None, :]
    gap = 0.5 * (n - m) ** 2 + n * m * jnp.minimum(angles.one_minus, angles.one_plus)
    envelope = 0.5 * jnp.exp(-gap)
    small = -jnp.expm1(-2.0 * size)
    (sin_a, cos_a), (sin_b, cos_b) = _turned(a[:, None], i), _turned(b[None, :], j)
    even = envelope * (2.0 - small) * sin_a * sin_b
    return even + jnp.sign(inner) * envelope * small * cos_a * cos_b
