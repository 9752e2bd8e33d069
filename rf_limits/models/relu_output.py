r"""sum_i u_i relu(<w_i, x>), with a derivative that goes over its (n, N) gates once.

With G_ai = 1[<w_i, x_a> > 0] the function is sum_i u_i G_ai <w_i, x_a>, so along (dw, du)

.. math:: df_a = \langle x_a, \sum_i G_{ai} (u_i\,dw_i + w_i\,du_i) \rangle,

one product of the gates with an (N, d) matrix, and its transpose is one product of the gates
with (n, d). Differentiating the formula term by term makes three (n, N) matrices of it.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models.increments import increment, is_zero, moved_sum


@jax.custom_jvp
def relu_output(
    x: Float[Array, "n d"], kernel: Float[Array, "d N"], u: Float[Array, "N"]
) -> Float[Array, "n"]:
    """Returns values sum_i u_i relu(<kernel_i, x_a>) at the rows of ``x``.

    Differentiable by every argument, forward and reverse, any number of times; relu'(0) = 0.

    Args:
      x: (n, d) inputs; a last column of ones makes the last row of ``kernel`` biases.
      kernel: (d, N) hidden weights, a neuron per column.
      u: (N,) output weights.
    """
    return jnp.maximum(x @ kernel, 0.0) @ u


def _relu_output_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Any]:
    x, kernel, u = primals
    h = x @ kernel
    change = _slope(h, primals, tuple(None if is_zero(t) else t for t in tangents))
    return jnp.maximum(h, 0.0) @ u, change


def _slope(h: Array, primals: tuple, along: tuple) -> Array:
    """Returns the derivative of the output at ``h`` along directions, None where zero."""
    x, kernel, u = primals
    dx, dkernel, du = along
    gates = (h > 0.0).astype(h.dtype)
    change = jnp.zeros_like(h, shape=h.shape[:1])
    directions = [step for step in (_scaled(dkernel, u), _scaled(kernel, du)) if step is not None]
    if directions:
        change = change + jnp.sum(x.T * (sum(directions) @ gates.T), axis=0)
    if dx is not None:
        change = change + jnp.sum(dx.T * ((kernel * u) @ gates.T), axis=0)
    return change


def _scaled(kernel: Array | None, u: Array | None) -> Array | None:
    return None if kernel is None or u is None else kernel * u


relu_output.defjvp(_relu_output_jvp, symbolic_zeros=True)


@jax.custom_jvp
def relu_output_change(
    x: Float[Array, "n d"],
    kernel: Float[Array, "d N"],
    u: Float[Array, "N"],
    dkernel: Float[Array, "d N"],
    du: Float[Array, "N"],
) -> Float[Array, "n"]:
    """Returns :func:`relu_output` at moved weights minus that at the weights, without cancellation.

    Differentiable as that is; where only the moves are, the gates are gone over once.

    Args:
      x: (n, d) inputs.
      kernel: (d, N) hidden weights.
      u: (N,) output weights.
      dkernel: (d, N) by how much the hidden weights moved.
      du: (N,) by how much the output weights moved.
    """
    return _change(x @ kernel, x @ dkernel, u, du)


def _change(h: Array, dh: Array, u: Array, du: Array) -> Array:
    return moved_sum(increment("relu", h, dh), jnp.maximum(h, 0.0), u, du)


def _relu_output_change_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Any]:
    x, kernel, u, dkernel, du = primals
    h, dh = x @ kernel, x @ dkernel
    along = tuple(None if is_zero(t) else t for t in tangents)
    start = along[:3]
    end = (start[0], _sum(start[1], along[3]), _sum(start[2], along[4]))
    change = _slope(h + dh, (x, kernel + dkernel, u + du), end)
    if any(step is not None for step in start):
        change = change - _slope(h, (x, kernel, u), start)
    return _change(h, dh, u, du), change


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return b if a is None else a if b is None else a + b


relu_output_change.defjvp(_relu_output_change_jvp, symbolic_zeros=True)
