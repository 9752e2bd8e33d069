"""The directory of a sweep: sweep.json, and a work directory for every cell."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from rf_limits.config import check_form
from rf_limits.errors import RequirementError
from rf_limits.runs.directory import (
    CONFIG,
    RUN,
    WorkDirectory,
    differences,
    directory_exists,
    plain,
)
from rf_limits.runs.store import RunStore
from rf_limits.studies import config_from_json
from rf_limits.sweeps.grid import SweepCell

MANIFEST = "sweep.json"
CELLS = "cells"
_PATIENCE = 60.0  # seconds: others that add cells hold the lock briefly


class SweepStore(WorkDirectory):
    """The files of one sweep."""

    def run(self, name: str) -> RunStore:
        """Returns the work directory of a cell."""
        return RunStore(self.path / CELLS / name)

    def cells(self) -> list[SweepCell]:
        """Returns the cells of the sweep that the directory holds.

        Raises:
          RequirementError: it holds no sweep, or a damaged one.
        """
        cells = self.cells_if_any()
        if cells is None:
            line = (
                f"must hold a sweep made by scripts/launch.py, but {self.path} has no {MANIFEST}."
            )
            raise RequirementError(line, field="--workdir")
        return cells

    def cells_if_any(self) -> list[SweepCell] | None:
        """Returns the cells of the sweep that the directory holds; None where it holds no sweep.

        Raises:
          RequirementError: it holds a damaged one, or one that cannot be read.
        """
        record = self.read_json(MANIFEST)
        if record is None:
            return None
        try:
            for cell in record["cells"]:
                check_form(cell["config"], self.path / MANIFEST)
            return [
                SweepCell(cell["name"], cell["fields"], config_from_json(cell["config"]))
                for cell in record["cells"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            line = (
                "must list the cells of a sweep, with name, fields and config, but it is damaged "
                "or of something else; use another --workdir."
            )
            raise RequirementError(line, field=str(self.path / MANIFEST)) from error

    def joined(
        self, cells: Sequence[SweepCell], *, extend: bool
    ) -> tuple[list[SweepCell], list[SweepCell]]:
        """Compares cells of a sweep with those that its directory holds; nothing is written.

        Args:
          cells: of the sweep.
          extend: whether cells may be added to those of another sweep that is there.

        Returns:
          The cells that the directory holds, and those of the sweep that it lacks.

        Raises:
          RequirementError: another sweep, a run or other files are there.
        """
        # looked at first: a sweep may be made meanwhile
        foreign = directory_exists(self.path) and self.has_other_files()
        before = self.cells_if_any()
        if before is None and foreign:
            line = f"must be empty or hold a sweep, but {self.path} holds other files."
            raise RequirementError(line, field="--workdir")
        configs = {cell.config for cell in before or ()}
        added = [cell for cell in cells if cell.config not in configs]
        if before is not None and added and not extend:
            line = (
                f"must be empty or hold this sweep, but {self.path} holds one without "
                f"{len(added)} of its {len(cells)} cells (such as {added[0].name}); --extend adds "
                "them to it."
            )
            raise RequirementError(line, field="--workdir")
        return before or [], added

    def claim(self, cells: Sequence[SweepCell], *, extend: bool) -> list[SweepCell]:
        """Makes the directory this sweep's, or checks that it is.

        Returns:
          All cells the directory is for.

        Raises:
          RequirementError: as :meth:`joined`.
        """
        with self.claimed(cells, extend=extend) as every:
            return every

    @contextlib.contextmanager
    def claimed(self, cells: Sequence[SweepCell], *, extend: bool) -> Iterator[list[SweepCell]]:
        """Does what :meth:`claim` does; a refusal inside leaves the directory as it was before.

        What is there is read and written under one lock: of several that add cells at once, each
        adds to what the others added.
        """
        places = (self.path, *self.path.absolute().parents)
        made = [place for place in places if not os.path.exists(place)]
        before, added = self.joined(cells, extend=extend)  # refused before there is a directory
        if added:
            with self.locked(_PATIENCE):
                before, added = self.joined(cells, extend=extend)
                self._write([*before, *added])
        try:
            yield [*before, *added]
        except RequirementError:
            self._forget({cell.name for cell in added})
            for place in made:
                with contextlib.suppress(OSError):  # there is something in it
                    place.rmdir()
            raise

    def _forget(self, names: set[str]) -> None:
        """Takes cells out of the sweep again, none of which has begun."""
        if not names or any(os.path.lexists(self.run(name).path) for name in names):
            return
        with self.locked(_PATIENCE):
            left = [cell for cell in self.cells() if cell.name not in names]
            if left:
                self._write(left)
            else:
                (self.path / MANIFEST).unlink()

    def _write(self, cells: Sequence[SweepCell]) -> None:
        record = [{"name": c.name, "fields": c.fields, "config": c.config.to_json()} for c in cells]
        self.write_json(MANIFEST, {"cells": plain(record)})

    def other_run(self, cell: SweepCell) -> str:
        """Says that a cell's directory holds the run of another config, if it does.

        Raises:
          RequirementError: its config cannot be read.
        """
        store = self.run(cell.name)
        config = store.read_json(CONFIG)
        changed = differences(config, cell.config.to_json()) if config is not None else []
        if not changed:
            return ""
        return (
            f"{store.path} holds a run of another config (differing in {', '.join(changed)}), "
            "which is left as it is; once it is moved away, the same launch command runs this cell"
        )

    @contextlib.contextmanager
    def record(self, cell: SweepCell) -> Iterator[dict[str, Any]]:
        """Yields the facts of a cell's run.json, and writes changes of them; locked meanwhile.

        Raises:
          RequirementError: its directory holds another run, or takes no files.
        """
        store = self.run(cell.name)
        other = self.other_run(cell)
        if other:
            raise RequirementError(other)
        with store.locked():
            facts = store.read_json(RUN) or {}
            before = dict(facts)
            yield facts
            if facts != before:
                if store.read_json(CONFIG) is None:
                    store.write_json(CONFIG, cell.config.to_json())
                store.write_json(RUN, facts)
