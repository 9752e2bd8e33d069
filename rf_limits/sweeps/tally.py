"""How far a sweep is: cells that ended, cells that are left, and the time those will take."""

import time
from collections.abc import Callable

from rf_limits.runs.progress import short_time


class Tally:
    """Counts cells as they end.

    Args:
      cells: how many there are to run.
      clock: seconds, ascending.
    """

    def __init__(self, cells: int, clock: Callable[[], float] = time.monotonic):
        self._cells, self._clock = cells, clock
        self._ended, self._started = 0, clock()

    def ended(self, count: int) -> str:
        """The line that is printed when ``count`` more cells have ended.

        The time left is that of the cells that are left at the pace of those that ended: sizes
        that differ are not told apart.
        """
        self._ended += count
        left = self._cells - self._ended
        line = f"{self._ended} of {self._cells} cells ended"
        if left <= 0:
            return f"{line}."
        seconds = (self._clock() - self._started) * left / self._ended
        return f"{line}, {left} left, about {short_time(seconds)}."
