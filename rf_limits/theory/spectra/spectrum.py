r"""The spectrum of a single neuron, and of any zonal kernel.

For f_w(x) = sigma(<w, x> + b) with |w| = 1 and x ~ N(0, I_d), the kernel
k(cos theta) = E f_w(x) f_{w'}(x) in the weight directions is
sum_k lambda_k B(d, k) P_k(cos theta). Three routes, all sums of positive terms: closed forms
without bias (:mod:`~rf_limits.theory.spectra.homogeneous`), a radial integral for ReLU and step
with bias (:mod:`~rf_limits.theory.spectra.kinked`), and for other activations the Hermite series

.. math:: \lambda_k = \sum_{j\ge k,\ j\equiv k} c_j^2\,E[t^jP_k(t)],\qquad
    E[t^jP_k] = \frac{j!\,\Gamma(d/2)\,\Gamma((j-k+1)/2)}
    {(j-k)!\,2^k\sqrt\pi\,\Gamma((j+k+d)/2)} .
"""

import dataclasses
import math

import numpy as np
from scipy import special

from rf_limits.errors import check
from rf_limits.theory.numerics.arguments import Dimension, Finite, Positive, Whole, border
from rf_limits.theory.numerics.tails import PowerTail, fit_power_tail
from rf_limits.theory.spectra import homogeneous, kinked
from rf_limits.theory.spectra.harmonics import log_gamma_ratio, log_multiplicity, multiplicity
from rf_limits.theory.spectra.hermite import Activation, hermite_series, second_moment

_MAX_DEGREE = 4096  # up to which a tail is sought before the difference from the total is taken
_SUM_ERROR = 5e-14  # relative to the total, of the total minus many weights
_KINKS = {"step": 0, "relu": 1}


@dataclasses.dataclass(frozen=True, eq=False)
class ZonalSpectrum:
    """Eigenvalues lambda_0 ... lambda_K of a zonal kernel, and what lies beyond.

    Attributes:
      dim: dimension d.
      log_eigenvalues: (K + 1,) log lambda_k, -inf where lambda_k = 0.
      error: (K + 1,) relative error of each eigenvalue; 1 where it could not be resolved.
      total: k(1), the sum of lambda_k B(d, k) over all degrees; for a neuron E f_w^2.
      tail: the same sum over k > K.
      tail_error: absolute error of ``tail``.
      asymptotic: the weights' expansion at high degree, where one was found.
    """

    dim: int
    log_eigenvalues: np.ndarray
    error: np.ndarray
    total: float
    tail: float
    tail_error: float
    asymptotic: PowerTail | None = None

    @property
    def max_degree(self) -> int:
        """Largest degree K held."""
        return self.log_eigenvalues.size - 1

    @property
    def eigenvalues(self) -> np.ndarray:
        """(K + 1,) lambda_k; zero below 1e-308, see ``log_eigenvalues``."""
        return np.exp(self.log_eigenvalues)

    @property
    def log_multiplicities(self) -> np.ndarray:
        """(K + 1,) log B(d, k)."""
        return log_multiplicity(self.dim, np.arange(self.max_degree + 1))

    @property
    def weights(self) -> np.ndarray:
        """(K + 1,) lambda_k B(d, k): the share of each degree in ``total``."""
        return np.exp(self.log_eigenvalues + self.log_multiplicities)

    def multiplicity(self, degree: int) -> int:
        """Returns B(d, k) exactly."""
        return multiplicity(self.dim, degree)


@border
def zonal_spectrum(
    dim: Dimension,
    max_degree: Whole,
    activation: Activation = "relu",
    *,
    bias: Finite = 0.0,
    norm: Positive = 1.0,
    tail_accuracy: Positive = 1e-10,
) -> ZonalSpectrum:
    """Returns the spectrum of f_w(x) = sigma(<w, x> + b), |w| = ``norm``, x ~ N(0, I_d).

    Args:
      dim: dimension d >= 2.
      max_degree: largest degree K.
      activation: one of :data:`rf_limits.theory.spectra.hermite.ACTIVATIONS`, or a function of an
        array (smooth: with kinks its Hermite series is long, and ``error`` says what is
        missing).
      bias: b.
      norm: |w|.
      tail_accuracy: relative accuracy of ``tail`` aimed at with ReLU or step and a bias, by
        computing up to 4096 degrees; ``tail_error`` says what was reached.

    Returns:
      A :class:`ZonalSpectrum`. For ReLU and step ``error`` is 1e-11 or less for d <= 1000
      (measured: 1e-12).

    Raises:
      RequirementError: d < 2, K < 0, norm <= 0, |b| too large for float64, an activation
        that does not exist.
    """
    if not isinstance(activation, str) or activation not in _KINKS:
        return _series_spectrum(dim, max_degree, activation, bias, norm)
    order = _KINKS[activation]
    beta, size = bias / norm, float(norm) ** (2 * order)
    check(abs(beta) <= 35.0, "bias", "be at most 35 times the norm in modulus", bias)
    if beta == 0.0:
        logs = homogeneous.log_eigenvalues(order, dim, np.arange(max_degree + 1))
        tail = homogeneous.tail(order, dim, max_degree)
        found = closed_spectrum(dim, logs, homogeneous.TOTALS[order], tail)
    else:
        found = _kinked_spectrum(order, dim, beta, max_degree, tail_accuracy)
    return _scaled(found, size)


