"""E sigma(h) tau(g) pair by pair on a two-dimensional grid: slow, for any activation.

x enters through z1 = <w^, x> and z2 along the rest of v^: h = |w| z1 + a and
g = |v| (cos(theta) z1 + sin(theta) z2) + b. The trapezoidal rule converges exponentially for
analytic functions, and the rule of half as many nodes shows how far it has come. Where sigma has a
kink or a jump at 0 and tau has none, given z1 the mean over z2 is analytic: Gauss' rule on both
sides of the kink converges exponentially as well.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.theory.expectations.activations import Elementwise, Units
from rf_limits.theory.expectations.angles import pairwise_angles, unit_vectors
from rf_limits.theory.expectations.stein import Expectation

NODES = 1025
_REACH = 10.0


class _Pair(NamedTuple):
    """One pair: h = norm_w z1 + bias_w, g = norm_v (cosine z1 + sine z2) + bias_v."""

    norm_w: Float[Array, ""]
    bias_w: Float[Array, ""]
    norm_v: Float[Array, ""]
    bias_v: Float[Array, ""]
    cosine: Float[Array, ""]
    sine: Float[Array, ""]

    def h(self, z1: Array) -> Array:
        """Returns h at the points z1."""
        return self.norm_w * z1 + self.bias_w

    def g(self, z1: Array, z2: Array) -> Array:
        """Returns g on the grid of points z1 and z2."""
        return self.norm_v * (self.cosine * z1[:, None] + self.sine * z2[None, :]) + self.bias_v


class _Axis(NamedTuple):
    """Nodes of a rule for z ~ N(0, 1), and their weights."""

    nodes: Float[Array, "n"]
    weights: Float[Array, "n"]

    def halved(self) -> "_Axis":
        """Returns every second node, for a rule of equal steps."""
        return _Axis(self.nodes[::2], 2 * self.weights[::2])


def pair_quadrature(
    left: Units, right: Units, nodes: int = NODES, kink: bool = False
) -> Expectation:
    """Returns E sigma(<w_i, x> + a_i) tau(<v_j, x> + b_j), one pair at a time.

    Args:
      left: m neurons w, a with activation sigma.
      right: k neurons v, b with activation tau.
      nodes: odd number of nodes per axis on [-10, 10]; cost m k nodes^2.
      kink: whether sigma has a kink or a jump at 0; tau is analytic.

    Returns:
      Values, with the difference to half the nodes as the error: for analytic activations
      with singularities at a distance rho from the real axis it falls as
      exp(-2 pi rho/(step max(|w|, |v|))), for others as a power of the step.
    """
    z = np.linspace(-_REACH, _REACH, nodes)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    axis = _Axis(jnp.asarray(z), jnp.asarray((z[1] - z[0]) * density))
    legendre = [np.polynomial.legendre.leggauss(nodes // 2 // part) for part in (1, 2)]
    (unit_w, norms_w), (unit_v, norms_v) = unit_vectors(left.weights), unit_vectors(right.weights)
    angles = pairwise_angles(unit_w, unit_v)
    sigma, tau = left.function, right.function

    def sided(pair: _Pair) -> tuple[Array, Array, Array]:
        fine, scale = _sided(pair, sigma, tau, legendre[0], axis)
        coarse, _ = _sided(pair, sigma, tau, legendre[1], axis.halved())
        return fine, jnp.abs(fine - coarse), scale

    def whole(pair: _Pair) -> tuple[Array, Array, Array]:
        return _trapezoidal(pair, sigma, tau, axis)

    lengths = (norms_w[:, None], left.biases[:, None], norms_v, right.biases)
    columns = jnp.broadcast_arrays(*lengths, angles.cosine, angles.sine)
    found = jax.lax.map(sided if kink else whole, _Pair(*(c.ravel() for c in columns)))
    value, error, scale = (part.reshape(columns[0].shape) for part in found)
    return Expectation(value, error + 1e-15 * scale, scale)


def _trapezoidal(
    pair: _Pair, sigma: Elementwise, tau: Elementwise, axis: _Axis
) -> tuple[Array, Array, Array]:
    """Returns value, change from every second node on both axes, and scale."""
    z, weights = axis
    left, right = sigma(pair.h(z)), tau(pair.g(z, z))
    fine = (weights * left) @ (right @ weights)
    coarse = 4.0 * (weights * left)[::2] @ (right[::2, ::2] @ weights[::2])
    square = (weights @ left**2) * (weights @ (right**2 @ weights))
    return fine, jnp.abs(fine - coarse), jnp.sqrt(square)


def _sided(
    pair: _Pair,
    sigma: Elementwise,
    tau: Elementwise,
    legendre: tuple[np.ndarray, np.ndarray],
    across: _Axis,
) -> tuple[Array, Array]:
    """Returns value and scale by Gauss' rule in z1 on both sides of the kink of sigma."""
    flat = pair.norm_w == 0.0
    edge = jnp.clip(-pair.bias_w / jnp.where(flat, 1.0, pair.norm_w), -_REACH, _REACH)
    edge = jnp.where(flat, 0.0, edge)
    points, mass = (jnp.asarray(part) for part in legendre)
    low, high = 0.5 * (edge + _REACH), 0.5 * (_REACH - edge)
    x = jnp.concatenate([low * points + (edge - low), high * points + (edge + high)])
    size = jnp.concatenate([low * mass, high * mass])
    size = size * jnp.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)
    left, right = sigma(pair.h(x)), tau(pair.g(x, across.nodes))
    square = (size @ left**2) * (size @ (right**2 @ across.weights))
    return (size * left) @ (right @ across.weights), jnp.sqrt(square)
