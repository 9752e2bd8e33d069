"""Results on disk: what a run writes, whole or not at all.

A work directory belongs to one config. ``config.json`` says which; ``run.json`` says how the
run went; ``metrics.parquet`` and ``summary.json`` hold the numbers; ``figures/`` the pictures
(docs/results.md).
"""

import contextlib
import functools
import re
from pathlib import Path
from typing import Any

import pandas as pd

from rf_limits.config import check_form
from rf_limits.errors import RequirementError, check
from rf_limits.figures.style import FORMATS, Figure, save
from rf_limits.runs.checkpoints import SUFFIX
from rf_limits.runs.directory import (
    CONFIG,
    LOCK,
    RUN,
    DamagedFileError,
    WorkDirectory,
    check_takes_files,
    differences,
    directory_exists,
    plain,
)
from rf_limits.runs.file_list import LIST, FileList
from rf_limits.runs.files import TEMPORARY, read_table, table_damage, write_table, write_whole

SUMMARY = "summary.json"
RESULTS = ("metrics.parquet", SUMMARY)
FIGURES = "figures"
PARTS = "parts"
STATES = "states"
TENSORBOARD = "tensorboard"
SAME_FOR_PARTS = ("program", "versions", "device", "options")
"""What of run.json must agree for parts of an unfinished run to be kept."""


