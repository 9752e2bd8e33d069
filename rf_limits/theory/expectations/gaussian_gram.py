"""E sigma(<w, x> + a) tau(<v, x> + b) for x ~ N(0, I_d): one function for every activation.

Closed forms for all pairs from relu, step, relu^2, gelu, erf
(:mod:`~rf_limits.theory.expectations.gated_gram`,
:mod:`~rf_limits.theory.expectations.relu_powers`,
:mod:`~rf_limits.theory.expectations.erf_moments`), for linear and quadratic with anything whose
means have one (:mod:`~rf_limits.theory.expectations.low_degree`) and for sin with itself; a Hermite
series with an error bound (:mod:`~rf_limits.theory.expectations.hermite_gram`), or quadrature pair
by pair, for the rest. |t| and the sign are relu(t) + relu(-t) and step(t) - step(-t).
"""

import functools
import math
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import check, check_choice
from rf_limits.theory.expectations.activations import FUNCTIONS, Activation, Units
from rf_limits.theory.expectations.closed_forms import closed_form
from rf_limits.theory.expectations.hermite_gram import DEGREE, mehler_series
from rf_limits.theory.expectations.pair_quadrature import pair_quadrature
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.expectations.relu_powers import POWERS
from rf_limits.theory.expectations.stein import Expectation
from rf_limits.theory.numerics.arguments import Numbers, Positive, Whole, border
from rf_limits.theory.numerics.float_arrays import neuron_pairs

_HALVES = {"abs": ("relu", 1.0), "sign": ("step", -1.0)}  # f(t) + f(-t), f(t) - f(-t)

Found = TypeVar("Found")


def _half(units: Units) -> tuple[str, float] | None:
    """Returns f and the sign, where the activation is f(t) + f(-t) or f(t) - f(-t)."""
    return _HALVES.get(units.activation) if isinstance(units.activation, str) else None


def _over_halves(
    method: Callable[[Units, Units], Found],
    add: Callable[[Found, Found, float], Found],
    left: Units,
    right: Units,
) -> Found:
    """Returns what ``method`` gives, also for activations that are sums of two halves."""
    if (half := _half(right)) is not None:
        first = _over_halves(method, add, left, right._replace(activation=half[0]))
        mirrored = Units(-right.weights, -right.biases, half[0])
        return add(first, _over_halves(method, add, left, mirrored), half[1])
    if (half := _half(left)) is not None:
        first = _over_halves(method, add, left._replace(activation=half[0]), right)
        mirrored = Units(-left.weights, -left.biases, half[0])
        return add(first, _over_halves(method, add, mirrored, right), half[1])
    return method(left, right)


def _add_values(first: Array | None, second: Array | None, sign: float) -> Array | None:
    return None if first is None or second is None else first + sign * second


def _add_expectations(first: Expectation, second: Expectation, sign: float) -> Expectation:
    scale = jnp.hypot(first.scale, second.scale)  # E f(h)f(-h) = 0
    return Expectation(first.value + sign * second.value, first.error + second.error, scale)


def _units(w: Array, a: Array | None, activation: Activation) -> Units:
    """Returns neurons, with zeros in place of no biases."""
    return Units(w, jnp.zeros(w.shape[0], w.dtype) if a is None else a, activation)


def series_gram(
    w: Numbers,
    a: Numbers | None,
    v: Numbers,
    b: Numbers | None,
    activation: Activation,
    other: Activation | None = None,
    *,
    degree: int = DEGREE,
) -> Expectation:
    """Returns E activation(h_i) other(g_j) by the Hermite series, with its error.

    Arguments as in :func:`gaussian_gram`; may be traced.
    """
    w, a, v, b = neuron_pairs(w, a, v, b)
    left, right = _units(w, a, activation), _units(v, b, other or activation)
    return _series(left, right, degree)


def _series(left: Units, right: Units, degree: int) -> Expectation:
    method = functools.partial(mehler_series, degree=degree)
    return _over_halves(method, _add_expectations, left, right)


@border
def gaussian_gram(
    w: Numbers,
    a: Numbers | None,
    v: Numbers,
    b: Numbers | None,
    activation: Activation = "relu",
    other: Activation | None = None,
    *,
    tolerance: Positive = 1e-10,
    degree: Whole = DEGREE,
) -> Float[Array, "m k"]:
    """Returns E activation(<w_i, x> + a_i) other(<v_j, x> + b_j) for x ~ N(0, I_d).

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
    other = activation if other is None else other
    for name in (activation, other):
        if isinstance(name, str):
            check_choice(name, FUNCTIONS, "activation")
    w, a, v, b = neuron_pairs(w, a, v, b)
    if activation == other == "relu":
        return relu_gram(w, a, v, b)
    left, right = _units(w, a, activation), _units(v, b, other)
    value = _over_halves(closed_form, _add_values, left, right)
    if value is not None:
        return value
    return _approximated(left, right, tolerance, degree)


def _approximated(left: Units, right: Units, tolerance: float, degree: int) -> Array:
    """Returns the series where it is good enough, else the better of series and quadrature."""
    found = _series(left, right, degree)
    if isinstance(found.error, jax.core.Tracer):
        return found.value
    if _reached(found) > tolerance:
        by_pairs = _over_halves(_quadrature, _add_expectations, left, right)
        found = min(found, by_pairs, key=_reached)
    least = _reached(found)
    check(least <= tolerance, "tolerance", f"be at least {least:.1e}, which is reached", tolerance)
    return found.value


def _reached(found: Expectation) -> float:
    """Returns the largest error relative to its scale; where that is 0 so is the value."""
    relative = found.error / jnp.where(found.scale > 0.0, found.scale, 1.0)
    worst = float(jnp.max(relative, initial=0.0))
    return worst if math.isfinite(worst) else math.inf


def _quadrature(left: Units, right: Units) -> Expectation:
    """Returns the expectations pair by pair; a factor that is not analytic comes first."""
    if left.activation in POWERS:
        return pair_quadrature(left, right, kink=True)
    if right.activation in POWERS:
        found = pair_quadrature(right, left, kink=True)
        return Expectation(found.value.T, found.error.T, found.scale.T)
    return pair_quadrature(left, right)
