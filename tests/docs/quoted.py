"""Numbers quoted in documents, and where they come from.

A number is followed by a comment that says where it is read: the experiment under
results/reference, the list in its summary.json, the fields that pick one entry, the column.

    14<!--= hardness overview dim=10 neuron_steps -->

A factor may precede it (``2 * ...``), and a second place may divide it (``... / ...``).
"""

import functools
import json
import math
import pathlib
import re
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_QUOTED = re.compile(rf"({_NUMBER})(%?)<!--= (.*?) -->")
_BARE = re.compile(r"(?<![\w.^:/-])\d+(?:\.\d+)?e-?\d+\b|(?<![\w.:/-])-?\d+\.\d+\b")


class Quoted(NamedTuple):
    """A number in a document.

    Attributes:
      text: as written.
      source: what the comment says.
      value: what is found there, in the units written.
    """

    text: str
    source: str
    value: float

    def agrees(self) -> bool:
        """Whether the value rounds to what is written."""
        mantissa, _, exponent = self.text.partition("e")
        decimals = len(mantissa.partition(".")[2])
        unit = 10.0 ** (int(exponent or 0) - decimals)
        return abs(self.value - float(self.text)) <= 0.5 * unit * (1.0 + 1e-9)


@functools.cache
def _summary(experiment: str, folder: pathlib.Path):
    return json.loads((folder / experiment / "summary.json").read_text())


def _matches(entry: dict, name: str, wanted: str) -> bool:
    value = entry[name]
    if isinstance(value, str) or value is None:
        return value == wanted
    return math.isclose(value, float(wanted), rel_tol=1e-2)  # tau = 0.0063, as a reader writes it


def look_up(place: str, folder: pathlib.Path = ROOT / "results" / "reference") -> float:
    """The number at ``place``: experiment, list, name=value ..., column."""
    experiment, entries, *picks, column = place.split()
    found = _summary(experiment, folder)[entries]
    for name, wanted in (pick.split("=") for pick in picks):
        found = [entry for entry in found if _matches(entry, name, wanted)]
    assert len(found) == 1, f"{place}: {len(found)} entries"
    return float(found[0][column])


def evaluate(source: str, folder: pathlib.Path = ROOT / "results" / "reference") -> float:
    """The number a comment stands for."""
    factor, times, rest = source.rpartition(" * ")
    above, over, below = rest.partition(" / ")
    value = look_up(above, folder) * (float(factor) if times else 1.0)
    return value / look_up(below, folder) if over else value


def quoted(text: str) -> list[Quoted]:
    """All numbers of a document that name their source."""
    found = []
    for number, percent, source in _QUOTED.findall(text):
        found.append(Quoted(number, source, evaluate(source) * (100.0 if percent else 1.0)))
    return found


def unquoted(text: str) -> list[str]:
    """Numbers with a decimal point or exponent that name no source and are not in backticks."""
    text = _QUOTED.sub("", text)
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|arXiv:[\d.]+", "", text)
    return _BARE.findall(text)
