r"""E relu(h) relu(g) under x ~ N(0, I_d), with derivatives that are right everywhere.

The gradient with respect to the weights and the bias of h is

.. math::
    E\,1[h>0]\,\mathrm{relu}(g)\,x = P v + C w, \qquad E\,1[h>0]\,\mathrm{relu}(g) = B,

with P = E 1[h>0] 1[g>0] and C = E delta(h) relu(g) (Stein's lemma), and mirrored for g. These
five matrices and their derivatives are written in closed form: differentiating the formula of
the value would meet 0/0 wherever two neurons are parallel, on the diagonal of every Gram
matrix to begin with. P alone has a kink there, which cancels from the derivatives of P v + C w.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.gates import Edge, Form, GatePairs, gate_pairs


def relu_gram(
    w: Float[Array, "m d"],
    a: Float[Array, "m"] | None,
    v: Float[Array, "k d"],
    b: Float[Array, "k"] | None,
) -> Float[Array, "m k"]:
    r"""K_ij = E relu(<w_i, x> + a_i) relu(<v_j, x> + b_j) for x ~ N(0, I_d).

    Twice differentiable in JAX, forward and reverse, with respect to every argument: also
    where neurons coincide, are opposite or vanish. Vanishing neurons have relu'(0) = 0.

    Args:
      w: (m, d) weights.
      a: (m,) biases, or None for none.
      v: (k, d) weights.
      b: (k,) biases, or None for none.

    Returns:
      (m, k) Gram matrix. Without biases |w||v| (sin theta + (pi - theta) cos theta)/(2 pi)
      (Cho and Saul 2009, degree 1; Yehudai and Shamir 2019, section 4). With biases
      |w||v| ((c + alpha beta) P + beta p_w + alpha p_v + R sin theta), notation of
      :mod:`rf_limits.theory.relu_moments`.
    """
    return _gram(w, a, v, b)


@jax.custom_jvp
def _gram(w: Array, a: Array | None, v: Array, b: Array | None) -> Array:
    pairs = gate_pairs(w, a, v, b)
    lengths = pairs.norms_w * pairs.norms_v
    c, s = pairs.angles.cosine, pairs.angles.sine
    if a is None and b is None:
        return lengths * (s + (jnp.pi - pairs.angles.theta) * c) / (2.0 * jnp.pi)
    edge_w, edge_v = pairs.edge_w, pairs.edge_v
    bias_w, bias_v = edge_v.other_bias, edge_w.other_bias
    return (
        (lengths * c + bias_w * bias_v) * pairs.probability
        + bias_v * pairs.norms_w * edge_w.density * edge_w.opened
        + bias_w * pairs.norms_v * edge_v.density * edge_v.opened
        + lengths * s * edge_w.joint
    )


class _Slopes(NamedTuple):
    """P, C and B of the module docstring and their mirror images, each (m, k)."""

    probability: Array
    on_edge_w: Array
    on_edge_v: Array
    opened_w: Array | None
    opened_v: Array | None


def _opened(pairs: GatePairs, edge: Edge, other: Edge) -> Array:
    """E 1[h>0] relu(g) = b P + <v, E 1[h>0] 1[g>0] x>."""
    first = edge.density * edge.opened
    second = other.density * other.opened
    moment = pairs.angles.cosine * first + second
    return edge.other_bias * pairs.probability + edge.other_norm * moment


@jax.custom_jvp
def _slopes(w: Array, a: Array | None, v: Array, b: Array | None) -> _Slopes:
    pairs = gate_pairs(w, a, v, b)
    edge_w, edge_v = pairs.edge_w, pairs.edge_v
    return _Slopes(
        pairs.probability,
        edge_w.inverse_norm * edge_w.relu(),
        edge_v.inverse_norm * edge_v.relu(),
        None if a is None else _opened(pairs, edge_w, edge_v),
        None if b is None else _opened(pairs, edge_v, edge_w),
    )


def _along(change: Array, against: Array) -> Array:
    """<change_i, against_j>, (m, k)."""
    return change @ against.T


@_gram.defjvp
def _gram_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    w, a, v, b = primals
    dw, da, dv, db = tangents
    slopes = _slopes(w, a, v, b)
    change = slopes.probability * (_along(dw, v) + _along(w, dv))
    change += slopes.on_edge_w * jnp.sum(dw * w, axis=1)[:, None]
    change += slopes.on_edge_v * jnp.sum(dv * v, axis=1)[None, :]
    if a is not None:
        change += slopes.opened_w * da[:, None]
    if b is not None:
        change += slopes.opened_v * db[None, :]
    return _gram(w, a, v, b), change


def _probability_change(edge: Edge, form: Form) -> Array:
    """E delta(h) 1[g>0] l."""
    inside = edge.density * edge.opened * edge.height(form) + edge.joint * edge.slope(form)
    return edge.inverse_norm * inside


def _opened_change(
    pairs: GatePairs, edge: Edge, other: Edge, own: Form, others: Form
) -> Array:
    """Change of E 1[h>0] relu(g) as h moves along ``own`` and g along ``others``."""
    tilted = edge.other_norm * edge.density * edge.opened * edge.tilt(own)
    moved = edge.inverse_norm * (edge.height(own) * edge.relu() + tilted)
    mean = edge.density * edge.opened * others.first + other.density * other.opened * others.second
    return moved + mean + others.constant * pairs.probability


def _on_edge_change(edge: Edge, own: Form, others: Form) -> Array:
    """Change of E delta(h) relu(g) as h moves along ``own`` and g along ``others``."""
    c, s = edge.angles.cosine, edge.angles.sine
    ratio = edge.other_norm * edge.inverse_norm
    flipped = others.flipped()  # the angle changes as if g moved on its own edge
    tilt = ratio * edge.tilt(own) + others.first - c * others.second
    slope = ratio * edge.slope(own) + edge.slope(flipped)
    mean = (
        others.constant
        - edge.offset * (tilt + c * others.second)
        - c * ratio * edge.height(own)
    )
    spread = s * others.second - c * slope
    density = (edge.offset * edge.height(own) + own.first) * edge.inverse_norm
    moved = edge.density * edge.opened * mean + edge.joint * spread
    return edge.inverse_norm * (moved - density * edge.relu())


@_slopes.defjvp
def _slopes_jvp(primals: tuple, tangents: tuple) -> tuple[_Slopes, _Slopes]:
    w, a, v, b = primals
    dw, da, dv, db = tangents
    pairs = gate_pairs(w, a, v, b)
    edge_w, edge_v = pairs.edge_w, pairs.edge_v
    own_w, own_v = pairs.form_w(dw, da), pairs.form_v(dv, db)
    flip_w, flip_v = own_w.flipped(), own_v.flipped()
    probability = _probability_change(edge_w, own_w) + _probability_change(edge_v, flip_v)
    change = _Slopes(
        probability,
        _on_edge_change(edge_w, own_w, own_v),
        _on_edge_change(edge_v, flip_v, flip_w),
        None if a is None else _opened_change(pairs, edge_w, edge_v, own_w, own_v),
        None if b is None else _opened_change(pairs, edge_v, edge_w, flip_v, flip_w),
    )
    return _slopes(w, a, v, b), change
