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

from rf_limits.errors import check
from rf_limits.theory import homogeneous
from rf_limits.theory.harmonics import check_dim, gegenbauer, log_multiplicity

_ORDER = 1  # relu
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_ITERATIONS = 100
_LARGEST_LEVEL = 400
_SMOOTHING = 1e-6


class Witness(NamedTuple):
    """A dual function psi and the bound it proves.

    Attributes:
      log_bound: natural logarithm of M_psi.
      degrees: (m,) degrees k.
      amplitudes: (m,) eta_k sqrt(B(d, k)), in any common unit.
    """

    log_bound: float
    degrees: Float[np.ndarray, "m"]
    amplitudes: Float[np.ndarray, "m"]


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


def _reduced(risk: float | int, dim: int, norm: float | int) -> float:
    """The risk for a target of unit length."""
    check_dim(dim)
    check(norm > 0.0 and math.isfinite(norm), "norm", "be positive and finite", norm)
    check(risk > 0.0 and math.isfinite(risk), "risk", "be positive and finite", risk)
    reduced = risk / norm**2
    check(reduced >= 1e-13, "risk", "be at least 1e-13 |w*|^2", risk)
    return float(reduced)


def _even_and_one(last: int) -> np.ndarray:
    """Degrees in which a ReLU neuron without bias has a part: 0, 1, 2, 4, 6, ..."""
    return np.concatenate([[0.0, 1.0], np.arange(2.0, last + 1.0, 2.0)])


def log_rms_magnitude_limit(risk: float | int, dim: int, *, norm: float | int = 1.0) -> float:
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
    reduced = _reduced(risk, dim, norm)
    if reduced >= homogeneous.TOTALS[_ORDER]:
        return -math.inf
    last = max(2000, 20 * _level(reduced, dim))
    degrees = _even_and_one(last)
    logs = homogeneous.log_eigenvalues(_ORDER, dim, degrees)
    log_b = log_multiplicity(dim, degrees)
    rest = homogeneous.tail(_ORDER, dim, last)

    def excess(log_mu: float) -> float:
        unlearned = special.expit(log_mu - logs)
        return math.fsum(np.exp(logs + log_b) * unlearned**2) + rest - reduced

    log_mu = optimize.brentq(excess, logs[-1] - 50.0, 50.0, xtol=1e-13, rtol=1e-14)
    learned = -2.0 * np.logaddexp(0.0, log_mu - logs)
    return 0.5 * float(special.logsumexp(log_b + learned)) + math.log(norm)


def log_magnitude_limit(risk: float | int, dim: int, *, norm: float | int = 1.0) -> float:
    """Log of the least r max|u_i| at which random features can reach ``risk``.

    Args:
      risk: absolute population risk, averaged over draws of the features.
      dim: dimension d >= 2.
      norm: |w*| of the target relu(<w*, x>).

    Returns:
      Natural logarithm of the bound (module docstring), for features relu(<w_i, x>) with
      uniform directions, |w_i| = 1 (other lengths independent of direction: subtract
      log E|w|), without biases. -inf where the zero function is good enough.

    Raises:
      RequirementError: as :func:`log_rms_magnitude_limit`, and a risk that needs degrees
        beyond 400 (d = 20 at the paper's threshold needs 298); the root mean square limit
        has no such end.
    """
    return magnitude_witness(risk, dim, norm=norm).log_bound


def magnitude_witness(risk: float | int, dim: int, *, norm: float | int = 1.0) -> Witness:
    """The dual function behind :func:`log_magnitude_limit`; arguments and errors as there.

    Maximized by reweighted least squares (a majorization of the absolute value) with a line
    search. The bound itself is evaluated on a grid three times as fine as the one optimized
    on: what quadrature leaves is below 1e-5 relative. How far the maximum is from the limit
    over all psi: 1e-3 or less at the degrees used (tests compare with other solvers).
    """
    reduced = _reduced(risk, dim, norm)
    if reduced >= homogeneous.TOTALS[_ORDER]:
        return Witness(-math.inf, np.zeros(0), np.zeros(0))
    level = _level(reduced, dim)
    check(
        level <= _LARGEST_LEVEL,
        "risk",
        f"need degrees up to {_LARGEST_LEVEL} at most (d = {dim})",
        f"{risk:g}, which needs degree {level}",
    )
    factor = 8.0 if dim <= 3 else (6.0 if dim <= 5 else (4.0 if dim <= 10 else 3.0))
    degrees = _even_and_one(max(16, 2 * math.ceil(0.5 * factor * level)))
    dual = _Dual(dim, degrees, math.sqrt(reduced))
    logs = homogeneous.log_eigenvalues(_ORDER, dim, degrees)
    # where the root mean square limit is attained, but for the choice of mu
    log_mu = np.interp(level, degrees, logs)
    start = dual.root_b * np.exp(-np.logaddexp(-logs, -log_mu))
    best = dual.maximize(start)
    bound = _Dual(dim, degrees, math.sqrt(reduced), 3).bound(best)
    return Witness(math.log(bound) + math.log(norm), degrees, best)


class _Dual:
    """M_psi as a function of y_k = eta_k sqrt(B(d, k)), for a target of unit length."""

    def __init__(self, dim: int, degrees: np.ndarray, root_risk: float, density: int = 1):
        self.root_b = np.exp(0.5 * log_multiplicity(dim, degrees))
        log_scale = homogeneous.log_eigenvalues(_ORDER, dim, degrees)
        self.root_scale = np.exp(-0.5 * log_scale)
        self.root_risk = root_risk
        last = int(degrees[-1])
        cosines, self.mass = _sphere_rule(dim, density * (last + 1))
        values = gegenbauer(dim, last, cosines)[degrees.astype(int)]
        self.basis = (self.root_b[:, None] * values).T  # (nodes, degrees), orthonormal

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


def _sphere_rule(dim: int, panels: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of a composite rule in the angle for a uniform point of S^{d-1}, and weights."""
    edges = np.linspace(0.0, math.pi, max(16, panels) + 1)
    inner = edges[1] * 2.0 ** -np.arange(1.0, 6.0)  # the densest part of the angle's density
    edges = np.unique(np.concatenate([edges, inner, math.pi - inner]))
    half = 0.5 * np.diff(edges)[:, None]
    angles = (edges[:-1, None] + half * (1.0 + _NODES)).ravel()
    logs = np.log((half * _WEIGHTS).ravel()) + (dim - 2) * np.log(np.sin(angles))
    return np.cos(angles), np.exp(logs - special.logsumexp(logs))
