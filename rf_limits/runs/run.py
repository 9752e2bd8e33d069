"""One run in one work directory: refuse, prepare, claim, compute, write."""

import contextlib
import functools
import importlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rf_limits.config import Builder, Config, frozen
from rf_limits.devices.options import check_devices, check_options
from rf_limits.devices.processes import agree, is_writer, writer_first
from rf_limits.errors import check, check_choice
from rf_limits.experiments.keep import Stopped
from rf_limits.experiments.result import Report, Result
from rf_limits.experiments.training import run_together
from rf_limits.measure.extra import EXTRA
from rf_limits.methods import METHODS
from rf_limits.models.increments import ACTIVATIONS
from rf_limits.problem.targets import TARGETS
from rf_limits.runs.compiled import compiling
from rf_limits.runs.events import Tell, no_events
from rf_limits.runs.files import StorageError
from rf_limits.runs.keep import KeepInStore
from rf_limits.runs.progress import counted
from rf_limits.runs.provenance import provenance
from rf_limits.runs.stopping import Stop
from rf_limits.runs.store import InUseError, RunStore

# By config.experiment: the module whose prepare(config) gives an object with run(report, keep),
# and the module whose draw(metrics) gives figures by name. More can be put in: modules, their
# names, or any objects with the same functions (docs/extending.md).
_FOLDERS = {
    "training": "",
    "approximation": "",
    "hardness": "",
    "lazy_width": "dynamics.",
    "lazy_scale": "dynamics.",
    "ntk_curves": "dynamics.",
    "chizat": "dynamics.",
    "single_neuron": "dynamics.",
    "sample_complexity": "samples.",
    "coupling": "power.",
    "polynomials": "power.",
    "large": "large.",
}
EXPERIMENTS: dict[str, tuple[Any, Any]] = {
    name: (f"rf_limits.experiments.{folder}{name}", f"rf_limits.figures.{folder}{name}")
    for name, folder in _FOLDERS.items()
}


_TABLES = {"TARGETS": TARGETS, "ACTIVATIONS": ACTIVATIONS, "EXTRA": EXTRA, "METHODS": METHODS}
"""The other tables into which users put entries of their own."""


@functools.cache
def _built_in(experiment: str) -> type[Config]:
    """The class of a built-in experiment's config."""
    folder = _FOLDERS[experiment]
    own_module = "configs" if folder else ("config" if experiment == "training" else experiment)
    module = importlib.import_module(f"rf_limits.experiments.{folder}{own_module}")
    name = "".join(word.capitalize() for word in experiment.split("_"))
    return getattr(module, f"{name}Config")


def config_class(experiment: str) -> type[Config]:
    """The class of an experiment's config.

    Args:
      experiment: one of :data:`EXPERIMENTS`.
    """
    if experiment in _FOLDERS:
        return _built_in(experiment)
    return modules_of(experiment)[0].config


def config_from_json(values: Mapping[str, Any]) -> Config:
    """The config whose :meth:`~rf_limits.config.Config.to_json` these are.

    Raises:
      RequirementError: no experiment of that name is known, or a field is missing, unknown or has
        a value that it cannot have.
    """
    check_choice(values.get("experiment"), EXPERIMENTS, "experiment")
    return config_class(values["experiment"]).from_json(values)


SAVE_EVERY = 300.0
"""Seconds between saved states."""


