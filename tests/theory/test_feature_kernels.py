"""Kernels of features against neural-tangents, and their spectra against closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.models import infinite_width_kernels, make_network
from rf_limits.theory import relu_kernel_spectrum
from rf_limits.theory.spectra.feature_kernels import FEATURES, feature_kernel, feature_spectrum
from tests.rounding import LIBRARY, rounding

DIM = 6


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("bias", [False, True])
def test_against_neural_tangents(features, bias):
    x = np.random.default_rng(0).normal(size=(7, DIM))
    x *= DIM**0.5 / np.linalg.norm(x, axis=1, keepdims=True)
    network = make_network(8, use_bias=bias)
    found = infinite_width_kernels(network, jnp.asarray(x), trainable=features)
    expected = found.nngp if features == "output" else found.ntk
    kernel = feature_kernel(features, bias=bias)(x @ x.T / DIM)
    # the angle between equal inputs is lost to half the digits
    np.testing.assert_allclose(kernel, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.sharp
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("bias", [False, True])
def test_spectra_add_up_to_the_mean_square(features, bias):
    found = feature_spectrum(features, DIM, 40, bias=bias)
    # the kernel at one point
    assert found.total == pytest.approx(1.0 if bias else 0.5, rel=rounding(3 * LIBRARY))
    stated = np.sum(found.error * found.weights) + found.tail_error
    assert abs(found.weights.sum() + found.tail - found.total) <= stated
    odd = found.eigenvalues[3::2]
    # what quadrature cannot resolve is returned as 0
    assert np.all(odd[:5] > 0.0) if bias else np.all(odd == 0.0)


def test_gradients_are_what_the_tangent_kernel_has_beside_the_neurons():
    found = feature_spectrum("hidden", DIM, 12)
    both, output = (relu_kernel_spectrum(name, DIM, 12) for name in ("ntk", "nngp"))
    expected = both.eigenvalues - output.eigenvalues
    stated = sum(part.error * part.eigenvalues for part in (found, both, output))
    assert np.all(np.abs(found.eigenvalues - expected) <= stated)


def test_unknown_features():
    with pytest.raises(RequirementError, match="features must be one of"):
        feature_kernel("both")
