"""Owen's T and orthant probabilities against mpmath integration of their definitions."""

import itertools

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.theory.angles import Angles
from rf_limits.theory.bivariate_normal import orthant_probability, owens_t

BOUNDS = (-6.0, -1.3, -1e-9, 0.0, 0.4, 2.0, 8.0)


def mp_owens_t(h, a):
    """T(h, a) by its integral, in 30 digits."""
    with mpmath.workdps(30):
        f = lambda x: mpmath.exp(-(h**2) * (1 + x**2) / 2) / (1 + x**2)
        knots = [0, *[k for k in (0.25, 1, 4, 20) if k < abs(a)], abs(a)]
        return float(mpmath.sign(a) * mpmath.quad(f, knots) / (2 * mpmath.pi))


def mp_orthant(h, k, angle):
    """P(z1 < h, z2 < k) by integrating the conditional probability, in 30 digits."""
    with mpmath.workdps(30):
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


@pytest.mark.parametrize("h", [-9.0, -2.5, 0.0, 1e-8, 0.3, 1.0, 4.0, 8.5])
@pytest.mark.parametrize("a", [-30.0, -1.0, -0.2, 1e-6, 0.7, 1.0, 1.5, 12.0])
def test_owens_t_matches_its_integral(h, a):
    found = owens_t(jnp.asarray(h), jnp.asarray(a * h))
    expected = mp_owens_t(h, a)
    if h == 0.0:  # then a h carries no a; the function stands for a = 0
        expected = 0.0
    assert abs(float(found) - expected) < 1e-15


def test_owens_t_at_infinite_slope():
    h = jnp.array([0.0, 0.5, -2.0])
    found = owens_t(jnp.abs(h), jnp.full(3, 1e150))
    # T(h, inf) = Phi(-|h|)/2
    expected = [0.5 * float(mpmath.ncdf(-abs(x))) for x in np.asarray(h)]
    np.testing.assert_allclose(found, expected, atol=1e-16)


@pytest.mark.parametrize(
    "angle",
    [
        *(1e-7, np.pi - 1e-3),
        *(
            pytest.param(angle, marks=pytest.mark.slow)
            for angle in (1e-3, 0.5, np.pi / 2, 1.57, 2.5)
        ),
    ],
)
def test_orthant_probability_matches_integral(angle):
    for h, k in itertools.product(BOUNDS, BOUNDS):
        angles = Angles.from_angle(jnp.asarray(angle))
        found = orthant_probability(jnp.asarray(h), jnp.asarray(k), angles)
        assert abs(float(found) - mp_orthant(h, k, angle)) < 1e-14, (h, k)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_orthant_probability_of_one_variable(sign):
    angles = Angles.of(jnp.asarray(1.0 - sign), jnp.asarray(1.0 + sign))
    for h, k in itertools.product(BOUNDS, BOUNDS):
        found = orthant_probability(jnp.asarray(h), jnp.asarray(k), angles)
        phi = mpmath.ncdf
        expected = phi(min(h, k)) if sign > 0 else max(phi(h) - phi(-k), 0)
        assert abs(float(found) - float(expected)) < 1e-15, (h, k)
