r"""E 1[h>0] 1[g>0] l(x) l'(x) for affine functions l, l' under x ~ N(0, I_d).

With the truncated moments of :mod:`rf_limits.theory.risks.relu_moments` this is a bilinear form in
(p, q) and (r, s), l(x) = <p, x> + q and l'(x) = <r, x> + s. Its derivative along the gates
lives on the edges (:mod:`rf_limits.theory.expectations.gates`): moving h by l_1(x) = <dw, x> + da
changes it by E delta(h) 1[g>0] l_1 l l'. Where two gates coincide the expectation has a kink; the
derivative given there is the mean of those on its two sides.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.expectations.gates import Edge, Form, GatePairs, gate_pairs
from rf_limits.theory.numerics.arguments import Numbers
from rf_limits.theory.numerics.float_arrays import float64, neuron_pairs


def gated_gram(
    w: Numbers,
    a: Numbers | None,
    p: Numbers,
    q: Numbers | None,
    v: Numbers,
    b: Numbers | None,
    r: Numbers,
    s: Numbers | None,
) -> Float[Array, "m k"]:
    r"""Returns G_ij = E 1[h_i > 0] 1[g_j > 0] (<p_i, x> + q_i) (<r_j, x> + s_j), x ~ N(0, I_d).

    Once differentiable everywhere in every argument; second derivatives along p, q, r, s and
    once along the gates.

    Args:
      w: (m, d) weights of h_i = <w_i, x> + a_i.
      a: (m,) biases, or None for none.
      p: (m, d) slopes behind the gates h.
      q: (m,) offsets behind the gates h, or None.
      v: (k, d) weights of g_j = <v_j, x> + b_j.
      b: (k,) biases, or None for none.
      r: (k, d) slopes behind the gates g.
      s: (k,) offsets behind the gates g, or None.

    Returns:
      (m, k) matrix, at a cost of O(m k d). Source: docs/theory.md, section 2.

    Raises:
      RequirementError: arrays of shapes that do not go together.
    """
    w, a, v, b = neuron_pairs(w, a, v, b)
    p, r = float64(p, "p", w.shape), float64(r, "r", v.shape)
    q = None if q is None else float64(q, "q", w.shape[:1])
    s = None if s is None else float64(s, "s", v.shape[:1])
    return _gated((w, a), (p, q), (v, b), (r, s))


def _bilinear(pairs: GatePairs, left: tuple, right: tuple) -> Array:
    """Returns the expectation as a function of (p, q) and (r, s)."""
    (p, q), (r, s) = left, right
    f, g = pairs.form_w(p, q), pairs.form_v(r, s)
    # s (<p, e+><e+, r> - <p, e-><e-, r>), with |e+-| from the half angle; the terms with a
    # vanishing denominator vanish (their numerators are of second order).
    plus = pairs.angles.half_tangent * (f.first + f.second) * (g.first + g.second)
    minus = pairs.angles.half_cotangent * (f.first - f.second) * (g.first - g.second)
    mixed = 0.5 * (plus - minus)
    inner = p @ r.T
    if not pairs.biased and q is None and s is None:
        return pairs.probability * inner + mixed / (2.0 * jnp.pi)
    edge_w, edge_v = pairs.edge_w, pairs.edge_v
    first_w, first_v = edge_w.density * edge_w.opened, edge_v.density * edge_v.opened
    return (
        pairs.probability * (inner + f.constant * g.constant)
        + first_w * (f.first * g.constant + edge_w.height(f) * g.first)
        + first_v * (f.second * g.constant + edge_v.height(f.flipped()) * g.second)
        + edge_w.joint * mixed
    )


@jax.custom_jvp
def _gated(gates_w: tuple, left: tuple, gates_v: tuple, right: tuple) -> Array:
    return _bilinear(gate_pairs(*gates_w, *gates_v), left, right)


def _products(x: Array, y: Array, first: Array, second: Array) -> Array:
    """Returns <x, y> in the complement of an edge's normal, given the components along it."""
    return x @ y.T - first * second


def _edge_product(edge: Edge, forms: tuple[Form, Form, Form], inner: tuple) -> Array:
    """Returns E delta(h) 1[g>0] l_1 l_2 l_3.

    Args:
      edge: the edge h = 0.
      forms: l_1, l_2, l_3.
      inner: their inner products in the edge, of (l_2, l_3), (l_1, l_3) and (l_1, l_2).

    Returns:
      (m, k) expectations: with e_i the heights, f_i the slopes and c_i the inner products,
      phi/|w| (e_1 e_2 e_3 Phi + sum (e_i e_j f_k + f_i c_i) phi
      + sum e_i (c_i Phi - k f_j f_k phi) + f_1 f_2 f_3 (k^2 - 1) phi).
    """
    heights = [edge.height(form) for form in forms]
    slopes = [edge.slope(form) for form in forms]
    inside = heights[0] * heights[1] * heights[2]
    rim = (edge.bound**2 - 1.0) * slopes[0] * slopes[1] * slopes[2]
    for i, j, k in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        inside = inside + heights[i] * inner[i]
        rim = rim + slopes[i] * (heights[j] * heights[k] + inner[i])
        rim = rim - edge.bound * heights[i] * slopes[j] * slopes[k]
    return edge.inverse_norm * (edge.density * edge.opened * inside + edge.joint * rim)


@_gated.defjvp
def _gated_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    gates_w, left, gates_v, right = primals
    (dw, da), left_change, (dv, db), right_change = tangents
    pairs = gate_pairs(*gates_w, *gates_v)
    (p, q), (r, s) = left, right
    f, g = pairs.form_w(p, q), pairs.form_v(r, s)
    move_w, move_v = pairs.form_w(dw, da), pairs.form_v(dv, db)
    own = jnp.sum(dw * p, axis=1)[:, None] - move_w.first * f.first
    change = _edge_product(
        pairs.edge_w,
        (move_w, f, g),
        (_products(p, r, f.first, g.first), _products(dw, r, move_w.first, g.first), own),
    )
    own = jnp.sum(dv * r, axis=1)[None, :] - move_v.second * g.second
    change += _edge_product(
        pairs.edge_v,
        (move_v.flipped(), g.flipped(), f.flipped()),
        (_products(p, r, f.second, g.second), _products(p, dv, f.second, move_v.second), own),
    )
    change += _bilinear(pairs, left_change, right)
    change += _bilinear(pairs, left, right_change)
    return _gated(gates_w, left, gates_v, right), change
