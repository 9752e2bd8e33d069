"""One run in one work directory: it is refused, or prepared, computed and written."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rf_limits.config import Builder, Config, frozen
from rf_limits.devices.options import check_devices, check_options
from rf_limits.devices.processes import agree, is_writer, writer_first
from rf_limits.errors import check, check_choice
from rf_limits.measure.extra import EXTRA
from rf_limits.methods import METHODS
from rf_limits.models.increments import ACTIVATIONS
from rf_limits.problem.targets import TARGETS
from rf_limits.remarks import Remark
from rf_limits.runs.compiled import compiling
from rf_limits.runs.console import Log
from rf_limits.runs.directory import RUN, InUseError, in_use
from rf_limits.runs.events import Tell, no_events
from rf_limits.runs.files import StorageError
from rf_limits.runs.keep import KeepInStore
from rf_limits.runs.progress import counted
from rf_limits.runs.provenance import provenance
from rf_limits.runs.stopping import Stop
from rf_limits.runs.store import RunStore
from rf_limits.studies import EXPERIMENTS, Experiment
from rf_limits.studies.experiment import Summary
from rf_limits.training.checkpointing import Stopped
from rf_limits.training.result import Report, Result
from rf_limits.training.run import run_together

_TABLES: dict[str, Mapping[str, Any]] = {
    "EXPERIMENTS": EXPERIMENTS,
    "TARGETS": TARGETS,
    "ACTIVATIONS": ACTIVATIONS,
    "EXTRA": EXTRA,
    "METHODS": METHODS,
}
"""The tables into which users put entries of their own."""

SAVE_EVERY = 300.0
"""Seconds between saved states."""


def _experiment(config: Config) -> Experiment:
    """Returns a config as the experiment of this process that it is.

    Raises:
      RequirementError: it is none.
    """
    name = getattr(config, "experiment", None)
    check_choice(name, EXPERIMENTS, "experiment")
    kind = EXPERIMENTS[str(name)]
    requirement = f"be a {kind.__name__} for experiment {name!r}"
    check(type(config) is kind, "config", requirement, type(config).__name__)
    assert isinstance(config, kind)
    return config


class Run:
    """A config and its work directory, with everything checked that costs nothing.

    Args:
      config: an experiment's config.
      workdir: directory for results.
      overwrite: whether another config's results may be replaced.
      tell: called with events: what is measured and saved.

    Raises:
      RequirementError: the config cannot be run, or the directory holds something else.
    """

    def __init__(
        self,
        config: Config | Builder,
        workdir: str | Path,
        overwrite: bool = False,
        tell: Tell = no_events,
    ):
        check_options()
        requirement = "be one run: scripts/launch.py carries out the field sweep"
        single = not isinstance(config, Builder) or config.sweep is None
        check(single, "config", requirement, "a sweep")
        self.config = _experiment(frozen(config))
        self.config.check()
        self.overwrite, self.tell = overwrite, tell
        self.resolved = self.config.to_json()
        self.store = RunStore(workdir)
        self.prepared: Any = None
        self.facts: dict[str, Any] = {}
        self.summary: Summary = {}
        self.ended = False  # with all its results written
        self.beside: list[Run] = []  # runs that it trains together with
        self.started, self.compiled = time.monotonic(), compiling()

    def is_finished(self) -> bool:
        """Returns whether the directory holds the results of this config already.

        Raises:
          RequirementError: it holds something else.
        """
        finished = writer_first(self._has_results)
        if finished:
            self.store.tidy()
        return agree(int(bool(finished))) > 0

    def _has_results(self) -> bool:
        return self.store.open(self.resolved, overwrite=self.overwrite) == "finished"

    def prepare(self, report: Report) -> None:
        """Prepares the experiment; nothing in the directory changes.

        Raises:
          RequirementError: the config cannot be run, as only preparing it shows.
        """
        check_devices()
        self.facts = provenance(_TABLES)
        self.facts["device"]["mesh"] = self.resolved.get("mesh")
        self.started, self.compiled = time.monotonic(), compiling()
        self.prepared = self.config.prepare(report)

    @contextlib.contextmanager
    def claim(self, log: Log) -> Iterator[None]:
        """Locks the directory; from here on run.json holds the status of the run.

        Args:
          log: takes lines about what is kept of an earlier attempt.

        Raises:
          RequirementError: another process runs in it, or it cannot be written to.
        """
        with contextlib.ExitStack() as locks:
            writer_first(lambda: self._begin(locks, log))
            try:
                yield
            except BaseException as error:
                if self.ended:  # it is another run that could not be written
                    raise
                interrupted = isinstance(error, (KeyboardInterrupt, Stopped, InUseError))
                reason = {} if interrupted else {"error": self.error_of(error)}
                with contextlib.suppress(StorageError):  # the error that is on its way says more
                    if is_writer():
                        status = "interrupted" if interrupted else "failed"
                        self.store.write_json(RUN, self._facts_at_end(status, reason))
                raise

    def error_of(self, error: BaseException) -> str:
        """Returns the error that ended the run, its own or that of a run trained beside it."""
        line = f"{type(error).__name__}: {error}"
        others = isinstance(error, StorageError) and any(
            f"{run.store.path}{os.sep}" in line for run in self.beside
        )
        return f"it trained together with another run, which ended by {line}" if others else line

    def _begin(self, locks: contextlib.ExitStack, log: Log) -> None:
        """Locks the directory until ``locks`` is closed, and makes it this run's."""
        locks.enter_context(self.store.locked())
        if self._has_results():
            raise in_use(
                f"{self.store.path} was finished by another one meanwhile; there is nothing left "
                "to do."
            )
        where = {"process": os.getpid(), "host": socket.gethostname()}
        running = {"status": "running", **self.facts, **where}
        lost = self.store.begin(self.resolved, running, resume=not self.overwrite)
        if lost:
            log.note(
                "Parts of another program, device or options were there; starting from nothing."
            )
        kept = self.store.parts()
        if kept:
            self.facts["resumed_parts"] = kept
            log.note(f"Resuming: {counted(len(kept), 'finished part')} kept.")

    def write(self, result: Result, log: Log) -> list[Path]:
        """Writes tables, summary and figures, then that the run is complete.

        Args:
          result: of the run.
          log: takes a warning about each figure that cannot be drawn, which costs no other.

        Returns:
          Paths of the figures.
        """
        if not is_writer():
            return []
        self.store.write_metrics(result.metrics)
        self.summary = self.config.analyse(result)
        self.store.write_summary(self.summary)
        paths = []
        for name in self.config.drawings(result.metrics):
            try:
                figure = self.config.figure(name, result.metrics)
                paths.append(self.store.write_figure(name, figure)[0])
            except StorageError:
                raise
            except Exception as error:
                text = f"figure {name}: {type(error).__name__}: {' '.join(str(error).split())}"
                log.remark(Remark(f"{text}; all other results are written.", "NOT DRAWN"))
        status = "diverged" if result.diverged else "complete"
        more = {"choices": result.choices, "figures": [path.stem for path in paths]}
        self.store.complete(self._facts_at_end(status, more))
        self.ended = True
        return paths

    def _facts_at_end(self, status: str, more: dict[str, Any]) -> dict[str, Any]:
        """Returns the contents of run.json at the end of the run."""
        wall = round(time.monotonic() - self.started, 3)
        spent = {"wall_time_s": wall, "compiling": compiling().since(self.compiled)}
        return {"status": status, **self.facts, **more, **spent}


