r"""Infinite-width kernels on many points, in tiles: filled into one matrix, or never stored."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from rf_limits.devices.mesh import spread
from rf_limits.devices.pace import in_chunks
from rf_limits.models.infinite_width import infinite_width_kernels
from rf_limits.models.network import OneHiddenLayer

TILE_ENTRIES = 2**22
"""Numbers held at a time: 32 MiB for each of about ten arrays of a tile."""

QUADRATURE = ("tanh", "sigmoid", "softplus")
"""Activations whose kernels are two-dimensional quadratures, as ``infinite_width`` has them."""

_POINTS = 50**2  # of that quadrature


def numbers_per_value(activation: str) -> int:
    """Numbers held for one kernel value: 1, or as many as the quadrature has points."""
    return _POINTS if activation in QUADRATURE else 1


def _rows(network: OneHiddenLayer, mesh: Mesh | None, left: int, right: int) -> int:
    """Rows of a tile, a multiple of the devices along "data"."""
    along = 1 if mesh is None else mesh.shape["data"]
    values = TILE_ENTRIES // numbers_per_value(network.activation)
    most = max(min(values // right, left), 1)
    return -(-most // along) * along


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _tile(
    network: OneHiddenLayer,
    name: str,
    trainable: str,
    mesh: Mesh | None,
    left: Array,
    right: Array,
) -> Array:
    if mesh is not None:
        left = jax.lax.with_sharding_constraint(left, spread(mesh, "data", None))
    tile = getattr(infinite_width_kernels(network, left, right, trainable), name)
    if network.activation in QUADRATURE:  # not symmetric: by 4e-5 for tanh; its mean is
        other = getattr(infinite_width_kernels(network, right, left, trainable), name)
        tile = 0.5 * (tile + other.T)
    if mesh is not None:
        tile = jax.lax.with_sharding_constraint(tile, spread(mesh, "data", None))
    return tile


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4), donate_argnums=(8,))
def _add_products(
    network: OneHiddenLayer,
    name: str,
    trainable: str,
    mesh: Mesh | None,
    rows: int,
    left: Array,
    right: Array,
    vector: Array,
    found: Array,
    start: Array,
    stop: Array,
) -> Array:
    def body(i: Array, found: Array) -> Array:
        own = jax.lax.dynamic_slice_in_dim(left, i * rows, rows)
        part = _tile(network, name, trainable, mesh, own, right) @ vector
        return jax.lax.dynamic_update_slice_in_dim(found, part, i * rows, 0)

    return jax.lax.fori_loop(start, stop, body, found)


@dataclasses.dataclass(frozen=True, eq=False)
class KernelData:
    """The kernel of an architecture on n training inputs, which are held.

    Attributes:
      network: architecture.
      name: ``"nngp"`` or ``"ntk"``.
      x: (n, d) inputs.
      mesh: devices along whose axis "data" the rows of a tile lie, or None for one.
      trainable: layers whose parameters move, for the NTK.
    """

    network: OneHiddenLayer
    name: str
    x: Float[np.ndarray, "n d"]
    mesh: Mesh | None = None
    trainable: str = "both"

    @property
    def num(self) -> int:
        """Number of training inputs n."""
        return len(self.x)

    @property
    def _which(self) -> tuple:
        return self.network, self.name, self.trainable, self.mesh

    def _padded(self, left: np.ndarray, rows: int) -> Array:
        """Rows up to a multiple of the tile, the first point again and again."""
        missing = -len(left) % rows
        return jnp.asarray(np.concatenate([left, np.repeat(left[:1], missing, axis=0)]))

    def block(
        self, left: Float[np.ndarray, "m d"], right: Float[np.ndarray, "k d"]
    ) -> Float[np.ndarray, "m k"]:
        """k(left_i, right_j), tile by tile into one C-ordered array."""
        rows = _rows(self.network, self.mesh, len(left), len(right))
        padded, others = self._padded(left, rows), jnp.asarray(right)
        found = np.empty((len(left), len(right)))
        for i in range(0, len(left), rows):
            tile = _tile(*self._which, padded[i : i + rows], others)
            found[i : i + rows] = np.asarray(tile)[: len(left) - i]
        return found

    def diagonal(self) -> Float[np.ndarray, "n"]:
        """k(x_i, x_i)."""
        values = TILE_ENTRIES // numbers_per_value(self.network.activation)
        rows = min(256, math.isqrt(values), self.num)
        padded = self._padded(self.x, rows)
        parts = padded.reshape(-1, rows, padded.shape[1])
        return np.concatenate([np.diagonal(_tile(*self._which[:3], None, p, p)) for p in parts])[
            : self.num
        ]

    def product(
        self,
        vector: Float[np.ndarray, "n"],
        points: Float[np.ndarray, "m d"] | None = None,
        *,
        after_chunk: Callable[[Array, int], None] | None = None,
    ) -> Float[np.ndarray, "m"]:
        """sum_j k(points_i, x_j) vector_j, nothing stored but a tile.

        Args:
          vector: (n,) coefficients.
          points: (m, d) where to evaluate; the training inputs if None.
          after_chunk: called every few seconds with the values so far and the tiles done.
        """
        left = self.x if points is None else points
        rows = _rows(self.network, self.mesh, len(left), self.num)
        padded, right, v = self._padded(left, rows), jnp.asarray(self.x), jnp.asarray(vector)

        def step(found: Array, first: int, last: int) -> Array:
            return _add_products(*self._which, rows, padded, right, v, found, first, last)

        zero = jnp.zeros(len(padded))
        found = in_chunks(step, zero, len(padded) // rows, after_chunk=after_chunk)
        return np.array(found)[: len(left)]
