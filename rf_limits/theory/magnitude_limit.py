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
:mod:`~rf_limits.theory.frontier` at r = infinity (strong duality). Yehudai and Shamir (2019,
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
import scipy.linalg
from jaxtyping import Float
from scipy import optimize, special

from rf_limits.errors import RequirementError
from rf_limits.theory import arguments, homogeneous
from rf_limits.theory.arguments import Number
from rf_limits.theory.harmonics import log_multiplicity, recurrence_coefficients

_ORDER = 1  # relu
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_ITERATIONS = 100
_LARGEST_LEVEL = 400
_SMOOTHING = 1e-6
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


def _level(risk: float | int, dim: int) -> int:
    """Least even degree k with less than ``risk`` beyond it."""
    high = 2
    while homogeneous.tail(_ORDER, dim, high) > risk:
        high *= 2
    low = high // 2 if high > 2 else 0
    while high - low > 2:
        middle = 2 * ((low + high) // 4)
        if homogeneous.tail(_ORDER, dim, middle) > risk:
            low = middle
        else:
            high = middle
    return high


class UnresolvedRiskError(RequirementError):
    """A risk so small that the degrees it needs are not computed; the limit exists."""


class _Target(NamedTuple):
    """Arguments at the border: the risk for a target of unit length, d, |w*|."""

    reduced: float
    dim: int
    norm: float


def _target(risk: Number, dim: Number, norm: Number) -> _Target:
    dim = arguments.dimension(dim, "dim")
    norm, risk = arguments.positive(norm, "norm"), arguments.positive(risk, "risk")
    reduced = risk / norm / norm
    if reduced < 1e-13:
        message = f"risk must be at least 1e-13 |w*|^2, but received {float(risk)!r}."
        raise UnresolvedRiskError(message)
    return _Target(reduced, dim, norm)


def _even_and_one(last: int) -> np.ndarray:
    """Degrees in which a ReLU neuron without bias has a part: 0, 1, 2, 4, 6, ..."""
    return np.concatenate([[0.0, 1.0], np.arange(2.0, last + 1.0, 2.0)])


def log_rms_magnitude_limit(risk: Number, dim: Number, *, norm: Number = 1.0) -> float:
    """Log of the least r (mean u_i^2)^{1/2} at which random features can reach ``risk``.

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
    reduced, dim, norm = _target(risk, dim, norm)
    if reduced >= homogeneous.TOTALS[_ORDER]:
        return -math.inf
    return _rms(reduced, dim).log_bound + math.log(norm)


class _Rms(NamedTuple):
    """The root mean square limit for a target of unit length, and its log mu."""

    log_bound: float
    log_mu: float


def _rms(reduced: float, dim: int) -> _Rms:
    last = max(2000, 20 * _level(reduced, dim))
    degrees = _even_and_one(last)
    logs = homogeneous.log_eigenvalues(_ORDER, dim, degrees)
    log_weights = homogeneous.log_weights(_ORDER, dim, degrees)

    beyond = homogeneous.tail(_ORDER, dim, last)

    def excess(log_mu: float) -> float:
        # by the smaller of what is left and what is learned of E f*^2: neither cancels
        kept, forgotten = special.expit(logs - log_mu), special.expit(log_mu - logs)
        if reduced < 0.5 * homogeneous.TOTALS[_ORDER]:
            return math.fsum(np.exp(log_weights) * forgotten**2) + beyond - reduced
        learned = math.fsum(np.exp(log_weights) * kept * (1.0 + forgotten))
        return (homogeneous.TOTALS[_ORDER] - reduced) - learned

    high = 2.0
    while excess(high) < 0.0:
        high *= 2.0
    log_mu = optimize.brentq(excess, logs[-1] - 50.0, high, xtol=1e-13, rtol=1e-14)
    learned = -2.0 * np.logaddexp(0.0, log_mu - logs)
    log_b = log_multiplicity(dim, degrees)
    return _Rms(0.5 * float(special.logsumexp(log_b + learned)), log_mu)


def log_magnitude_limit(risk: Number, dim: Number, *, norm: Number = 1.0) -> float:
    """Log of the least r max|u_i| at which random features can reach ``risk``.

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


def magnitude_witness(risk: Number, dim: Number, *, norm: Number = 1.0) -> Witness:
    """The dual function behind :func:`log_magnitude_limit`; arguments and errors as there.

    Maximized by reweighted least squares (a majorization of the absolute value) with a line
    search, from where the root mean square limit is attained. The degrees that are beyond those
    listed enter together, in the proportions of f*, with E_w |.| at most their root mean square:
    so nothing is lost by leaving them out. The bound itself is evaluated on a grid three times
    as fine as the one optimized on: what quadrature leaves is below 1e-5 relative.
    How far the maximum is from the limit over all psi: 1e-3 or less (tests compare with least
    squares over weights in a box, from d = 2 to 1e5 and from risk 1/2 downwards).
    """
    reduced, dim, norm = _target(risk, dim, norm)
    missing = homogeneous.TOTALS[_ORDER] - reduced
    if missing <= 0.0:
        return Witness(-math.inf, np.zeros(0), np.zeros(0), 0.0)
    if missing < _NEARLY_ZERO:
        return _nearly_zero(missing, dim, norm)
    level = _level(reduced, dim)
    if level > _LARGEST_LEVEL:
        raise UnresolvedRiskError(
            f"risk must need degrees up to {_LARGEST_LEVEL} at most (d = {dim}), but received "
            f"{float(risk):g}, which needs degree {level}."
        )
    log_mu = _rms(reduced, dim).log_mu
    factor = 8.0 if dim <= 3 else (6.0 if dim <= 5 else (4.0 if dim <= 10 else 3.0))
    degrees = _even_and_one(max(16, 2 * math.ceil(0.5 * factor * level)))
    logs = homogeneous.log_eigenvalues(_ORDER, dim, degrees)
    unit = min(log_mu, float(logs[0]))
    degrees = degrees[: max(4, int(np.sum(logs > unit - _DEPTH)))]
    dual = _Dual(dim, degrees, reduced, unit)
    best = dual.maximize(dual.start(log_mu))
    bound = _Dual(dim, degrees, reduced, unit, 3).bound(best)
    log_bound = math.log(bound) - 0.5 * unit + math.log(norm)
    return Witness(log_bound, degrees, best[:-1], float(best[-1]) / dual.rest)


def _nearly_zero(missing: float, dim: int, norm: float) -> Witness:
    """Near risk 1/2 by psi = f*: M = (1/2 - sqrt(eps/2))/lambda_0, for which nothing cancels.

    E_w <f_w, f*> is lambda_0, all of it positive. With all weights alike the risk is
    1/2 - 2 M lambda_0 + M^2 lambda_0, so M is at most this times 1 + O(missing).
    """
    degrees = _even_and_one(16)
    logs = homogeneous.log_eigenvalues(_ORDER, dim, degrees)
    bound = 0.5 * missing / (0.5 + math.sqrt(0.25 - 0.5 * missing))
    log_bound = math.log(bound) - float(logs[0]) + math.log(norm)
    amplitudes = np.exp(logs + 0.5 * log_multiplicity(dim, degrees))
    return Witness(log_bound, degrees, amplitudes, 1.0)


class _Dual:
    """M_psi as a function of y_k = eta_k sqrt(B(d, k)), for a target of unit length.

    The last entry of y stands for all degrees beyond: eta_k = c lambda_k, of which only
    E_w |.| <= c (lambda_{K+2} sum of lambda_k B(d, k))^{1/2} is used. Eigenvalues are in units of
    exp(log_unit), and M in units of its inverse root, so that no exponential overflows.
    """

    def __init__(
        self, dim: int, degrees: np.ndarray, risk: float, log_unit: float, density: int = 1
    ):
        logs = homogeneous.log_eigenvalues(_ORDER, dim, degrees)
        log_weights = homogeneous.log_weights(_ORDER, dim, degrees)
        last = int(degrees[-1])
        beyond = homogeneous.tail(_ORDER, dim, last)
        after = float(homogeneous.log_eigenvalues(_ORDER, dim, np.array(last + 2.0)))
        self.rest = math.sqrt(beyond * math.exp(after))  # the last entry for c = 1, its E_w |.|
        self._logs = np.append(logs, after)
        root_weights = np.sqrt(np.append(np.exp(log_weights), beyond))
        self.root_scale = np.exp(0.5 * (log_unit - self._logs))
        self.root_b = root_weights * self.root_scale
        self.root_risk = math.sqrt(risk)
        cosines, mass = _sphere_rule(dim, density * (last + 1))
        values = _orthonormal(dim, last, cosines)[degrees.astype(int)].T
        self.mass = np.append(mass, 1.0)
        rest = np.zeros((len(self.mass), 1))
        rest[-1] = 1.0
        self.basis = np.hstack([np.vstack([values, np.zeros((1, degrees.size))]), rest])

    def start(self, log_mu: float) -> np.ndarray:
        """Where the root mean square limit is attained, in units of mu."""
        return self.root_b * special.expit(self._logs - log_mu)

    def bound(self, y: np.ndarray) -> float:
        """M_psi; negative where psi proves nothing."""
        size = float(np.linalg.norm(self.root_scale * y))
        gain = float(self.root_b @ y) - self.root_risk * size
        return gain / float(self.mass @ np.abs(self.basis @ y))

    def maximize(self, y: np.ndarray) -> np.ndarray:
        """Reweighted least squares from ``y``."""
        value, smoothing, quiet = self.bound(y), 0.1, 0
        for _ in range(_ITERATIONS):
            found = self._reweighted(y, max(value, 1e-300), smoothing)
            found *= float(self.root_b @ y) / float(self.root_b @ found)
            before = value
            for step in 2.0 ** -np.arange(6):
                trial = y + step * (found - y)
                if (reached := self.bound(trial)) > value:
                    y, value = trial, reached
                    break
            at_floor = smoothing <= _SMOOTHING
            quiet = quiet + 1 if at_floor and value - before < 1e-6 * abs(value) else 0
            if quiet >= 3:
                break
            smoothing = max(0.7 * smoothing, _SMOOTHING)
        return y

    def _reweighted(self, y: np.ndarray, value: float, smoothing: float) -> np.ndarray:
        """Minimizer of the quadratic that touches sqrt(risk)|psi| + M E|.| at y.

        By QR: the weights range over tens of orders of magnitude.
        """
        inner = np.abs(self.basis @ y)
        inner = np.hypot(inner, smoothing * float(self.mass @ inner))
        size = float(np.linalg.norm(self.root_scale * y))
        rows = np.sqrt(value * self.mass / inner)[:, None] * self.basis
        penalty = np.diag(math.sqrt(self.root_risk / size) * self.root_scale)
        stacked = np.concatenate([rows, penalty])
        scale = 1.0 / np.linalg.norm(stacked, axis=0)
        factor = np.linalg.qr(stacked * scale, mode="r")
        half = scipy.linalg.solve_triangular(factor, scale * self.root_b, trans="T")
        return scale * scipy.linalg.solve_triangular(factor, half)


def _orthonormal(dim: int, last: int, cosines: np.ndarray) -> np.ndarray:
    """sqrt(B(d, k)) P_k, (last + 1, nodes), without the range of B(d, k)."""
    a = recurrence_coefficients(dim, last + 1)
    values = np.ones((last + 1, cosines.size))
    values[1] = cosines / a[0]
    for k in range(1, last):
        values[k + 1] = (cosines * values[k] - a[k - 1] * values[k - 1]) / a[k]
    return values


def _sphere_rule(dim: int, panels: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of a composite rule in the angle for a uniform point of S^{d-1}, and weights.

    In high dimension angles are within 1/sqrt(d) of a right one: what lies farther than 1e-22 of
    the mass allows is left out, with at most 1e-11 of the root mean square of any function.
    """
    reach = math.acos(math.exp(-50.0 / (dim - 2))) if dim > 100 else 0.5 * math.pi
    edges = np.linspace(0.5 * math.pi - reach, 0.5 * math.pi + reach, max(32, panels) + 1)
    if dim <= 100:
        inner = edges[1] * 2.0 ** -np.arange(1.0, 6.0)  # kinks near the poles
        edges = np.unique(np.concatenate([edges, inner, math.pi - inner]))
    half = 0.5 * np.diff(edges)[:, None]
    angles = (edges[:-1, None] + half * (1.0 + _NODES)).ravel()
    logs = np.log((half * _WEIGHTS).ravel()) + (dim - 2) * np.log(np.sin(angles))
    return np.cos(angles), np.exp(logs - special.logsumexp(logs))
