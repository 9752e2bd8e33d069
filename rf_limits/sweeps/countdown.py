"""Counts of cells that ended and are left, and the time that those left will take."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rf_limits.runs.progress import counted, short_time


class Countdown:
    """Counts cells as they end.

    Args:
      cells: number of cells to run.
      clock: seconds, ascending.
    """

    def __init__(self, cells: int, clock: Callable[[], float] = time.monotonic):
        self._cells, self._clock = cells, clock
        self._ended, self._started = 0, clock()
        self._others = self._failed = 0

    def fraction(self) -> float:
        """Returns the share of the cells that ended."""
        return self._ended / self._cells if self._cells else 1.0

    def left(self) -> float | None:
        """Returns the seconds that the cells that are left take at the pace of those that ended.

        Cells of all sizes count alike. None while no cell has ended.
        """
        if not self._ended:
            return None
        return (self._clock() - self._started) * (self._cells - self._ended) / self._ended

    def ended(self, count: int, others: int = 0, failed: int = 0) -> str:
        """Counts more cells that ended; returns the line that is printed then.

        Args:
          count: number of cells that ended.
          others: number of further cells that another process runs: they count no longer.
          failed: number of cells that failed, of those that ended.
        """
        self._ended, self._cells = self._ended + count, self._cells - others
        self._others, self._failed = self._others + others, self._failed + failed
        number, left = self._cells - self._ended, self.left()
        line = f"{self._ended} of {counted(self._cells, 'cell')} ended"
        line += f" ({self._failed} failed)" if self._failed else ""
        line += f", {self._others} left to another process" if self._others else ""
        line += f", {number} left" if number > 0 else ""
        line += f", about {short_time(left)}" if number > 0 and left is not None else ""
        return f"{line}."


def seconds_left(done: Iterable[Mapping[str, Any]], left: int, at_once: int) -> float | None:
    """Returns the seconds until ``left`` cells are done; None if none is done yet.

    Args:
      done: run.json of cells that are done: ``wall_time_s`` is that of all cells that trained
        together, of which there were ``together``.
      left: number of cells that are not done.
      at_once: number of processes that run them.
    """
    each = [
        facts["wall_time_s"] / facts.get("together", 1) for facts in done if "wall_time_s" in facts
    ]
    return sum(each) / len(each) * left / max(at_once, 1) if each else None
