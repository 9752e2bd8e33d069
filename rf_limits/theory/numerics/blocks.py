"""All pairs of rows: their sums in bounded memory, their symmetric matrices in tiles."""

import math
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

Rows = TypeVar("Rows")


def pairs_at_once() -> int:
    """Returns pairs in a block, where nothing else is asked for.

    An intermediate float64 matrix has 512 KiB on CPU, so that a few stay in a core's own cache,
    and 32 MiB on accelerators, which want to be filled.
    """
    return 2**16 if jax.default_backend() == "cpu" else 2**22


def _tile() -> int:
    """Returns rows of a tile whose few float64 intermediates stay in the caches of a CPU."""
    return 512 if jax.default_backend() == "cpu" else 2048


def fits_one_block(num: int, others: int, block_entries: int | None) -> bool:
    """Returns whether all pairs are taken at once: up to four blocks, not worth a cut."""
    return num * others <= 4 * (block_entries or pairs_at_once())


def _cut(rows: Rows, size: int) -> Rows:
    """Returns blocks of ``size`` rows, the last one padded with zeros."""

    def cut(x: Array) -> Array:
        blocks = -(-x.shape[0] // size)
        padded = jnp.pad(x, [(0, blocks * size - x.shape[0])] + [(0, 0)] * (x.ndim - 1))
        return padded.reshape(blocks, size, *x.shape[1:])

    return jax.tree.map(cut, rows)


def symmetric_matrix(
    function: Callable[[Rows, Rows], Array], rows: Rows, *, tile: int | None = None
) -> Array:
    """Returns function(rows, rows), a symmetric matrix over pairs; not differentiable.

    Tiles of one triangle are computed and written twice: half the work of the whole, and no
    intermediate of its size.

    Args:
      function: of two trees of rows, m and k, giving (m, k).
      rows: a tree of arrays with n rows each.
      tile: rows of a tile, None for what suits the device.

    Returns:
      (n, n), exactly symmetric where n > ``tile``.
    """
    tile = tile or _tile()
    num = jax.tree.leaves(rows)[0].shape[0]
    if num <= tile:
        return function(rows, rows)
    starts = [min(i * tile, num - tile) for i in range(-(-num // tile))]
    pairs = jnp.array([(i, j) for i in starts for j in starts if j <= i])

    def cut(start: Array) -> Rows:
        return jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, tile), rows)

    def step(k: Array, matrix: Array) -> Array:
        i, j = pairs[k, 0], pairs[k, 1]
        found = function(cut(i), cut(j))
        matrix = jax.lax.dynamic_update_slice(matrix, found.T, (j, i))
        return jax.lax.dynamic_update_slice(matrix, found, (i, j))

    kind = jax.eval_shape(function, rows, rows)
    return jax.lax.fori_loop(0, len(pairs), step, jnp.zeros(kind.shape, kind.dtype))


def symmetric_sum(
    function: Callable[[Rows, Rows], Array], rows: Rows, *, block_entries: int | None = None
) -> Array:
    """Returns function(rows, rows), a symmetric sum over pairs; not differentiable.

    Blocks of one triangle are computed, those off the diagonal counted twice: little more than
    half the work of :func:`sum_over_blocks`.

    Args:
      function: a number, the sum over pairs of a row of one tree and a row of another, that is 0
        for rows of zeros.
      rows: a tree of arrays with n rows each.
      block_entries: pairs that four blocks hold together at most; :func:`pairs_at_once` if None.
    """
    num = jax.tree.leaves(rows)[0].shape[0]
    most = max(1, math.isqrt((block_entries or pairs_at_once()) // 4))
    if num <= most:
        return function(rows, rows)
    count = -(-num // most)
    blocks = _cut(rows, -(-num // count))
    pairs = jnp.array([(i, j) for i in range(count) for j in range(i + 1)])

    def step(total: Array, pair: Array) -> tuple[Array, None]:
        one, other = (jax.tree.map(lambda leaf, k=k: leaf[k], blocks) for k in pair)
        return total + jnp.where(pair[0] == pair[1], 1.0, 2.0) * function(one, other), None

    total, _ = jax.lax.scan(step, jnp.zeros((), jax.tree.leaves(rows)[0].dtype), pairs)
    return total


def sum_over_blocks(
    function: Callable[[Rows, Rows], Array], f: Rows, g: Rows, *, block_entries: int | None = None
) -> Array:
    """Returns function(f, g) for a function that is a sum over pairs of a row of f and a row of g.

    Args:
      function: a sum over pairs, a number or an array, that is 0 for rows of zeros.
      f: a tree of arrays with m rows each.
      g: a tree of arrays with k rows each.
      block_entries: pairs evaluated at a time, where m k is larger; :func:`pairs_at_once` if None.

    Returns:
      The sum, in one call where m k <= 4 block_entries, and otherwise block by block of f.
      Derivatives compute each block again (jax.checkpoint) and need no more memory.
    """
    num, others = (jax.tree.leaves(tree)[0].shape[0] for tree in (f, g))
    if fits_one_block(num, others, block_entries):
        return function(f, g)
    entries = block_entries or pairs_at_once()
    blocks = _cut(f, min(num, max(1, entries // others)))

    @jax.checkpoint
    def step(total: Array, block: Rows) -> tuple[Array, None]:
        return total + function(block, g), None

    found = jax.eval_shape(function, f, g)
    total, _ = jax.lax.scan(step, jnp.zeros(found.shape, found.dtype), blocks)
    return total
