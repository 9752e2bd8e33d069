"""Carries out some cells of a sweep in this process, together where they share shapes.

python -P -m rf_limits.sweeps.worker --workdir=results/sweep < NAMES, a file with a line per name.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from absl import flags
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.experiments.keep import Stopped
from rf_limits.runs.cli import run_script
from rf_limits.runs.compiled import keep_compiled
from rf_limits.runs.console import say
from rf_limits.runs.events import Tell, no_events, to_all
from rf_limits.runs.files import StorageError
from rf_limits.runs.progress import progress
from rf_limits.runs.run import SAVE_EVERY, Run, carry_out
from rf_limits.runs.stopping import Interrupted, Stop, listening
from rf_limits.runs.store import InUseError, RunStore
from rf_limits.runs.tensorboard import TensorBoard
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.own_config import load
from rf_limits.sweeps.status import cell_state

_COLUMNS = 100
SEPARATOR = "\n"
"""Between names of cells on standard input: a command line is too short for a thousand."""


def fail(sweep: SweepStore, cell: SweepCell, error: str) -> None:
    """Records that a cell failed, where no process did."""
    with sweep.record(cell) as facts:
        facts |= {"status": "failed", "error": error}


def try_fail(sweep: SweepStore, cell: SweepCell, error: str) -> str:
    """Records that a cell failed where that can be; returns why it cannot, or nothing."""
    try:
        fail(sweep, cell, error)
    except (RequirementError, StorageError) as reason:
        return str(reason)
    return ""


def line_of(error: BaseException) -> str:
    """An error in a line: its type and what it says last."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__


def _ready(sweep: SweepStore, cell: SweepCell, note, report, tell: Tell, failed) -> Run | None:
    """The run of a cell, prepared; None if it is done, in use, or cannot be (put into failed)."""
    try:
        store, (state, detail) = sweep.run(cell.name), cell_state(sweep, cell)
        if state == "misplaced":
            raise RequirementError(detail)
        if state == "damaged" and not store.is_locked():
            _put_aside(store, note)
        run = Run(cell.config, store.path, overwrite=state == "damaged", tell=tell)
        if run.is_finished():
            return None
        if run.store.is_locked():
            note(f"{cell.name}: in use by another process; left to it.")
            return None
        run.prepare(report)
    except Exception as error:  # a cell that cannot be fails alone
        note(f"{cell.name}: {error}")
        failed[cell.name] = line_of(error)
        unrecorded = try_fail(sweep, cell, f"{type(error).__name__}: {error}")
        if unrecorded:
            note(f"{cell.name}: not recorded: {unrecorded}")
        return None
    return run


def _put_aside(store: RunStore, note: Callable[[str], None]) -> None:
    """Keeps records that cannot be read under other names."""
    with store.locked():
        for name in store.damaged_records():
            store.written.put_aside(store.path / name)
    for old, new in store.written.moved:
        note(f"{old} could not be read; it is kept as {new}.")


def run_cells(
    sweep: SweepStore,
    cells: Sequence[SweepCell],
    stop: Stop,
    console: Console | None = None,
    save_every: float = SAVE_EVERY,
    *,
    tell: Callable[[SweepCell], Tell] = lambda cell: no_events,
    tensorboard: bool = False,
) -> dict[str, str]:
    """Runs cells that can train together, each in its own directory.

    What goes wrong is recorded in the directory of the cell it happened to, or of all that were
    trained together, if that can be written to, and returned in any case.

    Args:
      sweep: the directory.
      cells: one, or several of one group (:func:`rf_limits.sweeps.groups.groups_of`).
      stop: whether to stop.
      console: where to print.
      save_every: seconds between saved states.
      tell: what is called with the events of a cell's run.
      tensorboard: whether runs write event files.

    Returns:
      By name of the cells that failed, the last line of the error.

    Raises:
      Stopped: asked to stop; what is finished is kept.
    """
    console = console or Console()
    boards, failed = {}, dict[str, str]()
    if tensorboard:
        boards = {cell.name: TensorBoard(sweep.run(cell.name).path) for cell in cells}

    def listener(cell: SweepCell) -> Tell:
        return to_all(tell(cell), boards.get(cell.name, no_events))

    def note(text: str) -> None:
        say(console, text)

    with progress(console) as report:
        with stop.at_once():
            runs = {
                cell.name: _ready(sweep, cell, note, report, listener(cell), failed)
                for cell in cells
            }
        ready = {name: run for name, run in runs.items() if run is not None}
        if not ready:
            return _recorded(sweep, cells) | failed
        try:
            carry_out(list(ready.values()), report, note, stop, save_every)
        except Stopped:
            raise
        except InUseError as error:
            note(f"{error} Left to it.")
        except Exception as error:  # recorded by the runs it stopped, if it can be; others go on
            if not isinstance(error, (RequirementError, StorageError)):  # those say it in a line
                note(traceback.format_exc())
            lost = {name: run.error_of(error) for name, run in ready.items() if not run.ended}
            failed |= {name: text.strip().splitlines()[-1] for name, text in lost.items()}
            for name, text in failed.items():
                note(f"{name}: {text}")
        finally:
            for board in boards.values():
                board("end")
    return _recorded(sweep, cells) | failed


def _recorded(sweep: SweepStore, cells: Sequence[SweepCell]) -> dict[str, str]:
    """Cells that have failed by what is on disk, and why."""
    states = ((cell.name, *cell_state(sweep, cell)) for cell in cells)
    return {name: detail for name, state, detail in states if state == "failed"}


def _width() -> int:
    """Of lines in the log; COLUMNS may hold anything."""
    given = os.environ.get("COLUMNS", "")
    return max(int(given), 1) if given.isdecimal() else _COLUMNS


def main() -> int:
    """The worker's command line."""
    given, console, stop = flags.FLAGS, Console(width=_width()), Stop()
    wanted = set(sys.stdin.read().split(SEPARATOR))
    try:
        keep_compiled()
        load(given.own_config)
        sweep = SweepStore(Path(given.workdir))
        cells = [cell for cell in sweep.cells() if cell.name in wanted]
        with listening(stop, partial(say, console)):
            how = (stop, console, given.save_every)
            failed = run_cells(sweep, cells, *how, tensorboard=given.tensorboard)
    except Interrupted:
        raise
    except (KeyboardInterrupt, Stopped):
        return stop.exit_code
    except Exception as error:
        _tell(given.failures, dict.fromkeys(wanted, line_of(error)))
        raise
    _tell(given.failures, failed)
    return int(len(failed) > 0)


def _tell(descriptor: int | None, failed: dict[str, str]) -> None:
    """Tells the process that started this one what failed, whatever the disk takes."""
    if descriptor is not None and failed:
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(failed).encode())


if __name__ == "__main__":
    flags.DEFINE_string("workdir", None, "Directory of the sweep.")
    flags.DEFINE_float("save_every", SAVE_EVERY, "Seconds between saved states.", 0.0)
    flags.DEFINE_bool("tensorboard", False, "Write event files in the directories of cells.")
    flags.DEFINE_integer("failures", None, "Open file that is told, as JSON, what failed.")
    flags.DEFINE_string("own_config", None, "Config file to load first, with its variant.")
    run_script(main)
