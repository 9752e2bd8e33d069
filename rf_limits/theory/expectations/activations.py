"""Activations: elementwise functions, some of them known by name."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Elementwise = Callable[[Array], Array]
Activation = str | Elementwise

FUNCTIONS: dict[str, Elementwise] = {
    "relu": jax.nn.relu,
    "relu_squared": lambda h: jax.nn.relu(h) ** 2,
    "step": lambda h: jnp.where(h > 0.0, 1.0, 0.0),
    "abs": jnp.abs,
    "sign": jnp.sign,
    "erf": jax.scipy.special.erf,
    "gelu": lambda h: jax.nn.gelu(h, approximate=False),
    "linear": lambda h: h,
    "quadratic": lambda h: h**2,
    "sin": jnp.sin,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
}
"""The activations known by name."""


def slope(function: Elementwise, h: Array) -> Array:
    """Returns the derivative of an elementwise function at ``h``."""
    return jax.jvp(function, (h,), (jnp.ones_like(h),))[1]


def derivative(function: Elementwise, order: int = 1) -> Elementwise:
    """Returns the derivative of an elementwise function, of any order."""
    for _ in range(order):
        function = functools.partial(slope, function)
    return function


class Units(NamedTuple):
    """Neurons sigma(<w_i, x> + a_i) of one activation.

    Attributes:
      weights: (m, d) w.
      biases: (m,) a.
      activation: sigma, a key of :data:`FUNCTIONS` or an elementwise function.
    """

    weights: Float[Array, "m d"]
    biases: Float[Array, "m"]
    activation: Activation

    @property
    def function(self) -> Elementwise:
        """The activation as a function."""
        sigma = self.activation
        return FUNCTIONS[sigma] if isinstance(sigma, str) else sigma
