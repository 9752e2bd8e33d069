"""Spectra, rotation and cosines of kernels, by hand."""

import jax
import numpy as np
import pytest

from rf_limits.measure.kernel import (
    effective_rank,
    eigen,
    eigenspace_rotation,
    kernel_cosine,
    kernel_drift,
)
from tests.rounding import LIBRARY, rounding

pytestmark = pytest.mark.sharp
SHORT = rounding(2 * LIBRARY)  # sums of a few terms, a root and a quotient, here and by hand


def test_spectrum_of_a_known_matrix():
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    values = np.array([9.0, 4.0, 1.0, 0.5, 0.1])
    found = jax.jit(eigen, static_argnums=1)((basis * values) @ basis.T, 2)
    # products, QR and eigendecomposition of 5 x 5 matrices: a few times 5 of the largest value
    error = rounding(100)
    np.testing.assert_allclose(found.eigenvalues, values / 5, rtol=0.0, atol=9.0 / 5 * error)
    # vectors turn by that over the least gap of the first two eigenvalues, 4 - 1
    cosines = np.abs(np.asarray(found.top).T @ basis[:, :2])
    np.testing.assert_allclose(cosines, np.eye(2), atol=9.0 / 3.0 * error)


def test_effective_rank():
    rank = jax.jit(effective_rank)
    for values, expected in (
        ([1.0, 1.0, 1.0], 3.0),
        ([3.0, 0.0, 0.0], 1.0),
        ([2.0, 1.0, 0.0], 1.8),
    ):
        np.testing.assert_allclose(rank(np.array(values)), expected, rtol=SHORT)


def test_rotation_is_the_mean_squared_sine():
    angle = 0.3
    rotation = jax.jit(eigenspace_rotation)
    before = np.eye(4)[:, :2]
    now = np.array([[1.0, 0.0], [0.0, np.cos(angle)], [0.0, np.sin(angle)], [0.0, 0.0]])
    # 1 less numbers of size 1
    np.testing.assert_allclose(rotation(now, before), np.sin(angle) ** 2 / 2, rtol=0, atol=SHORT)
    assert float(rotation(before[:, ::-1], before)) == 0.0
    assert float(rotation(np.eye(4)[:, 2:], before)) == 1.0


def test_cosine_and_drift_of_a_multiple():
    kernel = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(jax.jit(kernel_cosine)(3.0 * kernel, kernel), 1.0, rtol=SHORT)
    np.testing.assert_allclose(jax.jit(kernel_drift)(3.0 * kernel, kernel), 2.0, rtol=SHORT)
