"""The arc-cosine by polynomials against 40 digits."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.theory.expectations.arc_cosine import acute_angle, gate_kernel, relu_kernel
from tests.rounding import rounding

GAPS = np.concatenate([np.logspace(-32, 0, 97), np.linspace(0.0, 1.0, 401)])


def _angle(gap):
    return 2 * mpmath.asin(mpmath.sqrt(mpmath.mpf(float(gap)) / 2))


def _relu(gap, sign):
    """E relu(z) relu(z') for cos theta = sign (1 - gap)."""
    with mpmath.workdps(120):
        theta = _angle(gap)
        theta = theta if sign > 0 else mpmath.pi - theta
        value = mpmath.sin(theta) + (mpmath.pi - theta) * mpmath.cos(theta)
        return value / (2 * mpmath.pi)


@pytest.mark.sharp
def test_angles_and_kernels_to_relative_accuracy():
    gaps = jnp.asarray(GAPS)
    with mpmath.workdps(60):
        angles = [_angle(gap) for gap in GAPS]
    # A root and one polynomial whose terms fall: three roundings of the sum and the root's.
    np.testing.assert_allclose(
        acute_angle(gaps), np.array(angles, float), rtol=rounding(4), atol=0.0
    )
    opposite = np.array([_relu(gap, -1.0) for gap in GAPS], float)
    np.testing.assert_allclose(
        relu_kernel(gaps - 1.0, gaps), opposite, rtol=rounding(6), atol=1e-100
    )
    same = np.array([_relu(gap, 1.0) for gap in GAPS], float)
    np.testing.assert_allclose(relu_kernel(1.0 - gaps, gaps), same, rtol=rounding(6), atol=1e-100)
    gates = np.array([float((mpmath.pi - theta) / (2 * mpmath.pi)) for theta in angles])
    np.testing.assert_allclose(gate_kernel(1.0 - gaps, gaps), gates, rtol=rounding(6), atol=1e-100)


@pytest.mark.sharp
def test_derivatives_at_the_ends_and_at_right_angles():
    """kappa' = P: 0 at opposite, 1/4 at right angles, 1/2 at parallel inputs."""

    def kernel(c):
        return relu_kernel(c, 1.0 - jnp.abs(c))

    slopes = jax.vmap(jax.grad(kernel))(jnp.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(slopes, [0.0, 0.25, 0.5], rtol=rounding(4), atol=rounding(1))
    c = jnp.linspace(-0.99, 0.99, 23)
    step = 1e-4  # a central difference: kappa'''/6 is below 10 here
    numeric = (kernel(c + step) - kernel(c - step)) / (2.0 * step)
    np.testing.assert_allclose(jax.vmap(jax.grad(kernel))(c), numeric, atol=1e-6, rtol=0)
