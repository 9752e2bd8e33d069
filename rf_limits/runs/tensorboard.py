"""TensorBoard event files, without TensorFlow: curves over training steps during training.

One folder per method, width and lazy scale under ``workdir/tensorboard``, which TensorBoard shows
as runs; one scalar per column of the table, the mean over seeds. Where a seed diverged the mean
is NaN and ``diverged`` says how many did.
"""

import math
import os
import time
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from rf_limits.analysis.tables import KEYS
from rf_limits.errors import RequirementError
from rf_limits.methods import METHODS, Kind, keys_of
from rf_limits.runs.files import StorageError
from rf_limits.runs.store import TENSORBOARD, RunStore

Row = Mapping[str, Any]
_CELL = ("method", "width", "lazy_scale", "step")


class TensorBoard:
    """Listens to events of a run (docs/live.md) and writes what is measured.

    Args:
      workdir: of the run; nothing is made there before there is something to write.

    Raises:
      RequirementError: tensorboardX is not installed.
    """

    def __init__(self, workdir: str | Path):
        try:
            from tensorboardX import event_file_writer, summary
            from tensorboardX.proto import event_pb2
        except ImportError as error:
            raise RequirementError(
                "--tensorboard must be given where the optional package tensorboardX is installed "
                f'(pip install "rf_limits[tensorboard]"), but received: {error}.'
            ) from error
        self._writer, self._scalar = event_file_writer.EventsWriter, summary.scalar
        self._event = event_pb2.Event
        self.path = Path(workdir) / TENSORBOARD
        self._writers: dict[str, Any] = {}
        self._written = RunStore(workdir).written
        self._fixed: list[tuple[str, str, list[Row]]] = []
        self._last: dict[str, int] = {}
        self._broken, self._has_earlier = False, self.path.exists()

    def __call__(self, event: str, **fields: Any) -> None:
        """Takes an event; a disk that takes no more files ends the writing, not the run."""
        if self._broken or event not in ("measurement", "end"):
            return
        try:
            if event == "measurement":
                if fields.get("again") and self._has_earlier:
                    return
                self._measured(fields["part"], fields["rows"])
            else:
                self._close()
        except (OSError, StorageError):
            self._broken = True

    def _measured(self, part: str, rows: list[Row]) -> None:
        """Writes rows by step; rows without a step make lines from the first step to the last."""
        prefix, touched = part.rpartition(".")[0], set()
        for values in sorted(by_cell(rows), key=lambda values: values[0].get("step") or 0):
            first = values[0]
            name = folder(prefix, first)
            touched.add(name)
            if first.get("step") is not None:
                step = int(first["step"])
                self._last[prefix] = max(step, self._last.get(prefix, 0))
                self._write(name, values, step)
            elif not math.isfinite(first.get("time", math.inf)):
                self._fixed.append((prefix, name, values))
                self._write(name, values, 0)
        for name in touched & self._writers.keys():
            self._writers[name].flush()

    def _close(self) -> None:
        for prefix, name, values in self._fixed:
            if self._last.get(prefix, 0) > 0:
                self._write(name, values, self._last[prefix])
        for writer in self._writers.values():
            writer.close()
        self._writers, self._fixed = {}, []

    def _write(self, name: str, rows: list[Row], step: int) -> None:
        if name not in self._writers:
            place = self.path / name
            if not self.path.is_dir():
                self._written.put_aside(self.path)
            place.mkdir(parents=True, exist_ok=True)
            earlier = set(place.iterdir())
            self._writers[name] = self._writer(str(place / "events"), f".{os.getpid()}")
            for made in set(place.iterdir()) - earlier:
                self._written.made(made)
        for tag, value in scalars(rows).items():
            summary = self._scalar(tag, value)
            event = self._event(wall_time=time.time(), step=step, summary=summary)
            self._writers[name].write_event(event)


def by_cell(rows: Iterable[Row]) -> list[list[Row]]:
    """Groups rows that differ in their seed alone; of infinite width those at convergence."""

    def key(row: Row) -> tuple[str, ...]:
        moment = row.get("time") if row.get("step") is None else None
        return tuple(str(value) for value in (*(row.get(name) for name in _CELL), moment))

    return [list(group) for _, group in groupby(sorted(rows, key=key), key=key)]


def folder(prefix: str, row: Row) -> str:
    """Returns the name of the curves of a row's method, width and lazy scale."""
    words = [prefix] if prefix else []
    words.append(row["method"])
    if row.get("width") is not None:
        words.append(f"N={row['width']}")
    if row.get("lazy_scale") is not None:
        words.append(f"scale={row['lazy_scale']:g}")
    return ",".join(words)


def scalars(rows: list[Row]) -> dict[str, float]:
    """Returns means over seeds by column (NaN where a seed has none) and the diverged seeds."""
    names = [name for name in rows[0] if name not in (*KEYS, "parameters")]
    means = {name: sum(float(row[name]) for row in rows) / len(rows) for name in names}
    missing = sum(not math.isfinite(row["risk"]) for row in rows)
    trained = rows[0]["method"] in keys_of(METHODS.of(Kind.TRAINED))
    means["diverged" if trained else "refused"] = float(missing)
    return means
