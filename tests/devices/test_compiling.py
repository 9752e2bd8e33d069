"""Programs compiled without optimization."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.devices import compiling
from rf_limits.devices.compiling import jit_quickly, quick_options


@partial(jit_quickly, static_argnums=0, static_argnames="power")
def _scaled(factor: int, x, power: int = 1):
    return factor * jnp.sum(jnp.exp(x) ** power)


def test_numbers_are_those_of_jit_to_rounding():
    x = jnp.linspace(0.0, 1.0, 1000)
    expected = jax.jit(lambda x: 3 * jnp.sum(jnp.exp(x) ** 2))(x)
    np.testing.assert_allclose(_scaled(3, x, power=2), expected, rtol=1e-13)


def test_static_arguments_compile_once_each():
    traced = []

    @partial(jit_quickly, static_argnums=0)
    def count(size: int, x):
        traced.append(size)
        return x * size

    for size in (1, 2, 1, 2):
        count(size, jnp.ones(3))
    assert traced == [1, 2]


def test_options_that_jax_does_not_know_are_left_out(monkeypatch):
    """Their names come and go from one version of JAX to the next."""
    known = {"xla_backend_optimization_level": 0}
    monkeypatch.setattr(compiling, "_CHOICES", ({**known, "xla_cpu_no_such_option": 1}, known))
    quick_options.cache_clear()
    assert quick_options() == known
    monkeypatch.setattr(compiling, "_CHOICES", ({"xla_cpu_no_such_option": 1},))
    quick_options.cache_clear()
    assert quick_options() == {}
    quick_options.cache_clear()
