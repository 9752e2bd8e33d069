"""Whether a run again gave the numbers of a table: row by row, column by column.

On the same number of cores of the same kind of CPU, with the same versions, tables of training are
equal to the last bit, and best risks to rounding (threads share their sums). Elsewhere sums are
taken in another order, and what rounding leaves of a number depends on what it is: the tolerances
below, the only ones there are, say how much.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rf_limits.errors import check, refusal
from rf_limits.methods import METHODS, Kind, keys_of
from rf_limits.runs.directory import CONFIG
from rf_limits.runs.recipes import FOLDERS, ROOT, chosen
from rf_limits.runs.store import RunStore


class Tolerance(NamedTuple):
    """Numbers a and b agree if |a - b| <= relative max(|a|, |b|) + absolute."""

    relative: float
    absolute: float = 0.0


_UNIT = 2.0**-53
_ROUNDINGS = 2e4 * 400.0
"""Roundings one after the other on the way to a trained weight: steps, times terms of a sum."""
_GROWTH = 1e4
"""By which a small change of the initial weights is multiplied until the end of training, gates
that open aside: in the quick results 4e3 in Chizat et al.'s problem, 110 elsewhere, 240 for single
degrees of the quickstart's risk (tests/runs/test_reproduced.py measures two of them again)."""
EXACT = Tolerance(1e-9, 1e-12)
"""Theory and best risks: closed forms and quadrature in float64, which promise 1e-10 and better."""
OPTIMIZED = Tolerance(0.0, 5e-4)
"""log10 of a bound that is optimized to 1e-3 (rf_limits/theory/bounds/magnitude_limit.py)."""
ANY = Tolerance(0.0, np.inf)
SOLVED = Tolerance(1e8 * 80.0 * _UNIT, 1e-10)
"""Fits: one solve in float64 of some 80 roundings, condition numbers up to 1e8. Theory that starts
from neural-tangents' kernels as well: its angles between parallel inputs are right to 1e-8."""
FLOAT64 = Tolerance(_GROWTH * _ROUNDINGS * _UNIT, 1e-10)
"""Training in float64: every rounding in the worst direction, grown to the end."""
FLOAT32 = Tolerance(300.0 * 3.0 * (1000.0 * 512.0) ** 0.5 * 2.0**-24, 1e-5)
"""Training in float32, the quickstart's 1000 steps of sums of 512 terms: roundings that add up as
independent ones do (Higham and Mary 2019), three standard deviations, grown by 300. Some gates
open a step earlier or later."""
FLOW = Tolerance(20.0 * 100.0 * 1e-6, 1e-6)
"""Gradient flow: an error of 1e-6 in each of some 100 steps of the integrator, grown by 20 (14 was
measured in the quick results)."""
GATES = Tolerance(0.1, 0.01)
"""In flow and float32: what jumps when one of 16 neurons opens a step earlier on one input."""
GATE_COLUMNS = ("kernel_drift", "kernel_alignment", "activation_flips")
KINKS = Tolerance(0.02, 0.01)
"""Of :data:`GATE_COLUMNS` in float64, once a training set is interpolated: neurons come to rest on
kinks, where rounding opens their gates (docs/determinism.md)."""
INTERPOLATED = 1e-15
"""Training loss or risk below which nothing is left but rounding."""
COLUMNS = {
    "seconds": ANY,
    "linearization_gap": Tolerance(1e-4, 1e-6),
    "rf_gap": Tolerance(1e-4, 1e-6),
    "backward_error": Tolerance(0.0, 1e-12),
    "rounding_error": Tolerance(0.0, 0.05),
    "condition_number": Tolerance(0.01, 0.0),
    "relative_residual": Tolerance(0.0, 1e-9),
    "ridge_needed": Tolerance(0.5, 1e-12),
}
"""In float64, whatever the method: times, roots of differences that cancel (docs/batch.md),
columns that are rounding errors, and estimates made from them."""
DIFFERENCES = {"ntk_risk_gap": "risk"}
"""Columns that are differences, and the column of whose size their terms are."""
TRAINING = {"float64": FLOAT64, "float32": FLOAT32, "flow": FLOW}
FITTED = keys_of(METHODS.of(Kind.FITTED, Kind.KERNEL))
NEURAL_TANGENTS = "theory"
"""Rows of infinite width, from the kernels of neural-tangents."""
TRAINED = (*keys_of(METHODS.of(Kind.TRAINED)), "neuron")


def how_trained(config: Mapping[str, Any]) -> str:
    """Returns how the networks of a config were trained: a key of :data:`TRAINING`."""
    if "gradient_flow" in config.get("training", {}).get("optimizer", ""):
        return "flow"
    return config.get("precision", "float64")


def tolerance(method: str, column: str, training: str, *, interpolated: bool = False) -> Tolerance:
    """Returns what is allowed of one column in the rows of one method.

    Args:
      method: value of the table's column ``method``.
      column: name of a column.
      training: of networks, a key of :data:`TRAINING`.
      interpolated: whether training loss or risk is below :data:`INTERPOLATED` in these rows.
    """
    trained = method in TRAINED
    if column == "rounding_error" and (interpolated or training == "float32"):
        return ANY  # a ratio of rounding to steps that are about as small
    if column in GATE_COLUMNS and trained and interpolated and training == "float64":
        return KINKS
    if column.endswith("size_times_weight") and method == "magnitude_limit":
        return OPTIMIZED
    if column in COLUMNS and not (trained and training != "float64" and column.endswith("_gap")):
        return COLUMNS[column]
    if trained and training != "float64" and column in GATE_COLUMNS:
        return GATES
    if trained:
        return TRAINING[training]
    return SOLVED if method in (*FITTED, NEURAL_TANGENTS) else EXACT


