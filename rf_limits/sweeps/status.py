"""The state of every cell of a sweep, from what is on disk."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rf_limits.remarks import Remark
from rf_limits.runs.console import last_line
from rf_limits.runs.directory import CONFIG, RUN
from rf_limits.runs.progress import counted, short_time
from rf_limits.runs.store import RunStore
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.manifest import SweepStore

STATES = (
    *("done", "running", "queued", "unknown", "failed", "misplaced"),
    *("interrupted", "damaged", "pending"),
)
"""States of cells.

When it is run again, an interrupted cell goes on from what it saved, and a damaged one (done but
without all its files, or with records that cannot be read) from nothing. Of an unknown cell Slurm
had a job, and does not answer. In the directory of a misplaced cell is another run, which is never
touched.
"""
BUSY = ("running", "queued", "unknown")
"""States of cells that are, or may be, under way."""
ALARMING = ("failed", "misplaced", "damaged")
"""States of cells that the status names in lines of their own."""
NOT_RECORDED = "(not recorded)"
"""Ends the detail of a failed cell whose failure is not on disk."""
UNDONE = ("pending", "interrupted", "damaged")
"""States of cells that the same command runs again."""


class CellStatus(NamedTuple):
    """The state of one cell.

    Attributes:
      cell: the cell.
      state: one of :data:`STATES`.
      detail: the last line of the error of a failed cell; what a damaged one lacks; what is in the
        directory of a misplaced one; "diverged" for a done one that did.
    """

    cell: SweepCell
    state: str
    detail: str = ""


def state_of(store: RunStore) -> tuple[str, str]:
    """Returns state and detail of one work directory.

    Raises:
      RequirementError: its records cannot be read.
    """
    facts = store.read_json(RUN) or {}
    status = facts.get("status")
    if status in ("complete", "diverged"):
        name, damage = store.damage()
        if damage in ("missing", "damaged"):
            return "damaged", f"{name} is {damage}"
        return "done", "" if status == "complete" else status
    if store.is_locked():
        return "running", ""
    if status == "failed":
        return "failed", last_line(str(facts.get("error", "")), "no error was recorded")
    return ("pending" if status is None else "interrupted"), ""


def cell_state(sweep: SweepStore, cell: SweepCell) -> tuple[str, str]:
    """Returns state and detail of a cell, from what is in its directory."""
    store = sweep.run(cell.name)
    damaged = store.damaged_records()
    if damaged:
        return "damaged", f"{' and '.join(damaged)} cannot be read as JSON"
    other = sweep.other_run(cell)
    if other:
        return "misplaced", other
    state, detail = state_of(store)
    if state == "done" and store.read_json(CONFIG) is None:
        return "damaged", "config.json is missing"
    return state, detail


def statuses(
    sweep: SweepStore, cells: Sequence[SweepCell], jobs: Mapping[str, tuple[str, str]] | None = None
) -> list[CellStatus]:
    """Returns the state of every cell.

    Args:
      sweep: the directory.
      cells: of it.
      jobs: state ("queued", "running", "unknown" or "failed") and detail that a cluster reports of
        cells that were submitted to it, by name. They count where on disk nothing is going on.
    """
    states, jobs = [], jobs or {}
    for cell in cells:
        state, detail = cell_state(sweep, cell)
        if state in ("pending", "interrupted"):
            state, detail = jobs.get(cell.name, (state, detail))
        states.append(CellStatus(cell, state, detail))
    return states


def with_failures(cells: Sequence[CellStatus], failed: Mapping[str, str]) -> list[CellStatus]:
    """Returns the states with failures that could not be recorded, by name of the cells."""
    return [
        status._replace(state="failed", detail=f"{failed[status.cell.name]} {NOT_RECORDED}")
        if status.cell.name in failed and status.state in UNDONE
        else status
        for status in cells
    ]


def missing(cells: Sequence[CellStatus], *, retry_failed: bool) -> list[SweepCell]:
    """Returns the cells that are to run: undone ones, and failed ones with ``retry_failed``."""
    wanted = (*UNDONE, "failed") if retry_failed else UNDONE
    return [status.cell for status in cells if status.state in wanted]


def time_left(sweep: SweepStore, cells: Sequence[CellStatus]) -> float | None:
    """Returns about the seconds until every cell is done, at the pace of those that are.

    It takes the number of processes to stay as it is, and to be one where none runs. None where
    nothing is left, or no cell is done.
    """

    def facts(state: str) -> list[dict[str, Any]]:
        names = [status.cell.name for status in cells if status.state == state]
        return [sweep.run(name).read_json(RUN) or {} for name in names]

    processes = {(run.get("host"), run.get("process")) for run in facts("running")}
    left = sum(status.state not in ("done", "failed", "misplaced") for status in cells)
    return seconds_left(facts("done"), left, len(processes)) if left else None


def seconds_left(done: Iterable[Mapping[str, Any]], left: int, at_once: int) -> float | None:
    """Returns the seconds until ``left`` cells are done; None if none is done yet.

    Args:
      done: run.json of cells that are done: ``wall_time_s`` is that of all cells that trained
        together, of which there were ``together``.
      left: number of cells that are not done.
      at_once: number of processes that run them.
    """
    times = [run["wall_time_s"] / run.get("together", 1) for run in done if "wall_time_s" in run]
    return statistics.mean(times) * left / max(at_once, 1) if times else None


def counts(cells: Sequence[CellStatus]) -> dict[str, int]:
    """Returns the number of cells in every state."""
    number = Counter(status.state for status in cells)
    return {state: number[state] for state in STATES}


def status_lines(cells: Sequence[CellStatus], left: float | None = None) -> list[Remark]:
    """Returns a line with the count of every state, and a line for every failure.

    Args:
      cells: the status of every cell.
      left: seconds until every cell is done, if known.
    """
    shown = {"done", "running", "failed", "pending"}
    words = [
        f"{count} {state}" for state, count in counts(cells).items() if count or state in shown
    ]
    lines = [Remark(f"{counted(len(cells), 'cell')}: {', '.join(words)}.")]
    if left is not None:
        about = f"About {short_time(left)} left, at the pace of those that are done."
        lines.append(Remark(about))
    unknown = [status for status in cells if status.state == "unknown"]
    if unknown:
        text = (
            f"{counted(len(unknown), 'cell')}, which may be under way, and will not be "
            "run again before Slurm answers (or slurm/jobs.json of the sweep is removed, if its "
            f"jobs are gone for good). {unknown[0].detail}."
        )
        lines.append(Remark(text, "UNKNOWN"))
    diverged = [status.cell.name for status in cells if status.detail == "diverged"]
    if diverged:
        lines.append(Remark(f"{len(diverged)} of the done ({', '.join(diverged)}).", "DIVERGED"))
    lines += [
        Remark(f"{status.state} {status.cell.name}: {status.detail}", level="warning")
        for status in cells
        if status.state in ALARMING
    ]
    return lines
