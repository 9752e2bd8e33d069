r"""E relu(h) relu(g) under x ~ N(0, I_d), with derivatives that are right everywhere.

The gradient with respect to the weights and the bias of h is

.. math::
    E\,1[h>0]\,\mathrm{relu}(g)\,x = P v + C w, \qquad E\,1[h>0]\,\mathrm{relu}(g) = B,

with P = E 1[h>0] 1[g>0] and C = E delta(h) relu(g) (Stein's lemma), and mirrored for g. They
and their derivatives are written in closed form: differentiating the formula of the value
would meet 0/0 wherever two neurons are parallel, on the diagonal of every Gram matrix to
begin with. P alone has a kink there. It multiplies a vector that vanishes at parallel weights
once the gradient is written as P (v - gamma w) + Q w, gamma = <v, w>/|w|^2, Q = C + gamma P.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.expectations.gates import Edge, Form, GatePairs, gate_pairs
from rf_limits.theory.numerics.arguments import Numbers
from rf_limits.theory.numerics.float_arrays import neuron_pairs


def relu_gram(w: Numbers, a: Numbers | None, v: Numbers, b: Numbers | None) -> Float[Array, "m k"]:
    r"""Returns K_ij = E relu(<w_i, x> + a_i) relu(<v_j, x> + b_j) for x ~ N(0, I_d).

    Twice differentiable in JAX, forward and reverse, with respect to every argument: also
    where neurons coincide, are opposite or vanish. Vanishing neurons have relu'(0) = 0. Inside
    jax.lax.map and scan too; but a second derivative taken through one, forward over reverse,
    can be NaN where neurons coincide.

    Args:
      w: (m, d) weights, of any real type.
      a: (m,) biases, or None for none.
      v: (k, d) weights.
      b: (k,) biases, or None for none.

    Returns:
      (m, k) Gram matrix, float64. Without biases |w||v| (sin theta + (pi - theta) cos theta)/(2 pi)
      (Cho and Saul 2009, degree 1; Yehudai and Shamir 2019, section 4). With biases
      |w||v| ((c + alpha beta) P + beta p_w + alpha p_v + R sin theta), notation of
      :mod:`rf_limits.theory.risks.relu_moments`.

    Raises:
      RequirementError: shapes that do not go together, or numbers that are not real.
    """
    return _gram(*neuron_pairs(w, a, v, b))


@jax.custom_jvp
def _gram(w: Array, a: Array | None, v: Array, b: Array | None) -> Array:
    return _value(gate_pairs(w, a, v, b))


def _value(pairs: GatePairs) -> Array:
    lengths = pairs.norms_w * pairs.norms_v
    c, s = pairs.angles.cosine, pairs.angles.sine
    if not pairs.biased:
        return lengths * (s / (2.0 * jnp.pi) + pairs.probability * c)
    edge_w, edge_v = pairs.edge_w, pairs.edge_v
    bias_w, bias_v = edge_v.other_bias, edge_w.other_bias
    return (
        (lengths * c + bias_w * bias_v) * pairs.probability
        + bias_v * pairs.norms_w * edge_w.density * edge_w.opened
        + bias_w * pairs.norms_v * edge_v.density * edge_v.opened
        + lengths * s * edge_w.joint
    )


class Side(NamedTuple):
    """gamma, Q and B of the module docstring, each (m, k)."""

    ratio: Array
    along: Array
    opened: Array | None


class Slopes(NamedTuple):
    """P, and the other coefficients of the gradient with respect to h and to g."""

    probability: Array
    side_w: Side
    side_v: Side


def _opened(pairs: GatePairs, edge: Edge, other: Edge) -> Array:
    """Returns E 1[h>0] relu(g) = b P + <v, E 1[h>0] 1[g>0] x>."""
    first = edge.density * edge.opened
    second = other.density * other.opened
    moment = pairs.angles.cosine * first + second
    return edge.other_bias * pairs.probability + edge.other_norm * moment


def _ratio(edge: Edge) -> Array:
    return edge.angles.cosine * edge.other_norm * edge.inverse_norm


def _side(pairs: GatePairs, edge: Edge, other: Edge, bias: Array | None) -> Side:
    ratio = _ratio(edge)
    along = edge.inverse_norm * edge.mean_relu() + ratio * pairs.probability
    return Side(ratio, along, None if bias is None else _opened(pairs, edge, other))


@jax.custom_jvp
def relu_gram_slopes(w: Array, a: Array | None, v: Array, b: Array | None) -> Slopes:
    """Returns P, and what multiplies the weights in the gradients of :func:`relu_gram`."""
    return _gradients(gate_pairs(w, a, v, b), a, b)


def _gradients(pairs: GatePairs, a: Array | None, b: Array | None) -> Slopes:
    edge_w, edge_v = pairs.edge_w, pairs.edge_v
    side_w, side_v = _side(pairs, edge_w, edge_v, a), _side(pairs, edge_v, edge_w, b)
    return Slopes(pairs.probability, side_w, side_v)


@jax.custom_jvp
def gram_and_slopes(w: Array, a: Array | None, v: Array, b: Array | None) -> tuple[Array, Slopes]:
    """Returns :func:`relu_gram` and :func:`relu_gram_slopes` from one set of angles."""
    pairs = jax.lax.optimization_barrier(gate_pairs(w, a, v, b))  # or each result has its own
    return _value(pairs), _gradients(pairs, a, b)


def _contract(
    probability: Array, side: Side, cross: Array, own: Array, bias: Array | None
) -> Array:
    """Returns <grad K, change> for one side, from <change, v>, <change, w> and the bias."""
    product = probability * (cross - side.ratio * own) + side.along * own
    return product if bias is None or side.opened is None else product + side.opened * bias


@_gram.defjvp
def _gram_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    w, a, v, b = primals
    dw, da, dv, db = tangents
    p, side_w, side_v = relu_gram_slopes(w, a, v, b)
    own_w, own_v = jnp.sum(dw * w, axis=1)[:, None], jnp.sum(dv * v, axis=1)[None, :]
    bias_w = None if a is None else da[:, None]
    bias_v = None if b is None else db[None, :]
    change = _contract(p, side_w, dw @ v.T, own_w, bias_w)
    change += _contract(p, side_v, w @ dv.T, own_v, bias_v)
    return _gram(w, a, v, b), change


def _opened_change(pairs: GatePairs, edge: Edge, other: Edge, own: Form, others: Form) -> Array:
    """Returns the change of E 1[h>0] relu(g) as h moves along ``own`` and g along ``others``."""
    tilted = edge.other_norm * edge.density * edge.opened * edge.tilt(own)
    moved = edge.inverse_norm * (edge.height(own) * edge.mean_relu() + tilted)
    mean = edge.density * edge.opened * others.first + other.density * other.opened * others.second
    return moved + mean + others.constant * pairs.probability


def _ratio_change(edge: Edge, own: Form, others: Form) -> Array:
    """Returns the change of gamma."""
    crossed = edge.other_norm * edge.inverse_norm * own.second + others.first
    return edge.inverse_norm * (crossed - 2.0 * _ratio(edge) * own.first)


def _along_change(pairs: GatePairs, edge: Edge, other: Edge, own: Form, others: Form) -> Array:
    """Returns the change of Q; the slopes on the edges, which have no limit, have cancelled."""
    c, s = edge.angles.cosine, edge.angles.sine
    scale = edge.other_norm * edge.inverse_norm
    angle = scale * edge.tilt(own) + others.first  # |v| times the change of c, + c others.second
    mean = others.constant - edge.offset * angle - c * scale * edge.height(own)
    moved = edge.density * edge.opened * mean + edge.joint * s * others.second
    density = (edge.offset * edge.height(own) + own.first) * edge.inverse_norm
    on_edge = edge.inverse_norm * (moved - density * edge.mean_relu())
    probability = _level_change(edge, own) + _level_change(other, others.flipped())
    ratio = _ratio_change(edge, own, others)
    return on_edge + _ratio(edge) * probability + ratio * pairs.probability


def _level_change(edge: Edge, form: Form) -> Array:
    """Returns the part of E delta(h) 1[g>0] l that comes from l's mean on the edge."""
    return edge.inverse_norm * edge.density * edge.opened * edge.height(form)


