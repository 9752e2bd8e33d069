"""Parts and states of a run, kept in its work directory until it is done."""

import copy
import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd

from rf_limits.devices.processes import agree, agree_bytes, is_alone, is_writer
from rf_limits.runs.checkpoints import Checkpoints, dump_arrays, load_arrays
from rf_limits.runs.events import Tell, no_events
from rf_limits.runs.files import StorageError, read_table
from rf_limits.runs.stopping import Stop
from rf_limits.runs.store import RunStore
from rf_limits.training.checkpointing import Keep, State, Stopped

Parts = TypeVar("Parts", bound="FinishedParts")


class FinishedParts(Keep):
    """Has the parts that a run has kept so far, computes nothing and changes nothing.

    Args:
      store: of the run.
    """

    computes = False

    def __init__(self, store: RunStore):
        self._store, self._prefix = store, ""

    def under(self: Parts, prefix: str) -> Parts:
        """Returns the same with ``prefix`` and a dot before every name."""
        longer = copy.copy(self)
        longer._prefix = f"{self._prefix}{prefix}."
        return longer

    def _read(self, name: str) -> bytes | None:
        return self._store.read_part(self._prefix + name)

    def get(self, name: str) -> pd.DataFrame | None:
        """Returns the part's table, if it is there and can be read."""
        data = self._read(name)
        try:
            return None if data is None else read_table(io.BytesIO(data))
        except (OSError, ValueError):
            return None


class KeepInStore(FinishedParts):
    """Keeps parts and states in the store; ends the run when it is asked to stop.

    Of several processes one reads and writes, and hands what it has read to the others.

    Args:
      store: of the run, begun.
      stop: whether the run was asked to stop.
      every: seconds between states.
      note: called with a line of text about what could not be saved or read.
      tell: called with events: what is measured and saved.
    """

    computes = True

    def __init__(
        self,
        store: RunStore,
        stop: Stop,
        every: float,
        note: Callable[[str], None],
        tell: Tell = no_events,
    ):
        super().__init__(store)
        self._stop, self._every, self._note, self._tell = stop, every, note, tell
        self._states = Checkpoints(store.states, note, store.written)
        self._saved = time.monotonic()

    def under(self, prefix: str) -> "KeepInStore":
        """Returns the same with a longer prefix; its states count their time from here."""
        longer = super().under(prefix)
        longer._saved = time.monotonic()
        return longer

    def _read(self, name: str) -> bytes | None:
        return agree_bytes(super()._read(name) if is_writer() else None)

    def get(self, name: str) -> pd.DataFrame | None:
        """Returns the part's table; a file that cannot be read is removed."""
        table = super().get(name)
        if table is None and is_writer():
            self._store.forget_part(self._prefix + name)
        return table

    def put(self, name: str, table: pd.DataFrame) -> None:
        """Writes the part's table; its states are forgotten."""
        if is_writer():
            self._store.write_part(self._prefix + name, table)
            self._states.forget(self._prefix + name)
            self._tell("saved", what="part", name=self._prefix + name)
        self._saved = time.monotonic()

    def go_on(self) -> None:
        """Raises :class:`Stopped` if the run was asked to stop."""
        if self._stop.requested():
            raise Stopped

    def measured(
        self, name: str, rows: Sequence[Mapping[str, Any]], *, again: bool = False
    ) -> None:
        """Passes on rows of a part that is being computed, or of one that was kept."""
        if is_writer() and rows:
            part = self._prefix + name
            self._tell("measurement", part=part, rows=list(rows), again=again)

    def load(self, name: str) -> State | None:
        """Returns the last whole state."""
        state = self._states.load(self._prefix + name) if is_writer() else None
        if is_alone():
            return state
        file = io.BytesIO()
        if state is not None:
            dump_arrays(file, state)
        data = agree_bytes(file.getvalue())
        return load_arrays(io.BytesIO(data)) if data else None

    def due(self) -> bool:
        """Returns whether ``every`` seconds have passed since the last state, or to stop."""
        late = time.monotonic() - self._saved > self._every
        save = self._stop.save_requested()
        return self._stop.requested() or save or agree(int(late)) > 0

    def save(self, name: str, state: State) -> None:
        """Saves a state; where the disk does not take it, the run goes on and says so."""
        if is_writer():
            try:
                self._states.save(self._prefix + name, state)
                self._tell("saved", what="state", name=self._prefix + name)
            except StorageError as error:
                self._note(f"{error} The run goes on; the state before is kept.")
        self._saved = time.monotonic()
        self.go_on()
