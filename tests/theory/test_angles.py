"""Angles against 50-digit arithmetic, nearly parallel and antiparallel pairs included."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.theory.angles import Angles, pairwise_angles, unit_vectors


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


@pytest.mark.parametrize("dim", [2, 5, 20, 300])
@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-9, 1e-8, 1e-6, 1e-3, 0.5])
def test_angles_near_and_far(dim, size):
    rng = np.random.default_rng(dim)
    w = rng.normal(size=(1, dim))
    near = w + size * rng.normal(size=(1, dim))
    v = np.concatenate([7.0 * near, -0.01 * near])
    found = jax.jit(pairwise_angles)(*(unit_vectors(jnp.asarray(u))[0] for u in (w, v)))
    tolerance = 1e-13 if size >= 1e-8 else 2e-11
    theta, _ = mp_angle(w[0], v[0])
    assert abs(float(found.theta[0, 0]) - theta) < tolerance
    _, supplement = mp_angle(w[0], v[1])
    sine = np.sin(supplement)
    assert abs(float(found.sine[0, 1]) - sine) < tolerance
    assert float(found.cosine[0, 1]) < 0.0


def test_half_angles_and_conditional(key):
    theta = jnp.linspace(0.01, 3.1, 50)
    angles = Angles.from_angle(theta)
    np.testing.assert_allclose(angles.theta, theta, rtol=1e-14)
    np.testing.assert_allclose(angles.half_tangent, jnp.tan(theta / 2), rtol=1e-12)
    np.testing.assert_allclose(angles.half_cotangent, 1 / jnp.tan(theta / 2), rtol=1e-12)
    h, k = jnp.full(50, 0.7), jnp.full(50, -1.1)
    expected = (k - h * jnp.cos(theta)) / jnp.sin(theta)
    np.testing.assert_allclose(angles.conditional(h, k), expected, rtol=1e-12)


def test_lengths_survive_extreme_scales():
    w = jnp.array([[3e-200, 4e-200], [3e200, 4e200], [0.0, 0.0]])
    unit, norms = unit_vectors(w)
    np.testing.assert_allclose(norms, [5e-200, 5e200, 0.0], rtol=1e-15)
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]], rtol=1e-15)
