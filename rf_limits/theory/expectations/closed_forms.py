"""E sigma(h) tau(g) of named activations, where there is a closed form."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.expectations.activations import Units
from rf_limits.theory.expectations.erf_moments import erf_gram, erf_relu_gram, erf_step_gram
from rf_limits.theory.expectations.gated_gram import gated_gram
from rf_limits.theory.expectations.low_degree import MEANS, polynomial_gram
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.expectations.relu_powers import POWERS, relu_power_gram
from rf_limits.theory.expectations.sine_moments import sine_gram

_POLYNOMIALS = {"linear": 1, "quadratic": 2}
_GATED = ("relu", "step", "gelu")
_WITH_ERF: dict[str, Callable[[Array, Array, Array, Array], Array]] = {
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
        return polynomial_gram(w, a, v, MEANS[tau](v, b), degree=_POLYNOMIALS[sigma])
    if sigma == tau == "relu":
        return relu_gram(w, a, v, b)
    if "relu_squared" in (sigma, tau) and sigma in POWERS and tau in POWERS:
        return relu_power_gram(w, a, v, b, (POWERS[sigma], POWERS[tau]))
    if sigma in ("erf", "gelu") and tau == "relu_squared":
        return _smooth_and_relu_squared(left, right)
    if sigma in _GATED and tau in _GATED:
        return _gated(left, right)
    if sigma == "erf" and tau in _WITH_ERF:
        return _WITH_ERF[tau](w, a, v, b)
    return sine_gram(w, a, v, b) if sigma == tau == "sin" else None


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
        if sigma == "erf":
            return _WITH_ERF[tau](w, a, v, b)
        return _gated(left._replace(biases=a), right._replace(activation=tau))

    value, slope = jax.jvp(lambda a: with_gate(a, "relu"), (a,), (jnp.ones_like(a),))
    square = jnp.sum(v**2, axis=1) * with_gate(a, "step")
    return b * value + square + (w @ v.T) * slope