def _tilt_change(edge: Edge, form: Form) -> Array:
    """Returns the part of E delta(h) 1[g>0] l that comes from l's slope on the edge."""
    return edge.inverse_norm * edge.joint * edge.slope(form)


@relu_gram_slopes.defjvp
def _relu_gram_slopes_jvp(primals: tuple, tangents: tuple) -> tuple[Slopes, Slopes]:
    w, a, v, b = primals
    dw, da, dv, db = tangents
    pairs = gate_pairs(w, a, v, b)
    own_w, own_v = pairs.form_w(dw, da), pairs.form_v(dv, db)
    edges = ((pairs.edge_w, own_w), (pairs.edge_v, own_v.flipped()))
    parts = [change(*pair) for pair in edges for change in (_level_change, _tilt_change)]
    probability = sum(parts[1:], parts[0])

    def side(edge: Edge, other: Edge, own: Form, others: Form, bias: Array | None) -> Side:
        return Side(
            _ratio_change(edge, own, others),
            _along_change(pairs, edge, other, own, others),
            None if bias is None else _opened_change(pairs, edge, other, own, others),
        )

    side_w = side(pairs.edge_w, pairs.edge_v, own_w, own_v, a)
    side_v = side(pairs.edge_v, pairs.edge_w, own_v.flipped(), own_w.flipped(), b)
    return relu_gram_slopes(w, a, v, b), Slopes(probability, side_w, side_v)


@gram_and_slopes.defjvp
def _gram_and_slopes_jvp(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    gram, gram_change = jax.jvp(relu_gram, primals, tangents)
    slopes, slopes_change = jax.jvp(relu_gram_slopes, primals, tangents)
    return (gram, slopes), (gram_change, slopes_change)
