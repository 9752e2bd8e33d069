r"""Best population risk of fixed features: no data, no training, nothing sampled.

For features f_1..f_p with Gram matrix G_ij = E f_i f_j and correlations q_i = E f_i f*, the
least risk over all linear combinations is E f*^2 - q^T G^+ q. Features are ordered by neuron,
so one Cholesky factorization G = L L^T serves every number of neurons: the leading block of L
factors the leading block of G, and with z = L^{-1} q the risk of the first p features is
E f*^2 - |z_{1..p}|^2.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from rf_limits.errors import RequirementError, check
from rf_limits.theory.expectations.angles import pairwise_angles, unit_vectors
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.arguments import Matrix, Nonnegative, Numbers, Vector, border

_EPS = float(np.finfo(np.float64).eps)
_ENTRIES = 16  # roundings that an entry of G or q has seen
_RELATIVE, _ABSOLUTE = 1e-3, 1e-9  # of the risk and of E f*^2: errors that are refused


class BestRisk(NamedTuple):
    """Least population risk of the first features of a sequence.

    Attributes:
      num_features: p.
      risk: E (sum_i u_i f_i - f*)^2 at the best u (plus ridge |u|^2 left out); what rounding
        leaves below zero is 0 in :func:`best_risks`.
      max_weight: max_i |u_i|.
      condition_number: of G + ridge I, 1-norm estimate.
      error: what rounding of G, of q and of the factorization may have done to the risk.
    """

    num_features: int
    risk: float
    max_weight: float
    condition_number: float
    error: float


def tangent_gram(weights: Float[Array, "N d"]) -> Float[Array, "p p"]:
    """Returns E f_i f_j for the p = N d tangent features 1[<w_i, x> > 0] x_k, neuron by neuron.

    Blocks ((pi - theta) I + tan(theta/2) s s^T/2 - cot(theta/2) t t^T/2)/(2 pi) with s, t the
    sum and the difference of the two unit vectors (docs/theory.md, section 2).
    """
    width, dim = weights.shape
    unit, _ = unit_vectors(weights)
    angles = pairwise_angles(unit, unit)

    def rows(neuron: tuple[Array, Array, Array, Array]) -> Array:
        own, half_tan, half_cot, theta = neuron
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
    """Returns the first features of a sequence that reach ``risk``.

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
        return BestRisk(0, second_moment, 0.0, 1.0, 0.0), 0
    features = _factored(gram, correlations, second_moment, 0.0)
    reached = np.flatnonzero(second_moment - np.cumsum(features.z**2) <= risk)
    best = features.leading(int(reached[0]) + 1) if reached.size else None
    return best, features.z.size


@border
def best_risks(
    gram: Matrix,
    correlations: Vector,
    second_moment: Nonnegative,
    sizes: Numbers,
    ridge: Nonnegative = 0.0,
) -> list[BestRisk]:
    """Returns the least risks of the first p features, for every p in ``sizes``.

    Args:
      gram: (p, p) E f_i f_j; overwritten if it is a float64 array.
      correlations: (p,) E f_i f*.
      second_moment: E f*^2.
      sizes: numbers of features, each at most p.
      ridge: penalty on |u|^2, added to the diagonal.

    Returns:
      One :class:`BestRisk` per size. With a ridge the risk is that of the penalized
      solution, penalty not included.

    Raises:
      RequirementError: sizes that are not from 1 to p; a Gram matrix that is singular in float64
        (a ridge of the size the message gives makes it regular), or so nearly that rounding may
        change the risk by more than 1e-3 of it and 1e-9 of ``second_moment``; a second moment
        that is less than the features explain, which belongs to another target.
    """
    check(np.shape(gram) == 2 * np.shape(correlations), "gram", "be square, p by p", gram.shape)
    sizes = [arguments.size(size, "widths") for size in sizes]
    if not sizes:
        return []
    check(max(sizes) <= len(gram), "widths", f"be at most {len(gram)} features", max(sizes))
    for name, values in (("gram", gram), ("correlations", correlations)):
        check(bool(np.all(np.isfinite(values))), name, "be finite", "values that are not")
    trace, diagonal = float(np.trace(gram)), np.arange(len(gram))
    gram = gram if gram.flags.writeable else gram.copy()
    gram[diagonal, diagonal] += ridge
    features = _factored(gram, correlations, second_moment, ridge)
    if features.z.size < len(gram):
        enough = len(gram) * np.finfo(float).eps * trace
        raise RequirementError(
            f"ridge must make the Gram matrix of {len(gram)} features positive "
            f"definite in float64 (about {enough:.1e} would), but received {ridge:g}."
        )
    found = [features.leading(size) for size in sizes]
    _check_resolved(found, second_moment, ridge)
    return [best._replace(risk=max(best.risk, 0.0)) for best in found]


