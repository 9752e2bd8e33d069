"""E sigma(h) tau(g) by piecewise Gauss-Legendre quadrature over the plane of w and v.

Panels shrink geometrically around every kink and transition, so that the rule is exact to
rounding for all lengths and angles. Nothing is shared with the package.
"""

import math

import numpy as np

from tests.rounding import LIBRARY, rounding

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
REACH = 9.5  # phi(9.5) < 1e-20
ROUNDING = rounding(2 * (32 + 3 * LIBRARY))
"""Of an expectation, relative to that of |sigma tau|: pairwise sums, the density, a function."""


def panels(places, start=-REACH, stop=REACH):
    """Quadrature nodes and weights, refined around (centre, width) pairs."""
    knots = set(np.linspace(start, stop, 20))
    for centre, width in places:
        steps = width * 2.0 ** np.arange(-1, 42)
        knots |= set(centre + steps[steps < 30]) | set(centre - steps[steps < 30]) | {centre}
    knots = np.array(sorted(k for k in knots if start <= k <= stop))
    half = 0.5 * np.diff(knots)[:, None]
    middle = 0.5 * (knots[1:] + knots[:-1])[:, None]
    return (middle + half * NODES).ravel(), (half * WEIGHTS).ravel()


def density(z):
    return np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)


def expectation(sigma, tau, n, a, m, b, theta):
    """E sigma(n z1 + a) tau(m (cos theta z1 + sin theta z2) + b)."""
    c, s = np.cos(theta), np.sin(theta)
    places = [(-a / n, 1 / n)]
    if abs(m * c) > 1e-12:
        places.append((-b / (m * c), s / abs(c)))
    outer, weights = panels(places)
    weights = weights * density(outer) * sigma(n * outer + a)
    terms = []
    for z, weight in zip(outer, weights, strict=True):
        if weight == 0.0:
            continue
        mean = m * c * z + b
        inner, inside = panels([(-mean / (m * s), 1 / (m * s))])
        terms.append(weight * np.sum(inside * density(inner) * tau(mean + m * s * inner)))
    return math.fsum(terms)


def root_mean_square(sigma, n, a):
    """sqrt(E sigma(n z + a)^2)."""
    z, weights = panels([(-a / n, 1 / n)])
    return math.sqrt(np.sum(weights * density(z) * sigma(n * z + a) ** 2))
