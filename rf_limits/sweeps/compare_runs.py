"""A comparison in a directory of its own: table, final values, figures."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rf_limits.errors import check
from rf_limits.experiments.tables import CELL, final_rows
from rf_limits.figures.compare import FIGURE_NAMES, draw
from rf_limits.figures.style import FORMATS
from rf_limits.runs.files import write_whole
from rf_limits.runs.store import FIGURES, RunStore, check_takes_files, write_table
from rf_limits.runs.written import LIST, Written
from rf_limits.sweeps.compare import gather

TABLE = "compared.parquet"
FINAL = "compared_final.csv"
_EARLIER = (
    *(TABLE, FINAL),
    *(f"{FIGURES}/{name}.{form}" for name in FIGURE_NAMES for form in FORMATS),
)
"""What comparisons of versions that kept no list have written."""
_STAGE = ".tmp-"
"""Beginning of the name of the folder in which everything is written first."""


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
    there = path.exists() and not path.is_dir()
    others = there or (path.is_dir() and any(p.name[:5] != _STAGE for p in path.iterdir()))
    mine = (path / TABLE).is_file()
    requirement = "be empty or new" if not mine else "be new, or --overwrite be given"
    check(not others or (mine and overwrite), "--output", requirement, str(path))
    check_takes_files(path, "--output")
    found = gather(workdirs)
    final = final_rows(found.table, (CELL, *found.differing))
    figures = draw(found.table, found.differing)
    new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=path, prefix=_STAGE))
    try:
        store = RunStore(stage)
        for name, figure in figures.items():
            store.write_figure(name, figure)
        write_whole(stage / FINAL, lambda t: final.to_csv(t, index=False))
        write_table(stage / TABLE, found.table)
        moved = _put(stage, path)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if new and not any(path.iterdir()):
            path.rmdir()
    paths = [path / FIGURES / f"{name}.{FORMATS[0]}" for name in figures]

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(f"{found.table[CELL].nunique()} runs, {len(found.table)} rows: {path / TABLE}.")
    say(f"They differ in {', '.join(found.differing) or 'nothing'}.")
    for line in found.left_out:
        say(f"left out {line}")
    for one in paths:
        say(f"figure {one}")
    for old, kept in moved:
        say(f"{old} was not of an earlier comparison; it is kept as {kept}.")
    return 0


def _put(stage: Path, path: Path) -> list[tuple[Path, Path]]:
    """Moves everything that was written to its place; the earlier comparison's figures go.

    Returns:
      Files of others that were in the way, and where they are kept.
    """
    mine = Written(path, lambda: _EARLIER if (path / TABLE).is_file() else ())
    files = (file for file in stage.rglob("*") if file.is_file() and file.name != LIST)
    earlier, new = mine.names(), sorted(file.relative_to(stage).as_posix() for file in files)
    for name in set(new) - set(earlier):
        mine.put_aside(path / name)
    mine.write([*earlier, *new])
    mine.remove(FIGURES)
    for name in new:
        place = path / name
        place.parent.mkdir(exist_ok=True)
        (stage / name).replace(place)
    mine.write(new)
    return mine.moved
