r"""Sums over infinitely many degrees, without subtracting the finitely many from the total.

Two ways: the Abel-Plana formula, exact for terms known as an analytic function of the
degree; and, for terms known only at integers, an expansion in inverse powers fitted to the
last of them and summed by the Hurwitz zeta function.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special

legendre = lru_cache(np.polynomial.legendre.leggauss)
"""Nodes and weights of Gauss and Legendre's rule on [-1, 1]; not to be written to."""


def panels(edges: np.ndarray, order: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Returns a composite Gauss-Legendre rule.

    Args:
      edges: (n + 1,) increasing ends of the panels.
      order: number of nodes of a panel.

    Returns:
      (order n,) nodes and (order n,) weights.
    """
    nodes, weights = legendre(order)
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (middle + half * nodes).ravel(), (half * weights).ravel()


def abel_plana(log_term: Callable[[np.ndarray], np.ndarray], start: float) -> float:
    r"""Returns the log of sum_{n >= 0} f(start + n) for f falling like an inverse power.

    .. math:: \sum_{n\ge 0} f(N+n) = \int_N^\infty f + \tfrac12 f(N)
        - 2\int_0^\infty \frac{\mathrm{Im} f(N+iy)}{e^{2\pi y}-1}\,dy .

    Args:
      log_term: log f, analytic for Re z >= start, of real and complex arguments.
      start: N >= 16; f must fall at least like n^{-2} and vary on the scale of N or more.

    Returns:
      log of the sum; relative error about 1e-14 beyond that of ``log_term``.
    """
    u, weights = panels(np.arange(0.0, 60.5, 0.5))
    x = start * np.exp(u)
    top = float(np.real(log_term(np.array([float(start)])))[0])
    integral = float(weights @ np.exp(np.real(log_term(x)) - top + u)) * start
    y, weights = panels(np.linspace(0.0, 7.0, 29))
    values = np.exp(log_term(start + 1j * y) - top)
    correction = float(weights @ (np.imag(values) / np.expm1(2.0 * np.pi * y)))
    return top + float(np.log(integral + 0.5 - 2.0 * correction))


class PowerTail(NamedTuple):
    r"""Weights behaving as kappa^{-power} sum_j coefficients_j (scale/kappa)^{2j}.

    kappa = k + shift is the degree counted from the symmetry point of the recurrence.

    Attributes:
      power: leading power.
      shift: (d - 2)/2.
      scale: length that makes the coefficients comparable.
      coefficients: fitted.
      relative_error: estimate, of the weights and tails of all degrees from ``first`` on.
      first: least degree fitted.
    """

    power: int
    shift: float
    scale: float | int
    coefficients: tuple[float, ...]
    relative_error: float
    first: int

    def weight(self, degree: float | int) -> float:
        """Returns the weight of one degree."""
        ratio = (self.scale / (degree + self.shift)) ** 2
        series = np.polynomial.polynomial.polyval(ratio, self.coefficients)
        return float(series) * (degree + self.shift) ** -float(self.power)

    def beyond(self, degree: float | int) -> float:
        """Returns the sum of the weights of all degrees k > ``degree``."""
        start = degree + 1.0 + self.shift
        total = 0.0
        for j, coefficient in enumerate(self.coefficients):
            power = self.power + 2 * j
            scaled = coefficient * (self.scale / start) ** (2 * j)
            # zeta(s, q) q^s loses nothing where q^-s alone would underflow
            total += scaled * _scaled_zeta(power, start) * start ** -float(self.power)
        return total


def _scaled_zeta(power: int, start: float) -> float:
    """Returns start^power zeta(power, start), by Euler-Maclaurin where ``start`` is large."""
    if start < 1e3:
        return float(special.zeta(power, start)) * start**power
    s, q = float(power), start
    third = s * (s + 1) * (s + 2)
    return q / (s - 1) + 0.5 + s / (12 * q) - third / (720 * q**3)


def fit_power_tail(weights: np.ndarray, shift: float, power: int) -> PowerTail | None:
    """Fits the expansion to the upper three quarters of the degrees 0 ... K.

    Args:
      weights: (K + 1,) positive weights by degree.
      shift: (d - 2)/2.
      power: leading power.

    Returns:
      The expansion, or None where weights are too few or not of this kind; its error is ten
      times the largest relative misfit (the fit extrapolates by a fifteenth of its interval,
      where an expansion of this length grows by less), and at least the change that one
      coefficient more makes.
    """
    last = weights.size - 1
    if last < 64:
        return None
    k = np.arange(last // 4, last + 1)
    kappa = k + shift
    scale = kappa[0]
    scaled = weights[k] * (kappa / scale) ** power
    if not np.all(scaled > 0.0):
        return None
    x = (scale / kappa) ** 2
    fits = []
    for terms in (6, 7):
        basis = np.vander(x, terms, increasing=True) / scaled[:, None]
        coefficients, *_ = np.linalg.lstsq(basis, np.ones(k.size), rcond=None)
        misfit = float(np.max(np.abs(basis @ coefficients - 1.0)))
        coefficients = tuple(float(c) * float(scale) ** power for c in coefficients)
        fits.append(PowerTail(power, shift, float(scale), coefficients, 10.0 * misfit, last // 4))
    short, long = (fit.beyond(float(last)) for fit in fits)
    if not (short > 0.0 and long > 0.0):
        return None
    error = max(fits[1].relative_error, abs(short - long) / long)
    return fits[1]._replace(relative_error=error)