def _check_resolved(found: list[BestRisk], second_moment: float, ridge: float) -> None:
    """Refuses risks that rounding may have changed, and a second moment of another target."""
    for best in found:
        consistent = best.risk >= -2.0 * best.error
        reason = f"be at least the {second_moment - best.risk:.6g} that {best.num_features} of the"
        check(consistent, "second_moment", f"{reason} features explain", second_moment)
        known = best.error <= max(_RELATIVE * abs(best.risk), _ABSOLUTE * second_moment)
        reason = f"keep rounding below 1e-3 of the risk of {best.num_features} features, which is"
        of = f"{best.risk:.3g} +- {best.error:.1e} at condition number {best.condition_number:.1e}"
        check(known, "ridge", f"{reason} {of}", ridge)


class _Factored(NamedTuple):
    """Leading features that are independent in float64, and their factorization.

    Attributes:
      factor: (p, p) lower Cholesky factor L of all, where it exists.
      rows: (p,) lengths of the rows of L.
      z: (r,) L^{-1} q of the r <= p independent features.
      correlations: (p,) q.
      second_moment: E f*^2.
      ridge: penalty on |u|^2, in the diagonal.
    """

    factor: np.ndarray
    rows: np.ndarray
    z: np.ndarray
    correlations: np.ndarray
    second_moment: float
    ridge: float

    def leading(self, size: int) -> BestRisk:
        """Returns the first ``size`` features.

        The factorization is that of a matrix whose entries differ by (p + 1) eps L_i L_j at most,
        L_i the lengths of the rows of L (Higham 2002, theorem 10.3), and those of G and q are
        given to a few roundings. To first order that moves the least penalized risk by its
        quadratic form in |u|, and the risk by three times as much, with a ridge taken off again.
        """
        lead, z = self.factor[:size, :size], self.z[:size]
        u = scipy.linalg.solve_triangular(lead, z, lower=True, trans="T", check_finite=False)
        # With a ridge, u^T (G + ridge) u = |z|^2 counts the penalty: risk = E f*^2 - 2 u.q + u G u.
        explained = float(z @ z) + self.ridge * float(u @ u)
        reciprocal, _ = scipy.linalg.lapack.dtrcon(lead, norm="1", uplo="L")
        condition = np.inf if reciprocal == 0.0 else 1.0 / float(reciprocal) ** 2
        size_u, q = np.abs(u), np.abs(self.correlations[:size])
        terms = float(size_u @ self.rows[:size]) ** 2 + 2.0 * float(size_u @ q)
        error = _EPS * (3.0 * (size + _ENTRIES) * terms + self.second_moment)
        risk = self.second_moment - explained
        return BestRisk(size, risk, float(size_u.max()), condition, error)


def _factored(
    gram: np.ndarray, correlations: np.ndarray, second_moment: float, ridge: float
) -> _Factored:
    """Returns the factorization of a matrix with its ridge, in place.

    The transpose is the same matrix, laid out as LAPACK wants it; above the diagonal of the
    factor stands what stood there.
    """
    rows = np.sqrt(np.maximum(np.diag(gram), 0.0))
    factor, failed = scipy.linalg.lapack.dpotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    count = failed - 1 if failed else len(gram)
    lead, q = factor[:count, :count], correlations[:count]
    z = scipy.linalg.solve_triangular(lead, q, lower=True, check_finite=False) if count else q
    return _Factored(factor, rows, z, correlations, second_moment, ridge)
