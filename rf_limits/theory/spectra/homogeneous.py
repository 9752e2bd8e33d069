r"""Spectra in closed form: ReLU and step neurons without bias, and their kernels.

With t the first coordinate of a uniform point of S^{d-1}, Rodrigues' formula gives

.. math:: |E\,\sigma_\alpha(t)P_k(t)| = \frac{\Gamma(d/2)\,\Gamma((k-\alpha)/2)}
    {2^{1+\alpha}\pi\,\Gamma((k+d+\alpha)/2)}, \qquad k \equiv \alpha + 1 \bmod 2,\ k > \alpha,

for sigma_0 = 1[t > 0] and sigma_1 = relu (Bach 2017, "Breaking the curse of dimensionality
with convex neural networks", appendix D, in another normalization); the other degrees
k > alpha vanish. Under x ~ N(0, I_d) the eigenvalue is E |x|^{2 alpha} times its square.
"""

import math

import numpy as np

from rf_limits.errors import check
from rf_limits.theory.numerics.arguments import Dimension, Shown, Whole, border
from rf_limits.theory.numerics.tails import abel_plana
from rf_limits.theory.spectra.harmonics import Reals, log_gamma_ratio

RELATIVE_ERROR = 1e-11
"""Of eigenvalues in closed form, for d <= 1000 (tests compare with 40 digits)."""

WEIGHT_ERROR = 1e-12
"""Relative, of weights lambda_k B(d, k) and their tails, for every d and k.

Each rounding of a logarithm of up to 700 counts; tests compare with 40 digits up to d = 10^12 and
degrees of 10^300."""

LARGEST_DEGREE = 10**305
"""Float64 holds the tails beyond degrees up to this, of the step in any dimension."""

_POWER_LAW = 1e200  # from this degree on weights are a power of the degree to rounding

TOTALS = (0.5, 0.5)
"""E sigma_alpha(x_1)^2 for x_1 ~ N(0, 1)."""


@border
def log_eigenvalues(order: int, dim: Dimension, degrees: Reals) -> np.ndarray:
    """Returns log lambda_k of E sigma(<w, x>) sigma(<w', x>), x ~ N(0, I_d), |w| = |w'| = 1.

    Args:
      order: 0 for the step, 1 for relu.
      dim: dimension d >= 2.
      degrees: degrees k >= 0.

    Returns:
      Shape of ``degrees``; -inf for degrees that vanish.
    """
    k = np.asarray(degrees, np.float64)
    scale = (math.log(dim) if order else 0.0) + 2.0 * (
        math.lgamma(0.5 * dim) - math.log(2.0 ** (1 + order) * math.pi)
    )
    inside = np.where(k > order, k, order + 1.0)
    ratio = log_gamma_ratio(0.5 * (inside - order), 0.5 * dim + order)
    return _with_low_degrees(order, dim, k, scale - 2.0 * ratio, -math.log(4.0 * dim))


def _with_low_degrees(order: int, dim: int, k: np.ndarray, logs: Reals, first: float) -> np.ndarray:
    """Returns ``logs`` of degrees k > alpha, -inf at those of the wrong parity, and the others.

    Beyond 2^53 no degree is taken for one of the wrong parity. ``first`` is the entry of degree
    1 of relu; degree 0 has d (E relu(t))^2, and 1/4 for the step.
    """
    logs = np.where((k < 2.0**53) & (np.mod(k - order, 2.0) == 0.0), -np.inf, logs)
    if order == 0:
        return np.where(k == 0, -math.log(4.0), logs)
    mean = math.log(dim / (4.0 * math.pi)) - 2.0 * float(log_gamma_ratio(0.5 * dim, 0.5))
    return np.where(k == 0, mean, np.where(k == 1, first, logs))


@border
def log_weights(order: int, dim: Dimension, degrees: Reals) -> np.ndarray:
    """Returns log lambda_k B(d, k), absolute error ``WEIGHT_ERROR``; arguments as above."""
    k = np.asarray(degrees, np.float64)
    analytic = _log_analytic_weights(order, dim, np.where(k > order, k, order + 1.0))
    return _with_low_degrees(order, dim, k, analytic, -math.log(4.0))


