"""Tables of rows on the terminal and in Markdown, and the rows that are committed."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.rows import MOST_LOST, Row, from_json, to_json

HERE = Path(__file__).parent
COLUMNS = ("job", "against", "ours (s)", "other (s)", "ratio", "goal", "verdict", "change", "note")
Known = dict[tuple[str, str], Row]
"""Rows by their names."""


def cells(row: Row, before: Row | None) -> list[str]:
    """What the table shows of a row."""
    sign = "≥" if row.larger_is_better else "≤"
    seconds = ["" if value is None else f"{value:.3g}" for value in (row.ours, row.other)]
    goal = "" if row.goal is None else f"{sign} {row.goal:g}"
    return [
        row.job,
        row.against,
        *seconds,
        f"{row.ratio:.2f}",
        goal,
        row.verdict,
        row.change(before),
        row.note,
    ]


def show(title: str, rows: Iterable[Row], before: Known) -> None:
    """Prints the table."""
    table = Table(title=title, title_justify="left")
    for name in COLUMNS:
        table.add_column(name)
    for row in rows:
        table.add_row(*cells(row, before.get(row.name)))
    Console(width=200).print(table)


def markdown(rows: Iterable[Row]) -> list[str]:
    """Lines of the same table in Markdown, without what was committed before."""
    shown = [name for name in COLUMNS if name != "change"]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    for row in rows:
        values = dict(zip(COLUMNS, cells(row, None), strict=True))
        lines.append("| " + " | ".join(values[name].replace("|", "/") for name in shown) + " |")
    return lines


def measured_on(facts: dict[str, str]) -> str:
    """Device and versions in a sentence."""
    return "Measured on " + "; ".join(f"{name} {value}" for name, value in facts.items()) + "."


def lost(rows: Iterable[Row], before: Known) -> list[Row]:
    """Rows that are worse than committed by more than is allowed."""
    return [row for row in rows if row.name in before and row.lost(before[row.name]) > MOST_LOST]


class Record:
    """Rows that are committed, of one machine or of several kinds of device.

    Attributes:
      by_device: ``{"machine": facts, "rows": rows}`` by the name of the device.
    """

    def __init__(self, path: Path):
        text = json.loads(path.read_text()) if path.is_file() else {}
        if "machine" in text:
            text = {text["machine"]["device"]: text}
        self.by_device: dict[str, dict] = text

    def rows(self, device: str) -> list[Row]:
        """Those measured on a kind of device."""
        held = self.by_device.get(device, {"rows": []})
        return from_json(json.dumps(held["rows"]))

    def known(self, device: str) -> Known:
        """The same by name."""
        return {row.name: row for row in self.rows(device)}

    def put(self, facts: dict[str, str], found: Sequence[Row], order: str = "name") -> list[Row]:
        """Replaces rows of the names of those found.

        Args:
          facts: of the machine, with its ``device``.
          found: the fresh rows.
          order: ``"name"``, or ``"found"`` for the order of ``found``, before what was kept.

        Returns:
          All rows of the device.
        """
        fresh = {row.name for row in found}
        kept = [row for row in self.rows(facts["device"]) if row.name not in fresh]
        rows = [*found, *kept]
        if order == "name":
            rows.sort(key=lambda row: row.name)
        self.by_device[facts["device"]] = {"machine": facts, "rows": json.loads(to_json(rows))}
        return rows
