"""Sums over all pairs of rows in bounded memory."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

Rows = TypeVar("Rows")

BLOCK_ENTRIES = 2**21
"""Pairs held at a time: about 16 MiB for each intermediate float64 matrix."""


def sum_over_blocks(
    function: Callable[[Rows, Rows], Array], f: Rows, g: Rows, *, block_entries: int
) -> Array:
    """function(f, g) for a function that is a sum over pairs of a row of f and a row of g.

    Args:
      function: a sum over pairs, a number or an array, that is 0 for rows of zeros.
      f: a tree of arrays with m rows each.
      g: a tree of arrays with k rows each.
      block_entries: pairs evaluated at a time, where m k is larger.

    Returns:
      The sum, in one call where m k <= 2 block_entries, and otherwise block by block of f.
      Derivatives compute each block again (jax.checkpoint) and need no more memory.
    """
    num, others = (jax.tree.leaves(tree)[0].shape[0] for tree in (f, g))
    if num * others <= 2 * block_entries:
        return function(f, g)
    rows = min(num, max(1, block_entries // others))
    blocks = -(-num // rows)

    def cut(x: Array) -> Array:
        padded = jnp.pad(x, [(0, blocks * rows - num)] + [(0, 0)] * (x.ndim - 1))
        return padded.reshape(blocks, rows, *x.shape[1:])

    @jax.checkpoint
    def step(total: Array, block: Rows) -> tuple[Array, None]:
        return total + function(block, g), None

    found = jax.eval_shape(function, f, g)
    total, _ = jax.lax.scan(step, jnp.zeros(found.shape, found.dtype), jax.tree.map(cut, f))
    return total
