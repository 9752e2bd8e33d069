r"""The lazy limit: the least risk of any p functions fixed before the target is drawn.

.. math:: E_{w^*} \min_u E_x\Bigl(\sum_{i\le p} u_i f_i(x) - f_{w^*}(x)\Bigr)^2
    \ge R^*(p) = \sum_{j>p}\lambda_{(j)},

the eigenvalues of the target family in decreasing order, counted with multiplicity
(docs/theory.md has the proof). It holds for random features, tangent features, linearized
networks and, with p the number of samples, for every kernel method.
"""

import bisect
import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import optimize

from rf_limits.errors import check
from rf_limits.theory import homogeneous
from rf_limits.theory.harmonics import check_dim, log_multiplicity, multiplicity
from rf_limits.theory.spectrum import ZonalSpectrum, zonal_spectrum

RELATIVE_ERROR = 1e-6
"""Limits less certain than this are refused; without bias they are good to 1e-11."""

_TAIL = 1e-8  # relative accuracy of the tails asked for
_LARGEST_DEGREE = 2048  # of spectra computed degree by degree
_MOST_FEATURES = 10**300  # sought by features_for_risk where it has to bisect
_ORDERS = {"step": 0, "relu": 1}

Activation = str | Callable[[np.ndarray], np.ndarray]
Count = int | float | np.integer | np.floating


@lru_cache(maxsize=4096)
def _tail(order: int, dim: int, degree: int) -> float:
    return homogeneous.tail(order, dim, degree)


def _weight(order: int, dim: int, degree: int) -> float:
    return math.exp(float(homogeneous.log_weights(order, dim, np.array(float(degree)))))


def _least(condition: Callable[[int], bool]) -> int:
    """Least m >= 0 for which a monotone condition holds."""
    high = 1
    while not condition(high - 1):
        high *= 2
    low = high // 2  # holds at high - 1; does not below low
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (low, middle) if condition(middle - 1) else (middle, high)
    return high - 1


class _Homogeneous(NamedTuple):
    """The bias-free neuron: degrees 0 and 1, then every other one, by closed forms."""

    order: int
    dim: int

    def degree(self, m: int) -> int:
        return 3 - self.order + 2 * m

    def count(self, m: int) -> int:
        """Eigenvalues of degrees 0, 1 and degree(0) ... degree(m): homogeneous polynomials."""
        extra = self.dim if self.order else 1
        return math.comb(self.degree(m) + self.dim - 1, self.dim - 1) + extra

    def limit(self, p: int) -> float:
        order, dim = self.order, self.dim
        if p == 0:
            return homogeneous.TOTALS[order]
        if p <= dim + 1:
            return _tail(order, dim, 1) + (dim + 1 - p) / dim * _weight(order, dim, 1)
        m = _least(lambda i: self.count(i) >= p)
        degree = self.degree(m)
        left = (self.count(m) - p) / multiplicity(dim, degree)
        return _tail(order, dim, degree) + left * _weight(order, dim, degree)

    def features(self, risk: float) -> int:
        order, dim = self.order, self.dim
        if self.limit(1) <= risk:
            return 0 if self.limit(0) <= risk else 1
        if _tail(order, dim, 1) <= risk:
            below, number, degree = dim + 1, dim, 1
        else:
            m = _least(lambda i: _tail(order, dim, self.degree(i)) <= risk)
            degree = self.degree(m)
            below, number = self.count(m), multiplicity(dim, degree)
        share = (risk - _tail(order, dim, degree)) / _weight(order, dim, degree)
        numerator, denominator = min(share, 1.0).as_integer_ratio()
        p = below - number * numerator // denominator
        # the division rounds: settle the last unit against the limit itself
        while p < 2**50 and self.limit(p) > risk:
            p += 1
        while 0 < p < 2**50 and self.limit(p - 1) <= risk:
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
        """The level that eigenvalue p belongs to; None where degrees beyond may precede."""
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
        """R*(p) and its absolute error."""
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
    counts, total = [], 0
    for size in sizes:
        total += size
        counts.append(total)
    weights = spectrum.weights[order]
    errors = weights * spectrum.error[order]
    return _Ladder(spectrum, counts, sizes, weights, errors, spectrum.log_eigenvalues[order])


def _all_degrees(dim: int, degree: int) -> int:
    """Harmonics of all degrees up to ``degree``."""
    lower = math.comb(degree + dim - 2, dim - 1) if degree else 0
    return math.comb(degree + dim - 1, dim - 1) + lower


def _general_limit(p: int, dim: int, activation: Activation, beta: float, norm: float) -> float:
    needed = _least(lambda k: _all_degrees(dim, k) >= max(p, 1))
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
    check(reached, "num_features", "leave a limit that float64 can resolve", p)
    return value


def _beyond(ladder: _Ladder, p: int, degree: int) -> tuple[float, float]:
    """R*(p) and its error where the expansion in the degree takes over."""
    spectrum = ladder.spectrum
    tail = spectrum.asymptotic
    unknown = tail is None or not tail.relative_error <= RELATIVE_ERROR
    if unknown or degree <= spectrum.max_degree:
        if spectrum.tail == 0.0:
            return 0.0, 0.0
        return spectrum.tail, math.inf
    log_b = float(log_multiplicity(spectrum.dim, np.array(float(degree))))
    weight = tail.weight(float(degree))
    if weight <= 0.0 or math.log(weight) - log_b > ladder.logs[-1]:
        return spectrum.tail, math.inf
    number = multiplicity(spectrum.dim, degree)
    left = (_all_degrees(spectrum.dim, degree) - p) / number
    value = tail.beyond(float(degree)) + left * weight
    return value, abs(tail.relative_error * value)


