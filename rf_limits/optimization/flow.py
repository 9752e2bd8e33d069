"""Gradient flow: the continuous-time limit of gradient descent, by adaptive integration."""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array

from rf_limits.types import Scalar

_MAX_STEPS = 1_000_000


class Tolerances(NamedTuple):
    """Tolerances of each step of the solver; the whole path is usually 10 to 100 times worse.

    Attributes:
      rtol: relative to the parameters integrated.
      atol: absolute.
    """

    rtol: float = 1e-6
    atol: float = 1e-8


_USUAL = Tolerances()


def gradient_flow(
    loss: Callable[[Any], Scalar],
    params: Any,
    duration: Scalar,
    *,
    moving: Any,
    tolerances: Tolerances = _USUAL,
) -> Any:
    """Follows d theta/dt = -grad loss(theta) for a time ``duration``.

    Args:
      loss: function of the parameter tree.
      params: where to start.
      duration: time, >= 0; learning rate times steps in the terms of a training config.
      moving: tree of booleans like ``params``; the other leaves stay.
      tolerances: of the solver.

    Returns:
      The parameters reached, in the dtypes of ``params``. Leaves are NaN if a million steps,
      or steps of 1e-12 of the duration, did not suffice. Integrated by diffrax: Tsitouras'
      explicit 5(4) pair (Tsitouras 2011) with a PI step-size controller.
    """
    duration = jnp.asarray(duration, jnp.float64)

    def field(_: Array, theta: Any, __: None) -> Any:
        grads = jax.grad(loss)(theta)
        return jax.tree.map(lambda g, on: -g if on else jnp.zeros_like(g), grads, moving)

    def follow(theta: Any) -> Any:
        return _integrated(field, theta, duration, tolerances)

    return jax.lax.cond(duration > 0.0, follow, lambda theta: theta, params)


def _integrated(
    field: Callable[[Any, Any, Any], Any], start: Any, duration: Array, tolerances: Tolerances
) -> Any:
    """Returns the end of the path, in the dtypes of ``start``; NaN where it was not reached."""
    controller = diffrax.PIDController(
        **tolerances._asdict(),
        pcoeff=0.3,
        icoeff=0.4,
        dtmin=1e-12 * duration,
        force_dtmin=False,
    )
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Tsit5(),
        t0=0.0,
        t1=duration,
        dt0=None,
        y0=start,
        saveat=diffrax.SaveAt(t1=True),
        stepsize_controller=controller,
        adjoint=diffrax.ForwardMode(),
        max_steps=_MAX_STEPS,
        throw=False,
    )
    good = solution.result == diffrax.RESULTS.successful
    # The solver works in the precision of time, float64, whatever that of the parameters.
    return jax.tree.map(
        lambda leaf, like: jnp.where(good, leaf[-1], jnp.nan).astype(like.dtype),
        solution.ys,
        start,
    )
