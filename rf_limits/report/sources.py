"""The runs that a page is about, as they lie on disk."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rf_limits.devices.options import check_devices, check_options
from rf_limits.errors import RequirementError, check, check_choice
from rf_limits.runs.keep import FinishedParts
from rf_limits.runs.store import RunStore
from rf_limits.studies import EXPERIMENTS, Experiment, config_from_json
from rf_limits.sweeps.compare import Place, runs_in
from rf_limits.training.result import Result

FLAG = "--workdir"
OWN_CONFIG = "--own_config"
_FILES = ("config.json", "run.json", "summary.json", "metrics.parquet")


class Source(NamedTuple):
    """One run on disk.

    Attributes:
      name: of the run: its directory's, or its cell's.
      path: its work directory.
      config: contents of config.json; of a cell that is to be there.
      facts: contents of run.json.
      state: of :data:`rf_limits.sweeps.status.STATES`.
      detail: more about the state.
    """

    name: str
    path: Path
    config: dict[str, Any]
    facts: dict[str, Any]
    state: str
    detail: str

    @property
    def experiment(self) -> str:
        """Returns the name of the experiment."""
        return self.config.get("experiment", "training")

    def resolved(self) -> Experiment:
        """Returns the config of the run.

        Raises:
          RequirementError: a field of it is unknown here.
        """
        return config_from_json(self.config)

    @property
    def has_tables(self) -> bool:
        """Returns whether there is anything to show: a table, or finished parts of one."""
        if self.state == "misplaced":  # of another run
            return False
        return (self.path / "metrics.parquet").is_file() or bool(RunStore(self.path).parts())

    def files(self) -> list[Path]:
        """Returns the files of the run that are there."""
        named = [self.path / name for name in _FILES]
        return [p for p in (*named, *sorted((self.path / "figures").glob("*.*"))) if p.is_file()]

    def read(self) -> Result:
        """Returns the table and choices of the run, or those of its finished parts.

        Raises:
          RequirementError: it cannot be read.
        """
        path, store = self.path / "metrics.parquet", RunStore(self.path)
        if not path.is_file():
            return self._parts(store)
        try:
            return Result(store.read_metrics(), self.facts.get("choices", {}))
        except (OSError, ValueError) as error:
            raise RequirementError(
                f"{path} must be readable, but it is damaged; the command that made it runs it "
                "again (scripts/train.py with --overwrite)."
            ) from error

    def _parts(self, store: RunStore) -> Result:
        check_options()  # what is not finished is prepared again, and that is with JAX
        check_devices()
        try:
            prepared = self.resolved().prepare()
        except RequirementError as error:  # it could run: an entry is missing here
            raise RequirementError(f"{error}{_own_config_hint(self.facts)}") from error
        return prepared.run(keep=FinishedParts(store))


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


def _source(run: Place) -> Source:
    path, readable = run.store.path, "run.json" not in run.store.damaged_records()
    facts = run.store.read_json("run.json") if readable else None
    try:
        place = f"experiment of {path / 'config.json'}"
        check_choice(run.config.get("experiment"), EXPERIMENTS, place)
    except RequirementError as error:
        raise RequirementError(f"{error}{_own_config_hint(facts or {})}") from error
    return Source(run.name, path, run.config, facts or {}, run.state, run.detail)


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
            by_path.setdefault(run.store.path.resolve(), _source(run))
    sources = list(by_path.values())
    if not any(source.has_tables for source in sources):
        stand = ", ".join(f"{s.path} ({s.state})" for s in sources[:3])
        more = f" and {len(sources) - 3} more" if len(sources) > 3 else ""
        raise RequirementError(
            f"{FLAG} must hold results, but nothing is finished in {stand}{more}; the command that "
            "began it goes on."
        )
    return sources
