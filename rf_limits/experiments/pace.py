"""Chunks of about a second: a compiled call cannot be interrupted, so none is long."""

import time
from collections.abc import Callable, Iterator

import jax

from rf_limits.devices.processes import agree

_SECONDS = 1.0
_GROWTH = 8.0  # of a chunk over the one before it


class Pace:
    """Sizes of chunks, by how long the last one took; the same in every process.

    Where one computation ends and the next begins does not change its numbers, so neither does
    the pace.

    Attributes:
      largest: no chunk is larger.
    """

    def __init__(self, largest: int | None = None, seconds: float = _SECONDS):
        self.largest, self._seconds, self._size = largest, seconds, 1.0

    def chunks(self, total: int, done: int = 0) -> Iterator[int]:
        """Sizes that add up to ``total - done``, each chosen when it is asked for."""
        while done < total:
            size = min(int(self._size), total - done, self.largest or total)
            size = agree(size)
            yield size
            done += size

    def timed(self, size: int, compute: Callable[[], object]) -> object:
        """``compute()``, waited for; its time per unit of ``size`` sets the next size."""
        started = time.monotonic()
        found = jax.block_until_ready(compute())
        wanted = size * self._seconds / max(time.monotonic() - started, 1e-6)
        self._size = max(1.0, min(wanted, _GROWTH * size))
        return found
