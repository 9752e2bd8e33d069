"""The dual of the magnitude limit as a function of few numbers, and its maximum.

Notation of :mod:`rf_limits.theory.bounds.magnitude_limit`.
"""

import math

import numpy as np
import scipy.linalg
from scipy import special

from rf_limits.theory.numerics.tails import panels
from rf_limits.theory.spectra import homogeneous
from rf_limits.theory.spectra.harmonics import recurrence_coefficients

ORDER = 1
"""That of relu in :mod:`rf_limits.theory.spectra.homogeneous`."""

_ITERATIONS = 100
_SMOOTHING = 1e-6


def even_and_one(last: int) -> np.ndarray:
    """Returns the degrees in which a ReLU neuron without bias has a part: 0, 1, 2, 4, 6, ..."""
    return np.concatenate([[0.0, 1.0], np.arange(2.0, last + 1.0, 2.0)])


class Dual:
    """M_psi as a function of y_k = eta_k sqrt(B(d, k)), for a target of unit length.

    The last entry of y stands for all degrees beyond: eta_k = c lambda_k, of which only
    E_w |.| <= c (lambda_{K+2} sum of lambda_k B(d, k))^{1/2} is used. Eigenvalues are in units of
    exp(log_unit), and M in units of its inverse root, so that no exponential overflows.
    """

    def __init__(
        self, dim: int, degrees: np.ndarray, risk: float, log_unit: float, density: int = 1
    ):
        logs = homogeneous.log_eigenvalues(ORDER, dim, degrees)
        log_weights = homogeneous.log_weights(ORDER, dim, degrees)
        last = int(degrees[-1])
        beyond = homogeneous.tail(ORDER, dim, last)
        after = float(homogeneous.log_eigenvalues(ORDER, dim, np.array(last + 2.0)))
        # the last entry for c = 1, its E_w |.|
        self.rest: float = math.sqrt(beyond * math.exp(after))
        self._logs = np.append(logs, after)
        root_weights = np.sqrt(np.append(np.exp(log_weights), beyond))
        self.root_scale: np.ndarray = np.exp(0.5 * (log_unit - self._logs))
        self.root_b: np.ndarray = root_weights * self.root_scale
        self.root_risk: float = math.sqrt(risk)
        cosines, mass = _sphere_rule(dim, density * (last + 1))
        values = _orthonormal(dim, last, cosines)[degrees.astype(int)].T
        self.mass: np.ndarray = np.append(mass, 1.0)
        self.basis: np.ndarray = np.asfortranarray(scipy.linalg.block_diag(values, 1.0))

    def start(self, log_mu: float) -> np.ndarray:
        """Returns where the root mean square limit is attained, in units of mu."""
        return self.root_b * special.expit(self._logs - log_mu)

    def bound(self, y: np.ndarray) -> float:
        """Returns M_psi; negative where psi proves nothing."""
        size = float(np.linalg.norm(self.root_scale * y))
        gain = float(self.root_b @ y) - self.root_risk * size
        return gain / float(self.mass @ np.abs(self.basis @ y))

    def maximize(self, y: np.ndarray) -> np.ndarray:
        """Returns where reweighted least squares from ``y`` lead."""
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
        """Returns the minimizer of the quadratic that touches sqrt(risk)|psi| + M E|.| at y.

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
    """Returns sqrt(B(d, k)) P_k, (last + 1, nodes), without the range of B(d, k)."""
    a = recurrence_coefficients(dim, last + 1)
    values = np.ones((last + 1, cosines.size))
    values[1] = cosines / a[0]
    for k in range(1, last):
        values[k + 1] = (cosines * values[k] - a[k - 1] * values[k - 1]) / a[k]
    return values


def _sphere_rule(dim: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns cosines of a composite rule in the angle for a uniform point of S^{d-1}, and weights.

    In high dimension angles are within 1/sqrt(d) of a right one: what lies farther than 1e-22 of
    the mass allows is left out, with at most 1e-11 of the root mean square of any function.
    """
    reach = math.acos(math.exp(-50.0 / (dim - 2))) if dim > 100 else 0.5 * math.pi
    edges = np.linspace(0.5 * math.pi - reach, 0.5 * math.pi + reach, max(32, count) + 1)
    if dim <= 100:
        inner = edges[1] * 2.0 ** -np.arange(1.0, 6.0)  # kinks near the poles
        edges = np.unique(np.concatenate([edges, inner, math.pi - inner]))
    angles, weights = panels(edges, 8)
    logs = np.log(weights) + (dim - 2) * np.log(np.sin(angles))
    return np.cos(angles), np.exp(logs - special.logsumexp(logs))
