r"""Exact expectations of products of ReLU neurons under x ~ N(0, I_d).

Two neurons h = <w, x> + a and g = <v, x> + b enter only through the lengths of w and v,
the angle theta between them and the biases. Everything follows from the truncated moments

.. math::
    P &= E\,1[h>0]1[g>0], \\
    m &= E\,1[h>0]1[g>0]\,x = p_w \hat w + p_v \hat v, \\
    M &= E\,1[h>0]1[g>0]\,xx^T = P\,I - \alpha p_w \hat w\hat w^T - \beta p_v \hat v\hat v^T
         + R \sin\theta\,(e_+e_+^T - e_-e_-^T),

with alpha = a/|w|, beta = b/|v|, p_w = phi(alpha) Phi((beta - c alpha)/sin theta), p_v its
mirror image, R/sin(theta) the bivariate normal density at (alpha, beta), and e_+, e_- the
unit vectors along the sum and the difference of the two directions (docs/theory.md derives
them by Stein's lemma). Without biases P = (pi - theta)/(2 pi), p_w = p_v =
(1 + cos theta)/(2 sqrt(2 pi)) and R = 1/(2 pi): the arc-cosine kernels of Cho and Saul
(2009). In e_+, e_- no term cancels where the two directions are (anti)parallel.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from rf_limits.theory.angles import Angles, pairwise_angles, unit_vectors
from rf_limits.theory.bivariate_normal import normal_density, orthant_probability


class ReluSum(NamedTuple):
    r"""A function that is a sum of ReLU neurons and of their gradient features.

    f(x) = sum_i amplitude_i relu(h_i) + 1[h_i > 0] (<slope_i, x> + offset_i),
    h_i = <weights_i, x> + bias_i. Networks, random-feature predictors and teachers have no
    slope; linearized networks and tangent-feature predictors do.

    Attributes:
      weights: (m, d) gate directions.
      biases: (m,) gate biases, or None for none.
      amplitudes: (m,) coefficients of the neurons.
      slopes: (m, d) coefficients of 1[h > 0] x, or None.
      offsets: (m,) coefficients of 1[h > 0], or None.
    """

    weights: Float[Array, "m d"]
    biases: Float[Array, "m"] | None
    amplitudes: Float[Array, "m"]
    slopes: Float[Array, "m d"] | None = None
    offsets: Float[Array, "m"] | None = None

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Values at the rows of ``x``."""
        h = x @ self.weights.T
        if self.biases is not None:
            h = h + self.biases
        value = jnp.maximum(h, 0.0) @ self.amplitudes
        inside = jnp.zeros_like(h)
        if self.slopes is not None:
            inside = inside + x @ self.slopes.T
        if self.offsets is not None:
            inside = inside + self.offsets
        return value + jnp.sum(jnp.where(h > 0.0, inside, 0.0), axis=1)


class _Pairs(NamedTuple):
    """Geometry of all pairs of rows of two weight matrices."""

    norms_w: Array  # (m, 1)
    norms_v: Array  # (1, k)
    unit_w: Array  # (m, d)
    unit_v: Array  # (k, d)
    angles: Angles  # (m, k)


def _pairs(w: Array, v: Array) -> _Pairs:
    unit_w, norms_w = unit_vectors(w)
    unit_v, norms_v = unit_vectors(v)
    angles = pairwise_angles(unit_w, unit_v)
    return _Pairs(norms_w[:, None], norms_v[None, :], unit_w, unit_v, angles)


def _scaled_bias(biases: Array | None, norms: Array) -> Array:
    """Bias / |weights|, so large where the weights vanish that the gate is constant."""
    b = jnp.zeros(norms.size, norms.dtype) if biases is None else biases
    scale = jnp.where(norms == 0.0, jnp.finfo(norms.dtype).tiny, norms)
    return jnp.clip(b.reshape(norms.shape) / scale, -1e30, 1e30)


class _Truncated(NamedTuple):
    """The scalars P, p_w, p_v, R of the module docstring, each (m, k)."""

    probability: Array
    first_w: Array
    first_v: Array
    density: Array


def _truncated(angles: Angles, alpha: Array, beta: Array) -> _Truncated:
    alpha, beta = jnp.broadcast_arrays(alpha, beta)
    probability = orthant_probability(alpha, beta, angles)
    first_w = normal_density(alpha) * ndtr(angles.conditional(alpha, beta))
    first_v = normal_density(beta) * ndtr(angles.conditional(beta, alpha))
    # (alpha^2 + beta^2 - 2 c alpha beta)/sin^2 in the form that does not cancel near +-1.
    sine = jnp.maximum(angles.sine, jnp.finfo(alpha.dtype).tiny)
    near = jnp.where(angles.cosine >= 0.0, 1.0, -1.0)
    distance = jnp.clip((alpha - near * beta) / sine, -1e150, 1e150)
    exponent = distance**2 + near * 2.0 * alpha * beta / (1.0 + jnp.abs(angles.cosine))
    density = jnp.exp(-0.5 * exponent) / (2.0 * jnp.pi)
    return _Truncated(probability, first_w, first_v, density)


