"""E sigma(<w, x> + a) tau(<v, x> + b) for x ~ N(0, I_d): one function for every activation.

Closed forms for all pairs from relu, step, relu^2, gelu, erf (:mod:`~rf_limits.theory.gated_gram`,
:mod:`~rf_limits.theory.relu_powers`, :mod:`~rf_limits.theory.erf_moments`), for linear and
quadratic with anything whose means have one (:mod:`~rf_limits.theory.low_degree`) and for sin with
itself; a Hermite series with an error bound (:mod:`~rf_limits.theory.hermite_gram`), or quadrature
pair by pair, for the rest. |t| and the sign are relu(t) + relu(-t) and step(t) - step(-t).
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import check, check_choice
from rf_limits.theory import arguments
from rf_limits.theory.angles import pairwise_angles, unit_vectors
from rf_limits.theory.erf_moments import erf_gram, erf_relu_gram, erf_step_gram
from rf_limits.theory.float_arrays import neuron_pairs
from rf_limits.theory.gated_gram import gated_gram
from rf_limits.theory.hermite_gram import (
    DEGREE,
    Coefficients,
    coefficients,
    gate_coefficients,
    hermite_gram,
)
from rf_limits.theory.low_degree import MEANS, polynomial_gram
from rf_limits.theory.pair_quadrature import pair_quadrature
from rf_limits.theory.relu_gram import relu_gram
from rf_limits.theory.relu_powers import POWERS, relu_power_gram
from rf_limits.theory.stein import Expectation, with_stein_derivatives

Activation = str | Callable[[Array], Array]

FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda h: jnp.maximum(h, 0.0),
    "relu_squared": lambda h: jnp.maximum(h, 0.0) ** 2,
    "step": lambda h: jnp.where(h > 0.0, 1.0, 0.0),
    "abs": jnp.abs,
    "sign": jnp.sign,
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
_KINKED = tuple(POWERS)  # pairs of these have closed forms
_HALVES = {"abs": ("relu", 1.0), "sign": ("step", -1.0)}  # f(t) + f(-t), f(t) - f(-t)
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


def _sin_gram(i: int, j: int, w: Array, a: Array, v: Array, b: Array) -> Array:
    """E sin^{(i)}(h) sin^{(j)}(g) from E cos(h -+ g) = cos(a -+ b) exp(-|w -+ v|^2/2).

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

    def turned(x: Array, order: int) -> tuple[Array, Array]:  # sin^{(order)} and its derivative
        signs = (jnp.sin(x), jnp.cos(x), -jnp.sin(x), -jnp.cos(x), jnp.sin(x))
        return signs[order % 4], signs[order % 4 + 1]

    (sin_a, cos_a), (sin_b, cos_b) = turned(a[:, None], i), turned(b[None, :], j)
    even = envelope * (2.0 - small) * sin_a * sin_b
    return even + jnp.sign(inner) * envelope * small * cos_a * cos_b


_sin_with_itself = with_stein_derivatives(_sin_gram)


def _smooth_and_relu_squared(
    w: Array, a: Array, v: Array, b: Array, sigma: Activation
) -> Array | None:
    """E sigma(h) relu(g)^2 = b E sigma relu + |v|^2 E sigma step + <w, v> E sigma' relu.

    The last expectation is the derivative of the first along the bias of h.
    """

    def with_relu(a: Array) -> Array:
        return _one_way(w, a, v, b, sigma, "relu")

    value, slope = jax.jvp(with_relu, (a,), (jnp.ones_like(a),))
    square = jnp.sum(v**2, axis=1) * _one_way(w, a, v, b, sigma, "step")
    return b * value + square + (w @ v.T) * slope


def _one_way(
    w: Array, a: Array, v: Array, b: Array, sigma: Activation, tau: Activation
) -> Array | None:
    """The closed form of a pair in this order, if there is one."""
    if callable(sigma) or callable(tau):
        return None
    if sigma in _POLYNOMIALS and tau in MEANS:
        return polynomial_gram(w, a, v, MEANS[tau](v, b), degree=_POLYNOMIALS[sigma])
    if sigma == tau == "relu":
        return relu_gram(w, a, v, b)
    if "relu_squared" in (sigma, tau) and sigma in POWERS and tau in POWERS:
        return relu_power_gram(w, a, v, b, (POWERS[sigma], POWERS[tau]))
    if sigma in ("erf", "gelu") and tau == "relu_squared":
        return _smooth_and_relu_squared(w, a, v, b, sigma)
    if sigma in _GATED and tau in _GATED:
        left, right = _gated_parts(sigma, w, a, 0), _gated_parts(tau, v, b, 1)
        return gated_gram(*left, *right)
    if sigma == "erf" and tau in _WITH_ERF:
        return _WITH_ERF[tau](w, a, v, b)
    if sigma == tau == "sin":
        return _sin_with_itself(0, 0, w, a, v, b)
    return None


def _closed_form(
    w: Array, a: Array, v: Array, b: Array, sigma: Activation, tau: Activation
) -> Array | None:
    value = _one_way(w, a, v, b, sigma, tau)
    if value is None:
        value = _one_way(v, b, w, a, tau, sigma)
        value = None if value is None else value.T
    return value


Method = Callable[[Array, Array, Array, Array, Activation, Activation], Any]


