r"""Derivatives of E sigma(h) tau(g) from expectations of derivatives of sigma and tau.

With h = <w, x> + a, g = <v, x> + b, x ~ N(0, I_d) and F_ij = E sigma^{(i)}(h) tau^{(j)}(g),
Stein's lemma gives

.. math::
    dF_{ij} = \langle dw, w\rangle F_{i+2,j} + da\, F_{i+1,j} + \langle dv, v\rangle F_{i,j+2}
        + db\, F_{i,j+1} + (\langle dw, v\rangle + \langle w, dv\rangle) F_{i+1,j+1}.

Nothing is divided by a length, so that the derivatives hold at w = 0 and v = 0 too, where a
formula in lengths and angles has none.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Expectation(NamedTuple):
    """Expectations and how far off they may be.

    Attributes:
      value: (m, k) E sigma(h_i) tau(g_j).
      error: (m, k) absolute error: truncation (a bound) plus quadrature (an estimate).
      scale: (m, k) sqrt(E sigma^2 E tau^2).
    """

    value: Float[Array, "m k"]
    error: Float[Array, "m k"]
    scale: Float[Array, "m k"]


Found = TypeVar("Found", Array, Expectation)
Gram = Callable[[int, int, Array, Array, Array, Array], Found]
"""F_ij from i, j, w (m, d), a (m,), v (k, d) and b (k,)."""


def with_stein_derivatives(gram: Gram[Found]) -> Gram[Found]:
    """Returns the same expectations with the derivatives of the module docstring, of every order.

    Args:
      gram: F_ij for all i, j >= 0 that derivatives meet. Of an :class:`Expectation` the value
        alone has derivatives.
    """

    @functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
    def found(i: int, j: int, w: Array, a: Array, v: Array, b: Array) -> Found:
        return gram(i, j, w, a, v, b)

    @found.defjvp
    def _(i: int, j: int, primals: tuple, tangents: tuple) -> tuple:
        (w, _, v, _), (dw, da, dv, db) = primals, tangents

        def at(more: int, other: int) -> Array:
            result = found(i + more, j + other, *primals)
            return result.value if isinstance(result, Expectation) else result

        change = jnp.sum(dw * w, axis=1)[:, None] * at(2, 0) + da[:, None] * at(1, 0)
        change += jnp.sum(dv * v, axis=1)[None, :] * at(0, 2) + db[None, :] * at(0, 1)
        change += (dw @ v.T + w @ dv.T) * at(1, 1)
        result = found(i, j, *primals)
        if isinstance(result, Expectation):
            still = jnp.zeros_like(change)
            return result, Expectation(change, still, still)
        return result, change

    return found
