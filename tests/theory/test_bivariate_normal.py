"""Owen's T and orthant probabilities against mpmath integration of their definitions."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.theory.expectations.angles import Angles
from rf_limits.theory.expectations.bivariate_normal import orthant_probability, owens_t
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

pytestmark = pytest.mark.sharp

BOUNDS = (-6.0, -1.3, -1e-9, 0.0, 0.4, 2.0, 8.0)


def mp_owens_t(h, a):
    """T(h, a) by its integral, in 22 digits."""
    with mpmath.workdps(22):
        f = lambda x: mpmath.exp(-(h**2) * (1 + x**2) / 2) / (1 + x**2)
        knots = [0, *[k for k in (0.25, 1, 4, 20) if k < abs(a)], abs(a)]
        return float(mpmath.sign(a) * mpmath.quad(f, knots) / (2 * mpmath.pi))


def mp_orthant(h, k, angle):
    """P(z1 < h, z2 < k) by integrating the conditional probability, in 22 digits."""
    with mpmath.workdps(22):
        c, s = mpmath.cos(mpmath.mpf(angle)), mpmath.sin(mpmath.mpf(angle))
        f = lambda z: mpmath.npdf(z) * mpmath.ncdf((k - c * z) / s)
        edge = k / c if c else mpmath.mpf(0)
        width = s / abs(c) if c else mpmath.mpf(1)
        knots = {mpmath.mpf(-14), mpmath.mpf(h)}
        for step in (-12, -4, -1, 0, 1, 4, 12):
            knots.add(edge + step * width)
        knots |= {mpmath.mpf(n) for n in range(-10, 10, 2)}
        inside = sorted(x for x in knots if -14 <= x <= h)
        return float(mpmath.quad(f, inside))


def test_owens_t_matches_its_integral():
    """To the accuracy stated, 1e-15."""
    heights = [-9.0, -2.5, 0.0, 1e-8, 0.3, 1.0, 4.0, 8.5]
    slopes = [-30.0, -1.0, -0.2, 1e-6, 0.7, 1.0, 1.5, 12.0]
    h, a = np.array(list(itertools.product(heights, slopes))).T
    found = np.asarray(jax.jit(owens_t)(jnp.asarray(h), jnp.asarray(a * h)))
    # where h = 0, a h carries no a; the function stands for a = 0
    expected = [0.0 if x == 0.0 else mp_owens_t(x, y) for x, y in zip(h, a, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


def test_owens_t_at_infinite_slope():
    h = np.array([0.0, 0.5, -2.0])
    found = jax.jit(owens_t)(jnp.asarray(np.abs(h)), jnp.asarray(np.full(3, 1e150)))
    # T(h, inf) = Phi(-|h|)/2
    expected = [0.5 * float(mpmath.ncdf(-abs(x))) for x in h]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


orthants = jax.jit(orthant_probability)


@pytest.mark.parametrize(
    "angle", kept([1e-7, 1e-3, 0.5, np.pi / 2, 1.57, 2.5, np.pi - 1e-3], [1e-7, np.pi - 1e-3])
)
def test_orthant_probability_matches_integral(angle):
    """To the accuracy stated, 1e-14; either order of the bounds has the same integral."""
    h, k = np.array(list(itertools.combinations_with_replacement(BOUNDS, 2))).T
    angles = Angles.of(*(jnp.asarray(2.0 * f(0.5 * angle) ** 2) for f in (np.sin, np.cos)))
    expected = [mp_orthant(*pair, angle) for pair in zip(h, k, strict=True)]
    for pair in ((h, k), (k, h)):
        found = orthants(*map(jnp.asarray, pair), angles)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_orthant_probability_of_one_variable(sign):
    angles = jax.jit(Angles.of)(*map(jnp.asarray, (1.0 - sign, 1.0 + sign)))
    pairs = list(itertools.product(BOUNDS, BOUNDS))
    found = orthants(*map(jnp.asarray, np.array(pairs).T), angles)
    phi = mpmath.ncdf
    expected = [phi(min(h, k)) if sign > 0 else max(phi(h) - phi(-k), 0) for h, k in pairs]
    # two values of T, each to 1e-15, and a mean of two probabilities
    tolerance = 2e-15 + rounding(LIBRARY + 5)
    np.testing.assert_allclose(found, np.array(expected, float), rtol=0, atol=tolerance)
