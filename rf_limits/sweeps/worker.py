"""Carries out some cells of a sweep in this process, together where they share shapes.

As a program it reads a :class:`Request` in JSON from standard input.
"""

import dataclasses
import itertools
import json
import os
import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console

from rf_limits.config.files import load_entries
from rf_limits.errors import RequirementError
from rf_limits.runs.cli import run_script
from rf_limits.runs.compiled import keep_compiled
from rf_limits.runs.console import Log, last_line
from rf_limits.runs.directory import InUseError
from rf_limits.runs.events import Tell, no_events, to_all
from rf_limits.runs.files import StorageError
from rf_limits.runs.progress import progress
from rf_limits.runs.run import SAVE_EVERY, Run, carry_out
from rf_limits.runs.stopping import Interrupted, Stop, listening
from rf_limits.runs.store import RunStore
from rf_limits.runs.tensorboard import TensorBoard
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import cell_state
from rf_limits.training.checkpointing import Stopped
from rf_limits.training.result import Report

_COLUMNS = 100  # of lines in logs


@dataclasses.dataclass(frozen=True)
class CellOptions:
    """How cells are carried out, wherever that is.

    Attributes:
      save_every: seconds between saved states.
      tensorboard: whether runs write event files.
      own_config: the user's config file, which other processes load first; None for none.
    """

    save_every: float = SAVE_EVERY
    tensorboard: bool = False
    own_config: str | None = None


DEFAULT_OPTIONS = CellOptions()


class Request(NamedTuple):
    """What a worker is to do; a command line is too short for the names of a thousand cells.

    Attributes:
      workdir: of the sweep.
      names: of the cells.
      options: fields of :class:`CellOptions`.
      failures: open file to which the worker writes errors by name of the cell, as JSON.
    """

    workdir: str
    names: list[str]
    options: dict[str, Any]
    failures: int


def try_fail(sweep: SweepStore, cell: SweepCell, error: str) -> str:
    """Records that a cell failed, where no process did; returns why it cannot, or nothing."""
    try:
        with sweep.record(cell) as facts:
            facts |= {"status": "failed", "error": error}
    except (RequirementError, StorageError) as reason:
        return str(reason)
    return ""


def line_of(error: BaseException) -> str:
    """Returns an error in a line: its type and the last line of its text."""
    name, line = type(error).__name__, last_line(str(error))
    return f"{name}: {line}" if line else name


def _ready(sweep: SweepStore, cell: SweepCell, log: Log, report: Report, tell: Tell) -> Run | None:
    """Returns the run of a cell, prepared; None if it is done or in use."""
    store, (state, detail) = sweep.run(cell.name), cell_state(sweep, cell)
    if state == "misplaced":
        raise RequirementError(detail)
    if state == "damaged" and not store.is_locked():
        _put_aside(store, log)
    run = Run(cell.config, store.path, overwrite=state == "damaged", tell=tell)
    if run.is_finished():
        return None
    if run.store.is_locked():
        log.say(f"{cell.name}: in use by another process; left to it.")
        return None
    run.prepare(report)
    return run


def _unprepared(sweep: SweepStore, cell: SweepCell, error: Exception, log: Log) -> str:
    """Records and prints the error of a cell that could not be prepared; returns its last line."""
    log.say(f"{cell.name}: {error}")
    unrecorded = try_fail(sweep, cell, f"{type(error).__name__}: {error}")
    if unrecorded:
        log.say(f"{cell.name}: not recorded: {unrecorded}")
    return line_of(error)


def _put_aside(store: RunStore, log: Log) -> None:
    """Renames records that cannot be read."""
    with store.locked():
        for name in store.damaged_records():
            store.written.put_aside(store.path / name)
    for old, new in store.written.moved:
        log.say(f"{old} could not be read; it is kept as {new}.")


