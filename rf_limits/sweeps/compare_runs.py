"""A comparison in a directory of its own: table, final values, figures."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from rf_limits.analysis.tables import CELL, final_rows
from rf_limits.errors import check
from rf_limits.figures.compare import FIGURE_NAMES, draw
from rf_limits.figures.style import FORMATS, Figure
from rf_limits.runs.console import Log
from rf_limits.runs.directory import InUseError, check_takes_files, in_use
from rf_limits.runs.file_list import LIST, FileList
from rf_limits.runs.files import TEMPORARY, write_table, write_whole
from rf_limits.runs.progress import counted
from rf_limits.runs.store import FIGURES, RunStore
from rf_limits.sweeps.compare import Compared, gather

TABLE = "compared.parquet"
FINAL = "compared_final.csv"
_EARLIER = (
    *(TABLE, FINAL),
    *(f"{FIGURES}/{name}.{form}" for name in FIGURE_NAMES for form in FORMATS),
)
"""What comparisons of versions that kept no list have written."""


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
    log, path = Log(console or Console()), Path(output)
    _check_free(path, overwrite)
    check_takes_files(path, "--output")
    compared = gather(workdirs)
    figures = draw(compared.table, compared.differing)
    new = not path.exists()
    try:
        with _locked(path):
            _check_free(path, overwrite)  # another comparison may have come first
            moved = _write(path, compared, figures)
    finally:
        if new and path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    runs = counted(compared.table[CELL].nunique(), "run")
    log.say(f"{runs}, {len(compared.table)} rows: {path / TABLE}.")
    log.say(f"They differ in {', '.join(compared.differing) or 'nothing'}.")
    for line in compared.left_out:
        log.say(f"left out {line}")
    for name in figures:
        log.say(f"figure {path / FIGURES / f'{name}.{FORMATS[0]}'}")
    for old, kept in moved:
        log.say(f"{old} was not of an earlier comparison; it is kept as {kept}.")
    return 0


def _write(
    path: Path, compared: Compared, figures: Mapping[str, Figure]
) -> list[tuple[Path, Path]]:
    """Writes everything beside its place, and moves it there.

    Returns:
      As :func:`_put`.
    """
    stage = Path(tempfile.mkdtemp(dir=path, prefix=TEMPORARY))
    store = RunStore(stage)
    for name, figure in figures.items():
        store.write_figure(name, figure)
    final = final_rows(compared.table, (CELL, *compared.differing))
    write_whole(stage / FINAL, lambda temporary: final.to_csv(temporary, index=False))
    write_table(stage / TABLE, compared.table)
    return _put(stage, path)


def _check_free(path: Path, overwrite: bool) -> None:
    """Refuses a directory that holds something else, or a comparison that is to be kept."""
    others = path.exists() and (not path.is_dir() or RunStore(path).has_other_files())
    mine = (path / TABLE).is_file() or path / TABLE in FileList(path)
    requirement = "be empty or new" if not mine else "be new, or --overwrite be given"
    check(not others or (mine and overwrite), "--output", requirement, str(path))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Locks the directory; removes what is written in it first, also by a killed process."""
    try:
        with RunStore(path).locked():
            try:
                yield
            finally:
                for stage in path.glob(f"{TEMPORARY}*"):
                    shutil.rmtree(stage, ignore_errors=True)
    except InUseError as error:
        raise in_use(f"{path} is in use by another.", "--output") from error


def _put(stage: Path, path: Path) -> list[tuple[Path, Path]]:
    """Moves what was written to its place, and removes the earlier comparison's figures.

    Returns:
      Files of others that were in the way, and where they are kept.
    """
    mine = FileList(path, lambda: _EARLIER if (path / TABLE).is_file() else ())
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
