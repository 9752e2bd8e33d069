r"""Sums over a streamed training set of random features, on one device or spread over a mesh.

With Phi the (n, N) matrix of features of all samples, never held as a whole:

* :func:`gram_sums`: Phi^T Phi, Phi^T y and |y|^2, once over the data, O(n N^2);
* :func:`residual_sums`: Phi^T (s y - Phi theta) and |s y - Phi theta|^2, O(n N d), which gives
  Phi^T y and |y|^2 (theta = 0), products with Phi^T Phi (s = 0) and true residuals (s = 1).

On a mesh rows of a block lie along "data" and features along "width"; the Gram matrix has its
rows along "width", N^2/width numbers on each device. Devices add in another order than one
alone: results agree to rounding. Each of the T tiles of rows of the Gram matrix is spread over all
of "width", so that devices share the work although only one triangle is computed.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from rf_limits.devices.mesh import spread
from rf_limits.devices.pace import in_chunks
from rf_limits.models.features import random_features
from rf_limits.models.network import OneHiddenLayer, Params
from rf_limits.regression.streamed.feature_data import FeatureData
from rf_limits.regression.streamed.stream import SampleStream
from rf_limits.types import Scalar

GRAM_TILES = 8
"""Pieces the Gram matrix is added up in, at most: only those left of the diagonal are computed."""

TILE_ENTRIES = 2**22
"""Features held at a time in passes that need no Gram matrix: 32 MiB."""


class GramSums(NamedTuple):
    """Sums over samples.

    Attributes:
      gram: (T, N/T, N) Phi^T Phi, its rows in T tiles; only what is left of the diagonal and in
        the square on it, the rest is 0.
      moments: (N,) Phi^T y.
      square: |y|^2.
    """

    gram: Float[Array, "T side N"]
    moments: Float[Array, "N"]
    square: Float[Array, ""]


class ResidualSums(NamedTuple):
    """Sums over samples of z = s y - Phi theta.

    Attributes:
      slope: (N,) Phi^T z.
      square: |z|^2.
    """

    slope: Float[Array, "N"]
    square: Float[Array, ""]


def _constrain(mesh: Mesh | None, value: Array, *axes: str | None) -> Array:
    place = spread(mesh, *axes)
    return value if place is None else jax.lax.with_sharding_constraint(value, place)


def tiles_of(width: int, along: int = 1) -> int:
    """Returns the largest number of equal tiles, each a multiple of ``along``."""
    return max(t for t in range(1, GRAM_TILES + 1) if width % (t * along) == 0 or t == 1)


def _rows_of(rows: int, width: int, along: int) -> int:
    """Returns rows of features held at a time: a divisor of the block, a multiple of ``along``."""
    most = max(TILE_ENTRIES // width, along)
    good = [r for r in range(1, rows + 1) if rows % r == 0 and r % along == 0 and r <= most]
    return good[-1] if good else rows


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=(5,))
def _add_gram(
    network: OneHiddenLayer,
    stream: SampleStream,
    mesh: Mesh | None,
    params: Params,
    key: Array,
    sums: GramSums,
    start: Array,
    stop: Array,
) -> GramSums:
    along = 1 if mesh is None else mesh.shape["width"]
    tiles = tiles_of(network.width, along)
    side = network.width // tiles

    def body(i: Array, sums: GramSums) -> GramSums:
        block = stream.block(key, i)
        x = _constrain(mesh, block.x, "data", None)
        phi = random_features(network, params, x) * block.mask[:, None]
        phi = _constrain(mesh, phi, "data", "width")
        y = block.y * block.mask
        gram = sums.gram
        for t in range(tiles):
            end = (t + 1) * side
            columns = _constrain(mesh, phi[:, t * side : end], "data", "width")
            gram = gram.at[t, :, :end].add(columns.T @ phi[:, :end])
        gram = _constrain(mesh, gram, None, "width", None)
        moments = _constrain(mesh, sums.moments + phi.T @ y, "width")
        return GramSums(gram, moments, sums.square + y @ y)

    return jax.lax.fori_loop(start, stop, body, sums)


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=(7,))
def _add_residual(
    network: OneHiddenLayer,
    stream: SampleStream,
    mesh: Mesh | None,
    params: Params,
    key: Array,
    theta: Array,
    labels: Array,
    sums: ResidualSums,
    start: Array,
    stop: Array,
) -> ResidualSums:
    rows = _rows_of(stream.rows, network.width, 1 if mesh is None else mesh.shape["data"])

    def tile(sums: ResidualSums, part: tuple) -> tuple[ResidualSums, None]:
        x, y, mask = part
        phi = random_features(network, params, _constrain(mesh, x, "data", None))
        phi = _constrain(mesh, phi, "data", "width")
        z = _constrain(mesh, (labels * y - phi @ theta) * mask, "data")
        slope = _constrain(mesh, sums.slope + z @ phi, "width")
        return ResidualSums(slope, sums.square + z @ z), None

    def body(i: Array, sums: ResidualSums) -> ResidualSums:
        block = stream.block(key, i)
        parts = jax.tree.map(lambda a: a.reshape(-1, rows, *a.shape[1:]), tuple(block))
        return jax.lax.scan(tile, sums, parts)[0]

    return jax.lax.fori_loop(start, stop, body, sums)


def _zeros(mesh: Mesh | None, shape: tuple[int, ...], *axes: str | None) -> Array:
    """Returns zeros that are made where they belong."""
    return jnp.zeros(shape, jnp.float64, device=spread(mesh, *axes))


def gram_sums(
    data: FeatureData,
    *,
    start: tuple[GramSums, int] | None = None,
    after_chunk: Callable[[GramSums, int], None] | None = None,
) -> GramSums:
    """Returns Phi^T Phi, Phi^T y and |y|^2 in one pass over the data.

    Args:
      data: features and training set.
      start: sums over the first blocks, as ``after_chunk`` had them (numpy arrays will do), and
        how many blocks they are; arrays of JAX are used up.
      after_chunk: called every few seconds with the sums so far and how many blocks they are;
        the next call uses the arrays up: copy what is to be kept.

    Returns:
      :class:`GramSums`, float64.

    Raises:
      RequirementError: features or rows of a block that the mesh does not divide.
    """
    data = data.placed()
    network, params, stream, key, mesh = data
    size = network.width
    tiles = tiles_of(size, 1 if mesh is None else mesh.shape["width"])
    places = (spread(mesh, None, "width", None), spread(mesh, "width"), spread(mesh))
    if start is None:
        shapes = ((tiles, size // tiles, size), (size,), ())
        zeros = zip(shapes, places, strict=True)
        sums, first = GramSums(*(jnp.zeros(s, jnp.float64, device=p) for s, p in zeros)), 0
    else:
        found, first = start
        sums = GramSums(*(jax.device_put(v, p) for v, p in zip(found, places, strict=True)))

    def step(sums: GramSums, first: int, last: int) -> GramSums:
        return _add_gram(network, stream, mesh, params, key, sums, first, last)

    return in_chunks(step, sums, stream.blocks, first=first, after_chunk=after_chunk)


def residual_sums(
    data: FeatureData,
    theta: Float[Array, "N"] | Float[np.ndarray, "N"],
    labels: Scalar = 1.0,
    *,
    after_chunk: Callable[[ResidualSums, int], None] | None = None,
) -> ResidualSums:
    """Returns Phi^T z and |z|^2 of z = labels y - Phi theta, in one pass over the data.

    Args:
      data: features and training set, :meth:`FeatureData.placed`.
      theta: (N,) weights.
      labels: the factor s in front of y.
      after_chunk: called every few seconds with the sums so far and how many blocks they are.
    """
    network, params, stream, key, mesh = data
    theta = jnp.asarray(theta, jnp.float64, device=spread(mesh, "width"))
    zero = ResidualSums(_zeros(mesh, theta.shape, "width"), _zeros(mesh, ()))
    factor = jnp.asarray(labels, jnp.float64)

    def step(sums: ResidualSums, first: int, last: int) -> ResidualSums:
        place = (network, stream, mesh, params, key)
        return _add_residual(*place, theta, factor, sums, first, last)

    return in_chunks(step, zero, stream.blocks, after_chunk=after_chunk)
