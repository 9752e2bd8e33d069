"""The share of a training that is done, where measurements take longer than steps."""

import time
from collections.abc import Callable


class TimeShare:
    """The share of the time of a training that has passed, by what was measured of it so far.

    Log points are close together at first: where a risk takes minutes and a step milliseconds,
    the share of steps that is done says nothing for most of the time. Seconds are counted
    instead: a measurement counts as the last one took, a step as the mean without the first
    call, because the first calls also compile.

    Args:
      steps: of the training.
      measurements: of the training.
      step: at which it begins or goes on.
      measured: measurements at which it does.
      clock: seconds, ascending.
    """

    def __init__(
        self,
        steps: int,
        measurements: int,
        step: int = 0,
        measured: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._steps, self._measurements = steps, measurements
        self._step, self._measured = step, measured
        self._clock, self._last = clock, clock()
        self._compiled = False  # by the first call of steps, which is not counted
        self._count, self._seconds = 0, 0.0  # of steps since then
        self._measuring = 0.0
        self._fraction = 0.0

    def stepped(self, steps: int) -> float:
        """Returns the share done after ``steps`` more."""
        seconds = self._since()
        self._step += steps
        if self._compiled:
            self._count, self._seconds = self._count + steps, self._seconds + seconds
        self._compiled = True
        return self._share()

    def measurement(self) -> float:
        """Returns the share done after one more measurement."""
        self._measuring = self._since()
        self._measured += 1
        return self._share()

    def _since(self) -> float:
        now = self._clock()
        passed, self._last = now - self._last, now
        return passed

    def _share(self) -> float:
        if self._measured >= self._measurements and self._step >= self._steps:
            return 1.0
        if not self._count:  # nothing is known about how long steps take
            return self._fraction
        each = self._seconds / self._count
        passed = self._step * each + self._measured * self._measuring
        whole = self._steps * each + self._measurements * self._measuring
        if whole > 0.0:  # the share that was reported never falls
            self._fraction = max(self._fraction, passed / whole)
        return self._fraction
