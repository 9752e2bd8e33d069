r"""Spherical harmonics on S^{d-1}: how many there are, and their zonal polynomials.

B(d, k) counts the harmonics of degree k; P_k is the Gegenbauer polynomial with P_k(1) = 1.
Differences of log-gamma functions are taken through Stirling's series, so that nothing is
lost for degrees up to 1e100.
"""

import math
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Array
from scipy import special

from rf_limits.theory.numerics.arguments import Dimension, Whole, border

Points = TypeVar("Points", np.ndarray, Array)
Reals = np.ndarray | np.generic | float | int
"""An array of any shape, or a number."""

_STIRLING = (  # B_2n / (2n (2n - 1))
    1 / 12,
    -1 / 360,
    1 / 1260,
    -1 / 1680,
    1 / 1188,
    -691 / 360360,
    1 / 156,
    -3617 / 122400,
)
_RUN = 16  # degrees of a recurrence between two scales
_ASYMPTOTIC = 16.0  # from here on the eight terms above leave less than 1e-19


def _stirling_rest(z: np.ndarray) -> np.ndarray:
    """Returns log Gamma(z) minus (z - 1/2) log z - z + log(2 pi)/2, for |z| >= 16, Re z > 0."""
    inverse = 1.0 / z
    value = np.zeros_like(inverse)
    for coefficient in reversed(_STIRLING):
        value = coefficient + value * inverse * inverse
    return value * inverse


def _log1p(z: np.ndarray) -> np.ndarray:
    """Returns log(1 + z); NumPy's own for complex numbers loses all digits of small ones."""
    if not np.iscomplexobj(z):
        return np.log1p(z)
    x, y = np.real(z), np.imag(z)
    return 0.5 * np.log1p(x * (2.0 + x) + y * y) + 1j * np.arctan2(y, 1.0 + x)


def log_gamma_ratio(x: Reals, a: Reals) -> np.ndarray:
    """Returns log Gamma(x + a) - log Gamma(x), without cancellation for large x.

    Args:
      x: real or complex, positive real part (complex: x and x + a beyond 16 in modulus).
      a: real, x + a of positive real part.

    Returns:
      Shape of ``x + a``; absolute error below 4e-15 (1 + |a| log(2 + |x + a|)).
    """
    wide = np.broadcast_arrays(np.asarray(x), np.asarray(a, np.float64))
    start, step = (np.atleast_1d(part) for part in wide)
    start = start if np.iscomplexobj(start) else start.astype(np.float64)
    small = (np.abs(start) < _ASYMPTOTIC) | (np.abs(start + step) < _ASYMPTOTIC)
    far = np.where(small, 2.0 * _ASYMPTOTIC, start)
    shift = np.where(small, 0.0, step)
    ratio = (far - 0.5) * _log1p(shift / far) + shift * np.log(far + shift) - shift
    ratio = ratio + _stirling_rest(far + shift) - _stirling_rest(far)
    if np.any(small):
        gamma = special.loggamma if np.iscomplexobj(start) else special.gammaln
        near, by = np.where(small, start, 1.0), np.where(small, step, 0.0)
        ratio = np.where(small, gamma(near + by) - gamma(near), ratio)
    return ratio.reshape(wide[0].shape)


@border
def multiplicity(dim: Dimension, degree: Whole) -> int:
    """Returns B(d, k), the number of linearly independent spherical harmonics, exactly.

    Raises:
      RequirementError: d < 2 or k < 0.
    """
    if degree == 0:
        return 1
    lower = math.comb(degree + dim - 3, dim - 1) if degree >= 2 else 0
    return math.comb(degree + dim - 1, dim - 1) - lower


@border
def log_multiplicity(dim: Dimension, degrees: Reals) -> np.ndarray:
    """Returns log B(d, k), elementwise.

    Args:
      dim: dimension d >= 2.
      degrees: degrees k >= 0, real (as floats, up to 1e100) or complex with Re k >= 16.

    Returns:
      Shape of ``degrees``; relative error below 1e-13.
    """
    k = np.asarray(degrees)
    k = k if np.iscomplexobj(k) else k.astype(np.float64)
    safe = np.where(k == 0, 1.0, k)
    # Gamma(k + d - 2) / (Gamma(k + 1) Gamma(d - 1)), expanded from the larger of the two
    from_degree = log_gamma_ratio(safe + 1.0, dim - 3.0) - math.lgamma(dim - 1.0)
    if not np.iscomplexobj(k):
        low = np.minimum(safe, dim)
        from_dim = log_gamma_ratio(np.full(k.shape, dim - 1.0), low - 1.0)
        from_dim = from_dim - special.gammaln(low + 1.0)
        from_degree = np.where(safe < dim, from_dim, from_degree)
    return np.where(k == 0, 0.0, np.log(2.0 * safe + (dim - 2.0)) + from_degree)


