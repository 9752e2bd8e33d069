"""Shared by all tests: no test changes JAX's configuration for the next, arrays are float64."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")
# Compiling is most of the tests' time, and small programs gain nothing from optimization.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import pytest

import rf_limits  # noqa: F401  (enables float64)

# Every compiled program keeps about five memory mappings; Linux allows 65,530 in a process,
# beyond which it crashes.
_MOST_PROGRAMS = 2000


@pytest.fixture
def key():
    """A fixed random key."""
    return jax.random.key(20190402)


@pytest.fixture(autouse=True)
def _configuration_stays():
    before = (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision)
    yield
    assert (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision) == before


@pytest.fixture(autouse=True)
def _few_programs():
    yield
    if len(jax.devices()[0].client.live_executables()) > _MOST_PROGRAMS:
        jax.clear_caches()
