"""Population risks by hand and against simulation."""

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.problem import SingleNeuron
from rf_limits.theory.population_risk import mean_square_difference, population_risk
from rf_limits.theory.relu_moments import ReluSum
from tests.rounding import rounding

PAIR = 200
"""Roundings behind a pair of neurons, as in ``test_relu_moments``."""


@jax.jit
def risk(f):
    """Against relu(x_1) in three dimensions."""
    with jax.ensure_compile_time_eval():
        target = SingleNeuron.create(jnp.array([1.0, 0.0, 0.0]), 1.0, 0.0)
    return population_risk(f, target, 0.5)


def gates(w, u, p=None):
    """Two gates in three dimensions: one shape, one compiled program."""
    return ReluSum(
        jnp.asarray(w), None, jnp.asarray(u), jnp.asarray(np.zeros_like(w) if p is None else p)
    )


def test_risk_by_hand():
    # f = 2 relu(x_2): E f^2 = 2, E f f* = 2/(2 pi), E f*^2 = 1/2
    f = gates([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [2.0, 0.0])
    # terms of sizes 2, 4/(2 pi) and 1/2
    assert abs(risk(f) - (2.5 - 2.0 / np.pi)) < rounding(PAIR) * 4.0
    # x_1 = relu(x_1) - relu(-x_1): risk of the linear function x_1/2 is 1/4
    g = gates([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], [0.5, -0.5])
    assert abs(risk(g) - 0.25) < rounding(PAIR) * 2.0
    # the target itself, written with a gradient feature: 1[x_1 > 0] x_1
    slopes = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    h = gates([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [0.0, 0.0], slopes)
    assert abs(risk(h)) < rounding(PAIR) * 2.0


def test_sum_of_parts_is_one_sum():
    w, a = np.random.default_rng(0).normal(size=(6, 3)), np.arange(6.0)
    whole = ReluSum(jnp.asarray(w), None, jnp.asarray(a))
    parts = tuple(
        ReluSum(jnp.asarray(w[i]), None, jnp.asarray(a[i])) for i in np.split(range(6), [2])
    )
    difference = jax.jit(mean_square_difference)(whole, parts)
    # what cancels is as large as (sum |a||w|)^2
    size = (np.sum(a * np.linalg.norm(w, axis=1)) + 1.0) ** 2
    assert abs(risk(parts) - risk(whole)) < rounding(2 * PAIR) * size
    assert difference < rounding(PAIR) * 4.0 * size


def test_mean_square_difference_against_simulation():
    normal = np.random.default_rng(0).normal
    w, v, x = normal(size=(5, 3)), normal(size=(5, 3)), normal(size=(400_000, 3))
    a, slopes = np.arange(5.0), v[::-1]
    f = ReluSum(jnp.asarray(w), None, jnp.asarray(a))
    g = ReluSum(jnp.asarray(v), None, jnp.ones(5), jnp.asarray(slopes))
    h = x @ v.T
    inside = np.sum((h > 0.0) * (h + x @ slopes.T), axis=1)
    values = (np.maximum(x @ w.T, 0.0) @ a - inside) ** 2
    error = np.std(values) / np.sqrt(values.size)
    # 6 standard errors: false alarm below 1e-8
    found = float(jax.jit(mean_square_difference)(f, g))
    assert abs(np.mean(values) - found) < 6 * error
