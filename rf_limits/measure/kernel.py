"""How far the empirical tangent kernel drifted, and how well it points at the target."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def kernel_drift(now: Float[Array, "n n"], before: Float[Array, "n n"]) -> Float[Array, ""]:
    """|Theta_t - Theta_0|_F / |Theta_0|_F on the probe inputs."""
    return jnp.linalg.norm(now - before) / jnp.linalg.norm(before)


def kernel_alignment(kernel: Float[Array, "n n"], target: Float[Array, "n"]) -> Float[Array, ""]:
    """y^T Theta y / (|y|^2 |Theta|_F) in [0, 1] (Cristianini et al. 2001), y the target."""
    return target @ kernel @ target / (target @ target * jnp.linalg.norm(kernel))
