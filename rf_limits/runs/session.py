"""One run from the command line or Python: refused in a line, or carried out and printed."""

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from rf_limits.config import Builder, Config
from rf_limits.devices.options import check_devices
from rf_limits.devices.processes import is_writer
from rf_limits.errors import RequirementError
from rf_limits.figures.style import FORMATS
from rf_limits.runs.compiled import keep_compiled
from rf_limits.runs.console import Log, print_table
from rf_limits.runs.directory import RUN
from rf_limits.runs.events import Tell, failure, no_events
from rf_limits.runs.progress import progress
from rf_limits.runs.run import SAVE_EVERY, Run, carry_out
from rf_limits.runs.stopping import Stop, listening
from rf_limits.runs.store import FIGURES, RESULTS
from rf_limits.training.checkpointing import Stopped
from rf_limits.training.result import Result


def select_platform(platform: str | None, *, keep: bool = True) -> None:
    """Makes JAX use ``platform`` ("cpu", "gpu", "tpu"), or the best at hand for None.

    Args:
      platform: see above.
      keep: whether what is compiled for it is kept
        (:func:`rf_limits.runs.compiled.keep_compiled`).

    Raises:
      RequirementError: no such device here.
    """
    if keep:
        keep_compiled()
    if platform is None:
        check_devices()
        return
    jax.config.update("jax_platforms", {"gpu": "cuda"}.get(platform, platform))
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        raise RequirementError(
            f"--platform must name a device that JAX finds here, but received {platform!r}."
        ) from error


def run_in_workdir(
    config: Config | Builder,
    workdir: str | Path,
    overwrite: bool = False,
    platform: str | None = None,
    console: Console | None = None,
    save_every: float = SAVE_EVERY,
    tell: Tell = no_events,
) -> int:
    """Runs the experiment of ``config`` and writes its results into ``workdir``.

    Everything that can be refused is refused before the directory is touched. Running the
    same config again changes nothing and says so; after an interruption of any kind it goes on
    from what was kept.

    Args:
      config: an experiment's config.
      workdir: directory for results.
      overwrite: whether another config's results may be replaced.
      platform: see :func:`select_platform`.
      console: where to print.
      save_every: seconds between saved states of training.
      tell: called with the events of docs/live.md.

    Returns:
      Exit code: 0, 1 if a network diverged, 128 + the number of the signal that stopped it.

    Raises:
      RequirementError: the run cannot be carried out as asked.
      StorageError: a file could not be written; what is finished is kept.
    """
    select_platform(platform)
    console = console or Console(quiet=not is_writer())
    tell = tell if is_writer() else no_events
    run = Run(config, workdir, overwrite, tell)
    session = _Session(run, console, save_every)
    tell(
        "start", workdir=str(run.store.path), experiment=run.config.experiment, process=os.getpid()
    )
    try:
        return session.carry_out()
    except BaseException as error:
        tell("end", **failure(error))
        raise


class _Session:
    """Carries out one run, and says how it goes on."""

    def __init__(self, run: Run, console: Console, save_every: float):
        self.run, self.log, self.save_every = run, Log(console, run.tell), save_every
        self.started = time.monotonic()

    def _end(self, code: int, status: str, **more: Any) -> int:
        store = self.run.store
        files = [store.path / name for name in RESULTS]
        files += sorted(_figures_of(self.run))
        paths = [str(path) for path in files if path.exists()]
        seconds = round(time.monotonic() - self.started, 3)
        self.log.tell("end", status=status, exit_code=code, seconds=seconds, paths=paths, **more)
        return code

    def carry_out(self) -> int:
        """Carries out the run, unless it is finished; returns the exit code."""
        run = self.run
        if run.is_finished():
            path = run.store.path
            self.log.note(
                f"{path} holds the results of this config already; nothing to do "
                "(--overwrite runs it again)."
            )
            _print_figures(self.log, _figures_of(run))
            return self._end(0, "finished")
        stop = Stop()
        try:
            with (
                listening(stop, self.log.note),
                progress(self.log.console, self.log.tell) as report,
            ):
                outcomes = carry_out([run], report, self.log, stop, self.save_every)
        except (KeyboardInterrupt, Stopped):
            return self._stopped(stop)
        ((result, paths),) = outcomes
        self._print(result, paths)
        return self._end(int(result.diverged), "diverged" if result.diverged else "complete")

    def _stopped(self, stop: Stop) -> int:
        """Says how the run can go on; returns the exit code."""
        store = self.run.store
        kept = store.has_progress()
        again = "goes on from what is saved" if kept else "starts again"
        command = resume_command(sys.argv, kept=kept)
        without = "without --overwrite " if kept and self.run.overwrite else ""
        self.log.interrupted(again, command, stop.exit_code, without)
        return self._end(stop.exit_code, "interrupted")

    def _print(self, result: Result, paths: list[Path]) -> None:
        experiment, console = self.run.config, self.log.console
        print_table(console, experiment.printed(result, self.run.summary))
        for line in experiment.remarks(result, self.run.summary):
            self.log.remark(line)
        seconds = time.monotonic() - self.started
        self.log.say(f"Results in {self.run.store.path} ({seconds:.0f} s).")
        _print_figures(self.log, paths)


def resume_command(argv: list[str], *, kept: bool = True) -> str:
    """Returns the command line that goes on with a run.

    Args:
      argv: with which it was started.
      kept: whether there is something to go on from, which --overwrite would throw away.
    """
    left = [w for w in argv if not (kept and w.lstrip("-").split("=")[0] == "overwrite")]
    return shlex.join(["python", *left] if argv[0].endswith(".py") else left)


def _figures_of(run: Run) -> list[Path]:
    """Returns the figures of a finished run, the main one first; no others in their folder."""
    named = (run.store.read_json(RUN) or {}).get("figures", [])
    paths = (run.store.path / FIGURES / f"{name}.{FORMATS[0]}" for name in named)
    return [path for path in paths if path.is_file()]


def _print_figures(log: Log, paths: list[Path]) -> None:
    if paths:
        also = f" (also {', '.join(map(str, paths[1:]))})" if len(paths) > 1 else ""
        log.say(f"Figure to look at: {paths[0]}{also}")
