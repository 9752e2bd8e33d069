"""The command line of sweeps: launch what is missing, or say how things stand."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from absl import flags
from rich.console import Console

from rf_limits.config import Builder, Config
from rf_limits.config.files import ConfigFile
from rf_limits.config.flags import ConfigFlag
from rf_limits.errors import check
from rf_limits.runs.cli import run_script
from rf_limits.runs.events import JsonLines, failure, no_events
from rf_limits.runs.progress import counted
from rf_limits.runs.run import SAVE_EVERY
from rf_limits.runs.script import LOGS, PLATFORMS
from rf_limits.runs.session import resume_command, select_platform
from rf_limits.runs.stopping import Stop, listening
from rf_limits.runs.tensorboard import TensorBoard
from rf_limits.sweeps.checks import check_cells
from rf_limits.sweeps.dry_sweep import dry_sweep
from rf_limits.sweeps.executors.inline import InlineExecutor
from rf_limits.sweeps.executors.local import LocalExecutor
from rf_limits.sweeps.executors.slurm import SlurmExecutor, slurm_states
from rf_limits.sweeps.grid import Sweep, SweepCell, cells_of, parse_axis
from rf_limits.sweeps.groups import groups_of
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import (
    CellStatus,
    missing,
    status_lines,
    statuses,
    time_left,
    with_failures,
)
from rf_limits.sweeps.worker import CellOptions
from rf_limits.training.checkpointing import Stopped

EXECUTORS = ("inline", "local", "slurm")
CACHE = "compiled"
_AT_ONCE = 1000  # elements of a Slurm array
_SLURM_FLAGS = {
    "slurm_partition": "partition",
    "slurm_account": "account",
    "slurm_gres": "gres",
    "slurm_constraint": "constraint",
    "slurm_qos": "qos",
    "cpus_per_task": "cpus",
    "mem_gb": "memory",
    "slurm_signal_delay_s": "signal_before",
    "slurm_setup": "setup",
}
"""By name of a parameter of submitit, the flag that sets it."""


def define_flags() -> Any:
    """Defines the flags of scripts/launch.py; returns that of the config."""
    config = ConfigFlag()
    flags.DEFINE_string("workdir", None, "Directory of the sweep; made if absent.")
    flags.DEFINE_multi_string("grid", [], 'One more axis: "problem.dim=(5,10)".')
    flags.DEFINE_multi_string(
        "zip", [], 'Fields that go together: "data.num_train=(64,128);training.steps=(10,20)".'
    )
    flags.DEFINE_enum("executor", "local", EXECUTORS, "Where cells run.")
    flags.DEFINE_integer("jobs", 0, "Cells, or groups, at once; default: one per GPU, or one.", 0)
    flags.DEFINE_integer("cores_per_job", 0, "CPU cores of a local worker; default: all.", 0)
    flags.DEFINE_bool("dry_run", False, "Say what the sweep would be and take; write nothing.")
    flags.DEFINE_bool("timed", True, "With --dry_run: measure how long it would take.")
    flags.DEFINE_enum("log", "text", LOGS, "What goes to standard output.")
    flags.DEFINE_bool("tensorboard", False, "Write event files in the directories of cells.")
    flags.DEFINE_bool("retry_failed", False, "Run failed cells again, each by itself.")
    flags.DEFINE_bool("group", True, "Train cells that share shapes in one compiled call.")
    flags.DEFINE_bool("extend", False, "Add cells to the sweep that is in workdir.")
    flags.DEFINE_float("save_every", SAVE_EVERY, "Seconds between saved states.", 0.0)
    flags.DEFINE_enum("platform", None, PLATFORMS, "Device of inline runs; default: best.")
    flags.DEFINE_integer("time", 60, "Slurm: minutes until a job is requeued.", 1)
    flags.DEFINE_string("partition", None, "Slurm: partition.")
    flags.DEFINE_string("account", None, "Slurm: account.")
    flags.DEFINE_string("gres", None, 'Slurm: resources, such as "gpu:1".')
    flags.DEFINE_string("constraint", None, "Slurm: features of nodes.")
    flags.DEFINE_string("qos", None, "Slurm: quality of service.")
    flags.DEFINE_integer("cpus", 1, "Slurm: CPU cores of a job.", 1)
    flags.DEFINE_float("memory", None, "Slurm: GB of memory of a job.", 0.001)
    flags.DEFINE_integer("signal_before", 90, "Slurm: seconds of warning before the end.", 10)
    flags.DEFINE_multi_string("setup", [], "Slurm: shell commands of a job before it starts.")
    return config


def add_axes(config: Builder, grid: Sequence[str], zipped: Sequence[str]) -> None:
    """Adds the axes of the command line to the sweep of a config."""
    single = [(field,) for text in grid for field in parse_axis(text, "--grid")]
    together = [parse_axis(text, "--zip") for text in zipped]
    if single or together:
        before = config.sweep.axes if isinstance(config.sweep, Sweep) else ()
        config.sweep = Sweep((*before, *single, *together))


@runtime_checkable
class Executor(Protocol):
    """Carries out groups of cells, or has them carried out.

    Attributes:
      split: into how many groups cells that could all train together are split.
    """

    split: int

    def run(self, groups: Sequence[Sequence[SweepCell]], stop: Stop) -> Mapping[str, str] | None:
        """Carries out groups; raises Stopped when asked to stop.

        Returns:
          The error by name of the cells that failed, whether it is on disk or could not be.
        """


def launch(
    config: Config | Builder,
    store: SweepStore,
    executor: Executor,
    log: SweepLog,
    *,
    retry_failed: bool = False,
    group: bool = True,
    extend: bool = False,
) -> int:
    """Runs what is missing of a sweep.

    Args:
      config: of an experiment, with or without a ``sweep``.
      store: directory of the sweep.
      executor: where cells run.
      log: what is said of it.
      retry_failed: whether failed cells run again, each by itself.
      group: whether cells that share shapes train in one compiled call.
      extend: whether cells may be added to another sweep in the directory.

    Returns:
      Exit code: 0, 1 if cells failed or are misplaced, 128 + the number of the signal that stopped
      it.

    Raises:
      RequirementError: the sweep cannot be run as asked; nothing has been touched.
    """
    cells = cells_of(config)
    check_cells(store, cells)
    with store.claimed(cells, extend=extend) as cells:
        states = statuses(store, cells, slurm_states(store))
        for status in states:
            if status.state == "done":
                store.run(status.cell.name).tidy()
        groups = _groups(states, executor.split if group else None, retry_failed)
        about = {"experiment": config.experiment, "process": os.getpid(), "cells": len(cells)}
        to_run = sum(len(cells) for cells in groups)
        log.tell("start", workdir=str(store.path), **about, to_run=to_run)
        busy = sum(status.state in ("running", "queued") for status in states)
        if busy:
            log.note(f"{counted(busy, 'cell')} under way in another process or job: left to it.")
        code, failed = _carry_out(groups, executor, log)
    states = with_failures(statuses(store, cells, slurm_states(store)), failed)
    log.stands(states, time_left(store, states))
    code = code or int(any(status.state in ("failed", "misplaced") for status in states))
    return log.end(states, code, [str(store.run(cell.name).path) for cell in cells])


def _groups(
    states: Sequence[CellStatus], split: int | None, retry_failed: bool
) -> list[list[SweepCell]]:
    """Returns the cells that are to run, in groups; failed ones each by itself.

    Args:
      states: the status of every cell.
      split: into how many groups at least; None for one group per cell.
      retry_failed: whether failed cells run again.
    """
    failed = {status.cell.name for status in states if status.state == "failed"}
    todo = missing(states, retry_failed=retry_failed)
    fresh = [cell for cell in todo if cell.name not in failed]
    groups = [[cell] for cell in fresh] if split is None else groups_of(fresh, split)
    return groups + [[cell] for cell in todo if cell.name in failed]


def _carry_out(
    groups: Sequence[Sequence[SweepCell]], executor: Executor, log: SweepLog
) -> tuple[int, Mapping[str, str]]:
    """Has groups carried out.

    Returns:
      0, 1 if something failed, 128 + n if stopped by signal n; the error by name of the cells
      that failed.
    """
    stop = Stop()
    try:
        with listening(stop, log.note):
            failed = (executor.run(groups, stop) if groups else None) or {}
        return int(len(failed) > 0), failed
    except (KeyboardInterrupt, Stopped):
        log.interrupted("goes on with what is missing", resume_command(sys.argv), stop.exit_code)
        return stop.exit_code, {}
    except BaseException as error:
        log.tell("end", **failure(error))
        raise


def _executor(store: SweepStore, log: SweepLog) -> Executor:
    """Returns the executor that the flags ask for."""
    values = flags.FLAGS
    own_config = str(ConfigFile.parse(values.config).absolute())
    options = CellOptions(values.save_every, values.tensorboard, own_config)
    if values.tensorboard:
        TensorBoard(store.path)  # refused here where it is not installed
    if values.executor == "inline":
        check(values.jobs in (0, 1), "--jobs", "be 1 for --executor=inline", values.jobs)
        select_platform(values.platform)
        return InlineExecutor(store, log, options)
    if values.executor == "local":
        cache = (store.path / CACHE).absolute()
        return LocalExecutor(store, log, options, values.jobs, values.cores_per_job, cache)
    jobs = values.jobs or _AT_ONCE
    return SlurmExecutor(
        store, log, options, jobs, values.time, _slurm_parameters(), split=values.jobs or 1
    )


def _slurm_parameters() -> dict[str, Any]:
    """Returns the parameters of submitit's executor that the flags give."""
    values = {name: flags.FLAGS[flag].value for name, flag in _SLURM_FLAGS.items()}
    return {name: value for name, value in values.items() if value not in (None, [])}


