"""What a sweep would do: its fields, cells and groups, memory and time. Nothing is written."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from rich.console import Console

from rf_limits.config import Builder, Config, flat
from rf_limits.experiments.forecast import estimated_time, forecast
from rf_limits.runs.console import say
from rf_limits.runs.directory import plain
from rf_limits.runs.dry_run import config_lines, memory_line, time_line
from rf_limits.runs.progress import counted
from rf_limits.runs.run import Run
from rf_limits.sweeps.checks import check_cells
from rf_limits.sweeps.grid import SweepCell, cells_of
from rf_limits.sweeps.groups import groups_of
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import missing, statuses


def dry_sweep(
    config: Config | Builder,
    store: SweepStore,
    console: Console,
    *,
    extend: bool = False,
    timed: bool = True,
) -> int:
    """Prints what :func:`rf_limits.sweeps.launch.launch` would do, and does none of it.

    Args:
      config: of an experiment, with or without a ``sweep``.
      store: directory of the sweep.
      console: where to print.
      extend: whether cells may be added to another sweep in the directory.
      timed: whether to find out how long the cells would take.

    Returns:
      Exit code 0.

    Raises:
      RequirementError: the sweep would be refused.
    """
    cells = cells_of(config)
    runs = check_cells(store, cells)
    every = store.joined(cells, extend=extend)
    todo = missing(statuses(store, every), retry_failed=False)

    print_line = partial(say, console)

    for line in _field_lines(cells):
        print_line(line)
    print_line("")
    groups = counted(len(groups_of(todo)), "group")
    print_line(f"cells: {len(every)}, of which {len(todo)} to run in {groups}")
    found = [forecast(run.experiment, run.config) for run in runs]
    needed = [one.bytes for one in found if one.bytes is not None]
    print_line(f"{memory_line(max(needed, default=None))}, of one cell")
    keys = {cell.config for cell in todo}
    wanted = [
        (run, one.trainings)
        for run, one, cell in zip(runs, found, cells, strict=True)
        if cell.config in keys
    ]
    if timed:
        print_line(f"{_time(wanted)}; one cell after the other")
    return 0


def _field_lines(cells: Sequence[SweepCell]) -> list[str]:
    """Fields that all cells share, then those that are swept with the values of every cell."""
    swept: dict[str, list[Any]] = {name: [] for name in cells[0].fields}
    for cell in cells:
        values = flat(cell.config.to_json())
        for name in swept:
            swept[name].append(values.get(name, plain(cell.fields[name])))
    shared = [
        line for line in config_lines(cells[0].config.to_json()) if line.split(": ")[0] not in swept
    ]
    return [*shared, *(f"{name}: {json.dumps(values)}  # swept" for name, values in swept.items())]


def _time(wanted: Sequence[tuple[Run, list[Config]]]) -> str:
    """Of all cells that are to run: their training runs taken together, as of one study."""
    if not wanted:
        return "time: nothing is to run"
    trainings = [one for _, several in wanted for one in several]
    if not trainings:
        return time_line(None)
    first = wanted[0][0]
    return time_line(estimated_time(first.experiment, first.config, trainings))
