r"""The magnitude limit: how large r max|u_i| must be, whatever the number of features r.

For features f_i = relu(<w_i, x>) with independent uniform directions, |w_i| = 1, and any psi,

.. math::
    E(f - f^*)^2 \ge 2\langle f^*, \psi\rangle - E\psi^2 - 2\sum_i |u_i| |\langle f_i,\psi\rangle|
    \quad\text{for } f = \sum_i u_i f_i,

since |f - f* + psi|^2 >= 0. Averaged over the draws the last sum is at most r max|u_i|
E_w |<f_w, psi>|, and at most r (mean u_i^2)^{1/2} (E_w <f_w, psi>^2)^{1/2}. Hence the expected
least risk is above eps wherever

.. math::
    r \max_i |u_i| < M_\psi = \frac{\langle f^*, \psi\rangle - \sqrt{\varepsilon E\psi^2}}
    {E_w|\langle f_w, \psi\rangle|},

and the largest M_psi, the magnitude limit, is the frontier of
:mod:`~rf_limits.theory.bounds.frontier` at r = infinity (strong duality). Yehudai and Shamir (2019,
section 4) take a triangle wave for psi; here psi is the best there is. By symmetry it is zonal
around w*: with psi = sum_k eta_k/lambda_k (degree k of relu(<w*, x>/|w*|)) and t = cos of the
angle between w and w*,

.. math::
    \langle f_w,\psi\rangle = \sum_k \eta_k B(d,k) P_k(t), \quad
    \langle f^*,\psi\rangle = |w^*| \sum_k \eta_k B(d,k), \quad
    E\psi^2 = \sum_k \eta_k^2 B(d,k)/\lambda_k .

Every eta gives a valid bound, so nothing depends on how well it was optimized. With the root
mean square in place of the maximum, the best eta is lambda mu/(lambda + mu): closed form.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize, special

from rf_limits.errors import RequirementError
from rf_limits.theory.bounds.magnitude_dual import ORDER, Dual, even_and_one
from rf_limits.theory.numerics.arguments import Dimension, Positive, border
from rf_limits.theory.spectra import homogeneous
from rf_limits.theory.spectra.harmonics import log_multiplicity
from rf_limits.theory.spectra.levels import least

_LARGEST_LEVEL = 400
_NEARLY_ZERO = 1e-6  # this far below 1/2 a closed form is right to as much
_DEPTH = 46.0  # degrees whose eigenvalues are exp(-46) of mu are lumped


class Witness(NamedTuple):
    """A dual function psi and the bound it proves.

    Attributes:
      log_bound: natural logarithm of M_psi.
      degrees: (m,) degrees k.
      amplitudes: (m,) eta_k sqrt(B(d, k)), in any common unit.
      rest: eta_k/lambda_k of all degrees beyond, in that unit.
    """

    log_bound: float
    degrees: Float[np.ndarray, "m"]
    amplitudes: Float[np.ndarray, "m"]
    rest: float


def _level(risk: float, dim: int) -> int:
    """Returns the least even degree k >= 2 with at most ``risk`` beyond it."""
    return 2 + 2 * least(lambda m: homogeneous.tail(ORDER, dim, 2 + 2 * m) <= risk)


class UnresolvedRiskError(RequirementError):
    """A risk so small that the degrees it needs are not computed; the limit exists."""


def _reduced(risk: float, norm: float) -> float:
    """Returns the risk for a target of unit length."""
    reduced = risk / norm / norm
    if reduced < 1e-13:
        message = f"risk must be at least 1e-13 |w*|^2, but received {risk!r}."
        raise UnresolvedRiskError(message)
    return reduced


@border
def log_rms_magnitude_limit(risk: Positive, dim: Dimension, *, norm: Positive = 1.0) -> float:
    """Returns the log of the least r (mean u_i^2)^{1/2} at which features can reach ``risk``.

    Args:
      risk: absolute population risk, averaged over draws of the features.
      dim: dimension d >= 2.
      norm: |w*| of the target relu(<w*, x>).

    Returns:
      Natural logarithm of |w*| (sum_k B(d,k) (lambda_k/(lambda_k + mu))^2)^{1/2}, mu such that
      |w*|^2 sum_k lambda_k B(d,k) (mu/(lambda_k + mu))^2 = risk: about
      |w*| sqrt(number of features the lazy limit asks for). For features relu(<w_i, x>) with
      uniform directions, |w_i| = 1 (other lengths independent of direction: subtract
      log sqrt(E|w|^2)). Also below r max|u_i|. -inf where the zero function is good enough.
      Relative error 1e-8.

    Raises:
      RequirementError: d < 2, a risk or length that is not positive, or a risk below
        1e-13 |w*|^2.
    """
    reduced = _reduced(risk, norm)
    if reduced >= homogeneous.TOTALS[ORDER]:
        return -math.inf
    return _rms(reduced, dim).log_bound + math.log(norm)


class _Rms(NamedTuple):
    """The root mean square limit for a target of unit length, and its log mu."""

    log_bound: float
    log_mu: float


def _rms(reduced: float, dim: int) -> _Rms:
    last = max(2000, 20 * _level(reduced, dim))
    degrees = even_and_one(last)
    logs = homogeneous.log_eigenvalues(ORDER, dim, degrees)
    log_weights = homogeneous.log_weights(ORDER, dim, degrees)

    beyond = homogeneous.tail(ORDER, dim, last)

    def excess(log_mu: float) -> float:
        # by the smaller of what is left and what is learned of E f*^2: neither cancels
        kept, forgotten = special.expit(logs - log_mu), special.expit(log_mu - logs)
        if reduced < 0.5 * homogeneous.TOTALS[ORDER]:
            return math.fsum(np.exp(log_weights) * forgotten**2) + beyond - reduced
        learned = math.fsum(np.exp(log_weights) * kept * (1.0 + forgotten))
        return (homogeneous.TOTALS[ORDER] - reduced) - learned

    high = 2.0
    while excess(high) < 0.0:
        high *= 2.0
    log_mu = optimize.brentq(excess, logs[-1] - 50.0, high, xtol=1e-13, rtol=1e-14)
    learned = -2.0 * np.logaddexp(0.0, log_mu - logs)
    log_b = log_multiplicity(dim, degrees)
    return _Rms(0.5 * float(special.logsumexp(log_b + learned)), log_mu)


@border
def log_magnitude_limit(risk: Positive, dim: Dimension, *, norm: Positive = 1.0) -> float:
    """Returns the log of the least r max|u_i| at which random features can reach ``risk``.

    Args:
      risk: absolute population risk, averaged over draws of the features.
      dim: dimension d >= 2.
      norm: |w*| of the target relu(<w*, x>).

    Returns:
      Natural logarithm of the bound (module docstring), never below the root mean square limit
      and within 1e-3 of the greatest such bound, for features relu(<w_i, x>) with
      uniform directions, |w_i| = 1 (other lengths independent of direction: subtract
      log E|w|), without biases. -inf where the zero function is good enough.

    Raises:
      RequirementError: as :func:`log_rms_magnitude_limit`, and a risk that needs degrees
        beyond 400 (d = 20 at the paper's threshold needs 298); the root mean square limit
        has no such end.
    """
    return magnitude_witness(risk, dim, norm=norm).log_bound


@border
def magnitude_witness(risk: Positive, dim: Dimension, *, norm: Positive = 1.0) -> Witness:
    """Returns the dual function behind :func:`log_magnitude_limit`; arguments and errors as there.

    Maximized by reweighted least squares (a majorization of the absolute value) with a line
    search, from where the root mean square limit is attained. The degrees that are beyond those
    listed enter together, in the proportions of f*, with E_w |.| at most their root mean square:
    so nothing is lost by leaving them out. The bound itself is evaluated on a grid three times
    as fine as the one optimized on: what quadrature leaves is below 1e-5 relative.
    How far the maximum is from the limit over all psi: 1e-3 or less (tests compare with least
    squares over weights in a box, from d = 2 to 1e5 and from risk 1/2 downwards).
    """
    reduced = _reduced(risk, norm)
    missing = homogeneous.TOTALS[ORDER] - reduced
    if missing <= 0.0:
        return Witness(-math.inf, np.zeros(0), np.zeros(0), 0.0)
    if missing < _NEARLY_ZERO:
        return _nearly_zero(missing, dim, norm)
    level = _level(reduced, dim)
    if level > _LARGEST_LEVEL:
        raise UnresolvedRiskError(
            f"risk must need degrees up to {_LARGEST_LEVEL} at most (d = {dim}), but received "
            f"{risk:g}, which needs degree {level}."
        )
    log_mu = _rms(reduced, dim).log_mu
    factor = 8.0 if dim <= 3 else (6.0 if dim <= 5 else (4.0 if dim <= 10 else 3.0))
    degrees = even_and_one(max(16, 2 * math.ceil(0.5 * factor * level)))
    logs = homogeneous.log_eigenvalues(ORDER, dim, degrees)
    unit = min(log_mu, float(logs[0]))
    degrees = degrees[: max(4, int(np.sum(logs > unit - _DEPTH)))]
    dual = Dual(dim, degrees, reduced, unit)
    best = dual.maximize(dual.start(log_mu))
    bound = Dual(dim, degrees, reduced, unit, 3).bound(best)
    log_bound = math.log(bound) - 0.5 * unit + math.log(norm)
    return Witness(log_bound, degrees, best[:-1], float(best[-1]) / dual.rest)


def _nearly_zero(missing: float, dim: int, norm: float) -> Witness:
    """Returns, near risk 1/2, psi = f*: M = (1/2 - sqrt(eps/2))/lambda_0, nothing cancels.

    E_w <f_w, f*> is lambda_0, all of it positive. With all weights alike the risk is
    1/2 - 2 M lambda_0 + M^2 lambda_0, so M is at most this times 1 + O(missing).
    """
    degrees = even_and_one(16)
    logs = homogeneous.log_eigenvalues(ORDER, dim, degrees)
    bound = 0.5 * missing / (0.5 + math.sqrt(0.25 - 0.5 * missing))
    log_bound = math.log(bound) - float(logs[0]) + math.log(norm)
    amplitudes = np.exp(logs + 0.5 * log_multiplicity(dim, degrees))
    return Witness(log_bound, degrees, amplitudes, 1.0)