def status() -> int:
    """Prints how the sweep in --workdir stands; exit code 0 if all is done, else 1."""
    workdir = flags.FLAGS.workdir
    check(workdir is not None, "--workdir", "be given", workdir)
    store = SweepStore(Path(workdir))
    states = statuses(store, store.cells(), slurm_states(store))
    for line in status_lines(states, time_left(store, states)):
        print(line)
    return int(any(status.state != "done" for status in states))


def run_launch_script() -> None:
    """Defines the flags, launches or reports, and exits."""
    config = define_flags()

    def main() -> int:
        for name in ("config", "workdir"):
            check(flags.FLAGS[name].present > 0, f"--{name}", "be given", None)
        options, store = flags.FLAGS, SweepStore(flags.FLAGS.workdir)
        whole = config.value
        assert whole is not None
        add_axes(whole, options.grid, options.zip)
        if options.dry_run:
            select_platform(options.platform, keep=False)
            check(options.log == "text", "--log", "be text with --dry_run", options.log)
            return dry_sweep(whole, store, Console(), extend=options.extend, timed=options.timed)
        for_programs = options.log == "json"
        tell = JsonLines(sys.stdout) if for_programs else no_events
        log = SweepLog(Console(quiet=for_programs), tell)
        return launch(
            whole,
            store,
            _executor(store, log),
            log,
            retry_failed=options.retry_failed,
            group=options.group,
            extend=options.extend,
        )

    run_script(main, sys.argv, {"status": status}, config)
