"""A dry run of a sweep: prints its fields, cells, groups, memory and time. Nothing is written."""

import json
from collections.abc import Sequence

from rich.console import Console

from rf_limits.config import Builder, Config, flat
from rf_limits.runs.console import Log
from rf_limits.runs.directory import plain
from rf_limits.runs.dry_run import config_lines, memory_line, time_line
from rf_limits.runs.progress import counted
from rf_limits.studies.cost import Cost, estimate_trainings
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
      timed: whether to measure how long the cells would take.

    Returns:
      Exit code 0.

    Raises:
      RequirementError: the sweep would be refused.
    """
    cells = cells_of(config)
    runs = check_cells(store, cells)
    before, added = store.joined(cells, extend=extend)
    every = [*before, *added]
    todo = missing(statuses(store, every), retry_failed=False)
    log = Log(console)
    for line in _field_lines(cells):
        log.say(line)
    log.say("")
    groups = counted(len(groups_of(todo)), "group")
    log.say(f"cells: {len(every)}, of which {len(todo)} to run in {groups}")
    costs = [run.config.cost() for run in runs]
    needed = [cost.bytes for cost in costs if cost.bytes is not None]
    log.say(f"{memory_line(max(needed, default=None))}, of one cell")
    if timed:
        keys = {cell.config for cell in todo}
        wanted = [c for c, cell in zip(costs, cells, strict=True) if cell.config in keys]
        log.say(f"{_time(wanted)}; one cell after the other")
    return 0


def _field_lines(cells: Sequence[SweepCell]) -> list[str]:
    """Returns lines for fields that all cells share, then for swept ones with all values."""
    configs = [cell.config.to_json() for cell in cells]
    swept = cells[0].fields
    lines = [line for line in config_lines(configs[0]) if line.split(": ")[0] not in swept]
    fields = [flat(config) for config in configs]
    for name in swept:
        values = [
            known.get(name, plain(cell.fields[name]))
            for known, cell in zip(fields, cells, strict=True)
        ]
        lines.append(f"{name}: {json.dumps(values)}  # swept")
    return lines


def _time(wanted: Sequence[Cost]) -> str:
    """Says how long all cells that are to run take: their training runs as those of one study."""
    if not wanted:
        return "time: nothing is to run"
    trainings = [training for cost in wanted for training in cost.trainings]
    return time_line(estimate_trainings(trainings) if trainings else None)
