"""Chunks of about a second: a compiled call cannot be interrupted, so none is long."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import jax

from rf_limits.devices.processes import agree

State = TypeVar("State")

SECONDS = 1.0
"""About the longest time of one compiled call."""
_GROWTH = 8.0  # of a chunk over the one before it


class Pace:
    """Sizes of chunks, by the time that the last one took; the same in every process.

    Where one computation ends and the next begins does not change its numbers, so neither does
    the pace.

    Attributes:
      largest: no chunk is larger.
    """

    def __init__(self, largest: int | None = None):
        self.largest: int | None = largest
        self._size = 1.0

    def chunks(self, total: int, done: int = 0) -> Iterator[int]:
        """Yields sizes that add up to ``total - done``, each chosen after the chunk before it."""
        while done < total:
            size = min(int(self._size), total - done, self.largest or total)
            size = agree(size)
            yield size
            done += size

    def timed(self, size: int, compute: Callable[[], State]) -> State:
        """Waits for and returns ``compute()``; its time per unit of ``size`` sets the next size."""
        started = time.monotonic()
        result = jax.block_until_ready(compute())
        wanted = size * SECONDS / max(time.monotonic() - started, 1e-6)
        self._size = max(1.0, min(wanted, _GROWTH * size))
        return result


def in_chunks(
    step: Callable[[State, int, int], State],
    state: State,
    count: int,
    *,
    first: int = 0,
    after_chunk: Callable[[State, int], None] | None = None,
) -> State:
    """Runs ``step(state, start, stop)`` over 0 ... ``count``, in chunks.

    The chunks do not change the order in which terms are added.

    Args:
      step: a compiled loop from ``start`` to ``stop`` (traced bounds: compiled once).
      state: what it starts from.
      count: end of the range.
      first: where to begin, for a state that was saved there.
      after_chunk: called with the state and how many are done.
    """
    pace = Pace()
    for size in pace.chunks(count, first):
        begin, first = first, first + size
        state = pace.timed(size, partial(step, state, begin, first))
        if after_chunk is not None:
            after_chunk(state, first)
    return state
