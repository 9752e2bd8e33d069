"""Gradient descent on an exact risk until it is small enough."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rf_limits.types import Scalar


class Descent(NamedTuple):
    """The end of gradient descent.

    Attributes:
      params: parameters reached.
      risk: their risk.
      steps: steps taken.
      reached: whether the risk asked for was reached.
    """

    params: Any
    risk: Float[Array, ""]
    steps: Int[Array, ""]
    reached: Bool[Array, ""]


@partial(jax.jit, static_argnums=0)
def descend_until(
    risk: Callable[..., Float[Array, ""]],
    params: Any,
    arguments: Any,
    *,
    learning_rate: Scalar,
    threshold: Scalar,
    max_steps: int | Int[Array, ""],
) -> Descent:
    """Descends half of ``risk(params, arguments)`` until it is at most ``threshold``.

    Args:
      risk: a deterministic risk, the population's for instance.
      params: where to start.
      arguments: passed on to ``risk``; not differentiated.
      learning_rate: step size, of the gradient of half the risk.
      threshold: risk to reach.
      max_steps: steps after which to give up.

    Returns:
      A :class:`Descent`; it stops where the risk is not a number, ``reached`` False.
    """

    def measure(params: Any) -> tuple[Array, Any]:
        return jax.value_and_grad(risk)(params, arguments)

    def going(state: tuple) -> Bool[Array, ""]:
        _, value, _, steps = state
        return (value > threshold) & (steps < max_steps)

    def step(state: tuple) -> tuple:
        params, _, grads, steps = state
        params = jax.tree.map(lambda p, g: p - 0.5 * learning_rate * g, params, grads)
        return params, *measure(params), steps + 1

    start = (params, *measure(params), jnp.zeros((), jnp.int64))
    params, value, _, steps = jax.lax.while_loop(going, step, start)
    return Descent(params, value, steps, value <= threshold)
