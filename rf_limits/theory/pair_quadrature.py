"""E sigma(h) tau(g) pair by pair on a two-dimensional grid: slow, for any activation.

x enters through z1 = <w^, x> and z2 along the rest of v^: h = |w| z1 + a and
g = |v| (cos(theta) z1 + sin(theta) z2) + b. The trapezoidal rule converges exponentially for
analytic functions, and the rule of half as many nodes shows how far it has come. Where sigma has a
kink or a jump at 0 and tau has none, given z1 the mean over z2 is analytic: Gauss' rule on both
sides of the kink converges exponentially as well.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.theory.angles import pairwise_angles, unit_vectors
from rf_limits.theory.stein import Expectation

NODES = 1025
_REACH = 10.0


def pair_quadrature(
    w: Float[Array, "m d"],
    a: Float[Array, "m"],
    v: Float[Array, "k d"],
    b: Float[Array, "k"],
    sigma: Callable[[Array], Array],
    tau: Callable[[Array], Array],
    nodes: int = NODES,
    kink: bool = False,
) -> Expectation:
    """E sigma(<w_i, x> + a_i) tau(<v_j, x> + b_j), one pair at a time.

    Args:
      w: (m, d) weights.
      a: (m,) biases.
      v: (k, d) weights.
      b: (k,) biases.
      sigma: activation of h, elementwise.
      tau: activation of g, elementwise.
      nodes: odd number of nodes per axis on [-10, 10]; cost m k nodes^2.
      kink: whether sigma has a kink or a jump at 0; tau is analytic.

    Returns:
      Values, with the difference to half the nodes as the error: for analytic activations
      with singularities at a distance rho from the real axis it falls as
      exp(-2 pi rho/(step max(|w|, |v|))), for others as a power of the step.
    """
    z = np.linspace(-_REACH, _REACH, nodes)
    step = z[1] - z[0]
    weights = jnp.asarray(step * np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi))
    z = jnp.asarray(z)
    (unit_w, norms_w), (unit_v, norms_v) = unit_vectors(w), unit_vectors(v)
    angles = pairwise_angles(unit_w, unit_v)

    halves = [np.polynomial.legendre.leggauss(nodes // 2 // part) for part in (1, 2)]

    def sided(pair: tuple, part: int) -> tuple[Array, Array]:
        norm_w, bias_w, norm_v, bias_v, c, s = pair
        rule, across, inner = halves[part - 1], z[::part], part * weights[::part]
        edge = jnp.clip(-bias_w / jnp.where(norm_w == 0.0, 1.0, norm_w), -_REACH, _REACH)
        edge = jnp.where(norm_w == 0.0, 0.0, edge)
        points, mass = jnp.asarray(rule[0]), jnp.asarray(rule[1])
        low, high = 0.5 * (edge + _REACH), 0.5 * (_REACH - edge)
        x = jnp.concatenate([low * points + (edge - low), high * points + (edge + high)])
        size = jnp.concatenate([low * mass, high * mass])
        size = size * jnp.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)
        left = sigma(norm_w * x + bias_w)
        right = tau(norm_v * (c * x[:, None] + s * across[None, :]) + bias_v)
        square = (size @ left**2) * (size @ (right**2 @ inner))
        return (size * left) @ (right @ inner), jnp.sqrt(square)

    def one(pair: tuple) -> tuple[Array, Array, Array]:
        if kink:
            (fine, scale), (coarse, _) = sided(pair, 1), sided(pair, 2)
            return fine, jnp.abs(fine - coarse), scale
        norm_w, bias_w, norm_v, bias_v, c, s = pair
        left = sigma(norm_w * z + bias_w)
        right = tau(norm_v * (c * z[:, None] + s * z[None, :]) + bias_v)
        fine = (weights * left) @ (right @ weights)
        coarse = 4.0 * (weights * left)[::2] @ (right[::2, ::2] @ weights[::2])
        square = (weights @ left**2) * (weights @ (right**2 @ weights))
        return fine, jnp.abs(fine - coarse), jnp.sqrt(square)

    columns = jnp.broadcast_arrays(
        norms_w[:, None], a[:, None], norms_v, b, angles.cosine, angles.sine
    )
    shape = columns[0].shape
    found = jax.lax.map(one, tuple(column.ravel() for column in columns))
    value, error, scale = (part.reshape(shape) for part in found)
    return Expectation(value, error + 1e-15 * scale, scale)
