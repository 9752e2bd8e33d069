"""Spectra, rotation and cosines of kernels, by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.measure.kernel import (
    effective_rank,
    eigen,
    eigenspace_rotation,
    kernel_cosine,
    kernel_drift,
)


def test_spectrum_of_a_known_matrix(key):
    basis = jnp.linalg.qr(jax.random.normal(key, (5, 5)))[0]
    values = jnp.array([9.0, 4.0, 1.0, 0.5, 0.1])
    found = eigen(basis @ jnp.diag(values) @ basis.T, 2)
    np.testing.assert_allclose(found.eigenvalues, values / 5, rtol=1e-12)
    np.testing.assert_allclose(jnp.abs(found.top.T @ basis[:, :2]), jnp.eye(2), atol=1e-12)


def test_effective_rank():
    np.testing.assert_allclose(effective_rank(jnp.ones(7)), 7.0)
    np.testing.assert_allclose(effective_rank(jnp.array([3.0, 0.0, 0.0])), 1.0)
    np.testing.assert_allclose(effective_rank(jnp.array([2.0, 1.0])), 9.0 / 5.0)


def test_rotation_is_the_mean_squared_sine():
    angle = 0.3
    before = jnp.eye(4)[:, :2]
    now = before.at[:, 1].set(jnp.array([0.0, jnp.cos(angle), jnp.sin(angle), 0.0]))
    np.testing.assert_allclose(
        eigenspace_rotation(now, before), jnp.sin(angle) ** 2 / 2, rtol=1e-12
    )
    assert float(eigenspace_rotation(before[:, ::-1], before)) == 0.0
    assert float(eigenspace_rotation(jnp.eye(4)[:, 2:], before)) == 1.0


def test_cosine_and_drift_of_a_multiple():
    kernel = jnp.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(kernel_cosine(3.0 * kernel, kernel), 1.0, rtol=1e-15)
    np.testing.assert_allclose(kernel_drift(3.0 * kernel, kernel), 2.0, rtol=1e-15)
