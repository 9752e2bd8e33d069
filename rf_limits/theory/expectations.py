"""E sigma(<w, x> + a) tau(<v, x> + b) for x ~ N(0, I_d): one function for every activation.

Closed forms for all pairs from relu, step, gelu, erf (:mod:`~rf_limits.theory.gated_gram`,
:mod:`~rf_limits.theory.erf_moments`), for linear and quadratic with anything that has closed
Hermite coefficients (:mod:`~rf_limits.theory.low_degree`) and for sin with itself; a Hermite
series with an error bound (:mod:`~rf_limits.theory.hermite_gram`), or quadrature pair by pair, for
the rest.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import check, check_choice
from rf_limits.theory import arguments
from rf_limits.theory.angles import pairwise_angles, unit_vectors, with_derivatives_of
from rf_limits.theory.erf_moments import erf_gram, erf_relu_gram, erf_step_gram
from rf_limits.theory.gated_gram import gated_gram
from rf_limits.theory.hermite_gram import (
    DEGREE,
    Coefficients,
    Expectation,
    coefficients,
    gate_coefficients,
    hermite_gram,
)
from rf_limits.theory.low_degree import LOW_DEGREE, polynomial_gram
from rf_limits.theory.pair_quadrature import pair_quadrature
from rf_limits.theory.relu_gram import relu_gram

Activation = str | Callable[[Array], Array]

FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda h: jnp.maximum(h, 0.0),
    "step": lambda h: jnp.where(h > 0.0, 1.0, 0.0),
    "erf": jax.scipy.special.erf,
    "gelu": lambda h: h * jax.scipy.special.ndtr(h),
    "linear": lambda h: h,
    "quadratic": lambda h: h**2,
    "sin": jnp.sin,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
}
"""The activations known by name."""

_POLYNOMIALS = {"linear": 1, "quadratic": 2}
_GATED = ("relu", "step", "gelu")
_KINKED = ("relu", "step")  # pairs of these have closed forms
_WITH_ERF = {
    "erf": erf_gram,
    "step": erf_step_gram,
    "relu": erf_relu_gram,
    "gelu": functools.partial(erf_relu_gram, noise=1.0),
}


def _function(activation: Activation) -> Callable[[Array], Array]:
    return FUNCTIONS[activation] if isinstance(activation, str) else activation


def _gated_parts(activation: str, w: Array, a: Array, axis: int) -> tuple:
    """Gates and affine parts (weights, biases, slopes, offsets) in two more dimensions.

    gelu(h) = h P(n < h): a gate with noise of its own, along ``axis``.
    """
    none = jnp.zeros((w.shape[0], 2))
    noise = none.at[:, axis].set(1.0) if activation == "gelu" else none
    wide = jnp.concatenate([w, none], axis=1)
    gates = jnp.concatenate([w, noise], axis=1)
    if activation == "step":
        return gates, a, jnp.zeros_like(wide), jnp.ones_like(a)
    return gates, a, wide, a


def _sin_gram(w: Array, a: Array, v: Array, b: Array) -> Array:
    """E sin(h) sin(g) from E cos(h -+ g) = cos(a -+ b) exp(-|w -+ v|^2/2).

    sin a sin b exp(-(|w|^2 + |v|^2)/2) cosh <w, v> + cos a cos b (the same with sinh), both
    without overflow and without cancellation for small weights.
    """
    inner = w @ v.T
    (unit_w, norms_w), (unit_v, norms_v) = unit_vectors(w), unit_vectors(v)
    size = jnp.abs(inner)
    # (|w|^2 + |v|^2)/2 - |<w, v>| = (|w| - |v|)^2/2 + |w||v| (1 - |c|)
    angles = pairwise_angles(unit_w, unit_v)
    n, m = norms_w[:, None], norms_v[None, :]
    gap = 0.5 * (n - m) ** 2 + n * m * jnp.minimum(angles.one_minus, angles.one_plus)
    gap = with_derivatives_of(gap, 0.5 * (n**2 + m**2) - size)
    envelope = 0.5 * jnp.exp(-gap)
    small = -jnp.expm1(-2.0 * size)
    even = envelope * (2.0 - small) * jnp.sin(a)[:, None] * jnp.sin(b)[None, :]
    return even + jnp.sign(inner) * envelope * small * jnp.cos(a)[:, None] * jnp.cos(b)[None, :]


def _low(activation: Activation, v: Array, b: Array) -> tuple[Array, Array, Array] | None:
    """The first three Hermite coefficients, where they have a closed form."""
    if not isinstance(activation, str) or activation not in LOW_DEGREE:
        return None
    return LOW_DEGREE[activation](unit_vectors(v)[1], b)


def _one_way(
    w: Array, a: Array, v: Array, b: Array, sigma: Activation, tau: Activation
) -> Array | None:
    """The closed form of a pair in this order, if there is one."""
    if callable(sigma) or callable(tau):
        return None
    if sigma in _POLYNOMIALS:
        low = _low(tau, v, b)
        if low is None:
            return None
        return polynomial_gram(w, a, v, low, degree=_POLYNOMIALS[sigma])
    if sigma in _GATED and tau in _GATED:
        left, right = _gated_parts(sigma, w, a, 0), _gated_parts(tau, v, b, 1)
        return gated_gram(*left, *right)
    if sigma == "erf" and tau in _WITH_ERF:
        return _WITH_ERF[tau](w, a, v, b)
    if sigma == tau == "sin":
        return _sin_gram(w, a, v, b)
    return None


def _closed_form(
    w: Array, a: Array, v: Array, b: Array, sigma: Activation, tau: Activation
) -> Array | None:
    value = _one_way(w, a, v, b, sigma, tau)
    if value is None:
        value = _one_way(v, b, w, a, tau, sigma)
        value = None if value is None else value.T
    return value


def _coefficients(activation: Activation, w: Array, a: Array, degree: int) -> Coefficients:
    _, norms = unit_vectors(w)
    if activation in ("relu", "step"):
        return gate_coefficients(norms, a, degree, relu=activation == "relu")
    return coefficients(_function(activation), norms, a, degree)


def series_gram(
    w: Float[Array, "m d"],
    a: Float[Array, "m"] | None,
    v: Float[Array, "k d"],
    b: Float[Array, "k"] | None,
    activation: Activation,
    other: Activation | None = None,
    *,
    degree: int = DEGREE,
) -> Expectation:
    """E activation(h_i) other(g_j) by the Hermite series, with its error.

    Arguments as in :func:`gaussian_gram`; may be traced.
    """
    a = jnp.zeros(w.shape[0], w.dtype) if a is None else a
    b = jnp.zeros(v.shape[0], v.dtype) if b is None else b
    left = _coefficients(activation, w, a, degree)
    right = _coefficients(activation if other is None else other, v, b, degree)
    return hermite_gram(w, v, left, right)


def gaussian_gram(
    w: Float[Array, "m d"],
    a: Float[Array, "m"] | None,
    v: Float[Array, "k d"],
    b: Float[Array, "k"] | None,
    activation: Activation = "relu",
    other: Activation | None = None,
    *,
    tolerance: arguments.Number = 1e-10,
    degree: arguments.Number = DEGREE,
) -> Float[Array, "m k"]:
    """E activation(<w_i, x> + a_i) other(<v_j, x> + b_j) for x ~ N(0, I_d).

    Args:
      w: (m, d) weights, float64.
      a: (m,) biases, or None for none.
      v: (k, d) weights.
      b: (k,) biases, or None for none.
      activation: a key of :data:`FUNCTIONS`, or any elementwise function.
      other: the activation of the second factor; None for the same.
      tolerance: largest error allowed, relative to sqrt(E activation^2 E other^2), where
        there is no closed form. Not checked under a JAX transformation: there
        :func:`series_gram` returns the error along with the value.
      degree: of the Hermite series, tried first where there is no closed form. Where its
        error is too large, two-dimensional quadrature of every pair follows.

    Returns:
      (m, k) expectations. Closed forms are accurate to 1e-14 of sqrt(E h^2 E g^2) or better
      for relu, step, gelu and polynomials, of sqrt(E activation^2 E other^2) for the others.

    Raises:
      RequirementError: an unknown name, or an accuracy that neither method reaches; the message
        says which one is.
    """
    tolerance = arguments.positive(tolerance, "tolerance")
    degree = arguments.whole(degree, "degree")
    other = activation if other is None else other
    for name in (activation, other):
        if isinstance(name, str):
            check_choice(name, FUNCTIONS, "activation")
    if activation == other == "relu":
        return relu_gram(w, a, v, b)
    a = jnp.zeros(w.shape[0], w.dtype) if a is None else a
    b = jnp.zeros(v.shape[0], v.dtype) if b is None else b
    value = _closed_form(w, a, v, b, activation, other)
    if value is not None:
        return value
    found = series_gram(w, a, v, b, activation, other, degree=degree)
    if isinstance(found.error, jax.core.Tracer):
        return found.value
    if _reached(found) > tolerance:
        by_pairs = _quadrature(w, a, v, b, activation, other)
        found = min(found, by_pairs, key=_reached)
    least = _reached(found)
    check(least <= tolerance, "tolerance", f"be at least {least:.1e}, which is reached", tolerance)
    return found.value


def _reached(found: Expectation) -> float:
    """The largest error relative to its scale; where that is 0 so is the value."""
    relative = found.error / jnp.where(found.scale > 0.0, found.scale, 1.0)
    worst = float(jnp.max(relative, initial=0.0))
    return worst if math.isfinite(worst) else math.inf


def _quadrature(
    w: Array, a: Array, v: Array, b: Array, sigma: Activation, tau: Activation
) -> Expectation:
    """Pair by pair; a factor that is not analytic comes first."""
    left, right = _function(sigma), _function(tau)
    if sigma in _KINKED:
        return pair_quadrature(w, a, v, b, left, right, kink=True)
    if tau in _KINKED:
        found = pair_quadrature(v, b, w, a, right, left, kink=True)
        return Expectation(found.value.T, found.error.T, found.scale.T)
    return pair_quadrature(w, a, v, b, left, right)
