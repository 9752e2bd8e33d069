r"""E p(h) tau(g) for polynomials p of degree at most two, x ~ N(0, I_d).

Only means of tau and of its derivatives enter (Stein's lemma):

.. math::
    E\,h\,\tau(g) &= a E\tau + \langle w, v\rangle E\tau', \\
    E\,h^2\,\tau(g) &= (a^2 + |w|^2) E\tau + 2a\langle w, v\rangle E\tau'
        + \langle w, v\rangle^2 E\tau'' .
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import erf, ndtr
from jaxtyping import Array, Float

from rf_limits.theory.expectations.activations import Units
from rf_limits.theory.expectations.angles import unit_vectors
from rf_limits.theory.expectations.bivariate_normal import normal_density
from rf_limits.theory.expectations.gates import inverse, scaled_bias


class Means(NamedTuple):
    """E tau, E tau' and E tau'' of k neurons, each (k,).

    Attributes:
      value: E tau(g).
      slope: E tau'(g).
      curvature: E tau''(g) divided by ``scale``.
      scale: 1, or 1/|v| where that keeps the curvature in float64.
    """

    value: Array
    slope: Array
    curvature: Array
    scale: Array | float = 1.0


def _linear(v: Array, b: Array) -> Means:
    return Means(b, jnp.ones_like(b), jnp.zeros_like(b))


def _quadratic(v: Array, b: Array) -> Means:
    return Means(b**2 + jnp.sum(v**2, axis=1), 2.0 * b, jnp.full_like(b, 2.0))


def _gate(v: Array, b: Array) -> tuple[Array, ...]:
    """Returns |v|, beta, Phi(beta), phi(beta) and 1/|v|."""
    n = unit_vectors(v)[1]
    beta = scaled_bias(b, n)
    return n, beta, ndtr(beta), normal_density(beta), inverse(n)


def _step(v: Array, b: Array) -> Means:
    _, beta, opened, density, scale = _gate(v, b)
    return Means(opened, density * scale, -beta * density * scale, scale)


def _relu(v: Array, b: Array) -> Means:
    n, _, opened, density, scale = _gate(v, b)
    return Means(b * opened + n * density, opened, density, scale)


def _relu_squared(v: Array, b: Array) -> Means:
    n, _, opened, density, _ = _gate(v, b)
    square = (jnp.sum(v**2, axis=1) + b**2) * opened + b * n * density
    return Means(square, 2.0 * (b * opened + n * density), 2.0 * opened)


def _erf(v: Array, b: Array) -> Means:
    square = 1.0 + 2.0 * jnp.sum(v**2, axis=1)
    slope = 2.0 * jnp.exp(-(b**2) / square) / jnp.sqrt(jnp.pi * square)
    return Means(erf(b / jnp.sqrt(square)), slope, -2.0 * b / square * slope)


def _gelu(v: Array, b: Array) -> Means:
    square = jnp.sum(v**2, axis=1)
    root = jnp.sqrt(1.0 + square)
    opened, density = ndtr(b / root), normal_density(b / root)
    curvature = density * (1.0 / root + 1.0 / root**3 - b**2 / root**5)
    mean = b * opened + square * density / root
    return Means(mean, opened + b * density / root**3, curvature)


def _sin(v: Array, b: Array) -> Means:
    damping = jnp.exp(-0.5 * jnp.sum(v**2, axis=1))
    sine = damping * jnp.sin(b)
    return Means(sine, damping * jnp.cos(b), -sine)


MEANS: dict[str, Callable[[Array, Array], Means]] = {
    "linear": _linear,
    "quadratic": _quadratic,
    "step": _step,
    "relu": _relu,
    "relu_squared": _relu_squared,
    "erf": _erf,
    "gelu": _gelu,
    "sin": _sin,
}
"""Means as functions of v (k, d) and b (k,), for the activations with closed forms."""


def polynomial_gram(left: Units, right: Units) -> Float[Array, "m k"]:
    """Returns E h tau(g) or E h^2 tau(g), linear or quadratic, for tau of :data:`MEANS`."""
    (w, a, _), (v, b, tau) = left, right
    value, slope, curvature, scale = MEANS[str(tau)](v, b)
    inner = w @ v.T
    if left.activation == "linear":
        return a[:, None] * value + inner * slope
    square = jnp.sum(w**2, axis=1)[:, None]
    bent = inner * ((inner * scale) * curvature)
    return (a[:, None] ** 2 + square) * value + 2.0 * a[:, None] * inner * slope + bent