def gegenbauer_step(dim: int, degree: Any, t: Any, now: Any, before: Any) -> Any:
    """Returns P_{k+1}(t) from P_k(t) = ``now`` and P_{k-1}(t) = ``before`` (any numbers for k = 0).

    Elementwise, on NumPy or JAX arrays; the degree k may be traced.
    """
    # at k = 0 the factor of t is 1, also where d = 2
    above = (degree + dim - 2) + (degree == 0) * (dim == 2)
    return (t * now) * ((degree + above) / above) - before * (degree / above)


def polynomials(dim: int, max_degree: int, t: Points) -> Iterator[Points]:
    """Returns P_0(t), ..., P_K(t) with P_k(1) = 1, one after the other, elementwise on ``t``.

    Of an array of NumPy or JAX, traced or not.
    """
    numbers = t.__array_namespace__()
    now, before = numbers.ones_like(t), numbers.zeros_like(t)
    for k in range(max_degree + 1):
        yield now
        now, before = gegenbauer_step(dim, k, t, now, before), now


@border
def gegenbauer(dim: Dimension, max_degree: Whole, t: np.ndarray) -> np.ndarray:
    """Returns P_k(t) with P_k(1) = 1 for all degrees, by the three-term recurrence.

    Args:
      dim: dimension d >= 2.
      max_degree: largest degree.
      t: (m,) points in [-1, 1].

    Returns:
      (max_degree + 1, m) values, stable for |t| <= 1; they underflow to 0 where they are
      below 1e-308 (:func:`scaled_polynomials` do not).
    """
    return np.stack(list(polynomials(dim, max_degree, np.ravel(t).astype(np.float64))))


def recurrence_coefficients(dim: int, max_degree: int) -> np.ndarray:
    """Returns a_1 ... a_K of t q_k = a_{k+1} q_{k+1} + a_k q_{k-1}, q_k = sqrt(B(d,k)) P_k."""
    k = np.arange(1, max_degree + 1, dtype=np.float64)
    square = np.full(k.size, 1.0 / dim)
    k = k[1:]
    square[1:] = k * (k + dim - 3) / ((2 * k + dim - 2) * (2 * k + dim - 4))
    return np.sqrt(square)


def scaled_polynomials(
    dim: int, max_degree: int, t: np.ndarray, log_start: np.ndarray
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Returns q_k(t_i) exp(log_start_i), q_k = sqrt(B(d, k)) P_k, k = 0 ... K, with no overflow.

    Args:
      dim: dimension d >= 2 of the polynomials.
      max_degree: largest degree K.
      t: (m,) points in [-1, 1].
      log_start: (m,) logarithms of factors of any size.

    Returns:
      Runs of 16 degrees, each with (m,) logarithms of scales and the values (m,) of its degrees
      divided by these scales.
    """
    a = recurrence_coefficients(dim, max_degree + 1)
    log_scale, before, now = log_start, np.zeros_like(t), np.ones_like(t)
    for first in range(0, max_degree + 1, _RUN):
        run = []
        for k in range(first, min(first + _RUN, max_degree + 1)):
            run.append(now)
            now, before = (t * now - (a[k - 1] * before if k else 0.0)) / a[k], now
        yield log_scale, run
        size = np.maximum(np.abs(now), np.abs(before))
        size = np.where(size == 0.0, 1.0, size)
        now, before, log_scale = now / size, before / size, log_scale + np.log(size)


def log_mean_squares(
    dim: int, max_degree: int, t: np.ndarray, log_weights: np.ndarray
) -> np.ndarray:
    """Returns log sum_i exp(log_weights_i) B(d, k) P_k(t_i)^2 for k = 0 ... max_degree.

    Args:
      dim: dimension d >= 2 of the polynomials.
      max_degree: largest degree.
      t: (m,) points in [-1, 1].
      log_weights: (m,) logarithms of positive weights, of any size.

    Returns:
      (max_degree + 1,) logarithms; all terms are positive.
    """
    logs = []
    for log_scale, run in scaled_polynomials(dim, max_degree, t, 0.5 * log_weights):
        top = float(np.max(log_scale))
        depth = 2.0 * (log_scale - top)
        # what cannot count is zero: subnormal numbers would be slow
        factor = np.where(depth > -300.0, np.exp(np.maximum(depth, -300.0)), 0.0)
        for value in run:
            # not a BLAS product: its threads cost more than they gain at these sizes
            total = float(np.sum(factor * value * value))
            logs.append(math.log(total) + 2.0 * top if total > 0.0 else -math.inf)
    return np.array(logs)
