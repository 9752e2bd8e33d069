"""Tidy metrics, their final values per cell, and the summary of a run."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.analysis.certificate import certificates
from rf_limits.analysis.limits import LIMITS, SECOND_MOMENT
from rf_limits.analysis.seeds import cells_over_seeds, check_told_apart, over_seeds
from rf_limits.config.training import TrainingConfig
from rf_limits.measure.alignment import Alignment
from rf_limits.measure.scaling import power_law
from rf_limits.methods import METHODS, NETWORK, Kind, Method, keys_of

CELL = "cell"
"""Names the run a row is of, where tables of several are put together."""
KEYS = ("method", "width", "lazy_scale", "seed", "step", "time")
MEASUREMENTS = (
    "parameters",
    "train_loss",
    "risk",
    "risk_standard_error",
    "relative_risk",
    SECOND_MOMENT,
    *(limit.column for limit in LIMITS),
    "weight_movement",
    "output_movement",
    "neuron_movement",
    "kernel_drift",
    "kernel_alignment",
    "activation_flips",
    "linearization_gap",
    "condition_number",
    "backward_error",
    "ridge_needed",
    "rounding_error",
)
KERNEL_COLUMNS = (
    "nngp_drift",
    "kernel_fluctuation",
    "infinite_alignment",
    "effective_rank",
    "eigenspace_rotation",
)
"""With measure.kernels; and ntk_eigenvalue_1, ... with measure.eigenvalues."""
ALIGNMENT_COLUMNS = Alignment._fields
"""With measure.alignment."""
DEGREE_COLUMNS = ("risk", "target")
"""Measured by degree: columns <name>_degree_0, ..., <name>_degree_rest."""
ROUNDING_LIMIT = 0.3
"""Share of a training step lost to rounding beyond which a measurement is not fitted."""
_LEARNED = 1e-10
PRINTED_NAMES = {
    "width": "N",
    "lazy_scale": "scale",
    "parameters": "params",
    **{limit.column: limit.symbol for limit in LIMITS},
    "weight_movement": "move",
    "kernel_drift": "drift",
}
"""Heads of columns in printed tables."""
SCALING = (
    "weight_movement",
    "output_movement",
    "neuron_movement",
    "kernel_drift",
    "linearization_gap",
)


def printed_name(column: str) -> str:
    """Returns the head of a column in a printed table; a method's short name for its risks."""
    return METHODS[column].short if column in METHODS else PRINTED_NAMES.get(column, column)


def with_scale(name: str, scale: float, scales: Collection[float]) -> str:
    """Returns ``"<name>, alpha = 0.1"``; ``name`` where there is a single lazy scale.

    Args:
      name: of what has this scale.
      scale: alpha.
      scales: all that there are beside it.
    """
    return f"{name}, alpha = {scale:g}" if len(scales) > 1 else name


def degree_names(max_degree: int) -> list[str]:
    """Returns the columns of risks and of the target by degree; none for ``max_degree`` = -1."""
    if max_degree < 0:
        return []
    ends = [*range(max_degree + 1), "rest"]
    return [f"{prefix}_degree_{end}" for prefix in DEGREE_COLUMNS for end in ends]


def optional_columns(config: TrainingConfig) -> list[str]:
    """Returns the columns that the fields of ``config.measure`` add to the table."""
    measure = config.measure
    names = list(KERNEL_COLUMNS) if measure.kernels else []
    names += [f"ntk_eigenvalue_{k + 1}" for k in range(measure.eigenvalues)]
    names += ["ntk_gap", "ntk_risk_gap"] if measure.infinite_width else []
    gaps = (method.gap for method in METHODS.trained(config.predictors.methods))
    names += [gap for gap in gaps if gap and gap not in MEASUREMENTS]
    names += ["test_loss"] if measure.test_loss else []
    names += list(measure.extra)
    names += list(ALIGNMENT_COLUMNS) if measure.alignment else []
    return names + degree_names(measure.max_degree if measure.exact else -1)


def metrics_table(
    rows: list[dict[str, Any]], second_moment: float, optional: Sequence[str] = ()
) -> pd.DataFrame:
    """Returns rows as the documented table (docs/results.md).

    Missing columns become nulls; relative_risk is risk over E f*^2.
    """
    columns = [*KEYS, *MEASUREMENTS, *optional]
    table = pd.DataFrame(rows).reindex(columns=columns)
    table[SECOND_MOMENT] = second_moment
    table["relative_risk"] = table["risk"] / second_moment
    types = dict.fromkeys(columns, "float64")
    types |= {"method": "string", "width": "Int64", "seed": "Int64", "step": "Int64"}
    types |= {"parameters": "Int64"}
    return table.astype(types)


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows that a table was made of, each with the columns of its method.

    Whole numbers are integers. Rows at convergence (time infinite) have other columns than those
    in time.

    Args:
      table: of rows that differ in their columns, with ``method`` among them; or of none.
    """
    rows: list[dict[str, Any]] = []
    if table.empty:
        return rows
    late = np.isinf(table["time"].astype("float64")) if "time" in table else table["method"].isna()
    for _, group in table.groupby(["method", late.rename("late")], sort=False):
        names = [name for name in group if group[name].notna().any() or name == "risk"]
        whole_numbers = [name for name in names if name in ("width", "seed", "step", "parameters")]
        rows += group[names].astype(dict.fromkeys(whole_numbers, int)).to_dict("records")
    return rows


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows of a table of analysis as JSON holds them, with None for null and NaN."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def measured_rows(metrics: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of what was measured, which have a seed; those of theory have none."""
    return metrics[metrics["seed"].notna()]


