r"""E sigma(h) tau(g) for any activations through their Hermite coefficients.

With h = |w| z + a along w^, c_k(sigma) = E sigma(|w| z + a) he_k(z), z ~ N(0, 1), and he_k the
Hermite polynomials normalized to E he_k^2 = 1,

.. math:: E\,\sigma(h)\tau(g) = \sum_k c_k(\sigma)\,c_k(\tau)\,\cos^k\theta

(Mehler's formula). What degrees above K leave out is at most |cos theta|^{K+1} times the
geometric mean of the two remainders E sigma^2 - sum_{k <= K} c_k^2.
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from rf_limits.theory.expectations.activations import Units, derivative
from rf_limits.theory.expectations.angles import unit_vectors
from rf_limits.theory.expectations.gates import inverse, scaled_bias
from rf_limits.theory.expectations.relu_powers import POWERS
from rf_limits.theory.expectations.stein import Expectation, with_stein_derivatives

DEGREE = 256
_REACH = 13.0  # exp(-_REACH^2/4) < 1e-18: the integrand is sigma times exp(-z^2/4) psi_k
_NODES = 1025
_SHORT = 0.01  # below this length a derivative is not had by division by it
_PANELS = 8  # on a side of 0; Gauss rules of a few tens of nodes are right to the last digit


class Coefficients(NamedTuple):
    """Hermite coefficients of m neurons.

    Attributes:
      full: (m, K + 1) coefficients.
      coarse: (m, K + 1) the same from every second node; equal to ``full`` where that is exact.
      square: (m,) E sigma^2.
    """

    full: Float[Array, "m degrees"]
    coarse: Float[Array, "m degrees"]
    square: Float[Array, "m"]


def _hermite_functions(z: Array, degree: int) -> Array:
    """Returns psi_k = he_k sqrt(phi) for k = 0, ..., degree, on a new first axis."""
    start = jnp.exp(-0.25 * z**2) / (2.0 * jnp.pi) ** 0.25

    def step(state: tuple[Array, Array], k: Array) -> tuple[tuple[Array, Array], Array]:
        before, value = state
        following = (z * value - jnp.sqrt(k) * before) / jnp.sqrt(k + 1.0)
        return (value, following), value

    _, values = jax.lax.scan(step, (jnp.zeros_like(z), start), jnp.arange(degree + 1.0))
    return values


_Rule = tuple[np.ndarray, np.ndarray, np.ndarray]


def _weighted(nodes: np.ndarray, mass: np.ndarray, degree: int) -> _Rule:
    """Returns nodes of a rule, its weights under N(0, 1), and weighted he_k at the nodes."""
    with jax.ensure_compile_time_eval():
        functions = np.asarray(_hermite_functions(jnp.asarray(nodes), degree)).T
    density = np.exp(-0.5 * nodes**2) / math.sqrt(2.0 * math.pi)
    return nodes, mass * density, (mass * np.sqrt(density))[:, None] * functions


@functools.lru_cache(maxsize=8)
def _rule(degree: int) -> _Rule:
    """Returns the trapezoidal rule."""
    nodes = np.linspace(-_REACH, _REACH, _NODES)
    return _weighted(nodes, np.full(_NODES, nodes[1] - nodes[0]), degree)


@functools.lru_cache(maxsize=8)
def _sided_rule(degree: int, count: int) -> _Rule:
    """Returns Gauss and Legendre's rule of ``count`` nodes on panels on either side of 0."""
    points, mass = np.polynomial.legendre.leggauss(count)
    half = 0.5 * _REACH / _PANELS
    starts = 2.0 * half * np.arange(-_PANELS, _PANELS)
    nodes = (starts[:, None] + half * (points + 1.0)).ravel()
    return _weighted(nodes, np.tile(half * mass, 2 * _PANELS), degree)


def coefficients(
    function: Callable[[Array], Array],
    norms: Float[Array, "m"],
    biases: Float[Array, "m"],
    degree: int = DEGREE,
) -> Coefficients:
    """Returns the Hermite coefficients of z -> function(norm z + bias), by the trapezoidal rule.

    The rule (1025 nodes) converges exponentially for analytic functions: for a function
    without singularities within a distance rho of the real axis the error is about
    exp(-247 rho/norm). A kink leaves an error of the order of its square step, 6e-4 norm.

    Args:
      function: the activation, elementwise, growing at most polynomially.
      norms: (m,) lengths of the weight vectors.
      biases: (m,) biases.
      degree: highest degree K.
    """
    nodes, weights, basis = _rule(degree)
    values = function(norms[:, None] * nodes + biases[:, None])
    square = values**2 @ weights
    return Coefficients(values @ basis, 2.0 * values[:, ::2] @ basis[::2], square)


def sided_coefficients(
    function: Callable[[Array], Array], norms: Float[Array, "m"], degree: int = DEGREE
) -> Coefficients:
    """Returns those of z -> function(norm z), analytic on either side of 0.

    Args:
      function: the activation, elementwise, growing at most polynomially.
      norms: (m,) lengths of the weight vectors.
      degree: highest degree K, up to some 1000: 512 nodes a side, ``coarse`` from half as many.
    """
    found = []
    for count in (64, 32):
        nodes, weights, basis = _sided_rule(degree, count)
        values = function(norms[:, None] * nodes)
        found.append((values @ basis, values**2 @ weights))
    return Coefficients(found[0][0], found[1][0], found[0][1])


