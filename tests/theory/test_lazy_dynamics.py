"""Lazy dynamics on the population against kernel gradient flow on a circle."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.models import infinite_width_kernels, make_network
from rf_limits.models.zonal_kernels import zonal_kernels
from rf_limits.theory import zonal_spectrum
from rf_limits.theory.dynamics.lazy_dynamics import population_dynamics
from rf_limits.theory.spectra.homogeneous import RELATIVE_ERROR
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

POINTS = 2**16


@partial(jax.jit, static_argnums=1)
def row_of(x, trainable):
    """Kernels of the first point with all."""
    return infinite_width_kernels(make_network(8), x[:1], x, trainable)


@pytest.mark.parametrize("rate", [None, 0.3])
@pytest.mark.parametrize("trainable", kept(["both", "output"], ["both"]))
def test_against_kernel_descent_on_a_circle(trainable, rate):
    """Equispaced points in d = 2: neural-tangents' kernel is circulant, a Fourier transform away.

    For bias-free relu risks on the circle of radius sqrt(2) are those under Gaussian inputs.
    """
    angles = 2 * np.pi * np.arange(POINTS) / POINTS
    x = np.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    row = np.asarray(row_of(jnp.asarray(x), trainable).ntk[0])
    eigenvalues = np.fft.rfft(row).real / POINTS
    waves = np.abs(np.fft.rfft(np.maximum(x[:, 0], 0.0)) / POINTS) ** 2
    waves[1:] *= 2.0
    times = np.array([0.0, 0.6, 3.0, 30.0, 300.0])
    if rate is None:
        left = np.exp(-2.0 * np.outer(times, eigenvalues))
    else:
        left = (1.0 - rate * eigenvalues) ** (2.0 * np.round(times[:, None] / rate))
    ntk = zonal_kernels(make_network(8), 2, 200, trainable)["ntk"]
    found = population_dynamics(ntk, zonal_spectrum(2, 200), times, learning_rate=rate)
    # equispaced points err by (8/POINTS)^2 of the next aliases
    np.testing.assert_allclose(found.degrees[:, :9], (waves * left)[:, :9], rtol=1e-6, atol=1e-12)
    # degrees beyond 200 are learned at the rate of the 200th: of 1e-8 in all
    np.testing.assert_allclose(found.risk, (waves * left).sum(axis=1), rtol=1e-6, atol=2e-8)


@pytest.mark.sharp
def test_degrees_are_learned_one_after_another():
    """Half of each degree is left at log(2)/(2 mu_k), later for higher degrees."""
    target, dim = zonal_spectrum(10, 50), 10
    ntk = zonal_kernels(make_network(8), dim, 50)["ntk"]
    rates = population_dynamics(ntk, target, np.zeros(1)).rates
    half = np.log(2.0) / (2.0 * rates[[0, 1, 2, 4, 6]])
    assert np.all(np.diff(half) > 0)
    found = population_dynamics(ntk, target, half, norm=3.0)
    for i, k in enumerate((0, 1, 2, 4, 6)):
        # an exponential of log(2), in which rates cancel
        rtol = rounding(3 * LIBRARY)
        np.testing.assert_allclose(found.degrees[i, k], 4.5 * target.weights[k], rtol=rtol)
    start = population_dynamics(ntk, target, np.zeros(1), norm=3.0)
    np.testing.assert_allclose(start.risk, 4.5, rtol=RELATIVE_ERROR)  # of all degrees


def test_dimensions_must_agree():
    ntk = zonal_kernels(make_network(8), 5, 4)["ntk"]
    with pytest.raises(RequirementError, match=r"kernel\.dim must be 6"):
        population_dynamics(ntk, zonal_spectrum(6, 4), np.zeros(1))
