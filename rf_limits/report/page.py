"""One self-contained HTML page about runs and sweeps."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console

import rf_limits
from rf_limits.errors import check
from rf_limits.methods import BASELINES, METHODS
from rf_limits.report.comparison import comparison_section
from rf_limits.report.sections import Section, run_section
from rf_limits.report.sources import Source, find
from rf_limits.runs.console import say
from rf_limits.runs.directory import check_takes_files
from rf_limits.runs.files import StorageError, write_whole
from rf_limits.runs.progress import counted

NAME = "report.html"
_TITLE = "rf_limits: "
"""The beginning of the title of every page."""
_MOST_RUNS = 12
"""Runs that get a section of their own on one page."""


def report(
    workdirs: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    overwrite: bool = False,
    console: Console | None = None,
) -> int:
    """Writes the page.

    Args:
      workdirs: of runs or sweeps.
      output: the file; report.html in the first work directory if None.
      overwrite: whether an existing file may be replaced.
      console: where to print.

    Returns:
      Exit code 0.

    Raises:
      RequirementError: there is nothing to show, files are damaged, or ``output`` exists.
      StorageError: it could not be written.
    """
    sources = find(workdirs)
    path = Path(workdirs[0]) / NAME if output is None else Path(output)
    check_output(path, overwrite=overwrite)
    text = render(sources, path)
    write_page(path, text, overwrite=overwrite)
    console = console or Console()
    shown = sum(source.has_tables for source in sources)
    say(console, f"{counted(shown, 'run')}, {len(text) / 1e6:.1f} MB: open {path} in a browser.")
    return 0


_NEW = "be new, or --overwrite be given"


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuses a file to which no page can be written.

    Raises:
      RequirementError: it exists and is not to be replaced, or is no page.
    """
    check(not path.is_dir(), "--output", "be a file", str(path))
    check(overwrite or not path.exists(), "--output", _NEW, str(path))
    check(_is_page(path), "--output", "be new or an earlier report", str(path))
    check_takes_files(path.absolute().parent, "--output")


def write_page(path: Path, text: str, *, overwrite: bool) -> None:
    """Writes a page, whole.

    Raises:
      RequirementError: another process has written the file meanwhile.
      StorageError: it could not be written.
    """
    try:
        write_whole(path, partial(Path.write_text, data=text, encoding="utf-8"), replace=overwrite)
    except StorageError as error:
        meanwhile = isinstance(error.__cause__, FileExistsError)
        check(not meanwhile, "--output", _NEW, f"{path}, which another process has written")
        raise


def _is_page(path: Path) -> bool:
    """Returns whether a file is a page of this package, or empty, or not there."""
    if not path.exists():
        return True
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError:  # what cannot be read is not replaced
        return False
    return not start or f"<title>{_TITLE}".encode() in start


def render(sources: Sequence[Source], path: Path) -> str:
    """Returns the text of the page.

    Args:
      sources: the runs.
      path: where the page will lie; links to data are relative to it.
    """
    sections, left_out = _sections(sources)
    title = sections[0].title if len(sections) == 1 else f"{len(sections)} runs"
    return fill(
        "page.html",
        title,
        sections=sections,
        left_out=left_out,
        files={part.key: [_links(source, path) for source in part.sources] for part in sections},
        colours={key: entry.colour for key, entry in {**METHODS, **BASELINES}.items()},
    )


def fill(template: str, title: str, **values: Any) -> str:
    """Returns the text of a page.

    Args:
      template: name of a file beside this one.
      title: of the page.
      **values: what the template shows.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template).render(
        title=f"{_TITLE}{title}", version=rf_limits.__version__, **values
    )


def _sections(sources: Sequence[Source]) -> tuple[list[Section], list[str]]:
    """Returns the sections of the page, and lines about runs that are not in it."""
    training = all(source.experiment == "training" for source in sources)
    finished = [source for source in sources if source.state == "done"]
    if training and len(finished) > 1:
        return [comparison_section(sources, "runs")], []
    shown = [source for source in sources if source.has_tables]
    left_out = [
        f"{source.path} is {source.state}{f': {source.detail}' if source.detail else ''}."
        for source in sources
        if not source.has_tables
    ]
    if len(shown) > _MOST_RUNS:
        left_out.append(f"The first {_MOST_RUNS} of {len(shown)} runs; name others by themselves.")
    sections = [run_section(source, f"run-{i + 1}") for i, source in enumerate(shown[:_MOST_RUNS])]
    return sections, left_out


def _links(source: Source, path: Path) -> tuple[str, list[tuple[str, str]]]:
    """Returns a run's name, and its files with addresses relative to the page."""
    start = path.resolve().parent
    files = [
        (
            str(file.relative_to(source.path)),
            quote(os.path.relpath(file.resolve(), start).replace(os.sep, "/")),
        )
        for file in source.files()
    ]
    return source.name, files
