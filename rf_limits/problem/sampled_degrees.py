r"""Degrees of a target that is known by its values alone, by U-statistics.

For independent uniform directions u, v and one length r, distributed like |x|,

.. math:: E f^{*2}_k = B(d, k)\, E f^*(r u)\, f^*(r v)\, P_k(\langle u, v\rangle),

which the pairs of a batch of directions of one length estimate without bias. The mean over lengths
is a quadrature rule, the batches of one length are independent, and their spread gives the standard
error. So is E f*^2 less these degrees, which is all that lies above them.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.theory.bounds.rotated_family import RotatedFamily
from rf_limits.theory.spectra.harmonics import multiplicity, polynomials
from rf_limits.theory.spectra.radial_law import radial_law
from rf_limits.theory.spectra.rotated import RotatedSpectrum

STANDARD_ERRORS = 4.0
"""By which degrees, and E f*^2, are lowered: a level of 3e-5 each, by the normal law."""

Function = Callable[[Array], Array]

_BATCHES, _DIRECTIONS = 768, 512
_LEAST_BATCHES = 8  # of one length
_LEAST_WEIGHT = 1e-10  # of lengths that are left out
_MOST_HARMONICS, _MOST_DEGREE = 3000, 12


def _degrees(dim: int) -> int:
    """Returns the largest degree whose share is resolved to about a hundredth of E f*^2."""
    return max(k for k in range(_MOST_DEGREE + 1) if multiplicity(dim, k) <= _MOST_HARMONICS)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 4))
def _estimates(
    function: Function, dim: int, degree: int, lengths: Float[Array, "R"], batches: int
) -> Float[Array, "R T K"]:
    """Returns estimates of the degrees up to K - 2, and of all others, from each batch."""
    sizes = jnp.array([float(multiplicity(dim, k)) for k in range(degree + 1)])

    def batch(length_and_key: tuple[Array, Array]) -> Array:
        length, key = length_and_key
        units = jax.random.normal(key, (_DIRECTIONS, dim), jnp.float64)
        units = units / jnp.linalg.norm(units, axis=1, keepdims=True)
        values = function(length * units)
        cosines, itself = units @ units.T, jnp.sum(values**2)
        sums = [values @ p @ values - itself for p in polynomials(dim, degree, cosines)]
        shares = sizes * jnp.stack(sums) / (_DIRECTIONS * (_DIRECTIONS - 1))
        return jnp.append(shares, itself / _DIRECTIONS - jnp.sum(shares))

    keys = jax.random.split(jax.random.key(1), lengths.size * batches)
    found = jax.lax.map(batch, (jnp.repeat(lengths, batches), keys))
    return found.reshape(lengths.size, batches, degree + 2)


@functools.lru_cache(maxsize=16)
def sampled_family(function: Function, dim: int, inputs: str) -> RotatedFamily:
    """Returns the family of a target by estimates of its degrees, lowered by their errors.

    Its limit is below R*(p) where every estimate is within :data:`STANDARD_ERRORS` standard errors.
    What is not found in the degrees estimated counts as one more level of the next degree.

    Args:
      function: f*, hashable, (n, d) -> (n,).
      dim: dimension d >= 2.
      inputs: law of x.

    Raises:
      RequirementError: d < 2, or unknown ``inputs``.
    """
    law = radial_law(inputs, dim)
    kept = law.weights > _LEAST_WEIGHT
    lengths, weights = np.sqrt(dim * law.nodes[kept]), law.weights[kept]
    batches = max(_LEAST_BATCHES, _BATCHES // len(lengths))
    found = _estimates(function, dim, _degrees(dim), jnp.asarray(lengths), batches)
    estimates = np.asarray(found)
    variances = np.var(estimates, axis=1, ddof=1) / batches
    least = weights @ np.mean(estimates, axis=1)
    least -= STANDARD_ERRORS * np.sqrt(weights**2 @ variances)
    least = np.maximum(least, 0.0)
    spectrum = RotatedSpectrum(dim, least[:-1, None], float(least[-1]), 0.0)
    return RotatedFamily(lambda degree: spectrum, last_degree=spectrum.max_degree)
