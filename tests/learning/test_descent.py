"""Descent until a risk is reached: against a plain loop, and its ways to stop."""

import jax.numpy as jnp
import numpy as np

from rf_limits.optimization.descent import descend_until
from tests.rounding import rounding


def quadratic(x, scale):
    return jnp.sum(scale * x**2)


def test_same_as_a_plain_loop():
    start, scale = np.array([1.0, -2.0]), np.array([1.0, 0.3])
    found = descend_until(
        quadratic,
        jnp.asarray(start),
        jnp.asarray(scale),
        learning_rate=0.5,
        threshold=1e-3,
        max_steps=1000,
    )
    x, steps = start, 0
    while np.sum(scale * x**2) > 1e-3:
        x, steps = x - 0.5 * scale * x, steps + 1
    assert int(found.steps) == steps
    assert bool(found.reached)
    error = rounding(3 * steps)  # two products and a difference, which does not cancel
    np.testing.assert_allclose(found.params, x, rtol=error)
    np.testing.assert_allclose(found.risk, np.sum(scale * x**2), rtol=2 * error + rounding(8))


def test_ways_to_stop():
    x, one = jnp.array([1.0]), jnp.ones(1)
    options = {"threshold": 1e-3, "max_steps": 7}
    slow = descend_until(quadratic, x, one, learning_rate=1e-3, **options)
    assert (int(slow.steps), bool(slow.reached)) == (7, False)
    there = descend_until(quadratic, 0.01 * x, one, learning_rate=1e-3, **options)
    assert (int(there.steps), bool(there.reached)) == (0, True)
    lost = descend_until(quadratic, jnp.nan * x, one, learning_rate=1e-3, **options)
    assert (int(lost.steps), bool(lost.reached)) == (0, False)