def carry_out(
    runs: Sequence[Run],
    report: Report,
    log: Log,
    stop: Stop,
    save_every: float = SAVE_EVERY,
) -> list[tuple[Result, list[Path]]]:
    """Prepares, claims, computes and writes one run, or several training runs together.

    Args:
      runs: of several, all are training runs that share their shapes.
      report: progress callback.
      log: takes notes about what is kept, and warnings about what is damaged or not saved.
      stop: whether to stop.
      save_every: seconds between saved states.

    Returns:
      For each run its result and the paths of its figures.

    Raises:
      RequirementError: before any directory is touched.
      Stopped: asked to stop; what is finished is kept.
      StorageError: a disk is full; what is finished is kept.
    """
    with stop.at_once():
        for run in runs:
            if run.prepared is None:
                run.prepare(report)
    if stop.requested():
        raise Stopped
    with contextlib.ExitStack() as claims:
        for run in runs:
            run.beside = [other for other in runs if other is not run]
        for run in runs:
            claims.enter_context(run.claim(log))
            run.facts["together"] = len(runs)
        keeps = [KeepInStore(run.store, stop, save_every, log.warn, tell=run.tell) for run in runs]
        if len(runs) == 1:
            results = [runs[0].prepared.run(report, keeps[0])]
        else:
            results = run_together([run.prepared for run in runs], report, keeps)
        return [_written(run, result, log) for run, result in zip(runs, results, strict=True)]


def _written(run: Run, result: Result, log: Log) -> tuple[Result, list[Path]]:
    """Writes a run's result; returns it with the paths of its figures."""
    paths = run.write(result, log)
    for old, new in run.store.written.moved:
        log.note(f"{old} was not of this run; it is kept as {new}.")
    run.tell("saved", what="results", name=str(run.store.path))
    return result, paths
