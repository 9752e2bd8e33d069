"""Input distributions: standard Gaussian, and uniform on the sphere of radius sqrt(d)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from rf_limits.errors import check_choice
from rf_limits.theory.spectra.zonal import INPUTS


def sample_inputs(key: Key[Array, ""], kind: str, num: int, dim: int) -> Float[Array, "n d"]:
    """Draws ``num`` independent inputs.

    Args:
      key: typed PRNG key; the same key gives the same inputs.
      kind: ``"gaussian"`` for N(0, I_d), ``"sphere"`` for the uniform distribution on the
        sphere of radius sqrt(d). Both have identity covariance.
      num: number of inputs n.
      dim: dimension d.

    Returns:
      (n, d) float64.

    Raises:
      RequirementError: ``kind`` is not one of :data:`INPUTS`.
    """
    check_choice(kind, INPUTS, "problem.inputs")
    x = jax.random.normal(key, (num, dim), jnp.float64)
    if kind == "sphere":
        x = x * (jnp.sqrt(dim) / jnp.linalg.norm(x, axis=1, keepdims=True))
    return x
