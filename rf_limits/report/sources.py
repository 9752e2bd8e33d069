"""The runs that a page is about, as they lie on disk."""

import contextlib
import functools
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rf_limits.devices.options import check_devices, check_options
from rf_limits.errors import RequirementError, check, check_choice
from rf_limits.report.configuration import without_unknown
from rf_limits.runs.directory import CONFIG, RUN, DamagedFileError
from rf_limits.runs.keep import FinishedParts
from rf_limits.runs.store import FIGURES, SUMMARY
from rf_limits.studies import EXPERIMENTS, Experiment
from rf_limits.sweeps.compare import Place, runs_in
from rf_limits.training.result import Result

FLAG = "--workdir"
OWN_CONFIG = "--own_config"


class Source(Place):
    """A run on disk, and what a page shows of it."""

    @property
    def path(self) -> Path:
        """Returns the work directory."""
        return self.store.path

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """Returns the contents of run.json; none where it is missing or damaged."""
        with contextlib.suppress(DamagedFileError):
            return self.store.read_json(RUN) or {}
        return {}

    @property
    def experiment(self) -> str:
        """Returns the name of the experiment."""
        return self.config["experiment"]

    def resolved(self) -> Experiment:
        """Returns the config of the run, without fields that are unknown here.

        Raises:
          RequirementError: a field of it is missing, or has a value that it cannot have here.
        """
        kind = EXPERIMENTS[self.experiment]
        return kind.from_json(without_unknown(kind, self.config)[0])

    @property
    def unknown_fields(self) -> list[str]:
        """Returns the dotted names of fields of its config that are unknown here."""
        return without_unknown(EXPERIMENTS[self.experiment], self.config)[1]

    @property
    def has_tables(self) -> bool:
        """Returns whether there is anything to show: a table, or finished parts of one."""
        if self.state == "misplaced":  # of another run
            return False
        return self.store.table.is_file() or bool(self.store.parts())

    def files(self) -> list[Path]:
        """Returns the files of the run that are there."""
        named = [self.path / name for name in (CONFIG, RUN, SUMMARY, self.store.table.name)]
        return [p for p in (*named, *sorted((self.path / FIGURES).glob("*.*"))) if p.is_file()]

    def read(self) -> Result:
        """Returns the table and choices of the run, or those of its finished parts.

        Raises:
          RequirementError: it cannot be read.
        """
        if not self.store.table.is_file():
            return self._parts()
        try:
            return Result(self.store.read_metrics(), self.facts.get("choices", {}))
        except (OSError, ValueError) as error:
            raise RequirementError(
                f"{self.store.table} must be readable, but it is damaged; the command that made it "
                "runs it again (scripts/train.py with --overwrite)."
            ) from error

    def _parts(self) -> Result:
        check_options()  # what is not finished is prepared again, and that is with JAX
        check_devices()
        try:
            prepared = self.resolved().prepare()
        except RequirementError as error:  # it could run: an entry is missing here
            raise RequirementError(f"{error}{_own_config_hint(self.facts)}") from error
        return prepared.run(keep=FinishedParts(self.store))


def _own_config_hint(facts: dict[str, Any]) -> str:
    """Says how a report loads entries of the config file of the command that began the run."""
    try:
        words = shlex.split(str(facts.get("command", "")))
    except ValueError:  # written by something else
        words = []
    flags = (word.lstrip("-").partition("=") for word in words)
    files = [value for name, _, value in flags if name in ("config", "own_config") and value]
    return (
        f" If it is an entry of your own, {OWN_CONFIG}={files[-1] if files else 'FILE'} loads the "
        "config file that makes it."
    )


def _checked(source: Source) -> Source:
    """Returns a run whose experiment is known here.

    Raises:
      RequirementError: it is unknown.
    """
    try:
        place = f"experiment of {source.path / CONFIG}"
        check_choice(source.config.get("experiment"), EXPERIMENTS, place)
    except RequirementError as error:
        raise RequirementError(f"{error}{_own_config_hint(source.facts)}") from error
    return source


def find(workdirs: Sequence[str | Path]) -> list[Source]:
    """Returns all runs of work directories, each once.

    Args:
      workdirs: of runs or sweeps.

    Raises:
      RequirementError: a directory holds neither, files are damaged, or no run has a table.
    """
    check(len(workdirs) > 0, FLAG, "name at least one directory", list(workdirs))
    by_path: dict[Path, Source] = {}
    for workdir in workdirs:
        for run in runs_in(Path(workdir), FLAG):
            by_path.setdefault(run.store.path.resolve(), _checked(Source(*run)))
    sources = list(by_path.values())
    if not any(source.has_tables for source in sources):
        stand = ", ".join(f"{s.path} ({s.state})" for s in sources[:3])
        more = f" and {len(sources) - 3} more" if len(sources) > 3 else ""
        raise RequirementError(
            f"{FLAG} must hold results, but nothing is finished in {stand}{more}; the command that "
            "began it goes on."
        )
    return sources
