r"""E r_p(h) r_q(g) for r_p(t) = relu(t)^p/p!, p and q up to 2, and of their derivatives.

r_p' = r_{p-1}, with r_0 the step function and r_{-1} Dirac's delta. From t r_{p-1}(t) = p r_p(t)
and Stein's lemma, F_pq = E r_p(h) r_q(g) satisfies

.. math:: p F_{p,q} = a F_{p-1,q} + |w|^2 F_{p-2,q} + \langle w, v\rangle F_{p-1,q-1},

upwards from the probability and the moments of :mod:`rf_limits.theory.expectations.gates`,
downwards from the densities on the edges. Without biases F_22 is |w|^2 |v|^2 (3 sin c + (pi -
theta)(1 + 2 c^2)) /(8 pi), c = cos theta (Cho and Saul 2009, degree 2).
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.expectations.activations import Units
from rf_limits.theory.expectations.bivariate_normal import PARALLEL
from rf_limits.theory.expectations.gates import Edge, GatePairs, gate_pairs
from rf_limits.theory.expectations.stein import with_stein_derivatives

POWERS = {"step": 0, "relu": 1, "relu_squared": 2}
"""relu^p by the names of activations."""


class _Moments:
    """F_pq of all pairs of gates, each computed once."""

    def __init__(self, pairs: GatePairs):
        self._pairs = pairs
        self._known: dict[tuple[int, int], Array] = {}

    def __call__(self, p: int, q: int) -> Array:
        if (p, q) not in self._known:
            self._known[p, q] = self._compute(p, q)
        return self._known[p, q]

    def _compute(self, p: int, q: int) -> Array:
        pairs = self._pairs
        if (p, q) == (-1, -1):
            return self._corner()
        if p == -1 and q >= 0:
            return self._on_edge(pairs.edge_w, q)
        if q == -1 and p >= 0:
            return self._on_edge(pairs.edge_v, p)
        if (p, q) == (0, 0):
            return pairs.probability
        if p < -1 or (q >= -1 and p >= q):
            return self._step(p, q, pairs.edge_w, pairs.edge_v, self)
        return self._step(q, p, pairs.edge_v, pairs.edge_w, lambda q, p: self(p, q))

    def _step(
        self, p: int, q: int, edge: Edge, other: Edge, moment: Callable[[int, int], Array]
    ) -> Array:
        """Returns the recursion, up or down in p; ``moment`` takes the power of this edge first."""
        cosine = edge.angles.cosine
        if p > 0:
            norm = other.other_norm
            value = other.other_bias * moment(p - 1, q) + norm**2 * moment(p - 2, q)
            return (value + norm * edge.other_norm * cosine * moment(p - 1, q - 1)) / p
        scale = edge.inverse_norm
        mixed = edge.other_norm * cosine * moment(p + 1, q - 1)
        value = -scale * (edge.offset * moment(p + 1, q) + mixed)
        return value if p == -2 else value + (p + 2) * scale**2 * moment(p + 2, q)

    def _corner(self) -> Array:
        """Returns E delta(h) delta(g), the density at h = g = 0; 0 for parallel gates."""
        edge_w, edge_v = self._pairs.edge_w, self._pairs.edge_v
        parallel = edge_w.angles.sine < PARALLEL
        joint = edge_w.joint / jnp.where(parallel, 1.0, edge_w.angles.sine)
        return jnp.where(parallel, 0.0, edge_w.inverse_norm * edge_v.inverse_norm * joint)

    def _on_edge(self, edge: Edge, q: int) -> Array:
        """Returns E delta(h) r_q(g): on the edge g is normal."""
        if q == 0:
            return edge.inverse_norm * edge.density * edge.opened
        if q == 1:
            return edge.inverse_norm * edge.mean_relu()
        mean = edge.other_bias - edge.angles.cosine * edge.offset * edge.other_norm
        spread = edge.other_norm * edge.angles.sine
        square = (mean**2 + spread**2) * edge.density * edge.opened + mean * spread * edge.joint
        return 0.5 * edge.inverse_norm * square


def _powers(
    top_p: int, top_q: int, i: int, j: int, w: Array, a: Array, v: Array, b: Array
) -> Array:
    found = _Moments(gate_pairs(w, a, v, b))(top_p - i, top_q - j)
    return jnp.broadcast_to(found, (w.shape[0], v.shape[0]))


_GRAMS = {
    (p, q): with_stein_derivatives(functools.partial(_powers, p, q))
    for p in range(3)
    for q in range(3)
}


def relu_power_gram(left: Units, right: Units) -> Float[Array, "m k"]:
    """Returns E relu(<w_i, x> + a_i)^p relu(<v_j, x> + b_j)^q for activations of :data:`POWERS`.

    Twice differentiable, also where weights vanish (with derivatives of relu of 0 at 0) and where
    they are parallel, but for p = q = 0, and p + q = 1, which have one derivative there.
    Accurate to 1e-14 of the root of E h^2p E g^2q.
    """
    powers = POWERS[str(left.activation)], POWERS[str(right.activation)]
    factor = 2.0 ** powers.count(2)
    return factor * _GRAMS[powers](0, 0, *left[:2], *right[:2])
