"""Eigenvalues in decreasing order: sums beyond the p largest, counted with multiplicity.

Without bias the order is that of the degrees and everything is closed form; otherwise the
computed degrees are sorted, and a bound on all others tells how far the order is certain.
"""

import bisect
import itertools
import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from rf_limits.errors import check
from rf_limits.theory.numerics.arguments import Shown
from rf_limits.theory.spectra import homogeneous
from rf_limits.theory.spectra.harmonics import log_multiplicity, multiplicity
from rf_limits.theory.spectra.hermite import Activation
from rf_limits.theory.spectra.spectrum import ZonalSpectrum, zonal_spectrum

RELATIVE_ERROR = 1e-6
"""Sums less certain than this are refused."""

_TAIL = 1e-8  # relative accuracy of the tails asked for
_LARGEST_DEGREE = 2048  # of spectra computed degree by degree
_SETTLED = 2**50  # numbers of features below this are settled one by one
_LAST_DEGREE = 10**100  # whose powers float64 holds


_tail = lru_cache(maxsize=4096)(homogeneous.tail)


def _weight(order: int, dim: int, degree: int) -> float:
    return math.exp(float(homogeneous.log_weights(order, dim, np.array(float(degree)))))


def least(condition: Callable[[int], bool]) -> int:
    """Returns the least m >= 0 for which a monotone condition holds."""
    high = 1
    while not condition(high - 1):
        high *= 2
    low = high // 2  # holds at high - 1; does not below low
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (low, middle) if condition(middle - 1) else (middle, high)
    return high - 1


class Homogeneous(NamedTuple):
    """The bias-free neuron: degrees 0 and 1, then every other one, by closed forms."""

    order: int
    dim: int

    def degree(self, m: int) -> int:
        """Returns the degree number m >= 0 of the second part."""
        return 3 - self.order + 2 * m

    def count(self, m: int) -> int:
        """Returns the number of eigenvalues of degrees 0, 1 and degree(0) ... degree(m)."""
        extra = self.dim if self.order else 1
        return math.comb(self.degree(m) + self.dim - 1, self.dim - 1) + extra

    def limit(self, p: int) -> float:
        """Returns R*(p)."""
        order, dim = self.order, self.dim
        if p == 0:
            return homogeneous.TOTALS[order]
        if p <= dim + 1:
            return _tail(order, dim, 1) + (dim + 1 - p) / dim * _weight(order, dim, 1)
        m = least(lambda i: self.count(i) >= p)
        degree = self.degree(m)
        resolved = degree <= homogeneous.LARGEST_DEGREE
        check(resolved, "num_features", "leave a limit that float64 can resolve", Shown(p))
        left = (self.count(m) - p) / multiplicity(dim, degree)
        value = _tail(order, dim, degree) + left * _weight(order, dim, degree)
        check(value > 1e-305, "num_features", "leave a limit that float64 can resolve", Shown(p))
        return value

    def features(self, risk: float) -> int:
        """Returns the least p with R*(p) <= ``risk``; beyond 2^50 to the relative error of R*."""
        order, dim = self.order, self.dim
        if self.limit(1) <= risk:
            return 0 if self.limit(0) <= risk else 1
        if _tail(order, dim, 1) <= risk:
            below, number, degree = dim + 1, dim, 1
        else:
            m = least(lambda i: _tail(order, dim, self.degree(i)) <= risk)
            degree = self.degree(m)
            below, number = self.count(m), multiplicity(dim, degree)
        share = (risk - _tail(order, dim, degree)) / _weight(order, dim, degree)
        numerator, denominator = min(share, 1.0).as_integer_ratio()
        p = below - number * numerator // denominator
        # the division rounds: settle the last unit against the limit itself
        while p < _SETTLED and self.limit(p) > risk:
            p += 1
        while 0 < p < _SETTLED and self.limit(p - 1) <= risk:
            p -= 1
        return p


