"""A comparison in a directory of its own: table, final values, figures."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rf_limits.errors import check
from rf_limits.experiments.tables import CELL, final_rows
from rf_limits.figures.compare import draw
from rf_limits.runs.files import write_whole
from rf_limits.runs.store import RunStore, check_takes_files, write_table
from rf_limits.sweeps.compare import gather

TABLE = "compared.parquet"
FINAL = "compared_final.csv"


def compare(
    workdirs: Sequence[str | Path],
    output: str | Path,
    *,
    overwrite: bool = False,
    console: Console | None = None,
) -> int:
    """Gathers finished runs, writes table and figures, prints what was left out.

    Args:
      workdirs: of runs or sweeps.
      output: directory; made if absent.
      overwrite: whether an earlier comparison there may be replaced.
      console: where to print.

    Returns:
      Exit code 0.

    Raises:
      RequirementError: nothing to compare, or ``output`` holds something else.
    """
    check(str(output) != "", "--output", "name a directory", output)
    console, path = console or Console(), Path(output)
    others = path.exists() and (not path.is_dir() or any(path.iterdir()))
    mine = (path / TABLE).is_file()
    requirement = "be empty or new" if not mine else "be new, or --overwrite be given"
    check(not others or (mine and overwrite), "--output", requirement, str(path))
    check_takes_files(path, "--output")
    found = gather(workdirs)
    write_table(path / TABLE, found.table)
    final = final_rows(found.table, (CELL, *found.differing))
    write_whole(path / FINAL, lambda t: final.to_csv(t, index=False))
    store, figures = RunStore(path), draw(found.table, found.differing)
    paths = [store.write_figure(name, figure)[0] for name, figure in figures.items()]

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(f"{found.table[CELL].nunique()} runs, {len(found.table)} rows: {path / TABLE}.")
    say(f"They differ in {', '.join(found.differing) or 'nothing'}.")
    for line in found.left_out:
        say(f"left out {line}")
    for one in paths:
        say(f"figure {one}")
    return 0
