"""One run in one work directory: refuse, claim, compute, write, print."""

import importlib
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
from ml_collections import ConfigDict
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rf_limits.errors import RequirementError, check_choice
from rf_limits.runs.progress import progress
from rf_limits.runs.provenance import provenance
from rf_limits.runs.store import RunStore, plain

# By config.experiment: the module whose prepare(config) gives an object with run(report), and
# the module whose draw(metrics) gives figures by name.
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
EXPERIMENTS = {
    name: (f"rf_limits.experiments.{folder}{name}", f"rf_limits.figures.{folder}{name}")
    for name, folder in _FOLDERS.items()
}
INTERRUPTED = 130


def select_platform(platform: str | None) -> None:
    """Makes JAX use ``platform`` ("cpu", "gpu", "tpu"), or the best at hand for None.

    Raises:
      RequirementError: no such device here.
    """
    if platform is None:
        return
    jax.config.update("jax_platforms", {"gpu": "cuda"}.get(platform, platform))
    try:
        jax.devices()
    except RuntimeError as error:
        raise RequirementError(
            f"--platform must name a device that JAX finds here, but received {platform!r}."
        ) from error


def run_in_workdir(
    config: ConfigDict,
    workdir: str | Path,
    overwrite: bool = False,
    platform: str | None = None,
    console: Console | None = None,
) -> int:
    """Runs the experiment of ``config`` and writes its results into ``workdir``.

    Everything that can be refused is refused before the directory is touched. Running the
    same config again changes nothing and says so.

    Args:
      config: an experiment's config.
      workdir: directory for results.
      overwrite: whether another config's results may be replaced.
      platform: see :func:`select_platform`.
      console: where to print.

    Returns:
      Exit code: 0, 1 if a network diverged, 130 if interrupted.

    Raises:
      RequirementError: the run cannot be carried out as asked.
    """
    console = console or Console()
    select_platform(platform)
    check_choice(config.experiment, EXPERIMENTS, "experiment")
    experiment_module, figure_module = (
        importlib.import_module(name) for name in EXPERIMENTS[config.experiment]
    )
    experiment_module.validate(config)
    resolved = plain(config.to_dict())
    store = RunStore(workdir)
    if store.open(resolved, overwrite=overwrite) == "finished":
        console.print(
            f"{store.path} holds the results of this config already; nothing to do "
            "(--overwrite runs it again).",
            highlight=False,
            soft_wrap=True,
        )
        _print_figures(console, sorted((store.path / "figures").glob("*.png")))
        return 0
    started = time.monotonic()
    try:
        result, status, paths = _carry_out(
            store, resolved, config, experiment_module, figure_module, console, overwrite
        )
    except KeyboardInterrupt:
        keeps = bool(store.parts()) and not overwrite
        again = "goes on from the parts that are finished" if keeps else "starts again"
        console.print(f"Interrupted; the same command {again}.", highlight=False)
        return INTERRUPTED
    console.print(_rich_table(experiment_module.printed_table(result.metrics), console.width))
    for line in experiment_module.remarks(result):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"Results in {store.path} ({time.monotonic() - started:.0f} s).", highlight=False)
    _print_figures(console, paths)
    return 1 if status == "diverged" else 0


def _carry_out(
    store: RunStore,
    resolved: dict[str, Any],
    config: ConfigDict,
    experiment_module: ModuleType,
    figure_module: ModuleType,
    console: Console,
    overwrite: bool,
) -> tuple[Any, str, list[Path]]:
    """Prepares, claims the directory, computes and writes; returns result, status, figures.

    Until the directory is claimed nothing in it changes, whatever happens; from then on
    run.json says how the run ended.
    """
    started = time.monotonic()
    facts: dict[str, Any] = {"status": "running", **provenance()}
    claimed = False
    try:
        with progress(console) as report:
            experiment = experiment_module.prepare(config, report)
            store.begin(resolved, facts, resume=not overwrite)
            claimed = True
            kept = store.parts()
            if kept:
                facts["resumed_parts"] = kept
                console.print(f"Resuming: {len(kept)} finished parts are kept.", highlight=False)
            result = experiment.run(report, store.part)
        store.write_metrics(result.metrics)
        store.write_json("summary.json", experiment_module.summary(result))
        figures = figure_module.draw(result.metrics)
        paths = [store.write_figure(name, figure)[0] for name, figure in figures.items()]
        store.remove_parts()
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        if claimed:
            reason = {} if interrupted else {"error": repr(error)}
            _close(store, facts | reason, "interrupted" if interrupted else "failed", started)
        raise
    status = "diverged" if result.diverged else "complete"
    _close(store, {**facts, "choices": result.choices}, status, started)
    return result, status, paths


def _close(store: RunStore, facts: dict[str, Any], status: str, started: float) -> None:
    """Writes the final run.json, if the directory was claimed."""
    if (store.path / "run.json").is_file():
        wall = round(time.monotonic() - started, 3)
        store.write_json("run.json", {**facts, "status": status, "wall_time_s": wall})


def _print_figures(console: Console, paths: list[Path]) -> None:
    if paths:
        console.print(
            f"Figure to look at: {paths[0]}" + "".join(f" (also {path})" for path in paths[1:]),
            highlight=False,
            soft_wrap=True,
        )


def _rich_table(printed: tuple[str, list[str], list[list[str]]], width: int) -> Table:
    title, columns, rows = printed
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, int(width >= 90)),
    )
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