def _sum_of_halves(
    method: Method, w: Array, a: Array, v: Array, b: Array, sigma: Activation, tau: Activation
) -> Any:
    """``method`` for activations that are f(t) + f(-t) or f(t) - f(-t) too."""
    if isinstance(tau, str) and tau in _HALVES:
        name, sign = _HALVES[tau]
        first = _sum_of_halves(method, w, a, v, b, sigma, name)
        second = _sum_of_halves(method, w, a, -v, -b, sigma, name)
    elif isinstance(sigma, str) and sigma in _HALVES:
        name, sign = _HALVES[sigma]
        first = _sum_of_halves(method, w, a, v, b, name, tau)
        second = _sum_of_halves(method, -w, -a, v, b, name, tau)
    else:
        return method(w, a, v, b, sigma, tau)
    if first is None:
        return None
    if isinstance(first, Expectation):
        scale = jnp.hypot(first.scale, second.scale)  # E f(h)f(-h) = 0
        return Expectation(first.value + sign * second.value, first.error + second.error, scale)
    return first + sign * second


def _derivative(function: Callable[[Array], Array], order: int) -> Callable[[Array], Array]:
    """The derivative of an elementwise function."""
    for _ in range(order):
        function = functools.partial(_slope, function)
    return function


def _slope(function: Callable[[Array], Array], h: Array) -> Array:
    return jax.jvp(function, (h,), (jnp.ones_like(h),))[1]


_SHORT = 0.01  # below this length a derivative is not had by division by it


def _coefficients(
    activation: Activation, order: int, w: Array, a: Array, degree: int
) -> Coefficients:
    """Those of the derivative of an activation."""
    _, norms = unit_vectors(w)
    if activation in POWERS:
        power = POWERS[activation]
        found = gate_coefficients(norms, a, degree, power=power - order)
        factor = 2.0 if power == 2 else 1.0
        return Coefficients(factor * found[0], factor * found[1], factor**2 * found[2])
    function = _derivative(_function(activation), order)
    found = coefficients(function, norms, a, degree)
    if isinstance(activation, str) or order < 2:
        return found
    # Of a function with a kink the last derivative is not what differentiation of its values
    # gives: n c_k(f') = sqrt(k + 1) c_{k+1}(f).
    before = coefficients(_derivative(_function(activation), order - 1), norms, a, degree + 1)
    long = (norms >= _SHORT)[:, None]
    scale = jnp.sqrt(jnp.arange(1.0, degree + 2.0)) / jnp.where(long, norms[:, None], 1.0)
    full, coarse = (
        jnp.where(long, scale * old[:, 1:], new)
        for old, new in zip(before[:2], found[:2], strict=True)
    )
    return Coefficients(full, coarse, found.square)


def _series(
    w: Array, a: Array, v: Array, b: Array, sigma: Activation, tau: Activation, *, degree: int
) -> Expectation:
    def gram(i: int, j: int, w: Array, a: Array, v: Array, b: Array) -> Expectation:
        left, right = _coefficients(sigma, i, w, a, degree), _coefficients(tau, j, v, b, degree)
        return hermite_gram(w, v, left, right)

    return with_stein_derivatives(gram)(0, 0, w, a, v, b)


def _with_biases(w: Array, a: Array | None, v: Array, b: Array | None) -> tuple[Array, ...]:
    """Zeros in place of no biases."""
    a = jnp.zeros(w.shape[0], w.dtype) if a is None else a
    return w, a, v, jnp.zeros(v.shape[0], v.dtype) if b is None else b


def series_gram(
    w: arguments.Numbers,
    a: arguments.Numbers | None,
    v: arguments.Numbers,
    b: arguments.Numbers | None,
    activation: Activation,
    other: Activation | None = None,
    *,
    degree: int = DEGREE,
) -> Expectation:
    """E activation(h_i) other(g_j) by the Hermite series, with its error.

    Arguments as in :func:`gaussian_gram`; may be traced.
    """
    w, a, v, b = _with_biases(*neuron_pairs(w, a, v, b))
    other = activation if other is None else other
    method = functools.partial(_series, degree=degree)
    return _sum_of_halves(method, w, a, v, b, activation, other)


def gaussian_gram(
    w: arguments.Numbers,
    a: arguments.Numbers | None,
    v: arguments.Numbers,
    b: arguments.Numbers | None,
    activation: Activation = "relu",
    other: Activation | None = None,
    *,
    tolerance: arguments.Number = 1e-10,
    degree: arguments.Number = DEGREE,
) -> Float[Array, "m k"]:
    """E activation(<w_i, x> + a_i) other(<v_j, x> + b_j) for x ~ N(0, I_d).

    Args:
      w: (m, d) weights, of any real type; converted to float64.
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
      RequirementError: an unknown name, shapes that do not go together, or an accuracy that
        neither method reaches; the message says which one is.
    """
    tolerance = arguments.positive(tolerance, "tolerance")
    degree = arguments.whole(degree, "degree")
    other = activation if other is None else other
    for name in (activation, other):
        if isinstance(name, str):
            check_choice(name, FUNCTIONS, "activation")
    w, a, v, b = neuron_pairs(w, a, v, b)
    if activation == other == "relu":
        return relu_gram(w, a, v, b)
    w, a, v, b = _with_biases(w, a, v, b)
    value = _sum_of_halves(_closed_form, w, a, v, b, activation, other)
    if value is not None:
        return value
    found = series_gram(w, a, v, b, activation, other, degree=degree)
    if isinstance(found.error, jax.core.Tracer):
        return found.value
    if _reached(found) > tolerance:
        by_pairs = _sum_of_halves(_quadrature, w, a, v, b, activation, other)
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
