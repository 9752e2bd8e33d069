"""Tables of entries by name, to which users add their own."""

from collections import UserDict
from typing import TypeVar

import jax

Entry = TypeVar("Entry")


class Named(UserDict[str, Entry]):
    """Entries by the names that configs, and compiled programs, know them by.

    Where a name is given to another entry, as in a notebook, whose cells are run again, JAX
    forgets what it has compiled: programs of the old one would answer for the new.
    """

    def __init__(self, entries: dict[str, Entry]):
        self._last: dict[str, Entry] = {}  # also of names that are gone from the table
        super().__init__(entries)

    def __setitem__(self, name: str, entry: Entry) -> None:
        """Puts an entry under a name."""
        if self._last.setdefault(name, entry) is not entry:
            self._last[name] = entry
            jax.clear_caches()
        super().__setitem__(name, entry)