def differences(again: pd.DataFrame, kept: pd.DataFrame, training: str = "float64") -> list[str]:
    """Says where two tables of one experiment differ by more than :func:`tolerance` allows.

    Args:
      again: the new table.
      kept: the committed one; rows in the same order.
      training: of networks, a key of :data:`TRAINING`.

    Returns:
      A line for every column of every method that differs, with its worst row; empty if none does.
    """
    if list(again.columns) != list(kept.columns):
        changed = sorted(set(again.columns) ^ set(kept.columns)) or "their order"
        return [f"columns differ: {changed}"]
    if len(again) != len(kept):
        return [f"{len(again)} rows, where {len(kept)} are kept"]
    lines = []
    interpolated, moments = _interpolated(kept) & _interpolated(again), _moments(kept, again)
    rows_of = kept.groupby(["method", interpolated]).indices
    every = itertools.product(kept["method"].unique(), (False, True))
    groups = [group for group in every if group in rows_of]
    for column in kept:
        if not pd.api.types.is_numeric_dtype(kept[column]):
            if not again[column].astype("string").equals(kept[column].astype("string")):
                lines.append(f"{column}: not the same labels")
            continue
        new, old = _numbers(again, column), _numbers(kept, column)
        terms = _numbers(kept, DIFFERENCES.get(column, column))
        size = np.fmax.reduce(np.abs([new, old, terms]))
        units = moments if column == "risk" else np.ones(len(kept))
        for method, late in groups:
            rows = rows_of[method, late]
            allowed = tolerance(method, column, training, interpolated=late)
            with np.errstate(invalid="ignore"):  # 0 inf
                bounds = allowed.relative * size[rows] + allowed.absolute * units[rows]
            worst = _worst(new, old, rows, bounds)
            if worst:
                allowance = f"{allowed.relative:g} relative + {allowed.absolute:g}"
                lines.append(f"{method}, {column}: {worst} of {len(rows)} rows beyond {allowance})")
    return lines


def _numbers(table: pd.DataFrame, column: str) -> np.ndarray:
    return table[column].astype("float64").to_numpy()


def _interpolated(table: pd.DataFrame) -> np.ndarray:
    """Returns the rows in which the training loss or the risk is nothing but rounding."""
    interpolated = np.zeros(len(table), bool)
    for name in {"train_loss", "risk"} & set(table):
        interpolated |= _numbers(table, name) < INTERPOLATED
    return interpolated


def _moments(*tables: pd.DataFrame) -> np.ndarray:
    """Returns E f*^2 of every row, the unit of absolute tolerances of its risk; at least 1."""
    moments = [np.ones(len(tables[0]))]
    for table in tables:
        if "relative_risk" in table:
            with np.errstate(invalid="ignore", divide="ignore"):
                ratios = _numbers(table, "risk") / _numbers(table, "relative_risk")
            moments.append(np.where(np.isfinite(ratios), ratios, 0.0))
    return np.max(moments, axis=0)


def _worst(new: np.ndarray, old: np.ndarray, rows: np.ndarray, bounds: np.ndarray) -> str:
    """Says which row is furthest beyond its bound, and how many are beyond; nothing if none is.

    Args:
      new: values of the new table.
      old: values of the committed one.
      rows: (k,) indices of those that are compared.
      bounds: (k,) largest differences that are allowed.
    """
    new, old = new[rows], old[rows]
    same = (new == old) | (np.isnan(new) & np.isnan(old))
    with np.errstate(invalid="ignore"):
        excess = np.abs(new - old) / np.maximum(bounds, np.finfo(float).tiny)
    excess = np.where(same, 0.0, np.where(np.isfinite(excess), excess, np.inf))
    beyond, i = int(np.sum(excess > 1.0)), int(np.argmax(excess))
    if not beyond:
        return ""
    return f"{new[i]:.9g} in row {rows[i]}, where {old[i]:.9g} is kept ({beyond}"


def check_results(variant: str, output: str | None, names: Iterable[str] = ()) -> int:
    """Compares the tables in ``output`` with the committed ones and prints what differs.

    Args:
      variant: ``"full"`` or ``"quick"``.
      output: directory with a folder for every experiment.
      names: experiments; empty: all.

    Returns:
      Exit code: 0, or 1 if anything differs.

    Raises:
      RequirementError: unknown names, or a table that is not there.
    """
    if output is None:
        raise refusal("--output", "be given: the tables to check", output)
    differing = False
    for recipe in chosen(variant, tuple(names)):
        kept, new = (RunStore(ROOT / base / recipe.name) for base in (FOLDERS[variant], output))
        requirement = f"be in {FOLDERS[variant]} to be compared"
        check(kept.table.is_file(), recipe.name, requirement, str(kept.path))
        check(new.table.is_file(), "--output", "hold every experiment asked for", str(new.path))
        training = how_trained(kept.read_json(CONFIG) or {})
        lines = differences(new.read_metrics(), kept.read_metrics(), training)
        print(f"{recipe.name}: {'differs' if lines else 'reproduced'}")
        for line in lines:
            print(f"  {line}")
        differing = differing or bool(lines)
    return int(differing)
