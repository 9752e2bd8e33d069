r"""E f(x) g(x) for two sums of ReLU neurons, with a gradient at little more than its cost.

For f = sum_i u_i relu(h_i), g = sum_j z_j relu(g_j) and x ~ N(0, I_d), the gradient with respect
to the neurons of f is u_i E 1[h_i > 0] g(x) x: sums over j with the weights P and C of
:mod:`rf_limits.theory.relu_gram`. They come from the same angles as the value, and what is left
are products of (m, k) with (k, d) matrices. Differentiating the Gram matrix instead carries
several (m, k) matrices back.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.blocks import BLOCK_ENTRIES, map_blocks
from rf_limits.theory.relu_gram import gram_and_slopes, relu_gram


class Neurons(NamedTuple):
    """sum_i amplitudes_i relu(<weights_i, x> + biases_i).

    Attributes:
      amplitudes: (m,).
      weights: (m, d).
      biases: (m,), or None for none.
    """

    amplitudes: Float[Array, "m"]
    weights: Float[Array, "m d"]
    biases: Float[Array, "m"] | None


def relu_form(f: Neurons, g: Neurons, *, block_entries: int = BLOCK_ENTRIES) -> Float[Array, ""]:
    """E f(x) g(x), as often differentiable; cheaper where f is g, the same object.

    Args:
      f: m neurons.
      g: k neurons.
      block_entries: pairs held at a time, in derivatives too.
    """
    return _square(f, block_entries) if f is g else _form(f, g, block_entries)


class _Field(NamedTuple):
    """What neurons h_i see of a function g.

    Attributes:
      value: (m,) E relu(h_i) g.
      gradient: (m, d) E 1[h_i > 0] g x.
      opened: (m,) E 1[h_i > 0] g, or None without biases.
    """

    value: Array
    gradient: Array
    opened: Array | None


def _values(own: Neurons, other: Neurons, block_entries: int) -> Array:
    def block(rows: tuple) -> Array:
        return relu_gram(*rows, other.weights, other.biases) @ other.amplitudes

    return map_blocks(block, (own.weights, own.biases), other.amplitudes.size, block_entries)


def _field(own: Neurons, other: Neurons, block_entries: int) -> _Field:
    scaled = other.amplitudes[:, None] * other.weights

    def block(rows: tuple) -> _Field:
        gram, slopes = gram_and_slopes(*rows, other.weights, other.biases)
        side = slopes.side_w
        along = (side.along - slopes.probability * side.ratio) @ other.amplitudes
        gradient = slopes.probability @ scaled + along[:, None] * rows[0]
        opened = None if side.opened is None else side.opened @ other.amplitudes
        return _Field(gram @ other.amplitudes, gradient, opened)

    return map_blocks(block, (own.weights, own.biases), other.amplitudes.size, block_entries)


def _is_zero(tangent: Any) -> bool:
    return tangent is None or isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _change(own: Neurons, other: Neurons, tangent: Neurons, block_entries: int) -> list[Array]:
    """Parts of the form's change as the neurons of one side move."""
    found = []
    if all(_is_zero(part) for part in tangent):
        return found
    field = _field(own, other, block_entries)
    if not _is_zero(tangent.amplitudes):
        found.append(tangent.amplitudes @ field.value)
    if not _is_zero(tangent.weights):
        found.append(own.amplitudes @ jnp.sum(field.gradient * tangent.weights, axis=1))
    if not _is_zero(tangent.biases):
        found.append((own.amplitudes * field.opened) @ tangent.biases)
    return found


def _total(parts: list[Array], like: Array) -> Array:
    return sum(parts) if parts else jnp.zeros_like(like)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _form(f: Neurons, g: Neurons, block_entries: int) -> Array:
    return f.amplitudes @ _values(f, g, block_entries)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _square(f: Neurons, block_entries: int) -> Array:
    return f.amplitudes @ _values(f, f, block_entries)


@partial(_form.defjvp, symbolic_zeros=True)
def _form_jvp(block_entries: int, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (f, g), (df, dg) = primals, tangents
    value = _form(f, g, block_entries)
    parts = _change(f, g, df, block_entries) + _change(g, f, dg, block_entries)
    return value, _total(parts, value)


@partial(_square.defjvp, symbolic_zeros=True)
def _square_jvp(block_entries: int, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (f,), (df,) = primals, tangents
    value = _square(f, block_entries)
    return value, 2.0 * _total(_change(f, f, df, block_entries), value)
