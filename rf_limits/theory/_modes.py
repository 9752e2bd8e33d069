"""Eigenvalues of a kernel by degree, and the sums of learning curves over them.

Everything is held in logarithms, so that no degree overflows. What lies beyond the last degree
enters through its trace: its eigenvalues are small beside kappa, and l/(l + kappa) is l/kappa.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rf_limits.errors import check
from rf_limits.theory.coefficients import DegreeCoefficients
from rf_limits.theory.spectrum import ZonalSpectrum

_BISECTIONS = 200
_LARGEST = 690.0  # sums of thousands of exponentials of it are finite
_WIDEST_BRACKET = 1400.0
_LARGEST_RANK = 10**300  # exact integers beyond have no float
Array = np.ndarray | np.floating
Values = float | int | list | np.ndarray


def exp(logs: Array) -> Array:
    """The exponential, at most e^690: large enough to exceed any count of samples."""
    return np.exp(np.minimum(logs, _LARGEST))


class Modes(NamedTuple):
    """Logarithms of l_k, of l_k times multiplicity, by degree, and of the trace beyond.

    Attributes:
      eigenvalues: (K + 1,) log l_k, -inf for degrees that the kernel does not have.
      weights: (K + 1,) log of l_k times multiplicity.
      tail: log of the sum of all further eigenvalues, -inf if there are none.
      rank: number of eigenfunctions, infinite with a tail.
    """

    eigenvalues: np.ndarray
    weights: np.ndarray
    tail: float
    rank: float

    def degrees_of_freedom(self, log_kappa: Array) -> Array:
        """sum_i L_i, L_i = l_i/(l_i + kappa), the tail included as its trace over kappa."""
        logs = self.weights - np.logaddexp(self.eigenvalues, log_kappa[..., None])
        return np.sum(exp(logs), axis=-1) + exp(self.tail - log_kappa)

    def squares(self, log_kappa: Array) -> Array:
        """sum_i L_i^2."""
        both = np.logaddexp(self.eigenvalues, log_kappa[..., None])
        with np.errstate(invalid="ignore"):  # -inf - inf for degrees the kernel does not have
            logs = self.weights + self.eigenvalues - 2.0 * both
        return np.sum(exp(logs), axis=-1)

    def products(self, log_kappa: Array) -> Array:
        """sum_i L_i (1 - L_i), the tail included as its trace over kappa."""
        both = np.logaddexp(self.eigenvalues, log_kappa[..., None])
        logs = self.weights + log_kappa[..., None] - 2.0 * both
        return np.sum(exp(logs), axis=-1) + exp(self.tail - log_kappa)

    @property
    def log_trace(self) -> float:
        """Log of the sum of all eigenvalues; sum_i L_i is at most the trace over kappa."""
        return float(np.logaddexp(np.logaddexp.reduce(self.weights), self.tail))

    def log_kappa(self, count: Array, ridge_term: Callable[[Array], Array], high: Array) -> Array:
        """Log of the kappa at which sum_i L_i + ``ridge_term`` is ``count``, by bisection.

        Args:
          count: number of samples, or of features.
          ridge_term: decreasing function of log kappa.
          high: upper bound on the result.
        """
        low = high - _WIDEST_BRACKET
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            more = self.degrees_of_freedom(middle) + ridge_term(middle) > count
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        return 0.5 * (low + high)

    def tail_error(self, log_kappa: Array) -> Array:
        """l_K/kappa, l_K the smallest eigenvalue held: the largest l/kappa in the tail."""
        if self.tail == -math.inf:
            return np.zeros(np.shape(log_kappa))
        return exp(np.min(self.eigenvalues[np.isfinite(self.eigenvalues)]) - log_kappa)

    def check_rank(self, count: Array, ridge: Array, name: str, received: object) -> None:
        """Refuses ``count`` at or above the rank where there is no ridge."""
        check(
            bool(np.all((ridge > 0.0) | (count < self.rank))),
            name,
            f"be below the kernel's rank, {self.rank:g}, without ridge",
            received,
        )


def listed_modes(eigenvalues: np.ndarray, multiplicities: np.ndarray, tail: float) -> Modes:
    """Modes of a list of eigenvalues.

    Args:
      eigenvalues: (K,) l_k.
      multiplicities: (K,) how many eigenfunctions have each.
      tail: sum of all further eigenvalues.

    Raises:
      RequirementError: negative eigenvalues or tail.
    """
    values, counts = (np.asarray(a, np.float64) for a in (eigenvalues, multiplicities))
    check(bool(np.all(values >= 0.0)), "eigenvalues", "be at least 0", eigenvalues)
    check(tail >= 0.0, "tail", "be at least 0", tail)
    rank = float(np.sum(counts[values > 0.0])) if tail == 0.0 else math.inf
    with np.errstate(divide="ignore"):
        return Modes(np.log(values), np.log(values * counts), float(np.log(tail)), rank)


def zonal_modes(
    kernel: ZonalSpectrum,
    target: ZonalSpectrum | DegreeCoefficients,
    norm: float,
    degree: int | None,
) -> tuple[Modes, np.ndarray, float]:
    """Modes of the kernel |x||x'| h and the target's energy in them.

    Args:
      kernel: spectrum of h; eigenvalues d gamma_k.
      target: spectrum of a neuron's family, or coefficients of any target.
      norm: |w*|.
      degree: keep only this degree of the target.

    Returns:
      Modes of the degrees both spectra hold, (K + 1,) energies, and the energy outside them.

    Raises:
      RequirementError: spectra of different dimensions, or a degree that they do not hold.
    """
    check(kernel.dim == target.dim, "kernel.dim", f"be {target.dim}, the target's", kernel.dim)
    count = min(kernel.max_degree, target.max_degree) + 1
    weights = norm**2 * target.weights[:count]
    rest = max(norm**2 * target.total - float(np.sum(weights)), 0.0)
    if degree is not None:
        check(0 <= degree < count, "degree", f"be from 0 to {count - 1}", degree)
        weights = np.where(np.arange(count) == degree, weights, 0.0)
        rest = 0.0
    logs = math.log(kernel.dim) + kernel.log_eigenvalues[:count]
    beyond = kernel.dim * (float(np.sum(kernel.weights[count:])) + kernel.tail)
    with np.errstate(divide="ignore"):
        tail = float(np.log(beyond))
    held = (k for k in range(count) if np.isfinite(logs[k]))
    rank = math.inf
    if beyond == 0.0:
        rank = float(min(sum(kernel.multiplicity(k) for k in held), _LARGEST_RANK))
    return Modes(logs, logs + kernel.log_multiplicities[:count], tail, rank), weights, rest