def run_cells(
    sweep: SweepStore,
    cells: Sequence[SweepCell],
    stop: Stop,
    console: Console | None = None,
    options: CellOptions = DEFAULT_OPTIONS,
    *,
    tell: Callable[[SweepCell], Tell] = lambda cell: no_events,
) -> dict[str, str]:
    """Runs cells that can train together, each in its own directory.

    What goes wrong is recorded in the directory of the cell it happened to, or of all that were
    trained together, if that can be written to, and returned in any case.

    Args:
      sweep: the directory.
      cells: one cell, or those of one group (:func:`rf_limits.sweeps.groups.groups_of`).
      stop: whether to stop.
      console: where to print.
      options: how the cells are carried out.
      tell: returns the listener to the events of a cell's run.

    Returns:
      The last line of the error by name of the cells that failed.

    Raises:
      Stopped: asked to stop; what is finished is kept.
    """
    log = Log(console or Console())
    failed, ready = dict[str, str](), dict[str, Run]()
    boarded = cells if options.tensorboard else ()
    boards = {cell.name: [TensorBoard(sweep.run(cell.name).path)] for cell in boarded}
    with progress(log.console) as report:
        with stop.at_once():
            for cell in cells:
                try:
                    listener = to_all(tell(cell), *boards.get(cell.name, ()))
                    run = _ready(sweep, cell, log, report, listener)
                except Exception as error:  # the cell fails alone
                    failed[cell.name] = _unprepared(sweep, cell, error, log)
                else:
                    ready |= {cell.name: run} if run else {}
        try:
            failed |= _carried_out(ready, log, report, stop, options.save_every)
        finally:
            to_all(*itertools.chain(*boards.values()))("end")
    return _recorded(sweep, cells) | failed


def _carried_out(
    ready: Mapping[str, Run], log: Log, report: Report, stop: Stop, save_every: float
) -> dict[str, str]:
    """Carries out prepared runs; returns the last line of the error by name of those that failed.

    The runs have recorded their errors where that was possible.
    """
    try:
        if ready:
            carry_out(list(ready.values()), report, log, stop, save_every)
    except Stopped:
        raise
    except InUseError as error:
        log.say(f"{error} Left to it.")
    except Exception as error:  # the other cells of the sweep go on
        if not isinstance(error, (RequirementError, StorageError)):  # those say it in a line
            log.say(traceback.format_exc())
        lost = {name: run.error_of(error) for name, run in ready.items() if not run.ended}
        failed = {name: last_line(text) for name, text in lost.items()}
        for name, text in failed.items():
            log.say(f"{name}: {text}")
        return failed
    return {}


def _recorded(sweep: SweepStore, cells: Sequence[SweepCell]) -> dict[str, str]:
    """Returns the recorded error by name of the cells that failed."""
    states = ((cell.name, *cell_state(sweep, cell)) for cell in cells)
    return {name: detail for name, state, detail in states if state == "failed"}


def run_alone(
    workdir: str, names: Collection[str], stop: Stop, options: CellOptions
) -> dict[str, str]:
    """Runs cells in a process of their own, which loads the user's config file first.

    Args:
      workdir: of the sweep.
      names: of the cells.
      stop: is set by signals.
      options: how the cells are carried out.

    Returns:
      The last line of the error by name of the cells that failed.
    """
    keep_compiled()
    load_entries(options.own_config)
    sweep, log = SweepStore(workdir), Log(Console(width=_COLUMNS))
    cells = [cell for cell in sweep.cells() if cell.name in names]
    with listening(stop, log.say):
        return run_cells(sweep, cells, stop, log.console, options)


def main() -> int:
    """Carries out the request on standard input; returns the exit code."""
    request, stop = Request(**json.load(sys.stdin)), Stop()
    try:
        failed = run_alone(request.workdir, request.names, stop, CellOptions(**request.options))
    except Interrupted:
        raise
    except (KeyboardInterrupt, Stopped):
        return stop.exit_code
    except Exception as error:
        _report_failures(request.failures, dict.fromkeys(request.names, line_of(error)))
        raise
    _report_failures(request.failures, failed)
    return int(len(failed) > 0)


def _report_failures(descriptor: int, failed: Mapping[str, str]) -> None:
    """Writes errors for the process that started this one, whatever the disk takes."""
    if failed:
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(failed).encode())


if __name__ == "__main__":
    run_script(main)