def modules_of(experiment: str) -> tuple[Any, Any]:
    """What prepares an experiment, and what draws it.

    Args:
      experiment: one of :data:`EXPERIMENTS`.
    """
    found = EXPERIMENTS[experiment]
    return tuple(importlib.import_module(one) if isinstance(one, str) else one for one in found)


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
        hint = "be one run: scripts/launch.py carries out the field sweep"
        single = not isinstance(config, Builder) or config.sweep is None
        check(single, "config", hint, "a sweep")
        config = frozen(config)
        check_choice(config.experiment, EXPERIMENTS, "experiment")
        kind = config_class(config.experiment)
        requirement = f"be a {kind.__name__} for experiment {config.experiment!r}"
        check(type(config) is kind, "config", requirement, type(config).__name__)
        self.experiment, self.figures = modules_of(config.experiment)
        self.experiment.validate(config)
        self.config, self.overwrite, self.tell = config, overwrite, tell
        self.resolved = config.to_json()
        self.store = RunStore(workdir)
        self.prepared: Any = None
        self.facts: dict[str, Any] = {}
        self.ended = False  # with all its results written
        self.beside: list[Run] = []  # that it trains together with
        self.started, self.compiled = time.monotonic(), compiling()

    def is_finished(self) -> bool:
        """Whether the directory holds the results of this config already.

        Raises:
          RequirementError: it holds something else.
        """
        found = writer_first(lambda: self.store.open(self.resolved, overwrite=self.overwrite))
        if found == "finished":
            self.store.tidy()
        return agree(int(found == "finished")) > 0

    def prepare(self, report: Report) -> None:
        """Prepares the experiment; nothing in the directory changes.

        Raises:
          RequirementError: what only preparing finds out cannot be.
        """
        check_devices()
        self.facts = provenance({"EXPERIMENTS": EXPERIMENTS, **_TABLES})
        self.facts["device"]["mesh"] = self.resolved.get("mesh")
        self.started, self.compiled = time.monotonic(), compiling()
        self.prepared = self.experiment.prepare(self.config, report)

    @contextlib.contextmanager
    def claim(self, note: Callable[[str], None]) -> Iterator[None]:
        """Holds the directory; from here on run.json says how the run stands, and how it ended.

        Args:
          note: called with lines about what is kept of an earlier attempt.

        Raises:
          RequirementError: another process runs in it, or it cannot be written to.
        """
        with contextlib.ExitStack() as held:
            writer_first(lambda: self._begin(held, note))
            try:
                yield
            except BaseException as error:
                if self.ended:  # it is another run that could not be written
                    raise
                asked = isinstance(error, (KeyboardInterrupt, Stopped, InUseError))
                reason = {} if asked else {"error": self.error_of(error)}
                with contextlib.suppress(StorageError):  # the error that is on its way says more
                    self._close("interrupted" if asked else "failed", reason)
                raise

    def error_of(self, error: BaseException) -> str:
        """What ended the run, in words: its own error, or that of one that trained beside it."""
        line = f"{type(error).__name__}: {error}"
        others = isinstance(error, StorageError) and any(
            f"{run.store.path}{os.sep}" in line for run in self.beside
        )
        return f"it trained together with another run, which ended by {line}" if others else line

    def _begin(self, held: contextlib.ExitStack, note: Callable[[str], None]) -> None:
        """Locks the directory until ``held`` is closed, and makes it this run's."""
        held.enter_context(self.store.locked())
        if self.store.open(self.resolved, overwrite=self.overwrite) == "finished":
            raise InUseError(
                f"--workdir must be used by one process at a time, but {self.store.path} was "
                "finished by another one meanwhile; there is nothing left to do."
            )
        where = {"process": os.getpid(), "host": socket.gethostname()}
        running = {"status": "running", **self.facts, **where}
        lost = self.store.begin(self.resolved, running, resume=not self.overwrite)
        if lost:
            note("Parts of another program, device or options were there; starting from nothing.")
        kept = self.store.parts()
        if kept:
            self.facts["resumed_parts"] = kept
            note(f"Resuming: {counted(len(kept), 'finished part')} kept.")

    def write(self, result: Result) -> list[Path]:
        """Writes tables, summary and figures, then that the run is complete; paths of figures."""
        if not is_writer():
            return []
        self.store.write_metrics(result.metrics)
        self.store.written.add(self.store.path / "summary.json")
        self.store.write_json("summary.json", self.experiment.summary(result))
        figures = self.figures.draw(result.metrics)
        paths = [self.store.write_figure(name, figure)[0] for name, figure in figures.items()]
        status = "diverged" if result.diverged else "complete"
        more = {"choices": result.choices, "figures": list(figures)}
        self.store.complete(self._ended(status, more))
        self.ended = True
        return paths

    def _close(self, status: str, more: dict[str, Any]) -> None:
        if is_writer():
            self.store.write_json("run.json", self._ended(status, more))

    def _ended(self, status: str, more: dict[str, Any]) -> dict[str, Any]:
        """What run.json says at the end."""
        wall = round(time.monotonic() - self.started, 3)
        spent = {"wall_time_s": wall, "compiling": compiling().since(self.compiled)}
        return {"status": status, **self.facts, **more, **spent}


def carry_out(
    runs: Sequence[Run],
    report: Report,
    note: Callable[[str], None],
    stop: Stop,
    save_every: float = SAVE_EVERY,
    warn: Callable[[str], None] | None = None,
) -> list[tuple[Result, list[Path]]]:
    """Prepares, claims, computes and writes one run, or several training runs together.

    Args:
      runs: of several, all are training runs that share their shapes.
      report: progress callback.
      note: called with lines about what is kept.
      stop: whether to stop.
      save_every: seconds between saved states.
      warn: called with lines about what is damaged, or cannot be saved; ``note`` if None.

    Returns:
      For each its result and the paths of its figures.

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
    with contextlib.ExitStack() as stack:
        for run in runs:
            run.beside = [one for one in runs if one is not run]
        for run in runs:
            stack.enter_context(run.claim(note))
            run.facts["together"] = len(runs)
        warn = warn or note
        keeps = [KeepInStore(run.store, stop, save_every, warn, tell=run.tell) for run in runs]
        if len(runs) == 1:
            results = [runs[0].prepared.run(report, keeps[0])]
        else:
            results = run_together([run.prepared for run in runs], report, keeps)
        written = []
        for run, result in zip(runs, results, strict=True):
            written.append((result, run.write(result)))
            for old, new in run.store.written.moved:
                note(f"{old} was not of this run; it is kept as {new}.")
            run.tell("saved", what="results", name=str(run.store.path))
        return written
