"""Signals: a run saves its state at the next safe point, and ends there."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Any

from rf_limits.devices.processes import is_alone, largest

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Ctrl-C, and what schedulers send before they take a machine away."""

_LATER = 0.2  # seconds: a busy machine may take a while to leave the hook that Python ignores


class Stop:
    """The request to stop, and its signal.

    Args:
      saves_only: signals at which the run saves and goes on, because their sender ends the
        process itself if it is to end.
    """

    def __init__(self, saves_only: Collection[int] = ()):
        self.saves_only = frozenset(saves_only)
        self.signal: int | None = None
        self._save = False
        self._at_once = False
        self._agreed = 0  # the signal of any process

    def note(self, number: int) -> None:
        """Records that a signal arrived."""
        if number in self.saves_only:
            self._save = True
        else:
            self.signal = number

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Lets signals interrupt the run where it is: inside there is nothing to save."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def ends_at_once(self, number: int) -> bool:
        """Returns whether a signal ends the run where it is, not at the next safe point."""
        return self._at_once and is_alone() and number not in self.saves_only

    def save_requested(self) -> bool:
        """Returns whether a state should be saved at once; the request is answered by that."""
        save, self._save = self._save, False
        return largest(int(save)) > 0

    def requested(self) -> bool:
        """Returns whether any process of the run was asked to stop; the same in all of them."""
        self._agreed = largest(int(self.signal or 0))
        return self._agreed > 0

    @property
    def exit_code(self) -> int:
        """The sum of 128 and the number of the signal, as shells have it; 130 for Ctrl-C."""
        return 128 + (self._agreed or self.signal or signal.SIGINT)


class Interrupted(KeyboardInterrupt):
    """A signal arrived where there is nothing to save.

    Attributes:
      signal: its number.
    """

    def __init__(self, number: int):
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.signal = number


_Handler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def _handling(numbers: Collection[int], handle: _Handler) -> Iterator[None]:
    """Calls ``handle`` for signals inside; handlers that were there before are back afterwards.

    Outside the main thread Python allows no handlers. What one raises in a callback of the garbage
    collector (JAX has one) or of a weak reference, or in a destructor, Python prints and ignores:
    such a signal is sent again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ignoring = sys.unraisablehook

    def hook(ignored: Any) -> None:
        if isinstance(ignored.exc_value, Interrupted):
            again = (os.getpid(), ignored.exc_value.signal)
            threading.Timer(_LATER, os.kill, again).start()
        else:
            ignoring(ignored)

    before = {number: signal.signal(number, handle) for number in numbers}
    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = ignoring
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM raise :class:`Interrupted` inside, unless something else listens."""

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        raise Interrupted(number)

    with _handling((signal.SIGINT, signal.SIGTERM), handle):
        yield


@contextlib.contextmanager
def listening(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """Lets the signals of :data:`SIGNALS` set ``stop``.

    A second Ctrl-C does not wait, and neither does the first where there is nothing to save: it
    raises KeyboardInterrupt. Handlers that were there before are back afterwards. Outside the main
    thread, where Python allows no handlers, nothing is listened to.

    Args:
      stop: what is set.
      say: called with a line of text when a signal arrives.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        again = stop.signal is not None
        stop.note(number)
        if stop.ends_at_once(number):
            raise Interrupted(number)
        name = signal.Signals(number).name
        if again and number == signal.SIGINT:
            if not is_alone():
                os._exit(stop.exit_code)  # an orderly exit would wait for the others
            raise Interrupted(number)
        if number in stop.saves_only:
            say(f"{name}: saving at the next safe point, and going on.")
        elif not again:
            say(f"{name}: saving and stopping at the next safe point (Ctrl-C: at once).")

    with _handling(SIGNALS, handle):
        yield