def relu_gram(
    w: Float[Array, "m d"],
    a: Float[Array, "m"] | None,
    v: Float[Array, "k d"],
    b: Float[Array, "k"] | None,
) -> Float[Array, "m k"]:
    r"""K_ij = E relu(<w_i, x> + a_i) relu(<v_j, x> + b_j) for x ~ N(0, I_d).

    Args:
      w: (m, d) weights.
      a: (m,) biases, or None for none.
      v: (k, d) weights.
      b: (k,) biases, or None for none.

    Returns:
      (m, k) Gram matrix. Without biases |w||v| (sin theta + (pi - theta) cos theta)/(2 pi)
      (Cho and Saul 2009, degree 1; Yehudai and Shamir 2019, section 4). With biases
      |w||v| ((c + alpha beta) P + beta p_w + alpha p_v + R sin theta), notation above.
    """
    pairs = _pairs(w, v)
    lengths = pairs.norms_w * pairs.norms_v
    c, s = pairs.angles.cosine, pairs.angles.sine
    if a is None and b is None:
        return lengths * (s + (jnp.pi - pairs.angles.theta) * c) / (2.0 * jnp.pi)
    alpha = _scaled_bias(a, pairs.norms_w)
    beta = _scaled_bias(b, pairs.norms_v)
    t = _truncated(pairs.angles, alpha, beta)
    return lengths * (
        (c + alpha * beta) * t.probability + beta * t.first_w + alpha * t.first_v + t.density * s
    )


def _affine_parts(f: ReluSum) -> tuple[Array, Array | None]:
    """Coefficients (p, q) of f(x) = sum_i 1[h_i > 0] (<p_i, x> + q_i)."""
    p = f.amplitudes[:, None] * f.weights
    if f.slopes is not None:
        p = p + f.slopes
    q = None
    if f.biases is not None:
        q = f.amplitudes * f.biases
    if f.offsets is not None:
        q = f.offsets if q is None else q + f.offsets
    return p, q


def _gated_product(f: ReluSum, g: ReluSum) -> Array:
    """E f(x) g(x) through the truncated moments: one (m, k) matrix, summed."""
    pairs = _pairs(f.weights, g.weights)
    (p, q_f), (r, q_g) = _affine_parts(f), _affine_parts(g)
    own_f = jnp.sum(pairs.unit_w * p, axis=1)[:, None]  # <w^_i, p_i>
    own_g = jnp.sum(pairs.unit_v * r, axis=1)[None, :]  # <v^_j, r_j>
    cross_f = p @ pairs.unit_v.T  # <p_i, v^_j>
    cross_g = pairs.unit_w @ r.T  # <w^_i, r_j>
    # s (<p, e+><e+, r> - <p, e-><e-, r>), with |e+-| from the half angle; the terms with a
    # vanishing denominator vanish (their numerators are of second order).
    plus = pairs.angles.half_tangent * (own_f + cross_f) * (cross_g + own_g)
    minus = pairs.angles.half_cotangent * (own_f - cross_f) * (cross_g - own_g)
    mixed = 0.5 * (plus - minus)
    inner = p @ r.T
    if f.biases is None and g.biases is None and q_f is None and q_g is None:
        return jnp.sum((jnp.pi - pairs.angles.theta) * inner + mixed) / (2.0 * jnp.pi)
    alpha = _scaled_bias(f.biases, pairs.norms_w)
    beta = _scaled_bias(g.biases, pairs.norms_v)
    t = _truncated(pairs.angles, alpha, beta)
    zero = jnp.zeros((), p.dtype)
    q_f = zero if q_f is None else q_f[:, None]
    q_g = zero if q_g is None else q_g[None, :]
    return jnp.sum(
        t.probability * (inner + q_f * q_g)
        + t.first_w * (own_f * q_g + q_f * cross_g - alpha * own_f * cross_g)
        + t.first_v * (cross_f * q_g + q_f * own_g - beta * cross_f * own_g)
        + t.density * mixed
    )


def relu_sum_product(f: ReluSum, g: ReluSum) -> Float[Array, ""]:
    """E f(x) g(x) for two sums of neurons and gradient features, x ~ N(0, I_d).

    Args:
      f: first function, m gates in dimension d.
      g: second function, k gates in the same dimension.

    Returns:
      The expectation, at a cost of O(m k d). Sources: :func:`relu_gram`, and the truncated
      moments in the module docstring.
    """
    plain = all(part is None for part in (f.slopes, f.offsets, g.slopes, g.offsets))
    if plain:
        return f.amplitudes @ relu_gram(f.weights, f.biases, g.weights, g.biases) @ g.amplitudes
    return _gated_product(f, g)
