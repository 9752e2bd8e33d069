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
from rf_limits.theory.harmonics import Reals, check_dim, log_gamma_ratio, log_multiplicity
from rf_limits.theory.tails import abel_plana

RELATIVE_ERROR = 1e-11
"""Of eigenvalues and tails in closed form, for d <= 1000 (tests compare with 40 digits)."""

TOTALS = (0.5, 0.5)
"""E sigma_alpha(x_1)^2 for x_1 ~ N(0, 1)."""


def log_eigenvalues(order: int, dim: int, degrees: Reals) -> Reals:
    """Log lambda_k of E sigma(<w, x>) sigma(<w', x>), x ~ N(0, I_d), |w| = |w'| = 1.

    Args:
      order: 0 for the step, 1 for relu.
      dim: dimension d >= 2.
      degrees: degrees k >= 0, real; or complex with real part at least 34, where the
        parity is taken to be the right one.

    Returns:
      Shape of ``degrees``; -inf for degrees that vanish.
    """
    check_dim(dim)
    k = np.asarray(degrees)
    scale = (math.log(dim) if order else 0.0) + 2.0 * (
        math.lgamma(0.5 * dim) - math.log(2.0 ** (1 + order) * math.pi)
    )
    if np.iscomplexobj(k):
        return scale - 2.0 * log_gamma_ratio(0.5 * (k - order), 0.5 * dim + order)
    k = k.astype(np.float64)
    inside = np.where(k > order, k, order + 1.0)
    logs = scale - 2.0 * log_gamma_ratio(0.5 * (inside - order), 0.5 * dim + order)
    # below 2^53 parity is that of the number; above, callers ask for degrees that count
    vanishes = (k < 2.0**53) & (np.mod(k - order, 2.0) == 0.0)
    logs = np.where(vanishes, -np.inf, logs)
    if order == 0:
        return np.where(k == 0, -math.log(4.0), logs)
    # d (E relu(t))^2
    mean = math.log(dim / (4.0 * math.pi)) - 2.0 * float(log_gamma_ratio(0.5 * dim, 0.5))
    return np.where(k == 0, mean, np.where(k == 1, -math.log(4.0 * dim), logs))


def log_weights(order: int, dim: int, degrees: Reals) -> Reals:
    """Log lambda_k B(d, k); arguments as for :func:`log_eigenvalues`."""
    return log_eigenvalues(order, dim, degrees) + log_multiplicity(dim, degrees)


def tail(order: int, dim: int, degree: int) -> float:
    """Sum of lambda_k B(d, k) over all k > ``degree``; relative error as stated above.

    Terms up to degree 42 are added one by one, the others by Abel-Plana.
    """
    check(degree >= 0, "degree", "be at least 0", degree)
    first = degree + 1 + (degree + order) % 2  # the next degree of parity alpha + 1
    start = max(first, 43 - order)  # both of parity alpha + 1
    terms = [0.25] if degree == 0 and order == 1 else []
    if first < start:
        terms += list(np.exp(log_weights(order, dim, np.arange(first, start, 2))))
    parity = float(start % 2)

    def term(n: Reals) -> Reals:
        return log_weights(order, dim, 2.0 * n + parity)

    terms.append(math.exp(abel_plana(term, 0.5 * (start - parity))))
    return math.fsum(float(term) for term in terms)


def log_tangent_eigenvalues(dim: int, degrees: Reals) -> Reals:
    r"""Log eigenvalues of the ReLU tangent kernel h(c) = K_1(c) + c K_0(c).

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