def _count(p: Count) -> int:
    check(p >= 0 and math.isfinite(p), "num_features", "be at least 0 and finite", p)
    return math.floor(p)


def _check(dim: int, norm: float, bias: float) -> None:
    check_dim(dim)
    check(norm > 0.0 and math.isfinite(norm), "norm", "be positive and finite", norm)
    check(math.isfinite(bias), "bias", "be finite", bias)


def _limit(p: int, dim: int, norm: float, bias: float, activation: Activation) -> float:
    order = _ORDERS.get(activation) if isinstance(activation, str) else None
    if order is None:
        return _general_limit(p, dim, activation, bias, norm)
    size = norm ** (2 * order)
    if bias == 0.0:
        return size * _Homogeneous(order, dim).limit(p)
    return size * _general_limit(p, dim, activation, bias / norm, 1.0)


def lazy_limit(
    num_features: Count | list | tuple | np.ndarray,
    dim: int,
    *,
    norm: float = 1.0,
    bias: float = 0.0,
    activation: Activation = "relu",
) -> float | np.ndarray:
    """R*(p) for the target sigma(<w*, x> + b*), w* uniform of length ``norm``, x ~ N(0, I_d).

    Args:
      num_features: p >= 0, one number or several; fractions are rounded down. Integers of
        any size without bias; with a bias up to where float64 resolves the limit.
      dim: dimension d >= 2.
      norm: |w*|.
      bias: b*.
      activation: as for :func:`rf_limits.theory.spectrum.zonal_spectrum`.

    Returns:
      Absolute risk (relative: divide by ``lazy_limit(0, ...)``, which is E f*^2); a float, or
      an array of the shape of ``num_features``. Relative error 1e-11 for ReLU and step
      without bias, d <= 1000; otherwise better than ``RELATIVE_ERROR``.

    Raises:
      RequirementError: p < 0, d < 2, norm <= 0, or a limit that cannot be resolved.
    """
    _check(dim, norm, bias)
    if isinstance(num_features, (list, tuple, np.ndarray)) and np.ndim(num_features) > 0:
        counts = np.asarray(num_features, object)
        values = [_limit(_count(p), dim, norm, bias, activation) for p in counts.ravel()]
        return np.array(values, np.float64).reshape(counts.shape)
    if isinstance(num_features, np.ndarray):
        num_features = num_features.item()
    return _limit(_count(num_features), dim, norm, bias, activation)


def features_for_risk(
    risk: float,
    dim: int,
    *,
    norm: float = 1.0,
    bias: float = 0.0,
    activation: Activation = "relu",
) -> int:
    """Least p with R*(p) <= ``risk``: what any lazy method needs, in features and in samples.

    Args:
      risk: absolute risk, positive.
      dim: dimension d >= 2.
      norm: |w*|.
      bias: b*.
      activation: as for :func:`lazy_limit`.

    Returns:
      p, exact up to 2^50 and beyond that with the relative accuracy of the limit.

    Raises:
      RequirementError: risk <= 0, an impossible argument, or a risk that cannot be resolved.
    """
    _check(dim, norm, bias)
    check(risk > 0.0 and math.isfinite(risk), "risk", "be positive and finite", risk)
    order = _ORDERS.get(activation) if isinstance(activation, str) else None
    if order is not None and bias == 0.0:
        reduced = risk / norm ** (2 * order)
        check(reduced >= 1e-200, "risk", "be at least 1e-200 norm^2", risk)
        return _Homogeneous(order, dim).features(reduced)

    def reached(p: int) -> bool:
        check(p <= _MOST_FEATURES, "risk", "be reachable with 1e300 features", risk)
        return _limit(p, dim, norm, bias, activation) <= risk

    return _least(reached)


def hardest_bias(
    num_features: Count,
    dim: int,
    *,
    norm: float = 1.0,
    max_bias: float | None = None,
    grid: int = 25,
) -> tuple[float, float]:
    """The bias of a ReLU target that makes the lazy limit largest, in absolute risk.

    Args:
      num_features: p >= 0.
      dim: dimension d >= 2.
      norm: |w*|.
      max_bias: biases are sought in [-max_bias, max_bias]; 4 ``norm`` if left out. With
        p = 0 the limit E f*^2 increases up to the upper end.
      grid: points of the first search, which a bounded minimization refines.

    Returns:
      (bias, R*): where found, and the limit there. Biases whose limit cannot be resolved are
      passed over; the maximum is the largest found, no certificate of a global one.

    Raises:
      RequirementError: as :func:`lazy_limit`; max_bias not positive.
    """
    _check(dim, norm, 0.0)
    max_bias = 4.0 * norm if max_bias is None else max_bias
    check(max_bias > 0.0, "max_bias", "be positive", max_bias)
    check(max_bias <= 35.0 * norm, "max_bias", "be at most 35 times the norm", max_bias)
    check(grid >= 3, "grid", "be at least 3", grid)
    p = _count(num_features)

    def limit(bias: float) -> float:
        try:
            return _limit(p, dim, norm, float(bias), "relu")
        except ValueError:
            return -math.inf

    biases = np.unique(np.append(np.linspace(-max_bias, max_bias, grid), 0.0))
    values = [limit(b) for b in biases]
    best = int(np.argmax(values))
    low, high = biases[max(best - 1, 0)], biases[min(best + 1, biases.size - 1)]
    found = optimize.minimize_scalar(
        lambda b: -limit(b), bounds=(low, high), method="bounded", options={"xatol": 1e-7 * norm}
    )
    if -found.fun > values[best]:
        return float(found.x), float(-found.fun)
    return float(biases[best]), float(values[best])
