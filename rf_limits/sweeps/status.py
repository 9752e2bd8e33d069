"""How every cell of a sweep stands, from what is on disk."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rf_limits.remarks import Remark
from rf_limits.runs.progress import counted, short_time
from rf_limits.runs.store import RunStore
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.tally import seconds_left

STATES = (
    *("done", "running", "queued", "unknown", "failed", "misplaced"),
    *("interrupted", "damaged", "pending"),
)
"""Of cells: an interrupted one goes on from what it saved when it is run again, a damaged one, done
but without all its files, or with records that cannot be read, from nothing; of an unknown one
Slurm had a job, and does not answer; in the directory of a misplaced one is another run, which is
never touched."""
BUSY = ("running", "queued", "unknown")
"""Cells that are, or may be, under way."""
ALARMING = ("failed", "misplaced", "damaged")
"""Cells of which there is a line of their own."""
NOT_RECORDED = "(not recorded)"
"""Ends the detail of a failed cell of which nothing on disk says so."""
UNDONE = ("pending", "interrupted", "damaged")
"""Cells that the same command runs again."""


class CellStatus(NamedTuple):
    """How one cell stands.

    Attributes:
      cell: which.
      state: one of :data:`STATES`.
      detail: the last line of the error of a failed cell; what a damaged one lacks; what is in the
        directory of a misplaced one; "diverged" for a done one that did.
    """

    cell: SweepCell
    state: str
    detail: str = ""


def state_of(store: RunStore) -> tuple[str, str]:
    """State and detail of one work directory.

    Raises:
      RequirementError: what it says of itself cannot be read.
    """
    facts = store.read_json("run.json") or {}
    status = facts.get("status")
    if status in ("complete", "diverged"):
        name, damage = store.damage()
        if damage in ("missing", "damaged"):
            return "damaged", f"{name} is {damage}"
        return "done", "" if status == "complete" else status
    if store.is_locked():
        return "running", ""
    if status == "failed":
        lines = str(facts.get("error", "")).strip().splitlines()
        return "failed", lines[-1] if lines else "no error was recorded"
    return ("pending" if status is None else "interrupted"), ""


def cell_state(sweep: SweepStore, cell: SweepCell) -> tuple[str, str]:
    """State and detail of a cell, by what is in its directory."""
    store = sweep.run(cell.name)
    damaged = store.damaged_records()
    if damaged:
        return "damaged", f"{' and '.join(damaged)} cannot be read as JSON"
    other = sweep.other_run(cell)
    if other:
        return "misplaced", other
    state, detail = state_of(store)
    if state == "done" and store.read_json("config.json") is None:
        return "damaged", "config.json is missing"
    return state, detail


def statuses(
    sweep: SweepStore, cells: Sequence[SweepCell], jobs: Mapping[str, tuple[str, str]] | None = None
) -> list[CellStatus]:
    """The state of every cell.

    Args:
      sweep: the directory.
      cells: of it.
      jobs: what a cluster says of cells that were submitted to it, by name: "queued", "running",
        "unknown" or "failed", with a detail. It counts where on disk nothing is going on.
    """
    found, jobs = [], jobs or {}
    for cell in cells:
        state, detail = cell_state(sweep, cell)
        if state in ("pending", "interrupted"):
            state, detail = jobs.get(cell.name, (state, detail))
        found.append(CellStatus(cell, state, detail))
    return found


def with_failures(found: Sequence[CellStatus], failed: Mapping[str, str]) -> list[CellStatus]:
    """The same where cells that failed could not record it, by their names and errors."""
    return [
        one._replace(state="failed", detail=f"{failed[one.cell.name]} {NOT_RECORDED}")
        if one.cell.name in failed and one.state in UNDONE
        else one
        for one in found
    ]


def missing(found: Sequence[CellStatus], *, retry_failed: bool) -> list[SweepCell]:
    """The cells that are to be run: not done whole, not under way, not failed unless asked."""
    wanted = {*UNDONE} | ({"failed"} if retry_failed else set())
    return [one.cell for one in found if one.state in wanted]


def time_left(sweep: SweepStore, found: Sequence[CellStatus]) -> float | None:
    """Seconds until every cell is done, about, at the pace of those that are; None if unknown.

    As many processes are at it as now; one, if none is.
    """
    done = [sweep.run(one.cell.name).read_json("run.json") for one in found if one.state == "done"]
    running = [sweep.run(one.cell.name) for one in found if one.state == "running"]
    facts = [store.read_json("run.json") or {} for store in running]
    processes = {(one.get("host"), one.get("process")) for one in facts}
    left = sum(one.state not in ("done", "failed", "misplaced") for one in found)
    return seconds_left([one or {} for one in done], left, len(processes)) if left else None


def counts(found: Sequence[CellStatus]) -> dict[str, int]:
    """How many cells are in which state."""
    return {state: sum(one.state == state for one in found) for state in STATES}


def status_lines(found: Sequence[CellStatus], left: float | None = None) -> list[Remark]:
    """The count of every state, and a line for every failure.

    Args:
      found: of every cell.
      left: seconds until every cell is done, if known.
    """
    shown = {"done", "running", "failed", "pending"}
    words = [
        f"{count} {state}" for state, count in counts(found).items() if count or state in shown
    ]
    lines = [Remark(f"{counted(len(found), 'cell')}: {', '.join(words)}.")]
    if left is not None:
        about = f"About {short_time(left)} left, at the pace of those that are done."
        lines.append(Remark(about))
    unknown = [one for one in found if one.state == "unknown"]
    if unknown:
        text = (
            f"{counted(len(unknown), 'cell')}, which may be under way, and will not be "
            "run again before Slurm answers (or slurm/jobs.json of the sweep is removed, if its "
            f"jobs are gone for good). {unknown[0].detail}."
        )
        lines.append(Remark(text, "UNKNOWN"))
    diverged = [one.cell.name for one in found if one.detail == "diverged"]
    if diverged:
        lines.append(Remark(f"{len(diverged)} of the done ({', '.join(diverged)}).", "DIVERGED"))
    lines += [
        Remark(f"{one.state} {one.cell.name}: {one.detail}", level="warning")
        for one in found
        if one.state in ALARMING
    ]
    return lines
