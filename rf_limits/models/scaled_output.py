"""The trained function f: the network, scaled and possibly centred, as its change makes it."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models.network import OneHiddenLayer, Params


def moved(init: Params, change: Params) -> Params:
    """Returns parameters ``init + change``."""
    return jax.tree.map(jnp.add, init, change)


def change_of(params: Params, init: Params) -> Params:
    """Returns their change ``params - init``."""
    return jax.tree.map(jnp.subtract, params, init)


@dataclasses.dataclass(frozen=True)
class ScaledOutput:
    """f(params, x) = alpha (g(params, x) - [centred] g(params_0, x)).

    Chizat, Oyallon and Bach (2019), equation (1): large alpha (with the loss divided by
    alpha^2) makes training lazy. ``alpha`` and ``init`` may be traced values.

    At large alpha parameters hardly change, and their sum with the change loses what makes f:
    training holds the change, and :meth:`after` takes it. The error of f is then rounding of f
    where f starts at zero, at any alpha, and alpha 2^-53 |g_0| (2^-24 in float32) where it does
    not.

    Attributes:
      network: the module g.
      centred: whether g at initialization is subtracted.
    """

    network: OneHiddenLayer
    centred: bool

    def __call__(
        self, params: Params, init: Params, alpha: Float[Array, ""], x: Float[Array, "n d"]
    ) -> Float[Array, "n"]:
        """Returns values of f at the rows of ``x``."""
        return self.after(change_of(params, init), init, alpha, x)

    def after(
        self, change: Params, init: Params, alpha: Float[Array, ""], x: Float[Array, "n d"]
    ) -> Float[Array, "n"]:
        """Returns values of f at ``init + change``: alpha (g - g_0) + alpha g_0 unless centred."""
        value = self.network.output_change(init, change, x)
        if not (self.centred or self.network.starts_at_zero):
            value = self.network.value(init, x) + value
        return alpha * value

    def linearized_after(
        self, change: Params, init: Params, alpha: Float[Array, ""], x: Float[Array, "n d"]
    ) -> Float[Array, "n"]:
        """Returns the first-order expansion of f around ``init``, at ``init + change``."""
        value, slope = jax.jvp(lambda p: self.network.value(p, x), (init,), (change,))
        return alpha * (slope if self.centred else value + slope)