def gate_coefficients(
    norms: Float[Array, "m"], biases: Float[Array, "m"], degree: int = DEGREE, *, power: int
) -> Coefficients:
    """Returns exact Hermite coefficients of relu(h)^p/p!, or of derivatives of the step.

    Step (p = 0): Phi(beta), then phi(beta) he_{k-1}(-beta)/sqrt(k). From one power to the next,
    up and down, n c_k(sigma') = sqrt(k + 1) c_{k+1}(sigma) with n the length.

    Args:
      norms: (m,) lengths n of the weight vectors.
      biases: (m,) biases.
      degree: highest degree K.
      power: p from -6 to 2; -1 is Dirac's delta, -2 its derivative and so on, all 0 for weights
        of 0. There ``square`` is nan for lack of a mean square.
    """
    beta = scaled_bias(biases, norms)
    bounded = jnp.clip(beta, -30.0, 30.0)  # psi_k sqrt(phi) vanishes beyond
    root = jnp.exp(-0.25 * bounded**2) / (2.0 * jnp.pi) ** 0.25
    delta = (root * _hermite_functions(-bounded, degree + max(-power, 0))).T
    if power < 0:
        k = jnp.arange(degree + 1.0)
        scale = inverse(norms)[:, None]
        shift = -power - 1
        for step in range(1, shift + 1):
            scale = scale * inverse(norms)[:, None] * jnp.sqrt(k + step)
        full = scale * delta[:, shift : shift + degree + 1]
        return Coefficients(full, full, jnp.full_like(norms, jnp.nan))
    n, a, density, closed = norms, biases, delta[:, 0], ndtr(beta)  # the density times n
    square = (n**2 + a**2) * closed + n * a * density
    means = (closed, a * closed + n * density, 0.5 * square)  # E relu(h)^p/p!
    low = [n**j * means[power - j] / math.sqrt(math.factorial(j)) for j in range(power + 1)]
    k = jnp.arange(power + 1.0, degree + 1.0)
    divisor = functools.reduce(operator.mul, [k - j for j in range(power + 1)])
    high = n[:, None] ** power * (delta[:, : len(k)] / jnp.sqrt(divisor))
    full = jnp.concatenate([jnp.stack(low, axis=1), high], axis=1)
    fourth = (a**4 + 6.0 * a**2 * n**2 + 3.0 * n**4) * closed
    fourth = 0.25 * (fourth + (a**3 * n + 5.0 * a * n**3) * density)
    return Coefficients(full, full, (closed, square, fourth)[power])


def _series(left: Array, right: Array, cosine: Array) -> Array:
    """Returns sum_k left_ik right_jk cosine_ij^k by Horner's rule."""

    def step(total: Array, pair: tuple[Array, Array]) -> tuple[Array, None]:
        a, b = pair
        return total * cosine + a[:, None] * b[None, :], None

    total, _ = jax.lax.scan(step, jnp.zeros_like(cosine), (left.T, right.T), reverse=True)
    return total


def hermite_gram(
    w: Float[Array, "m d"], v: Float[Array, "k d"], left: Coefficients, right: Coefficients
) -> Expectation:
    """Returns E sigma(h_i) tau(g_j) from the coefficients of both sides (module docstring)."""
    (unit_w, _), (unit_v, _) = unit_vectors(w), unit_vectors(v)
    cosine = unit_w @ unit_v.T  # not clipped: at +-1 that would cut off second derivatives
    value = _series(left.full, right.full, cosine)
    quadrature = jnp.abs(value - _series(left.coarse, right.coarse, cosine))
    remainders = [
        jnp.maximum(side.square - jnp.sum(side.full**2, axis=1), 4e-16 * side.square)
        for side in (left, right)
    ]
    truncation = jnp.sqrt(remainders[0][:, None] * remainders[1][None, :])
    error = truncation * jnp.abs(cosine) ** left.full.shape[1] + quadrature
    scale = jnp.sqrt(left.square[:, None] * right.square[None, :])
    return Expectation(value, error + 1e-15 * scale, scale)


def _derived_coefficients(units: Units, order: int, degree: int) -> Coefficients:
    """Returns the coefficients of a derivative of the activation."""
    norms = unit_vectors(units.weights)[1]
    a, activation = units.biases, units.activation
    if isinstance(activation, str) and activation in POWERS:
        power = POWERS[activation]
        found = gate_coefficients(norms, a, degree, power=power - order)
        factor = 2.0 if power == 2 else 1.0
        return Coefficients(factor * found[0], factor * found[1], factor**2 * found[2])
    found = coefficients(derivative(units.function, order), norms, a, degree)
    if isinstance(activation, str) or order < 2:
        return found
    # Of a function with a kink the last derivative is not what differentiation of its values
    # gives: n c_k(f') = sqrt(k + 1) c_{k+1}(f).
    before = coefficients(derivative(activation, order - 1), norms, a, degree + 1)
    long = (norms >= _SHORT)[:, None]
    scale = jnp.sqrt(jnp.arange(1.0, degree + 2.0)) / jnp.where(long, norms[:, None], 1.0)
    full, coarse = (
        jnp.where(long, scale * old[:, 1:], new)
        for old, new in zip(before[:2], found[:2], strict=True)
    )
    return Coefficients(full, coarse, found.square)


def mehler_series(left: Units, right: Units, degree: int) -> Expectation:
    """Returns E sigma(h_i) tau(g_j), with its error, from the degrees up to ``degree``."""

    def gram(i: int, j: int, w: Array, a: Array, v: Array, b: Array) -> Expectation:
        own = _derived_coefficients(Units(w, a, left.activation), i, degree)
        other = _derived_coefficients(Units(v, b, right.activation), j, degree)
        return hermite_gram(w, v, own, other)

    return with_stein_derivatives(gram)(0, 0, *left[:2], *right[:2])
