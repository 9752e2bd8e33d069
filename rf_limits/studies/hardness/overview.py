"""The table's features, weights and steps, by dimension."""

import math

import numpy as np
import pandas as pd

from rf_limits.analysis.seeds import SEED, check_told_apart
from rf_limits.methods import LATTICE_FEATURES, LAZY_LIMIT, NETWORK, RANDOM_FEATURES
from rf_limits.studies.hardness.config import MEASURED, TARGET_BIASES
from rf_limits.table import Cell, Table, short_number


def overview(metrics: pd.DataFrame) -> pd.DataFrame:
    """Returns a row per dimension: features, weights, steps; medians over seeds.

    Networks of several widths have columns of their own: ``network_4_steps`` and so on.
    """
    networks = NETWORK.rows(metrics)
    neurons: list[int | None] = [*sorted(map(int, networks["num_features"].unique()))]

    def middle(
        column: str, dim: int, method: str, kind: str = "zero", width: int | None = None
    ) -> float:
        part = metrics[(metrics["dim"] == dim) & (metrics["method"] == method)]
        part = part[part["target_bias"] == kind]
        if width is not None:
            part = part[part["num_features"] == width]
        if (part["reached"] == 0.0).any():
            return math.nan
        if method == "frontier":
            part = part.groupby("seed", as_index=False)[column].min()
        check_told_apart(part, [SEED])
        values = part[column].astype("float64")
        return float(values.median()) if len(values) and values.notna().all() else math.nan

    rows = []
    for dim in sorted(map(int, metrics["dim"].unique())):
        row: dict[str, float] = {"dim": dim}
        for kind in TARGET_BIASES:
            row[f"needed_{kind}"] = middle("log10_features", dim, LAZY_LIMIT.key, kind)
        for family in MEASURED:
            row[family] = middle("log10_features", dim, family)
        for method in ("magnitude_limit", "frontier"):
            row[method] = middle("log10_size_times_weight", dim, method)
        for column in ("steps", "max_weight"):
            row[f"neuron_{column}"] = middle(column, dim, "neuron")
        for width in neurons or [None]:
            name = f"{NETWORK.key}_{width}" if len(neurons) > 1 else NETWORK.key
            for column in ("steps", "max_weight"):
                row[f"{name}_{column}"] = middle(column, dim, NETWORK.key, width=width)
        rows.append(row)
    return pd.DataFrame(rows)


_PRINTED = {
    "dim": "d",
    "needed_zero": "needed\nb* = 0",
    "needed_paper": "needed\npaper",
    "needed_hardest": "needed\nhardest",
    "needed_d_cubed": "needed\nb* = d^3",
    RANDOM_FEATURES.key: "found\nRF",
    LATTICE_FEATURES.key: "found\nlattice",
    "magnitude_limit": "needed\nr|u|",
    "frontier": "found\nr|u|",
    "neuron_steps": "GD\nsteps",
    "neuron_max_weight": "GD\nr|u|",
}
"""Heads in two lines: what is counted, and of what."""


def _power(log10: float) -> Cell:
    """Returns a number given by its logarithm: 43, 1.2e4, 10^50.6."""
    if not math.isfinite(log10):
        return Cell("-")
    with np.errstate(over="ignore"):
        value = float(np.float64(10.0) ** log10)
    if log10 >= 9.0:
        return Cell(f"10^{log10:.1f}", value)
    return Cell(f"{value:.0f}" if value < 9999.5 else short_number(value), value)


def _count(value: float | int) -> Cell:
    return Cell("-") if pd.isna(value) else Cell(f"{value:.0f}", float(value))


def printed_table(table: pd.DataFrame) -> Table:
    """Returns the table that a run prints, from that of :func:`overview`."""
    columns = [name for name in _PRINTED if name in table and table[name].notna().any()]
    logs = {name for name in columns if name not in ("dim", "neuron_steps", "neuron_max_weight")}
    cells = [
        [_power(row[name]) if name in logs else _count(row[name]) for name in columns]
        for row in table.to_dict("records")
    ]
    title = (
        "One ReLU neuron: features needed by its bias b* and found to do (RF, lattice), "
        "r|u| = r max|u_i| for b* = 0; one neuron by gradient descent (GD)"
    )
    return Table(title, [_PRINTED[name] for name in columns], cells)
