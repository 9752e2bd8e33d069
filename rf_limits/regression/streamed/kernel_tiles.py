r"""Infinite-width kernels on many points, in tiles: filled into one matrix, or never stored."""

import dataclasses
import functools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from rf_limits.devices.mesh import spread
from rf_limits.devices.pace import in_chunks
from rf_limits.models.exact_kernels import Points
from rf_limits.models.infinite_width import InfiniteNetwork
from rf_limits.models.network import OneHiddenLayer

TILE_ENTRIES = 2**22
"""Numbers held at a time: 32 MiB for each of about ten arrays of a tile."""


def _rows(mesh: Mesh | None, left: int, right: int) -> int:
    """Returns rows of a tile, a multiple of the devices along "data"."""
    along = 1 if mesh is None else mesh.shape["data"]
    most = max(min(TILE_ENTRIES // right, left), 1)
    return -(-most // along) * along


def _spread(mesh: Mesh | None, tree: Any) -> Any:
    """Returns rows of every leaf along the axis "data" of the mesh."""
    if mesh is None:
        return tree

    def along(leaf: Array) -> Array:
        axes = ("data", *(None,) * (leaf.ndim - 1))
        return jax.lax.with_sharding_constraint(leaf, spread(mesh, *axes))

    return jax.tree.map(along, tree)


class _Which(NamedTuple):
    """Which kernel, and on which devices; hashed where programs are compiled.

    Attributes:
      limit: the infinitely wide network.
      name: ``"nngp"`` or ``"ntk"``.
      mesh: devices, or None.
    """

    limit: InfiniteNetwork
    name: str
    mesh: Mesh | None


_points = jax.jit(InfiniteNetwork.points, static_argnums=0)


@partial(jax.jit, static_argnums=0)
def _tile(which: _Which, left: Points, right: Points) -> Array:
    kernels = which.limit.kernels_of(_spread(which.mesh, left), right)
    return _spread(which.mesh, getattr(kernels, which.name))


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=5)
def _add_products(
    which: _Which,
    rows: int,
    left: Points,
    right: Points,
    vector: Array,
    values: Array,
    start: Array,
    stop: Array,
) -> Array:
    def body(i: Array, values: Array) -> Array:
        tile = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, i * rows, rows), left)
        part = _tile(which, tile, right) @ vector
        return jax.lax.dynamic_update_slice_in_dim(values, part, i * rows, 0)

    return jax.lax.fori_loop(start, stop, body, values)


@dataclasses.dataclass(frozen=True, eq=False)
class KernelData:
    """The kernel of an architecture on n training inputs, which are in memory.

    Attributes:
      limit: the infinitely wide network.
      name: ``"nngp"`` or ``"ntk"``.
      x: (n, d) inputs.
      mesh: devices along whose axis "data" the rows of a tile lie, or None for one.
    """

    limit: InfiniteNetwork
    name: str
    x: Float[np.ndarray, "n d"]
    mesh: Mesh | None = None

    @property
    def network(self) -> OneHiddenLayer:
        """Returns the architecture."""
        return self.limit.network

    @property
    def num(self) -> int:
        """Returns the number of training inputs n."""
        return len(self.x)

    @functools.cached_property
    def error(self) -> float:
        """Returns the remainder of series over the diagonal; 0 where it is rounding."""
        return float(self._train.error)

    @property
    def _which(self) -> _Which:
        return _Which(self.limit, self.name, self.mesh)

    def _prepared(self, x: np.ndarray) -> Points:
        return _points(self.limit, jnp.asarray(x))

    @functools.cached_property
    def _train(self) -> Points:
        """Returns the training inputs with the coefficients of their kernel."""
        return self._prepared(self.x)

    def _padded(self, left: np.ndarray, rows: int) -> Points:
        """Pads rows to a multiple of the tile by repeating the first point."""
        missing = -len(left) % rows
        return self._prepared(np.concatenate([left, np.repeat(left[:1], missing, axis=0)]))

    def block(
        self, left: Float[np.ndarray, "m d"], right: Float[np.ndarray, "k d"]
    ) -> Float[np.ndarray, "m k"]:
        """Returns k(left_i, right_j), tile by tile into one C-ordered array."""
        rows = _rows(self.mesh, len(left), len(right))
        padded, others = self._padded(left, rows), self._prepared(right)
        kernel = np.empty((len(left), len(right)))
        for i in range(0, len(left), rows):
            tile = jax.tree.map(lambda leaf, i=i: leaf[i : i + rows], padded)
            kernel[i : i + rows] = np.asarray(_tile(self._which, tile, others))[: len(left) - i]
        return kernel

    def diagonal(self) -> Float[np.ndarray, "n"]:
        """Returns k(x_i, x_i)."""
        rows = min(256, math.isqrt(TILE_ENTRIES), self.num)
        padded, which = self._padded(self.x, rows), self._which._replace(mesh=None)
        parts = []
        for i in range(0, self.num, rows):
            tile = jax.tree.map(lambda leaf, i=i: leaf[i : i + rows], padded)
            parts.append(np.diagonal(_tile(which, tile, tile)))
        return np.concatenate(parts)[: self.num]

    def product(
        self,
        vector: Float[np.ndarray, "n"],
        points: Float[np.ndarray, "m d"] | None = None,
        *,
        after_chunk: Callable[[Array, int], None] | None = None,
    ) -> Float[np.ndarray, "m"]:
        """Returns sum_j k(points_i, x_j) vector_j, nothing stored but a tile.

        Args:
          vector: (n,) coefficients.
          points: (m, d) where to evaluate; the training inputs if None.
          after_chunk: called every few seconds with the values so far and the tiles done.
        """
        left = self.x if points is None else points
        rows = _rows(self.mesh, len(left), self.num)
        padded, v = self._padded(left, rows), jnp.asarray(vector)
        count = len(padded.x)

        def step(values: Array, first: int, last: int) -> Array:
            return _add_products(self._which, rows, padded, self._train, v, values, first, last)

        values = in_chunks(step, jnp.zeros(count), count // rows, after_chunk=after_chunk)
        return np.array(values)[: len(left)]
