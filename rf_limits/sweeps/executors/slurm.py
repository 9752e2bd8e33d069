"""Groups as elements of a Slurm job array, through submitit; preempted ones are requeued.

A job that Slurm warns of its end (submitit asks for SIGUSR2 some time before the limit) saves
its states at the next safe point and has itself requeued. SIGTERM, which Slurm sends when it
preempts, requeues or cancels, makes it save and go on: Slurm ends it itself, and starts it again
where it is to run again. A job always goes on from what is on disk.
"""

import contextlib
import dataclasses
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import submitit

from rf_limits.errors import RequirementError
from rf_limits.runs.console import last_line
from rf_limits.runs.directory import WorkDirectory
from rf_limits.runs.files import StorageError, write_whole
from rf_limits.runs.stopping import Stop
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import BUSY, NOT_RECORDED, UNDONE, statuses
from rf_limits.sweeps.worker import CellOptions, run_alone
from rf_limits.training.checkpointing import Stopped

FOLDER = "slurm"
_JOBS_FILE = "jobs.json"
_PATIENCE = 300.0  # seconds, for another launch that submits
_RUNNING = {"RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}
ENDED = {  # from `man squeue`; every other state may still become one of these, or run again
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "TIMEOUT",
}
_TIMEOUTS = 100_000  # submitit gives up after so many requeues; short limits count every signal


@dataclasses.dataclass
class SlurmCells:
    """What a job does: some cells of a sweep, from wherever they stand.

    Jobs wait in pickled form: its fields keep their names.

    Attributes:
      workdir: of the sweep.
      names: of the cells.
      save_every, tensorboard, own: as in :class:`~rf_limits.sweeps.worker.CellOptions`.
    """

    workdir: str
    names: Sequence[str]
    save_every: float
    tensorboard: bool = False
    own: str | None = None

    def __call__(self) -> int:
        """Runs the cells; returns the number that failed. A job to be requeued does not return.

        Raises:
          StorageError: a cell failed and that could not be recorded: to Slurm the job has failed.
        """
        ask = signal.Signals[f"SIG{submitit.JobEnvironment.USR_SIG}"]
        checkpoint_and_requeue = signal.getsignal(ask)
        stop = Stop(saves_only=(signal.SIGTERM,))
        options = CellOptions(self.save_every, self.tensorboard, self.own)
        try:
            failed = run_alone(self.workdir, self.names, stop, options)
        except Stopped:
            if stop.signal == ask and callable(checkpoint_and_requeue):
                checkpoint_and_requeue(ask, None)  # submitit's: requeues and exits
            raise
        sweep = SweepStore(self.workdir)
        for status in statuses(sweep, [cell for cell in sweep.cells() if cell.name in failed]):
            if status.state in UNDONE:
                name = status.cell.name
                raise StorageError(f"{name}: {failed[name]} {NOT_RECORDED}")
        return len(failed)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Returns what submitit submits again: the same; the states are on disk."""
        return submitit.helpers.DelayedSubmission(self)


@dataclasses.dataclass
class SlurmExecutor:
    """Submits an element of a job array for every group, and does not wait.

    Attributes:
      sweep: the directory; logs and jobs are under slurm/ in it.
      log: what is said of it.
      options: how cells are carried out.
      jobs: most elements that run at once.
      split: into how many groups cells that could all train together are split.
      minutes: time limit of one start; requeued jobs have it anew.
      parameters: of submitit's executor: ``slurm_partition``, ``slurm_account``, ``slurm_gres``,
        ``slurm_constraint``, ``cpus_per_task``, ``mem_gb``, ``slurm_signal_delay_s`` and so on.
    """

    sweep: SweepStore
    log: SweepLog
    options: CellOptions
    jobs: int
    minutes: int
    parameters: Mapping[str, Any]
    split: int = 1

    def run(self, groups: Sequence[Sequence[SweepCell]], stop: Stop) -> None:
        """Submits every group.

        Raises:
          RequirementError: there is no Slurm here, or it refuses the jobs.
        """
        del stop
        with self.sweep.locked(_PATIENCE):
            # of two that submit at once, the second leaves to the first what that has submitted
            jobs, left = slurm_states(self.sweep), []
            for group in groups:
                states = statuses(self.sweep, group, jobs)
                free = [status.cell for status in states if status.state not in BUSY]
                left += [free] if free or not group else []
            self._submit(left)

    def _submit(self, groups: Sequence[Sequence[SweepCell]]) -> None:
        if not groups:
            return
        path = self.sweep.path.absolute()
        folder = path / FOLDER
        earlier = set(folder.glob("*"))
        try:
            executor = submitit.AutoExecutor(
                folder=folder,
                cluster="slurm",
                slurm_max_num_timeout=_TIMEOUTS,
                slurm_python=f"{shlex.quote(sys.executable)} -P",  # as for workers here
            )
            executor.update_parameters(
                name="rf_limits",
                timeout_min=self.minutes,
                slurm_array_parallelism=self.jobs,
                **self.parameters,
            )
            with executor.batch():  # one array; each job is its own, with its own checkpoint
                options = dataclasses.astuple(self.options)
                submitted = [
                    executor.submit(SlurmCells(str(path), [cell.name for cell in group], *options))
                    for group in groups
                ]
        except (RuntimeError, submitit.core.utils.FailedJobError) as error:
            _forget_submission(folder, earlier)
            line = last_line(str(error), repr(error))
            text = f"must find a Slurm that takes the jobs, but received: {line}"
            raise RequirementError(text, field="--executor=slurm") from error
        jobs = _jobs(self.sweep)
        for job, group in zip(submitted, groups, strict=True):
            jobs |= {cell.name: job.job_id for cell in group}
        text = json.dumps({"directory": _place(self.sweep), "jobs": jobs}, indent=1)
        write_whole(folder / _JOBS_FILE, lambda path: path.write_text(text))
        ids = ", ".join(job.job_id for job in submitted)
        self.log.note(f"Submitted {len(submitted)} jobs: {ids}.")


def _forget_submission(folder: Path, earlier: set[Path]) -> None:
    """Removes what submitit wrote for jobs that Slurm refused; files of jobs begin with theirs."""
    for path in set(folder.glob("*")) - earlier:
        if re.fullmatch(r"\.?submission_file_.*\.sh|[0-9a-f]{32}\.pkl", path.name):
            path.unlink()
    with contextlib.suppress(OSError):  # there is none, or it holds more
        folder.rmdir()


def _place(sweep: SweepStore) -> dict[str, Any]:
    """Returns what tells a sweep's directory from a copy: its path and its inode."""
    path = sweep.path.resolve()
    return {"path": str(path), "inode": path.stat().st_ino}


def _jobs(sweep: SweepStore) -> dict[str, str]:
    """Returns jobs by name of the cell; none in a copy, whose jobs work in the original.

    A directory that nodes see under other paths has the same inode everywhere, one that was
    restored has the same path.
    """
    record = WorkDirectory(sweep.path / FOLDER).read_json(_JOBS_FILE) or {}
    place = record.get("directory")
    if not isinstance(place, dict):  # written by a version that kept the jobs alone
        return record
    here = _place(sweep)
    same = any(place.get(name) == value for name, value in here.items())
    return record.get("jobs", {}) if same else {}


def _states(array: str) -> dict[str, str] | str:
    """Returns Slurm's state of every element of an array, or a line why Slurm does not answer.

    squeue knows jobs for some minutes after their end, with or without accounting. Elements that
    it does not know are over.
    """
    command = ["squeue", "--states=all", "--array", "--noheader", "--format=%i|%T"]
    try:
        done = subprocess.run(
            [*command, f"--jobs={array}"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return last_line(str(error), repr(error))
    if done.returncode != 0 and "Invalid job id" not in done.stderr:
        return last_line(done.stderr, f"squeue ended with exit code {done.returncode}")
    return dict(line.split("|") for line in done.stdout.split() if "|" in line)


def slurm_states(sweep: SweepStore) -> dict[str, tuple[str, str]]:
    """Returns state and detail of the cells submitted to Slurm, by name.

    States are "queued", "running", "failed" and, where Slurm does not answer, "unknown"; cells
    whose job ended well, or is unknown to Slurm, are left out: their state is that on disk.
    """
    jobs, states = _jobs(sweep), dict[str, tuple[str, str]]()
    answers = {array: _states(array) for array in {job.split("_")[0] for job in jobs.values()}}
    for name, job in jobs.items():
        answer = answers[job.split("_")[0]]
        if isinstance(answer, str):
            states[name] = ("unknown", f"Slurm does not answer about job {job}: {answer}")
            continue
        state = answer.get(job)
        if state is None or state == "COMPLETED":
            continue
        if state in _RUNNING:
            states[name] = ("running", "")
        elif state in ENDED:
            states[name] = ("failed", f"Slurm ended job {job}: {state}{_log_line(sweep, job)}")
        else:
            states[name] = ("queued", state.lower())
    return states


def _log_line(sweep: SweepStore, job: str) -> str:
    """Returns the last line of a job's error log, after a colon."""
    path = sweep.path / FOLDER / f"{job}_0_log.err"
    if not path.is_file():
        return ""
    line = last_line(path.read_text(errors="replace")).strip()
    return f": {line}" if line else ""