def closed_spectrum(dim: int, logs: np.ndarray, total: float, tail: float) -> ZonalSpectrum:
    """Returns the spectrum whose log eigenvalues and tail are closed forms."""
    error = homogeneous.RELATIVE_ERROR
    return ZonalSpectrum(dim, logs, np.full(logs.size, error), total, tail, error * tail)


def _scaled(spectrum: ZonalSpectrum, size: float) -> ZonalSpectrum:
    """Returns all eigenvalues times ``size``."""
    if size == 1.0:
        return spectrum
    tail = spectrum.asymptotic
    if tail is not None:
        tail = tail._replace(coefficients=tuple(size * c for c in tail.coefficients))
    return dataclasses.replace(
        spectrum,
        log_eigenvalues=spectrum.log_eigenvalues + math.log(size),
        total=spectrum.total * size,
        tail=spectrum.tail * size,
        tail_error=spectrum.tail_error * size,
        asymptotic=tail,
    )


def _kinked_spectrum(
    order: int, dim: int, beta: float, max_degree: int, accuracy: float
) -> ZonalSpectrum:
    """Returns ReLU or step with a bias: more degrees until the tail is known relatively."""
    total = second_moment(order, beta)
    last = max(256, max_degree)
    best = asymptotic = None
    while True:
        logs = kinked.log_eigenvalues(order, dim, beta, last)
        weights = np.exp(logs + log_multiplicity(dim, np.arange(last + 1)))
        between = math.fsum(weights[max_degree + 1 :])
        fitted = fit_power_tail(weights, 0.5 * dim - 1.0, 2 + 2 * order)
        candidates = [] if best is None else [best]
        difference = max(total - math.fsum(weights[: max_degree + 1]), between)
        candidates.append((_SUM_ERROR * total, difference))
        if fitted is not None:
            beyond = fitted.beyond(float(last))
            error = kinked.RELATIVE_ERROR * between + fitted.relative_error * beyond
            candidates.append((error, between + beyond))
            if asymptotic is None or fitted.relative_error < asymptotic.relative_error:
                asymptotic = fitted
        best = min(candidates, key=lambda c: c[0])
        enough = best[0] <= accuracy * best[1]
        if enough or 2 * last > _MAX_DEGREE:
            break
        last *= 2
    relative = np.full(max_degree + 1, kinked.RELATIVE_ERROR)
    logs = logs[: max_degree + 1]
    return ZonalSpectrum(dim, logs, relative, total, best[1], best[0], asymptotic)


def _series_spectrum(
    dim: int, max_degree: int, activation: Activation, bias: float, norm: float
) -> ZonalSpectrum:
    """Returns any activation by its Hermite series, as long as it takes or 2048 terms."""
    last = max(64, max_degree + 64)
    while True:
        series = hermite_series(activation, last, scale=norm, bias=bias)
        if series.rest <= 4e-15 * series.total or last >= 2048:
            break
        last *= 2
    quadrature = callable(activation) or activation in ("tanh", "gelu")
    floor = series.error if quadrature else 0.0
    c = np.where(np.abs(series.coefficients) > floor, series.coefficients, 0.0)
    # what lies beyond the last term: its own size where the difference is only rounding
    resolved = series.rest > 4e-15 * series.total
    rest = series.rest if resolved else math.fsum(c[-16:] ** 2) + 16.0 * floor**2
    with np.errstate(divide="ignore"):
        log_square = 2.0 * np.log(np.abs(c))
    log_b = log_multiplicity(dim, np.arange(last + 1))
    logs, relative = np.full(last + 1, -np.inf), np.ones(last + 1)
    for k in range(last + 1):
        moments = log_moments(dim, k, np.arange(k, last + 1, 2.0))
        logs[k] = special.logsumexp(log_square[k::2] + moments)
        if logs[k] == -np.inf:
            relative[k] = 0.0 if not quadrature else 1.0
            continue
        # |sum (c + e)^2 m - sum c^2 m| <= 2 |e| (sum c^2 m sum m)^(1/2) + ...
        spread = 0.5 * min(float(special.logsumexp(moments)) - logs[k], 100.0)
        missing = min(-logs[k] - log_b[k], 100.0)
        relative[k] = 3.0 * floor * math.exp(spread) + rest * math.exp(missing)
        relative[k] = min(relative[k] + kinked.RELATIVE_ERROR, 1.0)
    weights = np.exp(logs + log_b)
    tail = math.fsum(weights[max_degree + 1 :]) + rest
    tail_error = math.fsum((weights * relative)[max_degree + 1 :]) + rest
    kept = slice(0, max_degree + 1)
    return ZonalSpectrum(dim, logs[kept], relative[kept], series.total, tail, tail_error)


def log_moments(dim: int, degree: int, powers: np.ndarray) -> np.ndarray:
    """Returns the log E t^j P_k(t), t the first coordinate of a uniform point of S^{d-1}.

    Args:
      dim: dimension d >= 2.
      degree: k.
      powers: (m,) exponents j >= k of the parity of k.

    Returns:
      (m,) logarithms, absolute error about 1e-15 times the largest log-gamma, log j!.
    """
    j, k = np.asarray(powers, np.float64), float(degree)
    above = log_gamma_ratio(j - k + 1.0, k) - k * math.log(2.0) - 0.5 * math.log(math.pi)
    below = log_gamma_ratio(0.5 * (j - k + 1.0), k + 0.5 * (dim - 1.0))
    return above - below + math.lgamma(0.5 * dim)
