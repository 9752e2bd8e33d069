"""The alignment of a network's neurons with the single neuron of the target."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models.network import Params, hidden_weights
from rf_limits.models.scaled_network import ScaledNetwork, moved

ALIGNED_COSINE = 0.9
"""Neurons whose cosine with w* is above this count as aligned (an angle below 26 degrees)."""


class Alignment(NamedTuple):
    """A network's weights beside w*; angles in radians.

    With v = alpha p_out sum_i u_i w_i (less the same at initialization if that is subtracted),
    so that E f(x) x = v/2 for relu without biases and x ~ N(0, I_d); a single neuron has
    v = alpha p_out u w.

    Attributes:
      effective_angle: between v and w*; NaN where v is zero, as at initialization if that is
        subtracted.
      effective_norm: |v|/|w*|.
      best_angle: between w* and the neuron nearest to it.
      aligned_neurons: share of neurons with cosine to w* above :data:`ALIGNED_COSINE`.
      aligned_mass: their share of sum_i |u_i| |w_i|.
    """

    effective_angle: Float[Array, ""]
    effective_norm: Float[Array, ""]
    best_angle: Float[Array, ""]
    aligned_neurons: Float[Array, ""]
    aligned_mass: Float[Array, ""]


def _angles(vectors: Float[Array, "N d"], direction: Float[Array, "d"]) -> Float[Array, "N"]:
    """Returns the angles between rows and a unit vector, exact near 0 and pi."""
    along = vectors @ direction
    across = jnp.linalg.norm(vectors - along[:, None] * direction, axis=1)
    return jnp.arctan2(across, along)


def alignment(f: ScaledNetwork, change: Params, target: Float[Array, "d"]) -> Alignment:
    """Returns the alignment of a network with a single neuron.

    Args:
      f: the trained function.
      change: of its parameters since initialization.
      target: (d,) w*.
    """

    def rows(p: Params) -> tuple[Array, Array]:
        return hidden_weights(f.network, p)[0], p["params"]["output_kernel"]

    size = jnp.linalg.norm(target)
    (before, u_before), (moves, du) = rows(f.init), rows(change)
    weights, u = rows(moved(f.init, change))
    vector = u_before @ moves + du @ weights  # without cancellation
    if not f.network.centred:
        vector = vector + u_before @ before
    vector = f.alpha * f.network.output_scale * vector
    angles = _angles(weights, target / size)
    mass = jnp.abs(u) * jnp.linalg.norm(weights, axis=1)
    aligned = jnp.cos(angles) > ALIGNED_COSINE
    return Alignment(
        jnp.where(jnp.linalg.norm(vector) > 0.0, _angles(vector[None], target / size)[0], jnp.nan),
        jnp.linalg.norm(vector) / size,
        jnp.min(angles),
        jnp.mean(aligned, dtype=jnp.float64),
        jnp.sum(jnp.where(aligned, mass, 0.0)) / jnp.sum(mass),
    )
