r"""Normalized Hermite coefficients of an activation.

c_j = E sigma(scale z + bias) he_j(z) for z ~ N(0, 1), with he_j the Hermite polynomials of
unit second moment. Closed forms for relu, step, erf, linear and quadratic; quadrature for
the others.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import special

from rf_limits.errors import check, check_choice
from rf_limits.theory.numerics.arguments import Finite, Positive, Whole, border
from rf_limits.theory.numerics.tails import panels
from rf_limits.theory.spectra.harmonics import Points

_REACH = 13.0  # exp(-13^2/4) = 4e-19: nothing lies beyond for bounded Hermite functions


class HermiteSeries(NamedTuple):
    """Coefficients of t -> sigma(scale t + bias).

    Attributes:
      coefficients: (J + 1,) values c_0 ... c_J.
      error: estimated absolute error of each coefficient.
      total: E sigma(scale z + bias)^2 = sum of all c_j^2.
      rest: sum of c_j^2 over j > J, as total minus the sum; rounding is left in.
    """

    coefficients: np.ndarray
    error: float
    total: float
    rest: float


SMOOTH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "erf": special.erf,
    "tanh": np.tanh,
    "gelu": lambda t: t * special.ndtr(t),
}
Activation = str | Callable[[np.ndarray], np.ndarray]
ACTIVATIONS = ("relu", "step", "linear", "quadratic", *SMOOTH)


def hermite_values(max_degree: int, x: float | np.ndarray) -> np.ndarray:
    """Returns he_0(x) ... he_K(x) of unit second moment, (K + 1, ...); finite for |x| <= 38."""
    x = np.asarray(x, np.float64)
    return np.stack(list(hermite_multiples(max_degree, x, np.ones(x.shape))))


def hermite_multiples(max_degree: int, x: Points, now: Points) -> Iterator[Points]:
    """Returns he_0(x), ..., he_K(x) times ``now``, one after the other, of NumPy or JAX."""
    before = now.__array_namespace__().zeros_like(now)
    for k in range(max_degree + 1):
        yield now
        now, before = (x * now - math.sqrt(k) * before) / math.sqrt(k + 1), now


def _density(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def second_moment(order: int, bias: float | int) -> float:
    """Returns E relu(z + bias)^2 (order 1) or P(z + bias > 0) (order 0), relatively accurate."""
    if order == 0:
        return float(special.ndtr(bias))
    if bias >= 0.0:
        return float((1.0 + bias**2) * special.ndtr(bias) + bias * _density(bias))
    t, weights = panels(np.linspace(0.0, 12.0, 25))  # all terms positive
    return float(_density(bias) * (weights @ (t * t * np.exp(t * (bias - 0.5 * t)))))


def _kinked(order: int, bias: float | int, max_degree: int) -> np.ndarray:
    """Returns the coefficients of t -> relu(t + bias) (order 1) or 1[t + bias > 0] (order 0)."""
    values = hermite_values(max(max_degree, 1), -bias) * _density(bias)
    j = np.arange(max_degree + 1, dtype=np.float64)
    c = np.empty(max_degree + 1)
    c[0] = special.ndtr(bias) if order == 0 else bias * special.ndtr(bias) + _density(bias)
    if order == 0:
        c[1:] = values[:max_degree] / np.sqrt(j[1:])
        return c
    c[1:2] = special.ndtr(bias)
    c[2:] = values[: max(max_degree - 1, 0)] / np.sqrt(j[2:] * (j[2:] - 1.0))
    return c


def _quadrature(
    function: Callable[[np.ndarray], np.ndarray], max_degree: int, num_panels: int
) -> tuple[np.ndarray, float]:
    """Returns the coefficients and second moment by a composite rule, in Hermite functions."""
    x, weights = panels(np.linspace(-_REACH, _REACH, num_panels + 1))
    values = np.asarray(function(x), np.float64)
    root = np.exp(-0.25 * x * x) / (2.0 * math.pi) ** 0.25
    c = [weights @ (values * root * now) for now in hermite_multiples(max_degree, x, root)]
    return np.array(c), float(weights @ (values * root) ** 2)


@border
def hermite_series(
    activation: Activation,
    max_degree: Whole,
    *,
    scale: Positive = 1.0,
    bias: Finite = 0.0,
) -> HermiteSeries:
    """Returns Hermite coefficients of t -> sigma(scale t + bias).

    Args:
      activation: one of :data:`ACTIVATIONS`, or a function of an array that grows less than
        exponentially; a function with kinks is integrated slowly, see ``error``.
      max_degree: largest degree J.
      scale: positive.
      bias: real; |bias|/scale at most 38 for relu and step, whose coefficients underflow
        beyond.

    Returns:
      A :class:`HermiteSeries`; closed forms have errors of a few 1e-15 of sqrt(total).

    Raises:
      RequirementError: an unknown activation or an impossible argument.
    """
    if not callable(activation):
        check_choice(activation, ACTIVATIONS, "activation")
    if activation in ("relu", "step"):
        order = 1 if activation == "relu" else 0
        beta = bias / scale
        check(abs(beta) <= 38.0, "bias", "be at most 38 times the norm in modulus", bias)
        c = scale**order * _kinked(order, beta, max_degree)
        return _series(c, scale ** (2 * order) * second_moment(order, beta))
    if activation in ("linear", "quadratic"):
        powers = [bias, scale]
        if activation == "quadratic":
            powers = [scale**2 + bias**2, 2.0 * scale * bias, math.sqrt(2.0) * scale**2]
        c = np.zeros(max(max_degree + 1, len(powers)))
        c[: len(powers)] = powers
        return _series(c[: max_degree + 1], math.fsum(p * p for p in powers))
    sigma = activation if callable(activation) else SMOOTH[activation]
    c, total, error = _integrated(sigma, max_degree, scale, bias)
    if activation == "erf":
        return _series(_erf_coefficients(scale, bias, max_degree), total)
    return _series(c, total, error)


def _series(c: np.ndarray, total: float, error: float | None = None) -> HermiteSeries:
    """Returns the series; without an ``error``, with that of closed forms."""
    rest = max(total - math.fsum(c * c), 0.0)
    return HermiteSeries(c, 4e-15 * math.sqrt(total) if error is None else error, total, rest)


def _integrated(
    sigma: Callable[[np.ndarray], np.ndarray], max_degree: int, scale: float, bias: float | int
) -> tuple[np.ndarray, float, float]:
    """Returns coefficients by quadrature, the second moment, and an error."""

    def shifted(t: np.ndarray) -> np.ndarray:
        return sigma(scale * t + bias)

    size = 32 + int(4.0 * (math.sqrt(max_degree) + scale))
    coarse, _ = _quadrature(shifted, max_degree, size)
    c, total = _quadrature(shifted, max_degree, 2 * size + 1)
    return c, total, float(np.max(np.abs(c - coarse))) + 1e-16 * math.sqrt(total)


def _erf_coefficients(scale: float, bias: float | int, max_degree: int) -> np.ndarray:
    """Returns those of erf(scale t + bias), from derivatives of erf(bias/sqrt(1 + 2 scale^2))."""
    width = math.sqrt(0.5 + scale**2)
    beta = bias / width
    step = _kinked(0, beta, max_degree)  # of 1[t + beta > 0]; he_{j-1}(-beta) phi/sqrt(j)
    c = 2.0 * step * (scale / width) ** np.arange(max_degree + 1.0)
    c[0] = math.erf(bias / math.sqrt(1.0 + 2.0 * scale**2))
    return c
