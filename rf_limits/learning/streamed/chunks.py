"""Long loops in short compiled calls, so that a caller hears of progress and can save."""

import time
from collections.abc import Callable
from typing import TypeVar

import jax

State = TypeVar("State")

SECONDS = 2.0
"""About how long one compiled call is allowed to take."""


def in_chunks(
    step: Callable[[State, int, int], State],
    state: State,
    count: int,
    *,
    first: int = 0,
    after_chunk: Callable[[State, int], None] | None = None,
    seconds: float = SECONDS,
) -> State:
    """Runs ``step(state, start, stop)`` over 0 ... ``count``, some at a time.

    The first call takes one, to compile; then chunks double until one takes about ``seconds``.
    How the range is cut does not change what is added in which order.

    Args:
      step: a compiled loop from ``start`` to ``stop`` (traced bounds: compiled once).
      state: what it starts from.
      count: end of the range.
      first: where to begin, for a state that was saved there.
      after_chunk: called with the state and how many are done.
      seconds: length of a chunk.
    """
    size = 1
    while first < count:
        last = min(first + size, count)
        started = time.monotonic()
        state = jax.block_until_ready(step(state, first, last))
        took = time.monotonic() - started
        first = last
        if after_chunk is not None:
            after_chunk(state, first)
        if took < 0.5 * seconds:
            size *= 2
        elif took > 2.0 * seconds:
            size = max(1, size // 2)
    return state