class _Ladder(NamedTuple):
    """Computed degrees sorted by eigenvalue, and what lies beyond them."""

    spectrum: ZonalSpectrum
    counts: list[int]  # eigenvalues up to and with each level
    sizes: list[int]  # multiplicity of each level
    weights: np.ndarray  # by level
    errors: np.ndarray  # absolute, by level
    logs: np.ndarray  # log eigenvalues, decreasing

    def level(self, p: int) -> int | None:
        """Returns the level that eigenvalue p belongs to; None where degrees beyond may precede."""
        level = bisect.bisect_left(self.counts, p)
        if level >= len(self.counts):
            return None
        k = self.spectrum.max_degree + 1
        if self.spectrum.tail <= 0.0:
            return level
        # lambda_j B(d, j) <= tail and B increases: no eigenvalue beyond exceeds this
        largest, expansion = self.spectrum.tail, self.spectrum.asymptotic
        if expansion is not None and expansion.relative_error <= 1.0 and expansion.first <= k:
            bound = (1.0 + expansion.relative_error) * expansion.weight(float(k))
            largest = min(largest, bound) if bound > 0.0 else largest
        bound = math.log(largest) - float(log_multiplicity(self.spectrum.dim, np.array(k)))
        return level if bound <= self.logs[level] else None

    def limit(self, p: int, level: int) -> tuple[float, float]:
        """Returns R*(p) and its absolute error."""
        left = (self.counts[level] - p) / self.sizes[level]
        rest = self.weights[level + 1 :]
        value = math.fsum([*rest, self.spectrum.tail, left * self.weights[level]])
        error = float(np.sum(self.errors[level:])) + self.spectrum.tail_error
        return value, error


@lru_cache(maxsize=64)
def _ladder(dim: int, max_degree: int, activation: Activation, beta: float, norm: float) -> _Ladder:
    spectrum = zonal_spectrum(
        dim, max_degree, activation, bias=beta, norm=norm, tail_accuracy=_TAIL
    )
    order = np.argsort(-spectrum.log_eigenvalues, kind="stable")
    order = order[np.isfinite(spectrum.log_eigenvalues[order])]
    sizes = [spectrum.multiplicity(int(k)) for k in order]
    counts = list(itertools.accumulate(sizes))
    weights = spectrum.weights[order]
    errors = weights * spectrum.error[order]
    return _Ladder(spectrum, counts, sizes, weights, errors, spectrum.log_eigenvalues[order])


def _all_degrees(dim: int, degree: int) -> int:
    """Returns harmonics of all degrees up to ``degree``."""
    lower = math.comb(degree + dim - 2, dim - 1) if degree else 0
    return math.comb(degree + dim - 1, dim - 1) + lower


def sorted_limit(
    p: int, dim: int, activation: Activation, beta: float, norm: float, negligible: float = 0.0
) -> float:
    """Returns R*(p) for any neuron, from its sorted spectrum.

    Args:
      p: number of features.
      dim: dimension d.
      activation: of the neuron.
      beta: its bias.
      norm: its length.
      negligible: limits certainly below this need not be resolved: a value that, with its
        error, lies below it is given as it is.

    Raises:
      RequirementError: a sum that float64 cannot resolve to ``RELATIVE_ERROR``.
    """
    needed = least(lambda k: _all_degrees(dim, k) >= max(p, 1))
    size = 64
    while size < min(2 * needed, _LARGEST_DEGREE):
        size *= 2
    while True:
        ladder = _ladder(dim, size, activation, beta, norm)
        if p == 0:
            return ladder.spectrum.total
        level = ladder.level(p)
        if level is not None or size >= _LARGEST_DEGREE:
            break
        size *= 2
    if level is not None:
        value, error = ladder.limit(p, level)
    else:
        value, error = _beyond(ladder, p, needed)
    reached = value == error == 0.0 or 0.0 <= error <= RELATIVE_ERROR * value
    reached = reached or value + error <= negligible
    check(reached, "num_features", "leave a limit that float64 can resolve", Shown(p))
    return value


def _beyond(ladder: _Ladder, p: int, degree: int) -> tuple[float, float]:
    """Returns R*(p) and its error where the expansion in the degree takes over."""
    spectrum = ladder.spectrum
    tail = spectrum.asymptotic
    if tail is None or degree <= spectrum.max_degree or not tail.relative_error <= RELATIVE_ERROR:
        return spectrum.tail, 0.0 if spectrum.tail == 0.0 else math.inf
    if degree > _LAST_DEGREE:
        return spectrum.tail, math.inf
    log_b = float(log_multiplicity(spectrum.dim, np.array(float(degree))))
    weight = tail.weight(float(degree))
    if weight <= 0.0 or math.log(weight) - log_b > ladder.logs[-1]:
        return spectrum.tail, math.inf
    number = multiplicity(spectrum.dim, degree)
    left = (_all_degrees(spectrum.dim, degree) - p) / number
    value = tail.beyond(float(degree)) + left * weight
    return value, abs(tail.relative_error * value)
