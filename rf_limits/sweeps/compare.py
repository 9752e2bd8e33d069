"""Finished runs of one or more work directories in one table."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rf_limits.config import flat
from rf_limits.errors import RequirementError, check
from rf_limits.experiments.tables import CELL, KEYS
from rf_limits.runs.store import RunStore, plain
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import cell_state, state_of

_NEEDED = (*KEYS, "risk", "relative_risk")
_AGAIN = "the command that made it runs it again (scripts/train.py with --overwrite)"


_NAMED = 3
"""Directories that a refusal names."""


class Compared(NamedTuple):
    """What was gathered.

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


class _Found(NamedTuple):
    name: str
    store: RunStore
    config: dict[str, Any]
    fields: dict[str, Any]


class Place(NamedTuple):
    """Where a run is, or is to be.

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
    """The runs in a work directory.

    Those are itself, the cells of a sweep, or all of these in the directories right below it.

    Args:
      workdir: of a run or a sweep, or of several.
      flag: by which the user named it.

    Raises:
      RequirementError: it holds nothing of the kind.
    """
    below = sorted(path for path in workdir.glob("*") if path.is_dir())
    found = _runs_at(workdir) or [run for path in below for run in _runs_at(path)]
    if found:
        return found
    missing = "" if workdir.is_dir() else ", which is no directory"
    raise RequirementError(
        f"{flag} must name directories of runs or sweeps, but received {workdir}{missing}."
    )


def _runs_at(path: Path) -> list[Place]:
    """The runs of a directory that is a run or a sweep itself; else none."""
    sweep = SweepStore(path)
    if sweep.exists():
        return [
            Place(c.name, sweep.run(c.name), c.config.to_json(), *cell_state(sweep, c))
            for c in sweep.cells()
        ]
    store = RunStore(path)
    config = store.read_json("config.json")
    return [] if config is None else [Place(path.name, store, config, *state_of(store))]


def _read(store: RunStore) -> pd.DataFrame:
    try:
        table = store.read_metrics()
    except (OSError, ValueError) as error:
        raise RequirementError(
            f"{store.path}/metrics.parquet must be readable, but it is missing or damaged; "
            f"{_AGAIN}."
        ) from error
    missing = [name for name in _NEEDED if name not in table]
    requirement = "have the columns of a training run's table"
    check(not missing, f"{store.path}/metrics.parquet", requirement, f"none of {missing}")
    return table


def _first(left_out: Sequence[str], workdirs: Sequence[str | Path]) -> str:
    """Why there is no finished run, of the first few."""
    lines = [*left_out[:_NAMED]] or [str(path) for path in workdirs]
    more = len(left_out) - _NAMED
    return ", ".join(lines) + (f" and {more} more" if more > 0 else "")


def _twice(store: RunStore, first: _Found) -> str:
    """That a run has the config of one that was found before it."""
    same = _read(store).equals(_read(first.store))
    numbers = (
        "the same numbers" if same else "OTHER NUMBERS (run.json says of each how it was made)"
    )
    return f"done, of the same config as {first.store.path}, with {numbers}"


def gather(workdirs: Sequence[str | Path]) -> Compared:
    """Puts the tables of all finished runs together.

    Args:
      workdirs: of runs or sweeps. A config that is there twice counts once, and what is left out
        says so, and whether the numbers of both are the same.

    Raises:
      RequirementError: no work directory, none with a finished run, or one of another
        experiment, whose tables have labels of their own.
    """
    runs: dict[str, _Found] = {}
    left_out = []
    for workdir in workdirs:
        for name, store, config, state, detail in runs_in(Path(workdir)):
            if state not in ("done", "damaged"):  # the latter is refused below
                left_out.append(f"{store.path}: {state}{f', {detail}' if detail else ''}")
                continue
            if state == "damaged" and not store.table_damage():
                raise RequirementError(
                    f"{store.path} must hold a whole run, but {detail}; {_AGAIN}."
                )
            kind = config.get("experiment")
            requirement = "hold training runs, of scripts/train.py or a sweep of them"
            check(kind == "training", "--workdirs", requirement, f"{store.path}: {kind}")
            digest = json.dumps(config, sort_keys=True)
            if digest not in runs:
                taken = any(one.name == name for one in runs.values())
                own = str(store.path) if taken else name
                runs[digest] = _Found(own, store, config, flat(config))
            elif not os.path.samefile(store.path, runs[digest].store.path):
                left_out.append(f"{store.path}: {_twice(store, runs[digest])}")
    check(len(runs) > 0, "--workdirs", "hold at least one finished run", _first(left_out, workdirs))
    found = list(runs.values())
    names = {name for one in found for name in one.fields}
    differing = tuple(
        sorted(n for n in names if len({json.dumps(one.fields.get(n)) for one in found}) > 1)
    )
    tables = []
    for one in found:
        table = _read(one.store)
        values = {name: _cell_value(one.fields.get(name)) for name in differing}
        table.insert(0, CELL, one.name)
        tables.append(table.assign(**values))
    whole = pd.concat([table.dropna(axis=1, how="all") for table in tables], ignore_index=True)
    for name in _NEEDED:  # kernels alone have no width, no scale and no steps
        if name not in whole:
            whole[name] = pd.Series(np.nan, whole.index, tables[0][name].dtype)
    columns = [CELL, *differing, *(c for c in whole if c not in (CELL, *differing))]
    configs = {one.name: one.config for one in found}
    return Compared(whole[columns], differing, left_out, configs)


def _cell_value(value: Any) -> Any:
    """A number or text, as a column holds it."""
    if isinstance(value, (list, tuple)):
        return ",".join(str(plain(one)) for one in value)
    return value
