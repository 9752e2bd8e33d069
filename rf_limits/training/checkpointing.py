"""What an experiment keeps on disk while it runs, so that it can be interrupted and go on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

State = Mapping[str, np.ndarray]
"""A state that a computation can go on from: arrays by name."""


class Stopped(Exception):  # noqa: N818
    """The run was asked to stop, and has kept what it needs to go on."""


class Keep:
    """Keeps nothing: what experiments run with outside a work directory.

    :class:`rf_limits.runs.keep.KeepInStore` keeps everything. A part is a finished table, a
    state what a part under way can go on from; names are made of letters, digits, spaces and
    ``-_.=^``. An experiment asks :meth:`due` whenever it could save a state, a second apart or
    so, and calls :meth:`save` when it is; there, and between parts, a run that was asked to
    stop ends with :class:`Stopped`.

    Attributes:
      computes: whether parts that are not kept are computed; else they are left out.
    """

    computes = True

    def get(self, name: str) -> pd.DataFrame | None:
        """Returns the table of a part kept from an interrupted run, or None."""
        del name
        return None

    def put(self, name: str, table: pd.DataFrame) -> None:
        """Keeps the table of a part, and forgets the part's states."""

    def go_on(self) -> None:
        """Raises :class:`Stopped` if the run was asked to stop."""

    def part(self, name: str, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Returns the table of a part, computed or kept from an interrupted run.

        The table has no rows where it is neither kept nor computed.

        Raises:
          Stopped: the run was asked to stop before this part was begun.
        """
        table = self.get(name)
        if table is None and not self.computes:
            return pd.DataFrame()
        if table is None:
            self.go_on()
            table = compute()
            self.put(name, table)
        return table

    def load(self, name: str) -> State | None:
        """Returns the last state saved for the part ``name``, or None."""
        del name
        return None

    def due(self) -> bool:
        """Returns whether to save a state now: minutes have passed, or the run is to stop."""
        return False

    def save(self, name: str, state: State) -> None:
        """Saves the state of the part ``name``.

        Raises:
          Stopped: the run was asked to stop; the state is saved.
        """

    def measured(
        self, name: str, rows: Sequence[Mapping[str, Any]], *, again: bool = False
    ) -> None:
        """Called with each new batch of rows of the part ``name``, while it is computed.

        Args:
          name: of the part.
          rows: of its table.
          again: whether the rows were measured and kept before an interruption.
        """

    def trained(self, name: str, trained: Any) -> None:
        """Called with the changes of parameters that the networks of the part ``name`` end with."""

    def under(self, prefix: str) -> "Keep":
        """Returns the same with ``prefix`` and a dot before every name."""
        del prefix
        return self


NO_KEEP = Keep()
"""Keeps nothing."""