def final_rows(metrics: pd.DataFrame, labels: Sequence[str] = ()) -> pd.DataFrame:
    """Returns the last row of every method, width, lazy scale, seed, and label of a study.

    Raises:
      PooledError: rows of one time that these do not tell apart.
    """
    keys = [*labels, "method", "width", "lazy_scale", "seed"]
    # kernels have no steps; times of networks tell steps apart only while they are finite
    check_told_apart(metrics, [*keys, "step", "time"])
    ordered = metrics.sort_values(["step", "time"], na_position="last", kind="stable")
    return ordered.groupby(keys, dropna=False, sort=True).tail(1).sort_values(keys)


def _trained() -> tuple[str, ...]:
    """Returns the keys of the methods that are trained by steps."""
    return keys_of(METHODS.of(Kind.TRAINED))


def diverged_rows(metrics: pd.DataFrame) -> pd.DataFrame:
    """Returns the final rows of trained networks whose risk is not a finite number."""
    final = final_rows(metrics)
    bad = final["method"].isin(_trained()) & ~np.isfinite(final["risk"].astype("float64"))
    return final[bad]


def summary_rows(metrics: pd.DataFrame, labels: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Returns the mean over seeds and its standard error of every final measurement.

    Seeds of trained networks that diverged and of fits that were refused are counted, and their
    cell's mean is NaN: a NaN is never averaged away.
    """
    rows = []
    keys = [*labels, "method", "width", "lazy_scale"]
    constant = ("parameters", SECOND_MOMENT, *(limit.column for limit in LIMITS))
    names = [
        name
        for name in metrics
        if name not in (*labels, *KEYS) and not name.startswith("target_degree_")
    ]
    final = final_rows(metrics, labels)
    for row, group in cells_over_seeds(final, keys):
        row["seeds"] = len(group)
        missing = int((~np.isfinite(group["risk"].astype("float64"))).sum())
        trained = row["method"] in _trained()
        row |= {"diverged": missing if trained else 0, "refused": 0 if trained else missing}
        for name in names:
            values = group[name].astype("float64").to_numpy()
            if np.all(np.isnan(values)) and name != "risk":
                continue
            row[name] = float(np.mean(values))
            if len(values) > 1 and name not in constant:
                row[f"{name}_se"] = float(np.std(values, ddof=1) / np.sqrt(len(values)))
        rows.append(row)
    for certificate in certificates(final, labels):
        cell = {"method": NETWORK.key, **certificate.cell}
        of_cell = (row for row in rows if all(row[k] == v for k, v in cell.items()))
        next(of_cell).update(certificate.columns())
    return rows


def overview(metrics: pd.DataFrame) -> pd.DataFrame:
    """Returns the table a run prints: means over seeds, one row per width and lazy scale.

    It has the risks of all methods that a run has by default, and of others that it has.
    """
    means = pd.DataFrame(summary_rows(metrics))
    shown = [m for m in METHODS.values() if m.by_default or m.is_in(metrics)]

    def risk(method: Method, **cell: float | int) -> float:
        rows = method.rows(means)
        for name in method.kind.columns:
            rows = rows[rows[name].astype("float64") == cell[name]]
        return float(rows["risk"].iloc[0]) if len(rows) else float("nan")

    trained = means[means["method"].isin(_trained())]
    cells = trained[["width", "lazy_scale"]].drop_duplicates().sort_values(["lazy_scale", "width"])
    rows = []
    for width, scale in cells.itertuples(index=False):
        cell = trained[(trained["width"] == width) & (trained["lazy_scale"] == scale)]
        first = NETWORK.rows(cell)
        first = (first if len(first) else cell).iloc[0]
        rows.append(
            {
                "width": int(width),
                "lazy_scale": float(scale),
                "parameters": int(first["parameters"]),
                **{m.key: risk(m, width=width, lazy_scale=scale) for m in shown},
                **{limit.column: float(first.get(limit.column, np.nan)) for limit in LIMITS},
                "weight_movement": float(first.get("weight_movement", np.nan)),
                "kernel_drift": float(first.get("kernel_drift", np.nan)),
            }
        )
    return pd.DataFrame(rows)


def rounded(table: pd.DataFrame) -> pd.Series:
    """Returns where more than :data:`ROUNDING_LIMIT` of a training step is lost to rounding.

    Where the training loss is zero to ten digits nothing was left to lose.
    """
    if "rounding_error" not in table:
        return pd.Series(False, index=table.index)
    lost = table["rounding_error"].astype("float64") > ROUNDING_LIMIT
    if "risk" in table:  # else it diverged
        lost &= np.isfinite(table["risk"].astype("float64"))
    return lost & (table.get("train_loss", np.inf) > _LEARNED)


def exponent_rows(metrics: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns exponents of networks' final measurements against width, by lazy scale.

    Widths at which any seed ended at the rounding floor are left out, and named.
    """
    final = final_rows(metrics)
    rows = []
    for scale, cells in NETWORK.rows(final).groupby("lazy_scale"):
        refused = sorted(cells[rounded(cells)]["width"].unique().tolist())
        group = cells[~cells["width"].isin(refused)]
        for name in SCALING:
            means = over_seeds(group, "width")[name].mean(skipna=False)
            if len(means) < 2 or not np.all(np.isfinite(means) & (means > 0)):
                continue
            exponent, error = power_law(means.index.to_numpy(float), means.to_numpy(float))
            rows.append(
                {
                    "lazy_scale": float(scale),
                    "measurement": name,
                    "exponent": exponent,
                    "exponent_se": error,
                    "widths_at_rounding_floor": refused,
                }
            )
    return rows
