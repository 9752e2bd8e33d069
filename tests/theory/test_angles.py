"""Angles against 50-digit arithmetic, nearly parallel and antiparallel pairs included."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.theory.expectations.angles import Angles, pairwise_angles, unit_vectors
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

pytestmark = pytest.mark.sharp


def mp_angle(a, b):
    """Angle between two vectors in 50 digits."""
    with mpmath.workdps(50):
        a, b = ([mpmath.mpf(float(v)) for v in u] for u in (a, b))
        norm_a, norm_b = (mpmath.sqrt(sum(v * v for v in u)) for u in (a, b))
        chords = [
            mpmath.sqrt(
                sum((x / norm_a + sign * y / norm_b) ** 2 for x, y in zip(a, b, strict=True))
            )
            for sign in (-1, 1)
        ]
        return float(2 * mpmath.atan2(*chords)), float(mpmath.pi - 2 * mpmath.atan2(*chords))


def angles_of(w, v):
    found = pairwise_angles(*(unit_vectors(u)[0] for u in (w, v)))
    return found.theta, found.sine, found.cosine


@pytest.mark.parametrize("dim", kept([2, 5, 20, 300], [2, 20, 300]))
def test_angles_near_and_far(dim):
    """To the accuracy stated; pairs of a size, which are nearly parallel and antiparallel."""
    rng, sizes = np.random.default_rng(dim), [0.0, 1e-12, 1e-9, 1e-8, 1e-6, 1e-3, 0.5]
    w, move = rng.normal(size=(2, 7, dim))
    near = w + np.array(sizes)[:, None] * move
    v = np.concatenate([7.0 * near, -0.01 * near])
    found = jax.jit(angles_of)(jnp.asarray(w), jnp.asarray(v))
    theta, sine, cosine = map(np.asarray, found)
    for i, size in enumerate(sizes):
        tolerance = 1e-13 if size >= 1e-8 else 2e-11
        assert abs(theta[i, i] - mp_angle(w[i], v[i])[0]) < tolerance
        assert abs(sine[i, 7 + i] - np.sin(mp_angle(w[i], v[7 + i])[1])) < tolerance
        assert cosine[i, 7 + i] < 0.0


def test_half_angles_and_conditional():
    theta, h, k = np.linspace(0.01, 3.1, 50), 0.7, -1.1

    @jax.jit
    def all_of(theta):
        angles = Angles.of(2.0 * jnp.sin(0.5 * theta) ** 2, 2.0 * jnp.cos(0.5 * theta) ** 2)
        halves = angles.half_tangent, angles.half_cotangent
        return angles.theta, *halves, angles.conditional(*(jnp.full_like(theta, x) for x in (h, k)))

    found, tangent, cotangent, conditional = map(np.asarray, all_of(jnp.asarray(theta)))
    # the square of a sine; and a series of 18 positive terms
    square = 2 * LIBRARY + 2
    np.testing.assert_allclose(found, theta, rtol=rounding(square + 2 * 18 + 8))
    half = rounding(2 * square + 2 + LIBRARY)
    np.testing.assert_allclose(tangent, np.tan(theta / 2), rtol=half)
    np.testing.assert_allclose(cotangent, 1 / np.tan(theta / 2), rtol=half)
    expected = (k - h * np.cos(theta)) / np.sin(theta)
    size = (abs(k) + 2 * abs(h)) / np.sin(theta)  # of the terms that cancel
    tolerance = rounding(2 * square + 4 + 2 * LIBRARY) * size
    np.testing.assert_array_less(np.abs(conditional - expected), tolerance)


def test_lengths_survive_extreme_scales():
    w = np.array([[3e-200, 4e-200], [3e200, 4e200], [0.0, 0.0]])
    unit, norms = jax.jit(unit_vectors)(jnp.asarray(w))
    # the input, a division, two squares, a root and a product
    np.testing.assert_allclose(norms, [5e-200, 5e200, 0.0], rtol=rounding(8))
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]], rtol=rounding(8))
