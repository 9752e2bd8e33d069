"""Descent until a risk is reached: against a plain loop, and its ways to stop."""

import jax.numpy as jnp
import numpy as np

from rf_limits.learning.descent import descend_until


def quadratic(x, scale):
    return jnp.sum(scale * x**2)


def test_same_as_a_plain_loop():
    x, scale = jnp.array([1.0, -2.0]), jnp.array([1.0, 0.3])
    found = descend_until(quadratic, x, scale, learning_rate=0.5, threshold=1e-3, max_steps=1000)
    steps = 0
    while float(quadratic(x, scale)) > 1e-3:
        x, steps = x - 0.5 * scale * x, steps + 1
    assert int(found.steps) == steps
    assert bool(found.reached)
    np.testing.assert_allclose(found.params, x, rtol=1e-14)
    np.testing.assert_allclose(found.risk, quadratic(x, scale), rtol=1e-13)


def test_ways_to_stop():
    x, one = jnp.array([1.0]), jnp.ones(1)
    options = {"threshold": 1e-3, "max_steps": 7}
    slow = descend_until(quadratic, x, one, learning_rate=1e-3, **options)
    assert (int(slow.steps), bool(slow.reached)) == (7, False)
    there = descend_until(quadratic, 0.01 * x, one, learning_rate=1e-3, **options)
    assert (int(there.steps), bool(there.reached)) == (0, True)
    lost = descend_until(quadratic, jnp.nan * x, one, learning_rate=1e-3, **options)
    assert (int(lost.steps), bool(lost.reached)) == (0, False)
