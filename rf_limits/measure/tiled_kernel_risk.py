"""Exact risk of one kernel predictor on many points: the n x n moments are never stored."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.devices.pace import in_chunks
from rf_limits.measure.kernel_risk import ExactKernelRisk
from rf_limits.theory.expectations.angles import unit_vectors
from rf_limits.theory.risks.kernel_predictors import TILE_ROWS, zonal_series


@partial(jax.jit, static_argnums=(1,))
def _add_rows(
    weights: Array, dim: int, units: Array, sizes: Array, total: Array, start: Array, stop: Array
) -> Array:
    """Adds sum_ij sizes_i sizes_j sum_k weights_k P_k(<u_i, u_j>), i in rows of tiles."""

    def rows(i: Array, total: Array) -> Array:
        def tile(j: Array, total: Array) -> Array:
            part = sizes[i] @ zonal_series(weights, dim, units[i] @ units[j].T) @ sizes[j]
            return total + jnp.where(i == j, 1.0, 2.0) * part

        return jax.lax.fori_loop(0, i + 1, tile, total)

    return jax.lax.fori_loop(start, stop, rows, total)


def tiled_kernel_risk(
    exact: ExactKernelRisk,
    kernel: str,
    points: Float[np.ndarray, "n d"],
    coefficients: Float[np.ndarray, "n"],
) -> float:
    """Returns E (sum_i c_i k(x, x_i) - f*(x))^2, with no n x n matrix.

    Args:
      exact: the exact risks of the kernels.
      kernel: "nngp" or "ntk".
      points: (n, d) the x_i.
      coefficients: (n,) the c_i.

    Returns:
      The risk, at a cost of O(n^2 (d + K)) and in memory O(n d).
    """
    dim, series = points.shape[1], exact.series[kernel]
    units, norms = unit_vectors(jnp.asarray(points))
    sizes = norms * jnp.asarray(coefficients)
    cosines = units @ jnp.asarray(series.directions).T
    cross = sizes @ jnp.sum(zonal_series(series.products, dim, cosines), axis=1)
    count = -(-len(points) // TILE_ROWS)
    missing = count * TILE_ROWS - len(points)
    units = jnp.pad(units, ((0, missing), (0, 0))).reshape(count, TILE_ROWS, dim)
    sizes = jnp.pad(sizes, (0, missing)).reshape(count, TILE_ROWS)
    weights = jnp.asarray(series.squares)

    def step(total: Array, first: int, last: int) -> Array:
        return _add_rows(weights, dim, units, sizes, total, first, last)

    square = in_chunks(step, jnp.zeros(()), count)
    return float(square - 2.0 * cross) + exact.problem.second_moment
