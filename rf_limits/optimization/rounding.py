"""Trees of parameters in another precision or one rounding away, and what their sums lose."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def to_float64(tree: Any) -> Any:
    """Returns the same tree with all leaves in float64."""
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), tree)


def floats_to(dtype: Any, tree: Any) -> Any:
    """Returns the tree with floating leaves in ``dtype``, whole numbers and keys as they are."""

    def convert(leaf: Array) -> Array:
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(convert, tree)


def nudged(tree: Any, dtype: Any) -> Any:
    """Returns the tree with numbers half a unit in the last place of ``dtype`` up or down."""
    half = 0.5 * float(jnp.finfo(dtype).eps)

    def nudge(leaf: Array) -> Array:
        signs = jnp.where(jnp.arange(leaf.size) % 3 == 0, -half, half).reshape(leaf.shape)
        return leaf * (1.0 + signs)

    return jax.tree.map(nudge, tree)


def share_lost(before: Any, added: Any, exact: Any) -> Float[Array, ""]:
    """Returns the share of ``exact`` that is lost where ``added`` is added in its place.

    Args:
      before: tree of numbers that something is added to.
      added: tree of what is added, in the same precision.
      exact: the tree that should have been added.

    Returns:
      |(before + added) - before - exact| / |exact|, or 1 where ``exact`` is zero.
    """

    def flat(tree: Any) -> Array:
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(to_float64(tree))])

    after, wanted = flat(jax.tree.map(jnp.add, before, added)), flat(exact)
    size, error = jnp.linalg.norm(wanted), jnp.linalg.norm(after - flat(before) - wanted)
    return jnp.where(size > 0.0, error / jnp.where(size > 0.0, size, 1.0), 1.0)
