"""Training sets that are drawn again, block by block, whenever they are needed."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from rf_limits.errors import check
from rf_limits.problem.problem import Problem


class Block(NamedTuple):
    """Some samples.

    Attributes:
      x: (B, d) inputs.
      y: (B,) labels, noise included.
      mask: (B,) 1 for samples of the training set, 0 for those beyond its end.
    """

    x: Float[Array, "B d"]
    y: Float[Array, "B"]
    mask: Float[Array, "B"]


@dataclasses.dataclass(frozen=True)
class SampleStream:
    """n samples in blocks of B; the same key gives the same samples however often they are drawn.

    Block i is drawn from ``jax.random.fold_in(key, i)`` alone: a smaller training set is the
    beginning of a larger one, and ``rows`` is part of the draw. Nothing is held in memory.

    Attributes:
      problem: what is learned.
      num: number of samples n.
      rows: samples per block B.
    """

    problem: Problem
    num: int
    rows: int

    def __post_init__(self) -> None:
        check(self.num >= 1, "num", "be at least 1", self.num)
        check(self.rows >= 1, "rows", "be at least 1", self.rows)

    @property
    def blocks(self) -> int:
        """Returns the number of blocks; the last may hold fewer samples."""
        return -(-self.num // self.rows)

    def block(self, key: Key[Array, ""], index: Int[Array, ""] | int) -> Block:
        """Returns block ``index`` of the training set of ``key``; may be traced."""
        x, y = self.problem.draw_samples(jax.random.fold_in(key, index), self.rows)
        inside = index * self.rows + jnp.arange(self.rows) < self.num
        return Block(x, y, inside.astype(x.dtype))

    def collect(
        self, key: Key[Array, ""]
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n"]]:
        """Returns all inputs and labels at once, where n d numbers fit in memory."""
        draw = jax.jit(self.block)
        x, y = np.empty((self.num, self.problem.dim)), np.empty(self.num)
        for i in range(self.blocks):
            rows = slice(i * self.rows, min((i + 1) * self.rows, self.num))
            block = draw(key, i)
            size = rows.stop - rows.start
            x[rows], y[rows] = block.x[:size], block.y[:size]
        return x, y
