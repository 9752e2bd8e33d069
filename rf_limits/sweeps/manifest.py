"""What a sweep's directory holds: sweep.json, and a directory of its own for every cell."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rf_limits.config import check_form
from rf_limits.errors import RequirementError
from rf_limits.runs.run import config_from_json
from rf_limits.runs.store import RunStore, differences, plain
from rf_limits.sweeps.grid import SweepCell

MANIFEST = "sweep.json"
CELLS = "cells"
_PATIENCE = 60.0  # seconds: others that add cells hold the lock briefly


class SweepStore:
    """The files of one sweep."""

    def __init__(self, workdir: str | Path):
        self.path = Path(workdir)
        self._files = RunStore(workdir)

    def run(self, name: str) -> RunStore:
        """The work directory of a cell."""
        return RunStore(self.path / CELLS / name)

    def exists(self) -> bool:
        """Whether the directory holds a sweep; refused where that cannot be read."""
        return self._files.read_json(MANIFEST) is not None

    def cells(self) -> list[SweepCell]:
        """The cells the directory was made for.

        Raises:
          RequirementError: it holds no sweep, or a damaged one.
        """
        found = self._files.read_json(MANIFEST)
        if found is None:
            raise RequirementError(
                f"--workdir must hold a sweep made by scripts/launch.py, but {self.path} has no "
                f"{MANIFEST}."
            )
        try:
            for one in found["cells"]:
                check_form(one["config"], self.path / MANIFEST)
            return [
                SweepCell(one["name"], one["fields"], config_from_json(one["config"]))
                for one in found["cells"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise RequirementError(
                f"{self.path / MANIFEST} must list the cells of a sweep, with name, fields and "
                "config, but it is damaged or of something else; use another --workdir."
            ) from error

    def joined(self, cells: Sequence[SweepCell], *, extend: bool) -> list[SweepCell]:
        """Cells of a sweep with those that its directory holds; nothing is written.

        Args:
          cells: of the sweep.
          extend: whether cells may be added to those of another sweep that is there.

        Returns:
          All cells the directory is for.

        Raises:
          RequirementError: another sweep, a run or other files are there.
        """
        path = self.path
        there = os.path.exists(path)  # not where its parent cannot be entered
        if there and not path.is_dir():
            raise RequirementError(f"--workdir must be a directory, but received {path}.")
        foreign = there and self._files.others()  # looked at first: a sweep may be made meanwhile
        before: list[SweepCell] = []
        if self.exists():
            before = self.cells()
            known = {cell.config for cell in before}
            added = [cell for cell in cells if cell.config not in known]
            if added and not extend:
                raise RequirementError(
                    f"--workdir must be empty or hold this sweep, but {path} holds one without "
                    f"{len(added)} of its {len(cells)} cells (such as {added[0].name}); --extend "
                    "adds them to it."
                )
        elif foreign:
            raise RequirementError(
                f"--workdir must be empty or hold a sweep, but {path} holds other files."
            )
        known = {cell.config: cell for cell in before}
        return [*before, *(cell for cell in cells if cell.config not in known)]

    def claim(self, cells: Sequence[SweepCell], *, extend: bool) -> list[SweepCell]:
        """Makes the directory this sweep's, or checks that it is; the rest as :meth:`joined`.

        What is there is read and written under one lock: of several that add cells at once, each
        adds to what the others added.
        """
        known = self.joined(cells, extend=extend)  # refused before there is a directory
        if self.exists() and {c.name for c in known} <= {c.name for c in self.cells()}:
            return known
        with self._files.locked(_PATIENCE):
            known = self.joined(cells, extend=extend)
            self._write(known)
        return known

    @contextlib.contextmanager
    def claimed(self, cells: Sequence[SweepCell], *, extend: bool) -> Iterator[list[SweepCell]]:
        """As :meth:`claim`; what is refused inside leaves the directory as it was before."""
        places = (self.path, *self.path.absolute().parents)
        made = [place for place in places if not os.path.exists(place)]
        before = {cell.name for cell in self.cells()} if self.exists() else set()
        known = self.claim(cells, extend=extend)
        try:
            yield known
        except RequirementError:
            self._forget({cell.name for cell in known} - before)
            for place in made:
                with contextlib.suppress(OSError):  # there is something in it
                    place.rmdir()
            raise

    def _forget(self, names: set[str]) -> None:
        """Takes cells out of the sweep again, none of which has begun."""
        if any(os.path.lexists(self.run(name).path) for name in names):
            return
        with self._files.locked(_PATIENCE):
            left = [cell for cell in self.cells() if cell.name not in names]
            if left:
                self._write(left)
            else:
                (self.path / MANIFEST).unlink()

    def _write(self, cells: Sequence[SweepCell]) -> None:
        found = [{"name": c.name, "fields": c.fields, "config": c.config.to_json()} for c in cells]
        self._files.write_json(MANIFEST, {"cells": plain(found)})

    def other_run(self, cell: SweepCell) -> str:
        """Says that a cell's directory holds the run of another config, if it does.

        Raises:
          RequirementError: its config cannot be read.
        """
        store = self.run(cell.name)
        found = store.read_json("config.json")
        if found is None or found == cell.config.to_json():
            return ""
        changed = ", ".join(differences(found, cell.config.to_json()))
        return (
            f"{store.path} holds a run of another config (differing in {changed}), which is left "
            "as it is; once it is moved away, the same launch command runs this cell"
        )

    @contextlib.contextmanager
    def record(self, cell: SweepCell) -> Iterator[dict[str, Any]]:
        """The facts of a cell's run.json, written back when changed; locked meanwhile.

        Raises:
          RequirementError: its directory holds another run, or takes no files.
        """
        store = self.run(cell.name)
        other = self.other_run(cell)
        if other:
            raise RequirementError(other)
        with store.locked():
            facts = store.read_json("run.json") or {}
            before = dict(facts)
            yield facts
            if facts != before:
                if store.read_json("config.json") is None:
                    store.write_json("config.json", cell.config.to_json())
                store.write_json("run.json", facts)
