"""Gradient descent on the population risk of one neuron, or of a few, towards one neuron."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.optimization.descent import Descent, descend_until
from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_product


def _risk(params: dict, target: dict) -> jax.Array:
    """Computes the risk; biases of the target count where neurons have some."""
    biases = target["biases"] if "biases" in params else None
    f = ReluSum(params["weights"], params.get("biases"), target["signs"])
    g = ReluSum(target["weights"], biases, jnp.ones(1))
    return relu_sum_product(f, f) - 2.0 * relu_sum_product(f, g) + relu_sum_product(g, g)


def train_neurons(
    targets: list[tuple[int, float, float]],
    width: int,
    seeds: int,
    *,
    threshold: float,
    learning_rate: float,
    max_steps: int,
) -> list[list[dict[str, Any]]]:
    """Trains hidden layers of ``width`` neurons, output weights 1, -1, 1, ... over sqrt(width).

    Weights start at N(0, 1/d), biases (only where the target has one) at N(0, 1). All runs are
    compiled once: inputs of fewer dimensions are padded, which changes no inner product.

    Args:
      targets: dim, |w*| and b* of each target relu(<w*, x> + b*); all b* zero, or none.
      width: N.
      seeds: number of initializations.
      threshold: absolute risk at which to stop.
      learning_rate: step size on half the risk.
      max_steps: when to give up.

    Returns:
      For every target, one row per seed: steps, risk, reached, and max_weight, the largest
      |u_i| |w_i|.
    """
    largest = max(dim for dim, _, _ in targets)
    pairs = [_pair(*target, width, seed, largest) for target in targets for seed in range(seeds)]
    starts, goals = jax.tree.map(lambda *leaves: jnp.stack(leaves), *pairs)

    def descend(pair: tuple[dict, dict]) -> Descent:
        return descend_until(
            _risk, *pair, learning_rate=learning_rate, threshold=threshold, max_steps=max_steps
        )

    ends = jax.lax.map(descend, (starts, goals))
    sizes = jnp.abs(goals["signs"]) * jnp.linalg.norm(ends.params["weights"], axis=2)
    columns = map(np.asarray, (ends.steps, ends.risk, ends.reached, sizes.max(axis=1)))
    rows = [
        {
            "steps": int(steps),
            "risk": float(end),
            "reached": float(reached),
            "max_weight": float(size),
        }
        for steps, end, reached, size in zip(*columns, strict=True)
    ]
    return [rows[i : i + seeds] for i in range(0, len(rows), seeds)]


def _pair(
    dim: int, norm: float, bias: float, width: int, seed: int, largest: int
) -> tuple[dict, dict]:
    """Draws a start, and returns it with its target; weights are padded to ``largest`` entries."""
    w_key, b_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), dim))
    w = jax.random.normal(w_key, (width, dim), jnp.float64) / math.sqrt(dim)
    start = {"weights": jnp.zeros((width, largest)).at[:, :dim].set(w)}
    if bias != 0.0:
        start["biases"] = jax.random.normal(b_key, (width,), jnp.float64)
    goal = {
        "signs": (-1.0) ** jnp.arange(width) / math.sqrt(width),
        "weights": jnp.zeros((1, largest)).at[0, 0].set(norm),
        "biases": jnp.full(1, bias, jnp.float64),
    }
    return start, goal
