"""Tables of a page."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from rf_limits.analysis.verdict import means
from rf_limits.methods import entry_of
from rf_limits.table import Cell, Column, Table


def number(value: Any) -> Cell:
    """Returns the cell of a number: a dash where there is none, "nan" where it was lost."""
    if value is None:
        return Cell("\N{EN DASH}")
    value = float(value)
    if value.is_integer() and abs(value) < 1e15:
        return Cell(f"{value:.0f}", value)
    return Cell(f"{value:.3g}", value if math.isfinite(value) else None)


_COLUMNS = {
    "width": Column("N", "width; none at infinite width"),
    "lazy_scale": Column("alpha", "lazy scale"),
    "seeds": Column("seeds", "draws of data and initialization"),
    "diverged": Column("div.", "seeds that diverged: their mean is nan"),
    "refused": Column("ref.", "fits refused as too ill-conditioned"),
    "risk": Column("risk", "population risk E (f - f*)^2 at the end, mean over seeds"),
    "risk_se": Column("s.e.", "standard error of the mean over seeds"),
    "relative_risk": Column("relative", "risk over E f*^2"),
    "features_limit": Column("R*(P)", "least expected risk in the span of as many features"),
    "features_p_value": Column("p(P)", "corrected p-value of an expected risk of at least R*(P)"),
    "samples_limit": Column("R*(n)", "least expected risk of rotation-invariant kernels"),
    "samples_p_value": Column("p(n)", "corrected p-value of an expected risk of at least R*(n)"),
    "train_loss": Column("train", "mean squared error on the training labels"),
    "weight_movement": Column("move", "|W_t - W_0| / |W_0| of the hidden weights"),
    "kernel_drift": Column("drift", "|Theta_t - Theta_0| / |Theta_0| of the tangent kernel"),
    "condition_number": Column("cond.", "condition number of the fit"),
}


def ends(metrics: pd.DataFrame, labels: Sequence[str] = (), names: Sequence[str] = ()) -> Table:
    """Returns the end of training, a row for every method, width and lazy scale.

    Args:
      metrics: table of training runs.
      labels: columns that tell runs apart, shown first.
      names: how the labels are called.
    """
    rows = means(metrics, labels)
    shown = [name for name in _COLUMNS if any(row.get(name) is not None for row in rows)]
    cells = [
        [
            *(Cell.of(row[label]) for label in labels),
            _named(row["method"]),
            *(number(row.get(name)) for name in shown),
        ]
        for row in rows
    ]
    heads = [*names, "method", *(_COLUMNS[name] for name in shown)]
    return Table("At the end of training: means over seeds", heads, cells)


def _named(key: str) -> Cell:
    """Returns the cell of a method, in its colour where it is known."""
    entry = entry_of(key)
    return Cell(key) if entry is None else Cell(entry.label, None, key)
