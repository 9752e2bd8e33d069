"""E sigma(h) sigma(h') and E sigma'(h) sigma'(h') of hidden units: exact, for every activation.

The preactivations of an infinitely wide hidden layer are <w, z> with w ~ N(0, I) and rows
z = x/sqrt(d), or (x/sqrt(d), 1) where there are random biases. ReLU has closed forms
(:mod:`~rf_limits.theory.expectations.relu_kernels`), all others are series
(:mod:`~rf_limits.theory.expectations.activation_kernels`).
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models.increments import ACTIVATIONS
from rf_limits.models.network import OneHiddenLayer
from rf_limits.theory.expectations.activation_kernels import (
    DEGREE,
    Rows,
    activation_gram,
    activation_rows,
    jumps_at_zero,
)
from rf_limits.theory.expectations.activations import derivative
from rf_limits.theory.expectations.relu_kernels import relu_kernels


class Series(NamedTuple):
    """Coefficients along rows of inputs.

    Attributes:
      values: of the activation.
      slopes: of its derivative.
    """

    values: Rows
    slopes: Rows


class Points(NamedTuple):
    """Inputs with the coefficients of their kernels; every leaf has a leading axis of inputs.

    Attributes:
      x: (n, d) inputs.
      series: coefficients, or None where closed forms need none.
    """

    x: Float[Array, "n d"]
    series: Series | None = None

    @property
    def error(self) -> Float[Array, ""]:
        """Returns the relative remainder of the series at these inputs; 0 where it is rounding."""
        if self.series is None:
            return jnp.zeros(())
        values, slopes = self.series
        return jnp.max(jnp.maximum(values.error, slopes.error), initial=0.0)


class HiddenKernels(NamedTuple):
    """Expectations over one hidden unit, for pairs of inputs.

    Attributes:
      values: (n, m) E sigma(h) sigma(h').
      slopes: (n, m) E sigma'(h) sigma'(h').
    """

    values: Float[Array, "n m"]
    slopes: Float[Array, "n m"]


def numbers_per_point(activation: str) -> int:
    """Returns how many numbers :class:`Points` hold for each input, besides the input."""
    return 0 if activation == "relu" else 2 * (DEGREE + 1)


def hidden_rows(network: OneHiddenLayer, x: Float[Array, "n d"]) -> Float[Array, "n D"]:
    """Returns the rows z of the module docstring, D = d or d + 1."""
    rows = x / x.shape[1] ** 0.5
    return jnp.pad(rows, ((0, 0), (0, 1)), constant_values=1.0) if network.use_bias else rows


_derivative = functools.lru_cache(maxsize=64)(derivative)


def check_activation(network: OneHiddenLayer) -> None:
    """Refuses an activation that is not smooth enough beside 0 for its kernels.

    Raises:
      RequirementError: values or derivatives that are not finite there.
    """
    if network.activation != "relu":
        sigma = ACTIVATIONS[network.activation]
        for function in (sigma, _derivative(sigma)):
            jumps_at_zero(function)


def exact_points(network: OneHiddenLayer, x: Float[Array, "n d"]) -> Points:
    """Returns inputs with the coefficients that their kernels need; relu needs none."""
    if network.activation == "relu":
        return Points(x)
    sigma, rows = ACTIVATIONS[network.activation], hidden_rows(network, x)
    return Points(x, Series(*(activation_rows(f, rows) for f in (sigma, _derivative(sigma)))))


def exact_kernels(network: OneHiddenLayer, left: Points, right: Points) -> HiddenKernels:
    """Returns both expectations for all pairs of inputs.

    Args:
      network: the architecture, of which the activation and the use of biases count.
      left: n inputs, from :func:`exact_points`.
      right: m inputs.

    Returns:
      :class:`HiddenKernels`, to rounding for relu, to ``error`` of both sides for the rest.
    """
    if left.series is None or right.series is None:
        relu = relu_kernels(hidden_rows(network, left.x), hidden_rows(network, right.x))
        return HiddenKernels(relu.relu, relu.gate)
    sigma = ACTIVATIONS[network.activation]
    return HiddenKernels(
        activation_gram(left.series.values, right.series.values, sigma),
        activation_gram(left.series.slopes, right.series.slopes, _derivative(sigma)),
    )
