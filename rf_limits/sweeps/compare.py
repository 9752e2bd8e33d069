"""Finished runs of one or more work directories in one table."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rf_limits.analysis.tables import CELL, KEYS
from rf_limits.config import flat
from rf_limits.errors import RequirementError, check
from rf_limits.runs.directory import CONFIG, plain
from rf_limits.runs.store import RunStore
from rf_limits.studies import config_from_json
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import cell_state, state_of

_NEEDED = (*KEYS, "risk", "relative_risk")
_AGAIN = "the command that made it runs it again (scripts/train.py with --overwrite)"
_NAMED = 3
"""Directories that a refusal names."""


class Compared(NamedTuple):
    """Tables of finished runs, put together.

    Attributes:
      table: rows of metrics.parquet of every run, with a column ``cell`` before them, and one
        for every field in which the configs differ, by its dotted name (tuples as text).
      differing: those fields.
      left_out: directories that are not finished, and why.
      configs: contents of config.json by the name in column ``cell``.
    """

    table: pd.DataFrame
    differing: tuple[str, ...]
    left_out: list[str]
    configs: dict[str, dict[str, Any]]


class Place(NamedTuple):
    """A run in its directory, or one that is to be there.

    Attributes:
      name: of its directory, or its cell.
      store: the directory.
      config: contents of config.json; of a cell that is to be there.
      state: of :data:`rf_limits.sweeps.status.STATES`.
      detail: more about the state.
    """

    name: str
    store: RunStore
    config: dict[str, Any]
    state: str
    detail: str


def runs_in(workdir: Path, flag: str = "--workdirs") -> list[Place]:
    """Returns the runs in a work directory.

    Those are the directory itself, the cells of a sweep, or all of these in the directories right
    below it.

    Args:
      workdir: of a run or a sweep, or of several.
      flag: by which the user named it.

    Raises:
      RequirementError: it holds nothing of the kind.
    """
    below = sorted(path for path in workdir.glob("*") if path.is_dir())
    runs = _runs_at(workdir) or [run for path in below for run in _runs_at(path)]
    if not runs:
        missing = "" if workdir.is_dir() else ", which is no directory"
        line = f"must name directories of runs or sweeps, but received {workdir}{missing}."
        raise RequirementError(line, field=flag)
    return runs


def _runs_at(path: Path) -> list[Place]:
    """Returns the runs of a directory that is a run or a sweep itself; else none."""
    sweep = SweepStore(path)
    cells = sweep.cells_if_any()
    if cells is not None:
        return [
            Place(c.name, sweep.run(c.name), c.config.to_json(), *cell_state(sweep, c))
            for c in cells
        ]
    store = RunStore(path)
    config = store.read_json(CONFIG)
    return [] if config is None else [Place(path.name, store, _current(config), *state_of(store))]


def _current(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a saved config in the form of this version.

    One that cannot be read here stays as it is, as with a target of the user's own.
    """
    try:
        return config_from_json(config).to_json()
    except RequirementError:
        return config


def _read(store: RunStore) -> pd.DataFrame:
    """Reads the table of a training run."""
    field = str(store.table)
    try:
        table = store.read_metrics()
    except (OSError, ValueError) as error:
        line = f"must be readable, but it is missing or damaged; {_AGAIN}."
        raise RequirementError(line, field=field) from error
    missing = [name for name in _NEEDED if name not in table]
    check(not missing, field, "have the columns of a training run's table", f"none of {missing}")
    return table


def _first(left_out: Sequence[str]) -> str:
    """Says of the first few directories why there is no finished run."""
    more = len(left_out) - _NAMED
    return ", ".join(left_out[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _twice(store: RunStore, first: RunStore) -> str:
    """Says that a run has the config of an earlier one."""
    numbers = "the same numbers"
    if not _read(store).equals(_read(first)):
        numbers = "OTHER NUMBERS (run.json says of each how it was made)"
    return f"done, of the same config as {first.path}, with {numbers}"


def gather(workdirs: Sequence[str | Path]) -> Compared:
    """Puts the tables of all finished runs together.

    Args:
      workdirs: of runs or sweeps.

    Raises:
      RequirementError: no work directory, or as :func:`compared_runs`.
    """
    return compared_runs(place for workdir in workdirs for place in runs_in(Path(workdir)))


def compared_runs(places: Iterable[Place]) -> Compared:
    """Puts the tables of the finished ones among runs together.

    Args:
      places: the runs. A config that is there twice counts once, and what is left out says so,
        and whether the numbers of both are the same.

    Raises:
      RequirementError: no finished run, or one of another experiment, whose tables have labels of
        their own.
    """
    runs: dict[str, Place] = {}  # each under a name that no other run has
    left_out = []
    for place in places:
        if place.state not in ("done", "damaged"):  # the latter is refused below
            detail = f", {place.detail}" if place.detail else ""
            left_out.append(f"{place.store.path}: {place.state}{detail}")
            continue
        _check_whole_training_run(place)
        key = json.dumps(place.config, sort_keys=True)
        if key not in runs:
            taken = any(run.name == place.name for run in runs.values())
            runs[key] = place._replace(name=str(place.store.path)) if taken else place
        elif not os.path.samefile(place.store.path, runs[key].store.path):
            left_out.append(f"{place.store.path}: {_twice(place.store, runs[key].store)}")
    check(len(runs) > 0, "--workdirs", "hold at least one finished run", _first(left_out))
    return _compared(list(runs.values()), left_out)


def _check_whole_training_run(place: Place) -> None:
    if place.state == "damaged" and not place.store.table_damage():
        line = f"must hold a whole run, but {place.detail}; {_AGAIN}."
        raise RequirementError(line, field=str(place.store.path))
    kind = place.config.get("experiment")
    requirement = "hold training runs, of scripts/train.py or a sweep of them"
    check(kind == "training", "--workdirs", requirement, f"{place.store.path}: {kind}")


def _compared(runs: Sequence[Place], left_out: list[str]) -> Compared:
    """Puts the tables of runs below each other, with the fields in which their configs differ."""
    fields = {run.name: flat(run.config) for run in runs}
    differing = tuple(
        name
        for name in sorted(set().union(*fields.values()))
        if len({json.dumps(values.get(name)) for values in fields.values()}) > 1
    )
    tables = []
    for run in runs:
        table = _read(run.store)
        table.insert(0, CELL, run.name)
        values = {name: _column_value(fields[run.name].get(name)) for name in differing}
        tables.append(table.assign(**values))
    whole = pd.concat([table.dropna(axis=1, how="all") for table in tables], ignore_index=True)
    for name in _NEEDED:  # kernels alone have no width, no scale and no steps
        if name not in whole:
            whole[name] = pd.Series(np.nan, whole.index, tables[0][name].dtype)
    columns = [CELL, *differing, *(c for c in whole if c not in (CELL, *differing))]
    configs = {run.name: run.config for run in runs}
    return Compared(whole[columns], differing, left_out, configs)


def _column_value(value: Any) -> Any:
    """Returns a number or text, as a column holds it."""
    if isinstance(value, (list, tuple)):
        return ",".join(str(plain(entry)) for entry in value)
    return value
