"""Tables for people: printed by a run, and sorted on a page."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


def short_number(value: float) -> str:
    """Returns two significant digits in at most seven characters: 3.1e-4, 0.27, 4.1, 12."""
    if not np.isfinite(value):
        return str(value)
    if value == 0.0 or 0.0095 <= abs(value) < 999.5:
        return f"{value:.2g}" if abs(value) < 99.5 else f"{value:.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


class Cell(str):
    """The text of a cell, with the number that it shows.

    Args:
      text: as it is printed.
      value: the number by which a column is sorted; None where the cell shows no finite one.
      method: key of the method in whose colour the cell is shown; empty for none.

    Attributes:
      value, method: the arguments.
    """

    value: float | None
    method: str

    def __new__(cls, text: str, value: float | None = None, method: str = "") -> "Cell":
        """Makes the cell from its parts."""
        cell = super().__new__(cls, text)
        cell.value = value if value is not None and np.isfinite(value) else None
        cell.method = method
        return cell

    @classmethod
    def of(cls, value: object) -> "Cell":
        """Returns the cell of a number, of text, or of nothing (None: a dash)."""
        if value is None:
            return cls("-")
        if isinstance(value, (int, np.integer)):
            return cls(str(value), float(value))
        if isinstance(value, (float, np.floating)):
            return cls(short_number(float(value)), float(value))
        return cls(str(value))


class Column(str):
    """The head of a column.

    Args:
      name: as it is printed.
      meaning: one line for those who do not know the name; empty where the name says it.

    Attributes:
      meaning: the argument.
    """

    meaning: str

    def __new__(cls, name: str, meaning: str = "") -> "Column":
        """Makes the head from its parts."""
        column = super().__new__(cls, name)
        column.meaning = meaning
        return column


class Table(NamedTuple):
    """A table with a title.

    Attributes:
      title: the line above the table.
      columns: heads; plain text, or :class:`Column` where a meaning is given.
      rows: cells of every row; plain text, or :class:`Cell` where a number is shown.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
