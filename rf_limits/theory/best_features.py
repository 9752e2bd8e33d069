r"""Best population risk of fixed features: no data, no training, nothing sampled.

For features f_1..f_p with Gram matrix G_ij = E f_i f_j and correlations q_i = E f_i f*, the
least risk over all linear combinations is E f*^2 - q^T G^+ q. Features are ordered by neuron,
so one Cholesky factorization G = L L^T serves every number of neurons: the leading block of L
factors the leading block of G, and with z = L^{-1} q the risk of the first p features is
E f*^2 - |z_{1..p}|^2.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from rf_limits.errors import RequirementError, check
from rf_limits.theory.angles import pairwise_angles, unit_vectors


class BestRisk(NamedTuple):
    """Least population risk of the first features of a sequence.

    Attributes:
      num_features: p.
      risk: E (sum_i u_i f_i - f*)^2 at the best u (plus ridge |u|^2 left out); what rounding
        leaves below zero is 0.
      max_weight: max_i |u_i|.
      condition_number: of G + ridge I, 1-norm estimate.
    """

    num_features: int
    risk: float
    max_weight: float
    condition_number: float


def tangent_gram(weights: Float[Array, "N d"]) -> Float[Array, "p p"]:
    """E f_i f_j for the p = N d tangent features 1[<w_i, x> > 0] x_k, neuron by neuron.

    Blocks ((pi - theta) I + tan(theta/2) s s^T/2 - cot(theta/2) t t^T/2)/(2 pi) with s, t the
    sum and the difference of the two unit vectors (docs/theory.md, section 2).
    """
    width, dim = weights.shape
    unit, _ = unit_vectors(weights)
    angles = pairwise_angles(unit, unit)

    def rows(one):
        own, half_tan, half_cot, theta = one
        plus, minus = own + unit, own - unit
        block = (jnp.pi - theta)[:, None, None] * jnp.eye(dim)
        block = block + 0.5 * half_tan[:, None, None] * plus[:, :, None] * plus[:, None, :]
        block = block - 0.5 * half_cot[:, None, None] * minus[:, :, None] * minus[:, None, :]
        return jnp.swapaxes(block, 0, 1).reshape(dim, width * dim) / (2.0 * jnp.pi)

    parts = (unit, angles.half_tangent, angles.half_cotangent, angles.theta)
    return jax.lax.map(rows, parts).reshape(width * dim, width * dim)


def tangent_correlations(
    weights: Float[Array, "N d"], direction: Float[Array, "d"]
) -> Float[Array, "p"]:
    """E 1[<w_i, x> > 0] x relu(<v, x>) = (|v| sin(theta) w^ + (pi - theta) v)/(2 pi), p = N d."""
    unit, _ = unit_vectors(weights)
    target, norm = unit_vectors(direction[None, :])
    angles = pairwise_angles(unit, target)
    value = angles.sine * unit + (jnp.pi - angles.theta) * target
    return (norm[0] * value / (2.0 * jnp.pi)).reshape(-1)


def least_features(
    gram: Float[np.ndarray, "p p"],
    correlations: Float[np.ndarray, "p"],
    second_moment: float,
    risk: float,
) -> tuple[BestRisk | None, int]:
    """The first features of a sequence that reach ``risk``.

    Args:
      gram: (p, p) E f_i f_j, float64; overwritten.
      correlations: (p,) E f_i f*.
      second_moment: E f*^2.
      risk: absolute population risk to reach.

    Returns:
      :class:`BestRisk` of the least number of leading features whose best risk is at most
      ``risk``, or None; and how many leading features are independent in float64, beyond
      which none were tried.
    """
    if risk >= second_moment:
        return BestRisk(0, second_moment, 0.0, 1.0), 0
    factor, failed = _factor(gram)
    independent = failed - 1 if failed > 0 else len(gram)
    if independent == 0:
        return None, 0
    lead, q = factor[:independent, :independent], correlations[:independent]
    z = scipy.linalg.solve_triangular(lead, q, lower=True, check_finite=False)
    reached = np.flatnonzero(second_moment - np.cumsum(z**2) <= risk)
    if reached.size == 0:
        return None, independent
    return _leading(factor, z, second_moment, int(reached[0]) + 1, 0.0), independent


def best_risks(
    gram: Float[np.ndarray, "p p"],
    correlations: Float[np.ndarray, "p"],
    second_moment: float,
    sizes: Sequence[int],
    ridge: float = 0.0,
) -> list[BestRisk]:
    """Least risks of the first p features, for every p in ``sizes``.

    Args:
      gram: (p, p) E f_i f_j, float64; overwritten.
      correlations: (p,) E f_i f*.
      second_moment: E f*^2.
      sizes: numbers of features, each at most p.
      ridge: penalty on |u|^2, added to the diagonal.

    Returns:
      One :class:`BestRisk` per size. With a ridge the risk is that of the penalized
      solution, penalty not included.

    Raises:
      RequirementError: sizes beyond p, or a Gram matrix that is singular in float64 (a
        ridge of the size the message gives makes it regular).
    """
    check(max(sizes) <= len(gram), "widths", f"be at most {len(gram)} features", max(sizes))
    trace = float(np.trace(gram))
    diagonal = np.arange(len(gram))
    gram[diagonal, diagonal] += ridge
    factor, failed = _factor(gram)
    if failed:
        enough = len(gram) * np.finfo(float).eps * trace
        raise RequirementError(
            f"ridge must make the Gram matrix of {len(gram)} features positive "
            f"definite in float64 (about {enough:.1e} would), but received {ridge:g}."
        )
    z = scipy.linalg.solve_triangular(factor, correlations, lower=True, check_finite=False)
    return [_leading(factor, z, second_moment, size, ridge) for size in sizes]


def _factor(gram: np.ndarray) -> tuple[np.ndarray, int]:
    """Lower Cholesky factor, in place, and where it failed (1, ..., p) or 0.

    The transpose is the same matrix, laid out as LAPACK wants it; above the diagonal of the
    factor stands what stood there.
    """
    return scipy.linalg.lapack.dpotrf(gram.T, lower=1, overwrite_a=1, clean=0)


def _leading(
    factor: np.ndarray, z: np.ndarray, second_moment: float, size: int, ridge: float
) -> BestRisk:
    """The first ``size`` features, from the factor L of all and z = L^{-1} q."""
    lead, z = factor[:size, :size], z[:size]
    u = scipy.linalg.solve_triangular(lead, z, lower=True, trans="T", check_finite=False)
    # With a ridge, u^T (G + ridge) u = |z|^2 counts the penalty: risk = E f*^2 - 2 u.q + u G u.
    explained = float(z @ z) + ridge * float(u @ u)
    reciprocal, _ = scipy.linalg.lapack.dtrcon(lead, norm="1", uplo="L")
    condition = np.inf if reciprocal == 0.0 else 1.0 / float(reciprocal) ** 2
    risk = np.maximum(second_moment - explained, 0.0)  # which rounding can leave below zero
    return BestRisk(size, float(risk), float(np.abs(u).max()), condition)
