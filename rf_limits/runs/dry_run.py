"""A dry run: prints the resolved config, sizes, memory and time of a run. Nothing is written."""

import json
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from rf_limits.config import Builder, Config, flat
from rf_limits.runs.console import Log
from rf_limits.runs.directory import in_use
from rf_limits.runs.progress import counted, short_time
from rf_limits.runs.run import Run
from rf_limits.runs.session import select_platform
from rf_limits.studies.pilot_runs import Estimate


def dry_run(
    config: Config | Builder,
    workdir: str | Path,
    overwrite: bool = False,
    platform: str | None = None,
    console: Console | None = None,
    *,
    timed: bool = True,
) -> int:
    """Prints what :func:`rf_limits.runs.session.run_in_workdir` would do, and does none of it.

    The time is measured by pilot runs (:mod:`rf_limits.studies.pilot_runs`), which take some
    ten seconds to half a minute, most of them compiling.

    Args:
      config: an experiment's config.
      workdir: directory for results.
      overwrite: whether another config's results may be replaced.
      platform: see :func:`~rf_limits.runs.session.select_platform`.
      console: where to print.
      timed: whether to measure how long the run would take.

    Returns:
      Exit code 0.

    Raises:
      RequirementError: the run would be refused.
    """
    select_platform(platform, keep=False)
    log = Log(console or Console())
    run = Run(config, workdir, overwrite)
    state = _state(run)
    for line in config_lines(run.resolved):
        log.say(line)
    log.say("")
    cost = run.config.cost()
    for name, value in cost.sizes.items():
        log.say(f"{name}: {value}".rstrip(" "))
    log.say(memory_line(cost.bytes))
    log.say(f"workdir: {state}")
    if timed:
        log.say(time_line(run.config.estimate()))
    return 0


def config_lines(resolved: dict[str, Any]) -> list[str]:
    """Returns every field in YAML: its dotted name, as --config takes it, and its value."""
    return [f"{name}: {json.dumps(value)}" for name, value in flat(resolved).items()]


def memory_line(needed: float | None) -> str:
    """Says how much memory is needed, and how much the machine has."""
    available = psutil.virtual_memory().total / 2**30
    if needed is None:
        return f"memory: not estimated for this experiment, of {available:.1f} GiB"
    return f"memory: about {needed / 2**30:.2g} GiB at most, of {available:.1f} GiB"


def time_line(estimate: Estimate | None) -> str:
    """Says how long a run is expected to take, and from what that follows."""
    if estimate is None:
        return "time: not estimated for this experiment"
    compiling = ""
    if estimate.compiling > 0.0:
        compiling = f" (of it {short_time(estimate.compiling)} compiling, less where it is kept)"
    return f"time: about {short_time(estimate.seconds)}{compiling}, {estimate.tried}"


def _state(run: Run) -> str:
    """Says what is in the directory of the run.

    Raises:
      RequirementError: it holds something else, or is in use.
    """
    path, store = run.store.path, run.store
    if store.open(run.resolved, overwrite=run.overwrite) == "finished":
        return f"{path} holds the results of this config already: there would be nothing to do"
    if store.is_locked():
        raise in_use(f"{path} is in use.")
    if not path.exists():
        return f"{path}, which would be made"
    parts = len(store.parts())
    if run.overwrite:
        return f"{path}, whose results would be replaced"
    kept = counted(parts, "finished part")
    return f"{path}, of which {kept} would be kept" if parts else str(path)
