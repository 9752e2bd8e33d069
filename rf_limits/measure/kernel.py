"""Tangent kernels on a probe set: drift, alignment, spectrum, and distance to infinite width."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Eigen(NamedTuple):
    """Largest eigenvalues of a kernel matrix and what they span.

    Attributes:
      eigenvalues: (n,) of the kernel over n, descending.
      top: (n, k) eigenvectors of the k largest, in columns.
    """

    eigenvalues: Float[Array, "n"]
    top: Float[Array, "n k"]


def kernel_drift(now: Float[Array, "n n"], before: Float[Array, "n n"]) -> Float[Array, ""]:
    """Returns |Theta_t - Theta_0|_F / |Theta_0|_F on the probe inputs."""
    return jnp.linalg.norm(now - before) / jnp.linalg.norm(before)


def kernel_alignment(kernel: Float[Array, "n n"], target: Float[Array, "n"]) -> Float[Array, ""]:
    """Returns y^T Theta y / (|y|^2 |Theta|_F) in [0, 1] (Cristianini et al. 2001), y the target."""
    return target @ kernel @ target / (target @ target * jnp.linalg.norm(kernel))


def kernel_cosine(left: Float[Array, "n n"], right: Float[Array, "n n"]) -> Float[Array, ""]:
    """Returns <Theta, Theta'>_F / (|Theta|_F |Theta'|_F): 1 for kernels equal up to a factor."""
    return jnp.vdot(left, right) / (jnp.linalg.norm(left) * jnp.linalg.norm(right))


def eigen(kernel: Float[Array, "n n"], num_top: int) -> Eigen:
    """Returns the eigendecomposition of a kernel on n probe inputs.

    Args:
      kernel: (n, n) symmetric.
      num_top: k, how many eigenvectors to keep; at most n are.
    """
    values, vectors = jnp.linalg.eigh(kernel)
    return Eigen(values[::-1] / kernel.shape[0], vectors[:, ::-1][:, :num_top])


def effective_rank(eigenvalues: Float[Array, "n"]) -> Float[Array, ""]:
    """Returns (sum lambda)^2 / sum lambda^2: n for the identity, 1 for rank 1."""
    return jnp.sum(eigenvalues) ** 2 / jnp.sum(eigenvalues**2)


def eigenspace_rotation(now: Float[Array, "n k"], before: Float[Array, "n k"]) -> Float[Array, ""]:
    """Returns 1 - |V_t^T V_0|_F^2 / k: 0 for the same span, 1 for orthogonal spans.

    It is the mean of the squared sines of the principal angles between the spans.
    """
    return 1.0 - jnp.sum((now.T @ before) ** 2) / before.shape[1]