class RunStore(WorkDirectory):
    """The files of one run."""

    def __init__(self, workdir: str | Path):
        super().__init__(workdir)
        self.written = FileList(self.path, self._written_before)

    def _written_before(self) -> list[str]:
        """Returns the files of a run that is complete, or of a version that kept no list.

        The latter's parts and states cannot be told from others' files, and are left alone.
        """
        run = self.read_json(RUN)
        if run is None or self.read_json(CONFIG) is None:
            return []
        figures = [
            f"{FIGURES}/{name}.{form}" for name in run.get("figures", ()) for form in FORMATS
        ]
        return run.get("written") or [*RESULTS, *figures]

    def open(self, config: dict[str, Any], *, overwrite: bool) -> str:
        """Checks that the directory may hold a run of ``config``.

        Args:
          config: the resolved config.
          overwrite: whether to replace another config's results.

        Returns:
          ``"finished"`` if these results exist already (nothing is touched), else
          ``"new"``; nothing is written before :meth:`begin`.

        Raises:
          RequirementError: the directory holds another run, or files of something else, and
            ``overwrite`` is not set.
        """
        exists = directory_exists(self.path)
        before = self.read_json(CONFIG)
        if not overwrite and before == plain(config):
            status = (self.read_json(RUN) or {}).get("status")
            if status in ("complete", "diverged"):
                self._check_results()
                return "finished"
        elif not overwrite and before is not None:
            check_form(before, self.path / CONFIG)
            changed = ", ".join(differences(before, plain(config)))
            line = (
                f"must be empty or hold this config, but {self.path} holds a run of another one "
                f"(differing in {changed}); name another directory, or use --overwrite to replace "
                "it."
            )
            raise RequirementError(line, field="--workdir")
        elif not overwrite and exists and self.has_other_files():
            line = (
                f"must be empty or hold a run, but {self.path} holds other files; use --overwrite "
                "to write beside them."
            )
            raise RequirementError(line, field="--workdir")
        check_takes_files(self.path, "--workdir")
        return "new"

    def _check_results(self) -> None:
        """Refuses a finished run whose table or summary is gone, or cut short."""
        name, damage = self.damage()
        if damage:
            line = (
                f"must be that of the finished run, but it is {damage}; --overwrite runs it again."
            )
            raise RequirementError(line, field=str(self.path / name))

    def damage(self) -> tuple[str, str]:
        """Returns a file that a finished run lacks, and whether it is missing or damaged."""
        damage = self.table_damage()
        if damage:
            return self.table.name, damage
        try:
            return (SUMMARY, "missing") if self.read_json(SUMMARY) is None else ("", "")
        except DamagedFileError:
            return SUMMARY, "damaged"
        except RequirementError:  # not readable: the table is, or says so itself
            return "", ""

    def table_damage(self) -> str:
        """Says what is wrong with the table: missing, not readable, damaged, or nothing."""
        return table_damage(self.table)

    def damaged_records(self) -> list[str]:
        """Returns which of config.json and run.json are there and hold no JSON of a run."""
        damaged = []
        for name in (CONFIG, RUN):
            try:
                self.read_json(name)
            except DamagedFileError:
                damaged.append(name)
        return damaged

    def begin(self, config: dict[str, Any], run: dict[str, Any], *, resume: bool = False) -> bool:
        """Removes an earlier run's files and writes config.json and run.json; locked.

        With ``resume``, parts and states of an unfinished run of the same config are kept, if it
        ran as the same program, with the same versions, device and options: a table is never put
        together from two programs.

        Killed at any point of this, the directory still says what it holds: the new config is
        the last to be written over another's, the first in an empty directory.

        Returns:
          Whether an unfinished run's parts or states were there and could not be kept.
        """
        earlier, before = self.read_json(RUN) or {}, self.read_json(CONFIG)
        same = all(earlier.get(key) == plain(run).get(key) for key in SAME_FOR_PARTS)
        kept = resume and same and before == plain(config)
        lost = not kept and resume and self.has_progress()
        if before is None:
            for name in (CONFIG, RUN, LIST):
                self.written.put_aside(self.path / name)
            self.write_json(CONFIG, config)
            self.written.write(())
        else:
            self.written.write(self.written.names())  # before run.json forgets them
        self.write_json(RUN, run)
        if not kept:
            self.forget_progress()
            self.written.remove(TENSORBOARD)
        self.written.remove(FIGURES, *RESULTS)
        self.written.write(name for name in self.written.names() if (self.path / name).exists())
        if before is not None:
            self.write_json(CONFIG, config)
        return lost

    @property
    def table(self) -> Path:
        """The file of the table of results."""
        return self.path / RESULTS[0]

    @property
    def states(self) -> Path:
        """The folder of the states of an unfinished run."""
        return self.path / STATES

    def parts(self) -> list[str]:
        """Returns the names of the parts kept from a run that did not finish."""
        return [path.stem for path in self.written.within(PARTS, ".parquet")]

    def has_progress(self) -> bool:
        """Returns whether there are parts or states to go on from."""
        return bool(self.parts() or self.written.within(STATES, SUFFIX))

    def read_part(self, name: str) -> bytes | None:
        """Returns the bytes of the file of one part of a run; None if none can be read."""
        path = self._part(name)
        with contextlib.suppress(OSError):
            return path.read_bytes() if path in self.written else None
        return None

    def forget_part(self, name: str) -> None:
        """Removes the file of one part of a run, if there is one."""
        path = self._part(name)
        if path in self.written and path.is_file():
            path.unlink()

    def write_part(self, name: str, table: pd.DataFrame) -> None:
        """Keeps one part of a run on disk until the run is done.

        Args:
          name: of the part, made of letters, digits, spaces and ``-_.=^``.
          table: its rows.
        """
        write_table(self.written.add(self._part(name)), table)

    def _part(self, name: str) -> Path:
        check(re.fullmatch(r"[\w.=^ -]+", name) is not None, "name of a part", "be plain", name)
        return self.path / PARTS / f"{name}.parquet"

    def forget_progress(self) -> None:
        """Removes parts and states of a run, and files that writing left unfinished."""
        for name in ("", FIGURES, PARTS, STATES):
            for path in (self.path / name).glob(f"{TEMPORARY}*"):
                if path.is_file():
                    path.unlink()
        for name in (PARTS, STATES):
            self.written.remove(name)
            with contextlib.suppress(OSError):  # there is none, or others' files are in it
                (self.path / name).rmdir()  # a killed process may have left it without a file

    def complete(self, run: dict[str, Any]) -> None:
        """Writes run.json of a run that is complete, with its files; removes its progress."""
        names = (n for n in self.written.names() if n.split("/")[0] not in (PARTS, STATES))
        self.write_json(RUN, {**run, "written": sorted(names)})
        with contextlib.suppress(OSError):  # the results are there; :meth:`tidy` comes again
            self._clean_up()

    def tidy(self) -> None:
        """Removes what a process killed at the very end of its run had no time to remove."""
        left = any((self.path / name).exists() for name in (LIST, LOCK))
        if left or any(self.path.glob(f"{TEMPORARY}*")):
            with contextlib.suppress(RequirementError, OSError), self.locked():
                self._clean_up()

    def _clean_up(self) -> None:
        self.forget_progress()
        (self.path / LIST).unlink(missing_ok=True)

    def write_metrics(self, metrics: pd.DataFrame) -> None:
        """Writes metrics.parquet, whole."""
        write_table(self.written.add(self.table), metrics)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Writes summary.json, whole."""
        self.written.add(self.path / SUMMARY)
        self.write_json(SUMMARY, summary)

    def read_metrics(self) -> pd.DataFrame:
        """Reads metrics.parquet."""
        return read_table(self.table)

    def write_figure(self, name: str, figure: Figure) -> list[Path]:
        """Writes a figure as png, svg and pdf; returns the paths."""
        paths = [self.path / FIGURES / f"{name}.{form}" for form in FORMATS]
        for path, form in zip(paths, FORMATS, strict=True):
            write_whole(self.written.add(path), functools.partial(save, figure, form=form))
        return paths
