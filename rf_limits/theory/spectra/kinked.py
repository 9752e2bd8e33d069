r"""Spectra of ReLU and step neurons with a bias, by one integral of positive terms.

Given r = |x|, the neuron relu(r t + b) (alpha = 1) or 1[r t + b > 0] (alpha = 0) is a zonal
function of the direction of x with kink at t_0 = -b/r. Rodrigues' formula and alpha + 1
integrations by parts give its coefficient for every degree k > alpha,

.. math:: \rho_k(r) = \frac{\Gamma(d/2)\,r^\alpha}{2^{1+\alpha}\sqrt\pi\,\Gamma((d+1)/2+\alpha)}
    (1-t_0^2)^{(d-1)/2+\alpha} P^{(d+2+2\alpha)}_{k-1-\alpha}(t_0), \qquad |t_0| < 1,

(zero for r < |b|), and lambda_k = E_r rho_k(r)^2 over r ~ chi_d: nothing cancels, at any
degree and dimension.
"""

import math
from functools import lru_cache

import numpy as np
from scipy import special

from rf_limits.theory.numerics.tails import panels
from rf_limits.theory.spectra.harmonics import log_mean_squares, log_multiplicity
from rf_limits.theory.spectra.zonal import log_radius_density

RELATIVE_ERROR = 1e-11
"""Of eigenvalues for d <= 1000 and |b| <= 10 (tests compare with 30 digits)."""

_DROP = 90.0  # panels end where the integrand has fallen by exp(-90)


def _radius_edges(order: int, dim: int, bias: float, max_degree: int) -> np.ndarray:
    """Ends of panels in s = r - |b|, fine enough for every degree's oscillation."""
    b = abs(bias)
    s = np.geomspace(1e-30, 60.0 + 4.0 * math.sqrt(dim) + b, 6000)
    r = b + s
    sine_square = s * (s + 2.0 * b) / r**2
    base = (dim - 1 + 2 * order) * np.log(r) - 0.5 * r * r + np.log(s)
    keep = np.zeros(s.size, bool)
    # sin^{d-1+2 alpha}... of low degrees, and sin^{d-2+2 alpha} left by oscillating ones
    for power in (dim - 1 + 2 * order, max(0.5 * dim - 1.0 + order, 0.0)):
        height = base + power * np.log(sine_square)
        keep |= height > height.max() - _DROP
    low, high = s[keep][0], s[keep][-1]
    kappa = max_degree + 0.5 * dim
    edges = [low]
    while edges[-1] < high:
        at = edges[-1]
        r = b + at
        phase_rate = b / (r * math.sqrt(at * (at + 2.0 * b)))  # d arccos(b/r) / d r
        edges.append(at + min(0.7 * at, 0.5, 8.0 / (kappa * phase_rate)))
    return np.array(edges)


def _mean_above(dim: int, end: np.ndarray) -> np.ndarray:
    """Returns E relu(t - cos(end)), an integral of positive terms in the angle."""
    x, weights = panels(np.linspace(0.0, 1.0, 9 + int(2.0 * math.sqrt(dim))))
    log_constant = math.lgamma(0.5 * dim) - math.lgamma(0.5 * (dim - 1)) - 0.5 * math.log(math.pi)
    value = np.zeros_like(end)
    for node, weight in zip(x, weights, strict=True):
        angle = node * end
        # cos(angle) - cos(end), as a product
        above = 2.0 * np.sin(0.5 * (end + angle)) * np.sin(0.5 * (end - angle))
        log_sine = np.log(np.sin(angle))
        value += weight * above * np.exp(log_constant + (dim - 2.0) * log_sine)
    return value * end


def _low_degrees(order: int, dim: int, bias: float) -> list[float]:
    """Returns the eigenvalues of the degrees k <= alpha, whose coefficients involve no polynomial.

    Positive biases follow from negative ones: 1[s > 0] = 1 - 1[-s > 0] and
    relu(s) = s + relu(-s), where the first terms have coefficients of degree 0 and 1 only.
    """
    b = abs(bias)
    s, weights = panels(_radius_edges(order, dim, bias, 0))
    r = b + s
    mass = weights * np.exp(log_radius_density(dim, r))

    def above(dimension: int) -> np.ndarray:  # P(t > b/r)
        half = 0.5 * (dimension - 1)
        return special.betainc(half, half, 0.5 * s / r)

    if order == 0:
        active = above(dim)
        value = float(mass @ active**2)
        return [value if bias < 0.0 else 1.0 - 2.0 * float(mass @ active) + value]
    mean = r * _mean_above(dim, 2.0 * np.arcsin(np.sqrt(0.5 * s / r)))
    slope = above(dim + 2)
    constant, linear = float(mass @ mean**2), float(mass @ (r * slope / dim) ** 2)
    if bias > 0.0:
        constant += b * b + 2.0 * b * float(mass @ mean)
        linear += 1.0 / dim - 2.0 * float(mass @ (r * r * slope)) / dim**2
    return [constant, linear]


@lru_cache(maxsize=256)
def log_eigenvalues(order: int, dim: int, bias: float, max_degree: int) -> np.ndarray:
    """Returns log lambda_k of E sigma(<w, x> + b) sigma(<w', x> + b), |w| = |w'| = 1, k <= K.

    Args:
      order: 0 for the step, 1 for relu.
      dim: dimension d >= 2; x ~ N(0, I_d).
      bias: b, not zero.
      max_degree: largest degree K; time grows like K^2.

    Returns:
      (K + 1,) logarithms, relative error of the eigenvalues as stated above; remembered,
      so not to be written to.
    """
    low = np.log(_low_degrees(order, dim, bias))
    if max_degree <= order:
        return low[: max_degree + 1]
    poly_dim, count = dim + 2 + 2 * order, max_degree - order - 1
    b = abs(bias)
    s, weights = panels(_radius_edges(order, dim, bias, max_degree))
    r = b + s
    log_constant = 2.0 * (
        math.lgamma(0.5 * dim)
        - math.lgamma(0.5 * (dim + 1) + order)
        - math.log(2.0 ** (1 + order) * math.sqrt(math.pi))
    )
    log_sine_square = np.log(s) + np.log(s + 2.0 * b) - 2.0 * np.log(r)
    log_mass = log_constant + np.log(weights) + log_radius_density(dim, r)
    log_mass += 2.0 * order * np.log(r)
    log_mass += (dim - 1.0 + 2.0 * order) * log_sine_square
    squares = log_mean_squares(poly_dim, count, b / r, log_mass)
    return np.concatenate([low, squares - log_multiplicity(poly_dim, np.arange(count + 1))])
