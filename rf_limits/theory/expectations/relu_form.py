r"""E f(x) g(x) for two sums of ReLU neurons, with a gradient from the angles of its value.

For f = sum_i u_i relu(h_i), g = sum_j z_j relu(g_j) and x ~ N(0, I_d), the gradient with respect
to the neurons of f is u_i E 1[h_i > 0] g(x) x: sums over j with the weights P and C of
:mod:`rf_limits.theory.expectations.relu_gram`. They come from the same angles as the value, and
what is left are products of (m, k) with (k, d) matrices. Differentiating the Gram matrix instead
carries several (m, k) matrices back.
"""

from functools import partial
from typing import NamedTuple, TypeGuard

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.expectations.relu_gram import gram_and_slopes, relu_gram


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


def relu_form(f: Neurons, g: Neurons) -> Float[Array, ""]:
    """Returns E f(x) g(x), differentiable like ``relu_gram``; cheaper where f is g.

    Args:
      f: m neurons.
      g: k neurons; all m k pairs are held at once.
    """
    return _form(f, None if f is g else g)


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


def _field(own: Neurons, other: Neurons) -> _Field:
    weights = (own.weights, own.biases, other.weights, other.biases)
    gram, (probability, side, _) = gram_and_slopes(*weights)
    along = (side.along - probability * side.ratio) @ other.amplitudes
    gradient = probability @ (other.amplitudes[:, None] * other.weights)
    opened = None if side.opened is None else side.opened @ other.amplitudes
    gradient = gradient + along[:, None] * own.weights
    return _Field(gram @ other.amplitudes, gradient, opened)


def _moves(tangent: object) -> TypeGuard[Array]:
    return not (tangent is None or isinstance(tangent, jax.custom_derivatives.SymbolicZero))


def _change(own: Neurons, other: Neurons, tangent: Neurons) -> list[Array]:
    """Returns parts of the form's change as the neurons of one side move."""
    found: list[Array] = []
    if not any(_moves(part) for part in tangent):
        return found
    field = _field(own, other)
    if _moves(tangent.amplitudes):
        found.append(tangent.amplitudes @ field.value)
    if _moves(tangent.weights):
        found.append(own.amplitudes @ jnp.sum(field.gradient * tangent.weights, axis=1))
    if _moves(tangent.biases) and field.opened is not None:
        found.append((own.amplitudes * field.opened) @ tangent.biases)
    return found


@jax.custom_jvp
def _form(f: Neurons, g: Neurons | None) -> Array:
    """Returns E f g, or E f^2 where g is None."""
    g = f if g is None else g
    gram = relu_gram(f.weights, f.biases, g.weights, g.biases)
    return f.amplitudes @ (gram @ g.amplitudes)


@partial(_form.defjvp, symbolic_zeros=True)
def _form_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (f, g), (df, dg) = primals, tangents
    value = _form(f, g)
    still = jnp.zeros_like(value)
    if g is None:
        return value, 2.0 * sum(_change(f, f, df), still)
    return value, sum(_change(f, g, df) + _change(g, f, dg), still)
