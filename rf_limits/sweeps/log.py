"""Progress of a sweep: lines for people, events for programs (docs/live.md)."""

import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from rf_limits.runs.console import Log
from rf_limits.runs.events import Tell, no_events, tell_progress
from rf_limits.runs.progress import counted, short_time
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import (
    NOT_RECORDED,
    CellStatus,
    counts,
    status_lines,
    statuses,
    with_failures,
)


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

    def elapsed(self) -> float:
        """Returns the seconds since the start, in milliseconds."""
        return round(self._clock() - self._started, 3)

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


class SweepLog(Log):
    """Prints and tells how a sweep goes on.

    Args:
      console: where to print; None for standard output.
      tell: called with events.
    """

    def __init__(self, console: Console | None = None, tell: Tell = no_events):
        super().__init__(console or Console(), tell)
        self.expect(0)

    def expect(self, cells: int) -> None:
        """Starts to count the time of a number of cells."""
        self._countdown = Countdown(cells)

    def started(self, cells: Sequence[SweepCell], text: str) -> None:
        """Says that cells are under way."""
        self.say(text)
        for cell in cells:
            self.tell("cell", name=cell.name, state="running", detail="")

    def ended(
        self,
        sweep: SweepStore,
        cells: Sequence[SweepCell],
        failed: Mapping[str, str],
        *,
        stopped: bool = False,
    ) -> None:
        """Says how cells ended, from what is on disk.

        Args:
          sweep: the directory.
          cells: those that ended.
          failed: the error by name of cells that failed, where it may not be on disk.
          stopped: whether the sweep was asked to stop: no pace is said then.
        """
        ended = with_failures(statuses(sweep, cells), failed)
        for status in ended:
            about = {"state": status.state, "detail": status.detail}
            self.tell("cell", name=status.cell.name, **about)
        if stopped:
            return
        states = counts(ended)
        others = states["running"]  # no cell of this command still runs
        bad = states["failed"] + states["misplaced"]
        self.say(self._countdown.ended(len(cells) - others, others, bad))
        fraction, left = self._countdown.fraction(), self._countdown.left()
        tell_progress(self.tell, "cells", fraction, self._countdown.elapsed(), left)

    def stands(self, cells: Sequence[CellStatus], left: float | None) -> None:
        """Prints the lines of ``scripts/launch.py status``."""
        for line in status_lines(cells, left):
            self.remark(line)
        unrecorded = sum(status.detail.endswith(NOT_RECORDED) for status in cells)
        if sum(status.state == "failed" for status in cells) > unrecorded:
            self.note("Failed cells stay as they are until --retry_failed runs them again.")
        if unrecorded:
            self.note("Cells whose failure is not recorded are run again by the same command.")

    def end(self, cells: Sequence[CellStatus], code: int, paths: Sequence[str]) -> int:
        """Tells programs the state of the sweep when its command ends; returns the exit code."""
        states = counts(cells)
        status = {0: "submitted", 1: "cells_failed"}.get(code, "interrupted")
        if code == 0 and states["done"] == len(cells):
            status = "complete"
        about = {"status": status, "exit_code": code, "seconds": self._countdown.elapsed()}
        self.tell("end", **about, paths=list(paths), cells=states)
        if status == "complete" and len(cells) > 1:
            self.say(
                "To look at it: scripts/report.py --workdir, or scripts/compare.py --workdirs "
                "--output, with this directory."
            )
        return code
