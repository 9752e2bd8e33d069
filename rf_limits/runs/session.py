"""One run from the command line or Python: refused in a line, or carried out and printed."""

import time
from pathlib import Path

import jax
from ml_collections import ConfigDict
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rf_limits.devices.processes import is_writer
from rf_limits.errors import RequirementError
from rf_limits.experiments.keep import Stopped
from rf_limits.runs.compiled import keep_compiled
from rf_limits.runs.progress import progress
from rf_limits.runs.run import SAVE_EVERY, Run, carry_out
from rf_limits.runs.stopping import Stop, listening


def select_platform(platform: str | None) -> None:
    """Makes JAX use ``platform`` ("cpu", "gpu", "tpu"), or the best at hand for None.

    What is compiled for it is kept (:func:`rf_limits.runs.compiled.keep_compiled`).

    Raises:
      RequirementError: no such device here.
    """
    keep_compiled()
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
    save_every: float = SAVE_EVERY,
) -> int:
    """Runs the experiment of ``config`` and writes its results into ``workdir``.

    Everything that can be refused is refused before the directory is touched. Running the
    same config again changes nothing and says so; after an interruption of any kind it goes on
    from what was kept.

    Args:
      config: an experiment's config.
      workdir: directory for results.
      overwrite: whether another config's results may be replaced.
      platform: see :func:`select_platform`.
      console: where to print.
      save_every: seconds between saved states of training.

    Returns:
      Exit code: 0, 1 if a network diverged, 128 + the number of the signal that stopped it.

    Raises:
      RequirementError: the run cannot be carried out as asked.
      StorageError: a file could not be written; what is finished is kept.
    """
    select_platform(platform)
    console = console or Console(quiet=not is_writer())
    run = Run(config, workdir, overwrite)
    if run.is_finished():
        console.print(
            f"{run.store.path} holds the results of this config already; nothing to do "
            "(--overwrite runs it again).",
            highlight=False,
            soft_wrap=True,
        )
        _print_figures(console, sorted((run.store.path / "figures").glob("*.png")))
        return 0
    started = time.monotonic()

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    stop = Stop()
    try:
        with listening(stop, say), progress(console) as report:
            ((result, paths),) = carry_out([run], report, say, stop, save_every)
    except (KeyboardInterrupt, Stopped):
        kept = bool(run.store.parts()) or any(run.store.states.glob("*.state"))
        again = "goes on from what is saved" if kept and not overwrite else "starts again"
        say(f"Interrupted; the same command {again}.")
        return stop.exit_code
    console.print(_rich_table(run.experiment.printed_table(result.metrics), console.width))
    for line in run.experiment.remarks(result):
        say(line)
    say(f"Results in {run.store.path} ({time.monotonic() - started:.0f} s).")
    _print_figures(console, paths)
    return 1 if result.diverged else 0


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
