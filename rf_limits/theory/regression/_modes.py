"""Eigenvalues of a kernel by degree, and the sums of learning curves over them.

Everything is held in logarithms, so that no degree overflows. What lies beyond the last degree
enters through its trace: its eigenvalues are small beside kappa, and l/(l + kappa) is l/kappa.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rf_limits.errors import check
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.arguments import Numbers, Shown
from rf_limits.theory.spectra.spectrum import ZonalSpectrum

_BISECTIONS = 200
_LARGEST = 690.0  # sums of thousands of exponentials of it are finite
_WIDEST_BRACKET = 1400.0
_LARGEST_RANK = 10**300  # exact integers beyond have no float


def exp(logs: np.ndarray) -> np.ndarray:
    """Returns exponentials, at most e^690: large enough to exceed any number of samples."""
    return np.exp(np.minimum(logs, _LARGEST))


def log(values: np.ndarray | float) -> np.ndarray:
    """Returns logarithms, -inf at 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))


def bisected(more: Callable[[np.ndarray], np.ndarray], high: np.ndarray) -> np.ndarray:
    """Returns the points from which on ``more`` is false, each at most ``high``."""
    low = high - _WIDEST_BRACKET
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        above = more(middle)
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return 0.5 * (low + high)


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

    def degrees_of_freedom(self, log_kappa: np.ndarray) -> np.ndarray:
        """Returns sum_i L_i, L_i = l_i/(l_i + kappa), with the tail as its trace over kappa."""
        logs = self.weights - np.logaddexp(self.eigenvalues, log_kappa[..., None])
        return np.sum(exp(logs), axis=-1) + exp(self.tail - log_kappa)

    def squares(self, log_kappa: np.ndarray) -> np.ndarray:
        """Returns sum_i L_i^2."""
        both = np.logaddexp(self.eigenvalues, log_kappa[..., None])
        with np.errstate(invalid="ignore"):  # -inf - inf for degrees the kernel does not have
            logs = self.weights + self.eigenvalues - 2.0 * both
        return np.sum(exp(logs), axis=-1)

    def products(self, log_kappa: np.ndarray) -> np.ndarray:
        """Returns sum_i L_i (1 - L_i), with the tail as its trace over kappa."""
        both = np.logaddexp(self.eigenvalues, log_kappa[..., None])
        logs = self.weights + log_kappa[..., None] - 2.0 * both
        return np.sum(exp(logs), axis=-1) + exp(self.tail - log_kappa)

    @property
    def log_trace(self) -> float:
        """The log of the sum of all eigenvalues; sum_i L_i is at most that sum over kappa."""
        return float(np.logaddexp(np.logaddexp.reduce(self.weights), self.tail))

    @property
    def least_eigenvalue(self) -> float:
        """The log of the smallest eigenvalue held, 0 if there is none."""
        return float(np.min(self.eigenvalues[np.isfinite(self.eigenvalues)], initial=0.0))

    def log_root(
        self, too_small: Callable[[np.ndarray, np.ndarray], np.ndarray], high: np.ndarray
    ) -> np.ndarray:
        """Returns log kappa from which on ``too_small`` is false, by bisection.

        Args:
          too_small: takes log kappa and sum_i L_i there; is true below one kappa, false above.
          high: upper bound on the result.
        """

        def more(log_kappa: np.ndarray) -> np.ndarray:
            return too_small(log_kappa, self.degrees_of_freedom(log_kappa))

        return bisected(more, high)

    def tail_error(self, log_kappa: np.ndarray) -> np.ndarray:
        """Returns l_K/kappa, l_K the smallest eigenvalue held: at least l/kappa in the tail."""
        if self.tail == -math.inf:
            return np.zeros(np.shape(log_kappa))
        return exp(np.min(self.eigenvalues[np.isfinite(self.eigenvalues)]) - log_kappa)


def energies_of(value: Numbers, field: str) -> np.ndarray:
    """Returns numbers along one axis, each of which must be finite and at least 0."""
    found = arguments.vector(value, field)
    right = bool(np.all((found >= 0.0) & np.isfinite(found)))
    check(right, field, "be at least 0 and finite", Shown(found))
    return found


def listed_modes(eigenvalues: Numbers, multiplicities: Numbers, tail: float | int) -> Modes:
    """Returns the modes of a list of eigenvalues.

    Args:
      eigenvalues: (K,) l_k.
      multiplicities: (K,) how many eigenfunctions have each.
      tail: sum of all further eigenvalues.

    Raises:
      RequirementError: negative eigenvalues or tail, or no positive one.
    """
    values = energies_of(eigenvalues, "eigenvalues")
    counts = energies_of(multiplicities, "multiplicities")
    same = values.shape == counts.shape
    check(same, "multiplicities", f"hold {values.size} numbers, as eigenvalues do", counts.size)
    check(bool(np.any(values > 0.0)) or tail > 0.0, "eigenvalues", "not all be 0", eigenvalues)
    rank = float(np.sum(counts[values > 0.0])) if tail == 0.0 else math.inf
    return Modes(log(values), log(values * counts), float(log(tail)), rank)


def zonal_modes(kernel: ZonalSpectrum, count: int) -> Modes:
    """Returns the modes of the kernel |x||x'| h on the directions: eigenvalues d gamma_k.

    Args:
      kernel: spectrum of h.
      count: number of degrees to hold; the others join the tail.
    """
    logs = math.log(kernel.dim) + kernel.log_eigenvalues[:count]
    beyond = kernel.dim * (float(np.sum(kernel.weights[count:])) + kernel.tail)
    held = (k for k in range(count) if np.isfinite(logs[k]))
    rank = math.inf
    if beyond == 0.0:
        rank = float(min(sum(kernel.multiplicity(k) for k in held), _LARGEST_RANK))
    return Modes(logs, logs + kernel.log_multiplicities[:count], float(log(beyond)), rank)
