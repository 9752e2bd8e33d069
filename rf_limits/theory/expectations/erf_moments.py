r"""E erf(h) tau(g) in closed form for tau = erf, step, relu and gelu, x ~ N(0, I_d).

erf(t) = 2 P(n < sqrt(2) t) - 1 with n ~ N(0, 1): an erf neuron is a step function with noise,
the mean of two gates in one more dimension each, (sqrt(2) w, 1, 0) and (sqrt(2) v, 0, 1).
Without biases this is Williams (1997), (2/pi) arcsin(2 <w, v>/sqrt((1 + 2|w|^2)(1 + 2|v|^2))).
All is written as mean times mean plus covariance, so that small weights lose no digits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import erf, ndtr
from jaxtyping import Array, Float

from rf_limits.theory.expectations.activations import Units
from rf_limits.theory.expectations.angles import Angles, pairwise_angles, unit_vectors
from rf_limits.theory.expectations.bivariate_normal import normal_density, orthant_covariance
from rf_limits.theory.expectations.gates import scaled_bias

_ROOT2 = 2.0**0.5


class _Noisy(NamedTuple):
    """A gate, possibly with noise of its own, that opens for standard normal < bound."""

    bound: Array  # (m,)
    length: Array  # (m,) of its weights, the noise's included
    unit: Array  # (m, d + 2) its direction, the noise's axes last


def _erf_gates(units: Units, axis: int) -> _Noisy:
    w, a, _ = units
    noise = jnp.zeros((w.shape[0], 2)).at[:, axis].set(1.0)
    unit, length = unit_vectors(jnp.concatenate([_ROOT2 * w, noise], axis=1))
    return _Noisy(_ROOT2 * a / length, length, unit)


def _gates(units: Units, noise: float) -> _Noisy:
    """Returns gates of step and relu (no noise), and of gelu(g) = g P(n < g) (noise 1)."""
    v, b, _ = units
    own = jnp.zeros((v.shape[0], 2)).at[:, 1].set(noise)
    unit, length = unit_vectors(jnp.concatenate([v, own], axis=1))
    return _Noisy(scaled_bias(b, length), length, unit)


class _Joint(NamedTuple):
    angles: Angles
    bound_w: Array
    bound_v: Array
    covariance: Array


def _joint(left: _Noisy, right: _Noisy) -> _Joint:
    """Returns the covariance of the two gates."""
    angles = pairwise_angles(left.unit, right.unit)
    bound_w, bound_v = jnp.broadcast_arrays(left.bound[:, None], right.bound[None, :])
    covariance = orthant_covariance(bound_w, bound_v, angles, left.unit @ right.unit.T)
    return _Joint(angles, bound_w, bound_v, covariance)


def erf_gram(left: Units, right: Units) -> Float[Array, "m k"]:
    """Returns E erf(<w_i, x> + a_i) erf(<v_j, x> + b_j)."""
    joint = _joint(_erf_gates(left, 0), _erf_gates(right, 1))
    return erf(joint.bound_w / _ROOT2) * erf(joint.bound_v / _ROOT2) + 4.0 * joint.covariance


def _with_gate(joint: _Joint) -> Array:
    """Returns E erf(h) 1[g' > 0]."""
    return erf(joint.bound_w / _ROOT2) * ndtr(joint.bound_v) + 2.0 * joint.covariance


def erf_step_gram(left: Units, right: Units) -> Float[Array, "m k"]:
    """Returns E erf(<w_i, x> + a_i) 1[<v_j, x> + b_j > 0]."""
    return _with_gate(_joint(_erf_gates(left, 0), _gates(right, 0.0)))


def erf_relu_gram(smooth: Units, gated: Units, *, noise: float = 0.0) -> Float[Array, "m k"]:
    """Returns E erf(<w_i, x> + a_i) g_j 1[g_j + noise n > 0]: relu, or gelu with noise 1.

    With g = <v, x> + b, g' = g + noise n and Stein's lemma:
    b E erf(h) 1[g'>0] + <w, v> E erf'(h) 1[g'>0] + |v|^2 E erf(h) delta(g').
    """
    (w, a, _), (v, b, _) = smooth, gated
    left, right = _erf_gates(smooth, 0), _gates(gated, noise)
    joint = _joint(left, right)
    value = b * _with_gate(joint)
    density = 2.0 * _ROOT2 * normal_density(joint.bound_w) / left.length[:, None]
    value += density * ndtr(joint.angles.conditional(joint.bound_w, joint.bound_v)) * (w @ v.T)
    # Given g' = 0, h is normal.
    along = w @ right.unit[:, : w.shape[1]].T
    spread = jnp.sqrt(_spread(w, v, right, noise, along))
    edge = normal_density(joint.bound_v) * erf((a[:, None] - joint.bound_v * along) / spread)
    return value + jnp.sum(v * right.unit[:, : v.shape[1]], axis=1)[None, :] * edge


def _spread(w: Array, v: Array, right: _Noisy, noise: float, along: Array) -> Array:
    """Returns 1 + 2 Var(h | g' = 0), also where |w| is large and h nearly a multiple of g'."""
    (unit_w, norms_w), (unit_v, norms_v) = unit_vectors(w), unit_vectors(v)
    plain = pairwise_angles(unit_w, unit_v)
    outside = 0.0 if noise == 0.0 else 1.0 / (1.0 + (norms_v[None, :] / noise) ** 2)
    length = jnp.where(norms_v == 0.0, 0.0, norms_v / jnp.where(norms_v == 0.0, 1.0, right.length))
    left_over = outside + length[None, :] ** 2 * plain.one_minus * plain.one_plus
    square = norms_w[:, None] ** 2
    smooth = 2.0 * (jnp.sum(w**2, axis=1)[:, None] - along**2)
    # the accurate value, with the derivatives of a formula that is smooth where it is not
    value = jax.lax.stop_gradient(1.0 + 2.0 * square * left_over)
    return value + (smooth - jax.lax.stop_gradient(smooth))
