"""Shared by all tests: no test changes JAX's configuration for the next, arrays are float64."""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")
# Compiled programs are shared by the workers, by the commands that tests start, and by runs.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "jax")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax
import pytest

import rf_limits  # noqa: F401  (enables float64)


@pytest.fixture
def key():
    """A fixed random key."""
    return jax.random.key(20190402)


@pytest.fixture(autouse=True)
def _configuration_stays():
    before = (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision)
    yield
    assert (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision) == before
