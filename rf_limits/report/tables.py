"""Tables of a page: cells in words, with the number by which a column is sorted."""

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.tables import (
    KEYS,
    MEASUREMENTS,
    summary_rows,
)
from rf_limits.methods import entry_of

_NUMBER = re.compile(r"[+\-\N{MINUS SIGN}]?\d+(\.\d*)?(e[+\-]?\d+)?(\^[+\-]?\d+(\.\d*)?)?")


class Cell(NamedTuple):
    """A cell; ``sort`` is its place in its column if that is a number, ``method`` its colour."""

    text: str
    sort: float | None = None
    method: str = ""


class Table(NamedTuple):
    """A table that can be sorted; ``columns`` are heads with what they mean."""

    title: str
    columns: list[tuple[str, str]]
    rows: list[list[Cell]]


def number_in(text: str) -> float | None:
    """The number a cell begins with, such as 12 of "12 +- 3" and 1e50 of "10^50"; else None."""
    match = _NUMBER.match(text)
    if match is None:
        return None
    base, _, power = match.group().replace("\N{MINUS SIGN}", "-").partition("^")
    try:
        value = float(base) ** float(power) if power else float(base)
    except OverflowError:
        return math.inf
    return value if math.isfinite(value) else None


def printed(table: tuple[str, list[str], list[list[str]]]) -> Table:
    """A table that a run prints."""
    title, columns, rows = table
    cells = [[Cell(text, number_in(text)) for text in row] for row in rows]
    return Table(title, [(name, "") for name in columns], cells)


def number(value: Any, digits: int = 3) -> Cell:
    """A number in words; a dash where there is none, "nan" where it was lost."""
    if value is None:
        return Cell("\N{EN DASH}")
    value = float(value)
    if value.is_integer() and abs(value) < 1e15:
        return Cell(f"{value:.0f}", value)
    return Cell(f"{value:.{digits}g}", value if math.isfinite(value) else None)


_COLUMNS = {
    "width": ("N", "width; none at infinite width"),
    "lazy_scale": ("alpha", "lazy scale"),
    "seeds": ("seeds", "draws of data and initialization"),
    "diverged": ("div.", "seeds that diverged: their mean is nan"),
    "refused": ("ref.", "fits refused as too ill-conditioned"),
    "risk": ("risk", "population risk E (f - f*)^2 at the end, mean over seeds"),
    "risk_se": ("s.e.", "standard error of the mean over seeds"),
    "relative_risk": ("relative", "risk over E f*^2"),
    "features_limit": ("R*(P)", "least expected risk in the span of as many features, absolute"),
    "features_p_value": (
        "p(P)",
        "p-value of an expected risk of at least R*(P), corrected for all",
    ),
    "samples_limit": (
        "R*(n)",
        "least expected risk of rotation-invariant kernels on as many samples",
    ),
    "samples_p_value": ("p(n)", "p-value of an expected risk of at least R*(n), corrected for all"),
    "train_loss": ("train", "mean squared error on the training labels"),
    "weight_movement": ("move", "|W_t - W_0| / |W_0| of the hidden weights"),
    "kernel_drift": ("drift", "|Theta_t - Theta_0| / |Theta_0| of the tangent kernel"),
    "condition_number": ("cond.", "condition number of the fit"),
}


def means(metrics: pd.DataFrame, labels: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The summary of training runs, of a table that may have other columns too.

    Args:
      metrics: the table.
      labels: columns that tell runs apart.
    """
    kept = {*labels, *KEYS, *MEASUREMENTS}
    return summary_rows(metrics[[name for name in metrics if name in kept]], labels)


def ends(metrics: pd.DataFrame, labels: Sequence[str] = (), names: Sequence[str] = ()) -> Table:
    """Everything at the end of training, a row for every method, width and lazy scale.

    Args:
      metrics: table of training runs.
      labels: columns that tell runs apart, shown first.
      names: how the labels are called.
    """
    rows = means(metrics, labels)
    shown = [name for name in _COLUMNS if any(row.get(name) is not None for row in rows)]
    cells = [
        [
            *(Cell(str(row[label]), number_in(str(row[label]))) for label in labels),
            _named(row["method"]),
            *(number(row.get(name)) for name in shown),
        ]
        for row in rows
    ]
    heads = [*((name, "") for name in names), ("method", ""), *(_COLUMNS[name] for name in shown)]
    return Table("At the end of training: means over seeds", heads, cells)


def _named(key: str) -> Cell:
    """The cell of a method, in its colour where it is known."""
    entry = entry_of(key)
    return Cell(key) if entry is None else Cell(entry.label, None, key)


def warnings(metrics: pd.DataFrame) -> list[str]:
    """Lines about rounding floors and refused fits of training runs."""
    return doubts(metrics)