def _log_analytic_weights(order: int, dim: int, k: np.ndarray) -> np.ndarray:
    r"""Returns log lambda_k B(d, k), analytic in k > alpha, real or complex (Re k >= 40).

    By the duplication formula every power of k that grows with d cancels,

    .. math:: \lambda_k B(d,k) = \frac{c\,(2k+d-2)}{(k-\alpha)(k+d-2+\alpha)}
        \frac{\Gamma(\frac{k-\alpha}2)}{\Gamma(\frac{k+1}2)}
        \frac{\Gamma(\frac{k+d-1-\alpha}2)}{\Gamma(\frac{k+d+\alpha}2)}\,r_\alpha .
    """
    a, half = 0.5 * k, 0.5 * dim
    constant = float(log_gamma_ratio(half - 0.5, 0.5)) - 1.5 * math.log(math.pi)
    if order == 0:
        constant -= math.log(2.0)
        first = log_gamma_ratio(a, 0.5)
        second = log_gamma_ratio(a + (half - 0.5), 0.5)
    else:
        constant += math.log(dim) - math.log(8.0)
        first = log_gamma_ratio(a - 0.5, 1.5)
        second = log_gamma_ratio(a + (half - 1.0), 1.5)
    # (2k + d - 2)/((k - alpha)(k + d - 2 + alpha)), no product of which can overflow
    share = (2.0 * k + (dim - 2.0)) / (k + (dim - 2.0 + order)) / (k - order)
    return np.asarray(constant + np.log(share) - first - second)


@border
def tail(order: int, dim: Dimension, degree: Whole) -> float:
    """Returns the sum of lambda_k B(d, k) over all k > ``degree``; relative error ``WEIGHT_ERROR``.

    Terms up to degree 42 are added one by one, the others by Abel-Plana.

    Args:
      order: 0 for the step, 1 for relu.
      dim: dimension d, at least 2.
      degree: K, from 0 to ``LARGEST_DEGREE``.
    """
    check(degree <= LARGEST_DEGREE, "degree", "be at most 1e305", Shown(degree))
    if degree > _POWER_LAW:
        far = tail(order, dim, int(_POWER_LAW))
        return far * (_POWER_LAW / degree) ** (2 * order + 1)
    first = degree + 1 + (degree + order) % 2  # the next degree of parity alpha + 1
    start = max(first, 43 - order)  # both of parity alpha + 1
    terms = [0.25] if degree == 0 and order == 1 else []
    if first < start:
        terms += list(np.exp(log_weights(order, dim, np.arange(first, start, 2))))
    parity = start % 2

    def term(n: np.ndarray) -> np.ndarray:
        return _log_analytic_weights(order, dim, 2.0 * n + parity)

    terms.append(math.exp(abel_plana(term, float((start - parity) // 2))))
    return math.fsum(float(term) for term in terms)


@border
def log_tangent_eigenvalues(dim: Dimension, degrees: Reals) -> np.ndarray:
    r"""Returns the log eigenvalues of the ReLU tangent kernel h(c) = K_1(c) + c K_0(c).

    K_0 = (pi - theta)/(2 pi) and K_1 = (sin theta + (pi - theta) c)/(2 pi): training both
    layers of (1/sqrt N) sum_i u_i relu(<w_i, x>), all weights N(0, 1), has the tangent
    kernel |x||x'| h(cos theta). Multiplication by c couples neighbouring degrees with
    positive coefficients, (2k + d - 2) c P_k = (k + d - 2) P_{k+1} + k P_{k-1}.

    Args:
      dim: dimension d >= 2.
      degrees: degrees k >= 0.

    Returns:
      Shape of ``degrees``; -inf for odd k >= 3.
    """
    k = np.asarray(degrees, np.float64)
    above = log_eigenvalues(0, dim, k + 1.0)
    below = log_eigenvalues(0, dim, np.maximum(k - 1.0, 0.0))
    with np.errstate(divide="ignore"):
        up = np.log(k + dim - 2.0) - np.log(np.maximum(2.0 * k + dim - 2.0, 1e-300))
        down = np.log(k) - np.log(np.maximum(2.0 * k + dim - 2.0, 1e-300))
    up = np.where(k == 0, 0.0, up)  # also where d = 2
    return np.logaddexp(log_eigenvalues(1, dim, k), np.logaddexp(above + up, below + down))
