"""How far parameters moved, and how many activations flipped."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models.features import HiddenState
from rf_limits.models.network import OneHiddenLayer, Params


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


def _neurons(params: Params) -> Array:
    """Hidden parameters by neuron, (d or d + 1, N), as they are trained."""
    inner = params["params"]
    if "hidden_bias" not in inner:
        return inner["hidden_kernel"]
    return jnp.concatenate([inner["hidden_kernel"], inner["hidden_bias"][None, :]])


def movement(params: Params, init: Params) -> Movement:
    """Movement of each layer and of the neuron that moved most.

    Sources: the coupling of Yehudai and Shamir (2019), section 3; Lee et al. (2019), where
    all three are O(N^{-1/2}).
    """
    before, after = _neurons(init), _neurons(params)
    u_before, u_after = init["params"]["output_kernel"], params["params"]["output_kernel"]
    size = jnp.linalg.norm(u_before)
    by_neuron = jnp.linalg.norm(after - before, axis=0) / jnp.linalg.norm(before, axis=0)
    return Movement(
        jnp.linalg.norm(after - before) / jnp.linalg.norm(before),
        jnp.linalg.norm(u_after - u_before) / jnp.where(size > 0.0, size, u_before.size**0.5),
        jnp.max(by_neuron),
    )


def activation_flips(now: HiddenState, before: HiddenState) -> Float[Array, ""]:
    """Share of (input, neuron) pairs whose preactivation changed sign."""
    return jnp.mean((now.preactivations > 0.0) != (before.preactivations > 0.0), dtype=jnp.float64)


def count_parameters(network: OneHiddenLayer, dim: int) -> int:
    """Number of parameters of g: N d + N, and N more with biases."""
    return network.width * (dim + 1 + int(network.use_bias))
