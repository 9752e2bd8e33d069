"""Spectra of zonal kernels h(cos theta): NNGP and tangent kernels, or any function."""

import math
from collections.abc import Callable

import numpy as np

from rf_limits.errors import check_choice
from rf_limits.theory.numerics.arguments import Dimension, Whole, border
from rf_limits.theory.numerics.tails import panels
from rf_limits.theory.spectra import homogeneous
from rf_limits.theory.spectra.harmonics import log_multiplicity, scaled_polynomials
from rf_limits.theory.spectra.spectrum import ZonalSpectrum, closed_spectrum

KERNELS = ("nngp", "ntk", "gate")


@border
def relu_kernel_spectrum(kernel: str, dim: Dimension, max_degree: Whole) -> ZonalSpectrum:
    """Returns the closed-form spectrum of the bias-free ReLU kernels, exact at high degree.

    Args:
      kernel: ``"nngp"``: K_1(c) = (sin theta + (pi - theta) c)/(2 pi) (half the arc-cosine
        kernel of order 1); ``"gate"``: K_0(c) = (pi - theta)/(2 pi) (order 0);
        ``"ntk"``: K_1(c) + c K_0(c). The network (1/sqrt N) sum u_i relu(<w_i, x>) with all
        weights N(0, 1) has NNGP |x||x'| K_1 and NTK |x||x'| (K_1 + c K_0).
      dim: dimension d >= 2.
      max_degree: largest degree K.

    Returns:
      A :class:`ZonalSpectrum`, relative error 1e-11 or less for d <= 1000. The NTK's tail
      follows from the tails of K_0 and K_1, without a difference.
    """
    check_choice(kernel, KERNELS, "kernel")
    k = np.arange(max_degree + 1)
    order = 0 if kernel == "gate" else 1
    total, tail = 0.5, homogeneous.tail(order, dim, max_degree)
    if kernel == "ntk":
        logs = homogeneous.log_tangent_eigenvalues(dim, k)
        total, tail = 1.0, tail + _shifted_tail(dim, max_degree)
    else:
        logs = homogeneous.log_eigenvalues(order, dim, k)
    return closed_spectrum(dim, logs, total, tail)


def _shifted_tail(dim: int, max_degree: int) -> float:
    """Returns the sum over k > K of the weights of c K_0(c): c moves degree j to j - 1 and j + 1.

    The weight of degree j of K_0 goes to j + 1 with share (j + d - 2)/(2j + d - 2) and to
    j - 1 with share j/(2j + d - 2): degrees j >= K + 2 stay beyond K, K and K + 1 in part.
    """
    value = homogeneous.tail(0, dim, max_degree + 1)
    for j in (max_degree, max_degree + 1):
        weight = math.exp(float(homogeneous.log_weights(0, dim, np.array(float(j)))))
        value += weight * (1.0 if j == 0 else (j + dim - 2) / (2 * j + dim - 2))
    return value


def _integrate(
    function: Callable[[np.ndarray], np.ndarray], dim: int, max_degree: int, num_panels: int
) -> np.ndarray:
    """Returns E h(t) q_k(t), q_k = sqrt(B(d, k)) P_k, in the angle."""
    angle, weights = panels(np.linspace(0.0, math.pi, num_panels + 1))
    t = np.cos(angle)
    start = (dim - 2.0) * np.log(np.sin(angle))
    weights = weights / np.sum(weights * np.exp(start))
    values = weights * np.asarray(function(t), np.float64)
    found: list[float] = []
    for log_scale, run in scaled_polynomials(dim, max_degree, t, start):
        scale = values * np.exp(np.maximum(log_scale, -700.0))
        found += [np.sum(scale * polynomial) for polynomial in run]
    return np.array(found)


@border
def kernel_spectrum(
    function: Callable[[np.ndarray], np.ndarray],
    dim: Dimension,
    max_degree: Whole,
) -> ZonalSpectrum:
    """Returns the spectrum of a zonal kernel h(cos theta) by quadrature.

    Args:
      function: h on arrays of cosines in [-1, 1]; smooth in the angle theta (so that
        arc-cosine kernels are smooth), positive semi-definite.
      dim: dimension d >= 2.
      max_degree: largest degree K.

    Returns:
      A :class:`ZonalSpectrum`. Quadrature cannot see eigenvalues below about
      1e-15 h(1)/sqrt(B(d, k)): they are returned as zero with ``error`` 1, and count
      towards ``tail``, which is the difference from h(1). ``error`` is the change from half
      as many nodes, and rounding.
    """
    size = 16 + int((max_degree + 8.0 * math.sqrt(dim)) / 4.0)
    coarse = _integrate(function, dim, max_degree, size)
    fine = _integrate(function, dim, max_degree, 2 * size)
    total = float(np.asarray(function(np.array([1.0])))[0])
    log_root = 0.5 * log_multiplicity(dim, np.arange(max_degree + 1))
    absolute = np.abs(fine - coarse) + 2e-15 * abs(total)
    resolved = fine > 2.0 * absolute
    divisor = np.where(resolved, fine, 1.0)
    logs = np.where(resolved, np.log(divisor) - log_root, -np.inf)
    error = np.where(resolved, absolute / divisor, 1.0)
    weights = np.where(resolved, fine * np.exp(log_root), 0.0)
    tail = max(total - math.fsum(weights), 0.0)
    tail_error = float(np.sum(weights * error)) + 1e-15 * abs(total)
    return ZonalSpectrum(dim, logs, error, total, tail, tail_error)
