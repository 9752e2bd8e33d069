"""E sigma(h) tau(g) by Mehler's series of any activations, with derivatives of every order."""

import jax.numpy as jnp
from jaxtyping import Array

from rf_limits.theory.expectations.activations import Units, derivative
from rf_limits.theory.expectations.angles import unit_vectors
from rf_limits.theory.expectations.hermite_gram import (
    Coefficients,
    coefficients,
    gate_coefficients,
    hermite_gram,
)
from rf_limits.theory.expectations.relu_powers import POWERS
from rf_limits.theory.expectations.stein import Expectation, with_stein_derivatives

_SHORT = 0.01  # below this length a derivative is not had by division by it


def _coefficients(units: Units, order: int, degree: int) -> Coefficients:
    """Returns the coefficients of a derivative of the activation."""
    norms = unit_vectors(units.weights)[1]
    a, activation = units.biases, units.activation
    if isinstance(activation, str) and activation in POWERS:
        power = POWERS[activation]
        found = gate_coefficients(norms, a, degree, power=power - order)
        factor = 2.0 if power == 2 else 1.0
        return Coefficients(factor * found[0], factor * found[1], factor**2 * found[2])
    found = coefficients(derivative(units.function, order), norms, a, degree)
    if isinstance(activation, str) or order < 2:
        return found
    # Of a function with a kink the last derivative is not what differentiation of its values
    # gives: n c_k(f') = sqrt(k + 1) c_{k+1}(f).
    before = coefficients(derivative(activation, order - 1), norms, a, degree + 1)
    long = (norms >= _SHORT)[:, None]
    scale = jnp.sqrt(jnp.arange(1.0, degree + 2.0)) / jnp.where(long, norms[:, None], 1.0)
    full, coarse = (
        jnp.where(long, scale * old[:, 1:], new)
        for old, new in zip(before[:2], found[:2], strict=True)
    )
    return Coefficients(full, coarse, found.square)


def mehler_series(left: Units, right: Units, degree: int) -> Expectation:
    """Returns E sigma(h_i) tau(g_j), with its error, from the degrees up to ``degree``."""

    def gram(i: int, j: int, w: Array, a: Array, v: Array, b: Array) -> Expectation:
        own = _coefficients(Units(w, a, left.activation), i, degree)
        return hermite_gram(w, v, own, _coefficients(Units(v, b, right.activation), j, degree))

    return with_stein_derivatives(gram)(0, 0, *left[:2], *right[:2])
