r"""E relu(h) relu(g) and E 1[h > 0] 1[g > 0] of many rows, as cheap as they can be had.

One product of matrices, a square root and some twenty multiplications for each entry
(:mod:`~rf_limits.theory.expectations.arc_cosine`). Cosines of nearly parallel rows leave no digits
of their angle; for these, 1 - \|cos theta\| = \|u -+ v\|^2/2 is computed from the difference of the
unit vectors, which gives the angle to rounding. In Gram matrices a row has one such partner,
itself; only where there are more is the difference formed for all pairs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rf_limits.theory.expectations.angles import unit_vectors
from rf_limits.theory.expectations.arc_cosine import gate_kernel, relu_kernel

NEAR = 1e-2
"""Pairs with 1 - |cos theta| below are nearly parallel; above, rounding costs 1e-15 of an angle."""

_PLACE = 2.0**-40  # a row's near columns add up to their number, and where one is, to its place


class ReluKernels(NamedTuple):
    """Both expectations of all pairs of rows.

    Attributes:
      relu: (m, k) E relu(<w_i, x>) relu(<v_j, x>) for x ~ N(0, I_d).
      gate: (m, k) E 1[<w_i, x> > 0] 1[<v_j, x> > 0].
      near: (m, k) which pairs are nearly parallel or opposite (:data:`NEAR`).
    """

    relu: Float[Array, "m k"]
    gate: Float[Array, "m k"]
    near: Bool[Array, "m k"]


def relu_kernels(w: Float[Array, "m d"], v: Float[Array, "k d"]) -> ReluKernels:
    """Returns both expectations of all pairs of rows, angles right to rounding.

    For derivatives with respect to the rows, and for biases outside of them, see
    :func:`rf_limits.theory.expectations.relu_gram.relu_gram`.

    Args:
      w: (m, d) rows, float64.
      v: (k, d) rows.

    Returns:
      :class:`ReluKernels`, with errors of some 1e-16 of |w_i||v_j| and of 1.
    """
    (unit_w, norms_w), (unit_v, norms_v) = unit_vectors(w), unit_vectors(v)
    cosine = unit_w @ unit_v.T
    gap = jnp.maximum(1.0 - jnp.abs(cosine), 0.0)
    near = gap < NEAR
    relu = norms_w[:, None] * norms_v * relu_kernel(cosine, gap)
    return ReluKernels(relu, _gates(unit_w, unit_v, cosine, gap, near), near)


def _gates(
    unit_w: Array, unit_v: Array, cosine: Array, gap: Array, near: Array
) -> Float[Array, "m k"]:
    """Returns gate probabilities, the gaps of near pairs from differences of unit vectors."""
    columns = jnp.arange(unit_v.shape[0])
    # Sums of numbers, which are cheaper than sums of flags and than the place of a minimum.
    marked = jnp.where(near, 1.0 + columns * _PLACE, 0.0)
    sums = jnp.sum(marked, axis=1)
    partner = jnp.clip(jnp.round((sums - 1.0) / _PLACE).astype(int), 0, columns[-1])

    def distance(unit: Array, others: Array, cosines: Array) -> Array:
        sides = jnp.where(cosines >= 0.0, 1.0, -1.0)[:, None]
        return 0.5 * jnp.sum((unit - sides * others) ** 2, axis=1)

    def one_partner() -> Array:
        at = jnp.take_along_axis(cosine, partner[:, None], axis=1)[:, 0]
        own = distance(unit_w, unit_v[partner], at)[:, None]
        return gate_kernel(cosine, jnp.where(near, own, gap))

    def several_partners() -> Array:
        rows = (unit_w, cosine)
        own = jax.lax.map(lambda row: distance(row[0], unit_v, row[1]), rows)
        return gate_kernel(cosine, jnp.where(near, own, gap))

    return jax.lax.cond(jnp.max(sums) < 2.0, one_partner, several_partners)
