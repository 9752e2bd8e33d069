"""The trained function f: the network, scaled and possibly centred, as its change makes it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models.network import OneHiddenLayer, Params
from rf_limits.types import as_tree


def moved(init: Params, change: Params) -> Params:
    """Returns parameters ``init + change``."""
    return jax.tree.map(jnp.add, init, change)


def change_of(params: Params, init: Params) -> Params:
    """Returns their change ``params - init``."""
    return jax.tree.map(jnp.subtract, params, init)


@functools.partial(as_tree, arrays=("init", "alpha"), fixed=("network",))
@dataclasses.dataclass(frozen=True, eq=False)
class ScaledNetwork:
    """f(params, x) = alpha (g(params, x) - [centred] g(init, x)), a tree of ``init`` and ``alpha``.

    Chizat, Oyallon and Bach (2019), equation (1): large alpha (with the loss divided by
    alpha^2) makes training lazy.

    At large alpha parameters hardly change, and their sum with the change loses what makes f:
    training holds the change, and :meth:`after` takes it. The error of f is then rounding of f
    where f starts at zero, at any alpha, and alpha 2^-53 |g_0| (2^-24 in float32) where it does
    not.

    Attributes:
      network: the module g, which says whether f is centred.
      init: parameters at initialization.
      alpha: lazy scale; of an ensemble, both carry a leading axis.
    """

    network: OneHiddenLayer
    init: Params
    alpha: Float[Array, "*s"] | float = 1.0

    def __call__(self, params: Params, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns values of f at the rows of ``x``."""
        return self.after(change_of(params, self.init), x)

    def after(self, change: Params, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns values of f at ``init + change``: alpha (g - g_0) + alpha g_0 unless centred."""
        value = self.network.output_change(self.init, change, x)
        if not (self.network.centred or self.network.starts_at_zero):
            value = self.network.value(self.init, x) + value
        return self.alpha * value

    def linearized_after(self, change: Params, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns the first-order expansion of f around ``init``, at ``init + change``."""
        g = self.network
        value, slope = jax.jvp(lambda p: g.value(p, x), (self.init,), (change,))
        return self.alpha * (slope if g.centred else value + slope)
