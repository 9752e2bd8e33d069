"""The movement of parameters, and the share of activations that flipped."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models.features import HiddenState
from rf_limits.models.network import Params, by_neuron


class Movement(NamedTuple):
    """Relative distances from initialization, all dimensionless scalars.

    Attributes:
      weight_movement: |W_t - W_0|_F / |W_0|_F of the hidden layer, biases included.
      output_movement: |u_t - u_0| / |u_0|, or |u_t| / sqrt(N) if u_0 = 0.
      neuron_movement: max_i |w_i,t - w_i,0| / |w_i,0|, biases included.
    """

    weight_movement: Float[Array, ""]
    output_movement: Float[Array, ""]
    neuron_movement: Float[Array, ""]


def movement(change: Params, init: Params) -> Movement:
    """Returns the movement of each layer and of the neuron that moved most.

    Sources: the coupling of Yehudai and Shamir (2019), section 3; Lee et al. (2019), where
    all three are O(N^{-1/2}).
    """
    (before, u), (moves, du) = by_neuron(init), by_neuron(change)
    size = jnp.linalg.norm(u)
    largest = jnp.maximum(jnp.max(jnp.abs(moves)), jnp.max(jnp.abs(du)))
    largest = jnp.where(largest > 0.0, largest, 1.0)  # or squares of 1e-160 and less are 0
    moves, du = moves / largest, du / largest
    of_neurons = jnp.linalg.norm(moves, axis=0) / jnp.linalg.norm(before, axis=0)
    return Movement(
        largest * (jnp.linalg.norm(moves) / jnp.linalg.norm(before)),
        largest * (jnp.linalg.norm(du) / jnp.where(size > 0.0, size, u.size**0.5)),
        largest * jnp.max(of_neurons),
    )


def activation_flips(now: HiddenState, before: HiddenState) -> Float[Array, ""]:
    """Returns the share of (input, neuron) pairs whose preactivation changed sign."""
    return jnp.mean((now.preactivations > 0.0) != (before.preactivations > 0.0), dtype=jnp.float64)
