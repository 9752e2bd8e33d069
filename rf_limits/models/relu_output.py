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


@jax.custom_jvp
def relu_output(
    x: Float[Array, "n d"], kernel: Float[Array, "d N"], u: Float[Array, "N"]
) -> Float[Array, "n"]:
    """Values sum_i u_i relu(<kernel_i, x_a>) at the rows of ``x``.

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
    gates = (h > 0.0).astype(h.dtype)
    dx, dkernel, du = (None if _is_zero(t) else t for t in tangents)
    change = jnp.zeros_like(h, shape=h.shape[:1])
    directions = [step for step in (_scaled(dkernel, u), _scaled(kernel, du)) if step is not None]
    if directions:
        change = change + jnp.sum(x.T * (sum(directions) @ gates.T), axis=0)
    if dx is not None:
        change = change + jnp.sum(dx.T * ((kernel * u) @ gates.T), axis=0)
    return jnp.maximum(h, 0.0) @ u, change


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _scaled(kernel: Array | None, u: Array | None) -> Array | None:
    return None if kernel is None or u is None else kernel * u


relu_output.defjvp(_relu_output_jvp, symbolic_zeros=True)
