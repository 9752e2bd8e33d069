r"""E f(x) g(x) for two sums of ReLU neurons, with a gradient at little more than its cost.

For f = sum_i u_i relu(h_i), g = sum_j z_j relu(g_j) and x ~ N(0, I_d), the gradient with respect
to the neurons of f is u_i E 1[h_i > 0] g(x) x: sums over j with the weights P and C of
:mod:`rf_limits.theory.relu_gram`. They come from the same angles as the value, and what is left
are products of (m, k) with (k, d) matrices. Differentiating the Gram matrix instead carries
several (m, k) matrices back.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.relu_gram import Side, gram_and_slopes, relu_gram


def relu_form(
    u: Float[Array, "m"],
    w: Float[Array, "m d"],
    a: Float[Array, "m"] | None,
    z: Float[Array, "k"],
    v: Float[Array, "k d"],
    b: Float[Array, "k"] | None,
) -> Float[Array, ""]:
    """u^T K z with K = ``relu_gram(w, a, v, b)``, as often differentiable.

    Args:
      u: (m,) amplitudes of f.
      w: (m, d) weights.
      a: (m,) biases, or None for none.
      z: (k,) amplitudes of g.
      v: (k, d) weights.
      b: (k,) biases, or None for none.
    """
    return _form((u, w, a), (z, v, b))


def relu_square(
    u: Float[Array, "m"], w: Float[Array, "m d"], a: Float[Array, "m"] | None
) -> Float[Array, ""]:
    """``relu_form`` of a sum with itself, whose gradient has one side in place of two."""
    return _square((u, w, a))


@jax.custom_jvp
def _square(f: tuple) -> Array:
    return _form(f, f)


@jax.custom_jvp
def _form(f: tuple, g: tuple) -> Array:
    return f[0] @ relu_gram(f[1], f[2], g[1], g[2]) @ g[0]


def _is_zero(tangent: Any) -> bool:
    return tangent is None or isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _slope(own: tuple, other: tuple, change: tuple, probability: Array, side: Side) -> Array | None:
    """Change of the form as the neurons of one sum move; (m, k) arrays have its neurons first."""
    amplitudes, weights, _ = own
    found = []
    if not _is_zero(change[1]):
        along = (side.along - probability * side.ratio) @ other[0]
        gradient = probability @ (other[0][:, None] * other[1]) + along[:, None] * weights
        found.append(amplitudes @ jnp.sum(gradient * change[1], axis=1))
    if not _is_zero(change[2]):
        found.append((amplitudes * (side.opened @ other[0])) @ change[2])
    return sum(found) if found else None


def _flipped(side: Side) -> Side:
    return Side(*(None if part is None else part.T for part in side))


def _form_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (f, g), (df, dg) = primals, tangents
    gram, slopes = gram_and_slopes(f[1], f[2], g[1], g[2])
    right = gram @ g[0]
    value, found = f[0] @ right, []
    if not _is_zero(df[0]):
        found.append(df[0] @ right)
    if not _is_zero(dg[0]):
        found.append(dg[0] @ (gram.T @ f[0]))
    probability, side_f, side_g = slopes
    found.append(_slope(f, g, df, probability, side_f))
    found.append(_slope(g, f, dg, probability.T, _flipped(side_g)))
    found = [part for part in found if part is not None]
    return value, sum(found) if found else jnp.zeros_like(value)


def _square_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (f,), (df,) = primals, tangents
    gram, (probability, side, _) = gram_and_slopes(f[1], f[2], f[1], f[2])
    right = gram @ f[0]
    found = [] if _is_zero(df[0]) else [df[0] @ right]
    found.append(_slope(f, f, df, probability, side))
    found = [part for part in found if part is not None]
    value = f[0] @ right
    return value, 2.0 * sum(found) if found else jnp.zeros_like(value)


_form.defjvp(_form_jvp, symbolic_zeros=True)
_square.defjvp(_square_jvp, symbolic_zeros=True)
