"""How much of a training is done, where measurements take longer than the steps between them."""

import time
from collections.abc import Callable


class Done:
    """The share of the time of a training that has passed, by what was measured of it so far.

    Log points are close together at first: of a network whose risk takes minutes and a step
    milliseconds, the share of steps that is done says nothing for most of the time. Counted are
    seconds: of a measurement those of the last one, of a step the mean without the first call,
    both because the first also compiles.

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
        self._compiled = False  # in the first call of steps, which is not counted
        self._count, self._seconds = 0, 0.0  # of steps since then
        self._measuring = 0.0
        self._fraction = 0.0

    def stepped(self, steps: int) -> float:
        """The share done after ``steps`` more."""
        seconds = self._since()
        self._step += steps
        if self._compiled:
            self._count, self._seconds = self._count + steps, self._seconds + seconds
        self._compiled = True
        return self._share()

    def measurement(self) -> float:
        """The share done after one more measurement."""
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
        if not self._count:  # of how long steps take nothing is known
            return self._fraction
        each = self._seconds / self._count
        done = self._step * each + self._measured * self._measuring
        whole = self._steps * each + self._measurements * self._measuring
        if whole > 0.0:  # what was said is not taken back
            self._fraction = max(self._fraction, done / whole)
        return self._fraction
