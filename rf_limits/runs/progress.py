"""Progress of a run: a bar on a terminal, lines elsewhere, events for programs."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rf_limits.runs.console import say
from rf_limits.runs.events import Tell, no_events, tell_progress
from rf_limits.training.result import Report

EVERY = 30.0
"""Seconds between lines on the same stage."""
_EVENTS_EVERY = 1.0  # seconds between events on the same stage
_MEMORY = 30.0  # seconds over which speed is measured; half of the run, if that is longer
_SURE = 0.5  # seconds of a run before which nothing is predicted
_EARLY = 300.0  # seconds in which a halt is taken for compiling, not for the speed of what is left
_HALT = 0.1  # of the speed so far


class SecondsLeft:
    """Predicts the seconds until the fraction is 1, from the recent speed.

    Recent is the last half of the time, and at least half a minute: work that a resumed run counts
    all at once is forgotten as it goes on. While a young run stands still, because it compiles,
    nothing is predicted.

    Args:
      clock: seconds, ascending.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._seen: deque[tuple[float, float]] = deque([(clock(), 0.0)])
        self._started = self._seen[0][0]

    def __call__(self, fraction: float) -> float | None:
        """Returns the seconds left where ``fraction`` is done; None while they are unknown."""
        now = self._clock()
        if now > self._seen[-1][0]:
            self._seen.append((now, fraction))
        oldest = now - max(_MEMORY, 0.5 * (now - self._started))
        while len(self._seen) > 2 and self._seen[1][0] <= oldest:
            self._seen.popleft()
        since, before = self._seen[0]
        if now - self._started < _SURE or fraction <= before:
            return None
        speed, overall = (fraction - before) / (now - since), fraction / (now - self._started)
        if now - self._started < _EARLY and speed < _HALT * overall:
            return None
        return (1.0 - fraction) / speed


def short_time(seconds: float) -> str:
    """Returns a duration as ``"8 s"``, ``"3 min"``, ``"2 h 5 min"`` or ``"3 d 4 h"``."""
    if seconds < 1.0:
        return "1 s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = round(minutes / 60) if minutes >= 24 * 60 else minutes // 60
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"


def counted(number: int, thing: str) -> str:
    """Returns a number with its noun, as ``"1 part"`` or ``"3 parts"``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


@contextlib.contextmanager
def progress(console: Console, tell: Tell = no_events) -> Iterator[Report]:
    """Yields ``report(stage, fraction)``; fraction is the share of all work done.

    Elsewhere than on a terminal a line is printed when a new stage begins, and every
    :data:`EVERY` seconds of a long one.

    Args:
      console: where to draw or print.
      tell: called with ``"progress"`` events, a second apart on the same stage.
    """
    if console.is_terminal and not console.quiet:
        columns = (
            TextColumn("{task.description:>16}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("starting", total=1.0)
            yield lambda stage, fraction: bar.update(task, description=stage, completed=fraction)
        return
    yield Lines(console, tell)


class Lines:
    """A :data:`Report` that prints lines and tells events.

    Iterations of one solve are one stage: its name ends before the word.

    Args:
      console: where to print.
      tell: called with events.
      clock: seconds, ascending.
    """

    def __init__(
        self,
        console: Console,
        tell: Tell = no_events,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._console, self._tell, self._clock = console, tell, clock
        self._left, self._started = SecondsLeft(clock), clock()
        self._stage: str | None = None
        self._done = False
        self._printed = self._last_event = -float("inf")

    def __call__(self, stage: str, fraction: float) -> None:
        """Reports that ``fraction`` is done, and that ``stage`` is under way."""
        now, left = self._clock(), self._left(fraction)
        elapsed = now - self._started
        name = stage.partition(" iteration ")[0]
        new, self._stage = name != self._stage, name
        done, self._done = fraction >= 1.0 and not self._done, fraction >= 1.0
        if new or done or now - self._last_event >= _EVENTS_EVERY:
            self._last_event = now
            tell_progress(self._tell, stage, fraction, elapsed, left)
        if new or now - self._printed >= EVERY:
            self._printed = now
            more = f", {short_time(left)} left" if left else ""
            say(self._console, f"[{elapsed:6.1f} s, {100 * fraction:3.0f}%{more}] {stage}")
