"""Parts and states of a run, kept in its work directory until it is done."""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from rf_limits.devices.processes import agree, agree_bytes, is_alone, is_writer
from rf_limits.experiments.keep import Keep, State, Stopped
from rf_limits.runs.checkpoints import Checkpoints, dump_arrays, load_arrays
from rf_limits.runs.events import Tell, no_events
from rf_limits.runs.files import StorageError
from rf_limits.runs.stopping import Stop
from rf_limits.runs.store import RunStore, read_table


class KeepInStore(Keep):
    """Keeps parts and states in the store; ends the run when it is asked to stop.

    Of several processes one reads and writes; the others are told what it found.

    Args:
      store: of the run, begun.
      stop: whether the run was asked to stop.
      every: seconds between states.
      note: called with a line of text about what could not be saved or read.
      prefix: of every name.
      tell: called with events: what is measured and saved.
    """

    def __init__(
        self,
        store: RunStore,
        stop: Stop,
        every: float,
        note: Callable[[str], None],
        prefix: str = "",
        tell: Tell = no_events,
    ):
        self._store, self._stop, self._every, self._note = store, stop, every, note
        self._prefix, self._tell = prefix, tell
        self._states = Checkpoints(store.states, note, store.written)
        self._saved = time.monotonic()

    def under(self, prefix: str) -> "KeepInStore":
        """The same with ``prefix`` and a dot before every name."""
        longer = f"{self._prefix}{prefix}."
        how = (self._store, self._stop, self._every, self._note)
        return KeepInStore(*how, longer, self._tell)

    def get(self, name: str) -> pd.DataFrame | None:
        """The part's table, if it is there."""
        held = agree_bytes(self._store.read_part(self._prefix + name) if is_writer() else None)
        return None if held is None else read_table(io.BytesIO(held))

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
        """Tells of rows of a part under way, or of one that was kept."""
        if is_writer() and rows:
            part = self._prefix + name
            self._tell("measurement", part=part, rows=list(rows), again=again)

    def load(self, name: str) -> State | None:
        """The last whole state."""
        state = self._states.load(self._prefix + name) if is_writer() else None
        if is_alone():
            return state
        file = io.BytesIO()
        if state is not None:
            dump_arrays(file, state)
        held = agree_bytes(file.getvalue())
        return load_arrays(io.BytesIO(held)) if held else None

    def due(self) -> bool:
        """Whether ``every`` seconds have passed since the last state, or the run is to stop."""
        late = time.monotonic() - self._saved > self._every
        asked = self._stop.save_requested()
        return self._stop.requested() or asked or agree(int(late)) > 0

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


class FinishedParts(Keep):
    """Has what a run has kept so far, computes nothing and changes nothing.

    Args:
      store: of the run.
      prefix: of every name.
    """

    computes = False

    def __init__(self, store: RunStore, prefix: str = ""):
        self._store, self._prefix = store, prefix

    def under(self, prefix: str) -> "FinishedParts":
        """The same with ``prefix`` and a dot before every name."""
        return FinishedParts(self._store, f"{self._prefix}{prefix}.")

    def get(self, name: str) -> pd.DataFrame | None:
        """The part's table, if it is there and can be read."""
        held = self._store.read_part(self._prefix + name, forget=False)
        return None if held is None else read_table(io.BytesIO(held))
