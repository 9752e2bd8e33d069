r"""Two half-spaces h > 0 and g > 0 under x ~ N(0, I_d), and the edges between which they lie.

For h = <w, x> + a and g = <v, x> + b everything depends on the lengths of w and v, the angle
theta between them (c its cosine) and alpha = a/|w|, beta = b/|v|. On the edge h = 0, reached
with density phi(alpha)/|w|, x = -alpha w^ + y with y standard normal in the complement of w,
and g = |v| sin(theta) (z + k), z the coordinate of y along v^ - c w^ and
k = (beta - c alpha)/sin(theta). Hence with linear functions l(x) = l_0 + lambda z + rest,

.. math::
    E\,\delta(h)\,1[g>0]\,l(x) = \tfrac{\varphi(\alpha)}{|w|}(l_0 \Phi(k) + \lambda\varphi(k)),

and so on for products (docs/theory.md). These are the derivatives of every expectation of
gated functions with respect to its gates.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array

from rf_limits.theory.expectations.angles import Angles, pairwise_angles, unit_vectors
from rf_limits.theory.expectations.bivariate_normal import (
    PARALLEL,
    joint_density,
    normal_density,
    orthant_probability,
)

_OPEN = 1e30  # alpha of a gate that never changes


class Form(NamedTuple):
    """An affine function l(x) = <p, x> + q for every pair, all fields broadcastable.

    Attributes:
      first: <p, w^>.
      second: <p, v^>.
      constant: q.
    """

    first: Array
    second: Array
    constant: Array | float

    def flipped(self) -> "Form":
        """Returns the form with the two gates exchanged."""
        return Form(self.second, self.first, self.constant)


class Edge(NamedTuple):
    """The edge h = 0 seen from its own side; fields broadcast to (m, k), module notation.

    Attributes:
      inverse_norm: 1/|w|, and 0 for w = 0.
      offset: alpha.
      density: phi(alpha).
      bound: k.
      opened: Phi(k), the probability of g > 0 on the edge.
      joint: phi(alpha) phi(k), the same on the other edge.
      angles: theta.
      other_norm: |v|.
      other_bias: b.
    """

    inverse_norm: Array
    offset: Array
    density: Array
    bound: Array
    opened: Array
    joint: Array
    angles: Angles
    other_norm: Array
    other_bias: Array

    def height(self, form: Form) -> Array:
        """Returns l_0: the form at the edge's point nearest to the origin."""
        return form.constant - self.offset * form.first

    def tilt(self, form: Form) -> Array:
        """Returns sin(theta) lambda: the form's slope along v^ - c w^."""
        return form.second - self.angles.cosine * form.first

    def slope(self, form: Form) -> Array:
        """Returns lambda; 0 where the gates are parallel and it has no direction."""
        sine = self.angles.sine
        parallel = sine < PARALLEL
        return jnp.where(parallel, 0.0, self.tilt(form) / jnp.where(parallel, 1.0, sine))

    def mean_relu(self) -> Array:
        """Returns phi(alpha) times the mean of relu(g) on the edge."""
        mean = self.other_bias - self.angles.cosine * self.offset * self.other_norm
        spread = self.other_norm * self.angles.sine
        return self.density * mean * self.opened + self.joint * spread


class GatePairs(NamedTuple):
    """Geometry of all pairs of m gates h and k gates g; module notation.

    Attributes:
      norms_w: (m, 1) lengths.
      norms_v: (1, k) lengths.
      unit_w: (m, d) directions, zero for zero weights.
      unit_v: (k, d) directions.
      angles: (m, k) angles.
      probability: (m, k) P(h > 0, g > 0).
      edge_w: the edges h = 0.
      edge_v: the edges g = 0.
    """

    norms_w: Array
    norms_v: Array
    unit_w: Array
    unit_v: Array
    angles: Angles
    probability: Array
    edge_w: Edge
    edge_v: Edge

    @property
    def biased(self) -> bool:
        """Whether the gates have biases; without, all edges go through the origin."""
        return self.edge_w.offset.ndim > 0

    def form_w(self, p: Array, q: Array | None) -> Form:
        """Returns the function (p_i, q_i) of gate i, (m, d) and (m,), for all pairs."""
        own = jnp.sum(self.unit_w * p, axis=1)[:, None]
        return Form(own, p @ self.unit_v.T, 0.0 if q is None else q[:, None])

    def form_v(self, r: Array, q: Array | None) -> Form:
        """Returns the function (r_j, q_j) of gate j, (k, d) and (k,), for all pairs."""
        own = jnp.sum(self.unit_v * r, axis=1)[None, :]
        return Form(self.unit_w @ r.T, own, 0.0 if q is None else q[None, :])


def scaled_bias(biases: Array, norms: Array) -> Array:
    """Returns bias / |weights|, so large where the weights vanish that the gate is constant.

    Vanishing weights and bias make a closed gate: 1[h > 0] = 0 for h = 0.
    """
    ratio = biases / jnp.where(norms == 0.0, 1.0, norms)
    constant = jnp.where(biases > 0.0, _OPEN, -_OPEN)
    return jnp.clip(jnp.where(norms == 0.0, constant, ratio), -_OPEN, _OPEN)


def inverse(norms: Array) -> Array:
    """Returns 1/norms, and 0 where they vanish, with a derivative of 0 there."""
    zero = norms == 0.0
    return jnp.where(zero, 0.0, 1.0 / jnp.where(zero, 1.0, norms))


def gate_pairs(w: Array, a: Array | None, v: Array, b: Array | None) -> GatePairs:
    """Returns all pairs of m gates (w, a) and k gates (v, b); ``None`` stands for no biases.

    Without biases on either side the formulas reduce, and cost several times less.
    """
    unit_w, norms_w = unit_vectors(w)
    unit_v, norms_v = unit_vectors(v)
    angles = pairwise_angles(unit_w, unit_v)
    norms_w, norms_v = norms_w[:, None], norms_v[None, :]
    geometry = (norms_w, norms_v, unit_w, unit_v, angles)
    if a is None and b is None:
        present = (norms_w > 0.0) & (norms_v > 0.0)
        probability = jnp.where(present, (jnp.pi - angles.theta) / (2.0 * jnp.pi), 0.0)
        zero = jnp.zeros((), angles.sine.dtype)  # the edges go through the origin
        shares = (zero, normal_density(zero), zero, zero + 0.5, zero + 0.5 / jnp.pi, angles)
        sides = ((norms_w, norms_v), (norms_v, norms_w))
        edges = (Edge(inverse(own), *shares, other, zero) for own, other in sides)
        return GatePairs(*geometry, probability, *edges)
    a = jnp.zeros_like(norms_w) if a is None else a[:, None]
    b = jnp.zeros_like(norms_v) if b is None else b[None, :]
    alpha, beta = scaled_bias(a, norms_w), scaled_bias(b, norms_v)
    wide_alpha, wide_beta = jnp.broadcast_arrays(alpha, beta)
    probability = orthant_probability(wide_alpha, wide_beta, angles)
    bound_w = angles.conditional(wide_alpha, wide_beta)
    bound_v = angles.conditional(wide_beta, wide_alpha)
    joint = joint_density(angles, alpha, beta)

    def edge(norms: Array, offset: Array, bound: Array, other_norms: Array, bias: Array) -> Edge:
        shares = normal_density(offset), bound, ndtr(bound), joint
        return Edge(inverse(norms), offset, *shares, angles, other_norms, bias)

    edge_w = edge(norms_w, alpha, bound_w, norms_v, b)
    return GatePairs(*geometry, probability, edge_w, edge(norms_v, beta, bound_v, norms_w, a))
