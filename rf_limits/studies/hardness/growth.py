"""The growth of the hardness table with the dimension, and the failures of its networks."""

import itertools
import statistics
from typing import Any

import pandas as pd

from rf_limits.analysis.seeds import over_seeds
from rf_limits.methods import LATTICE_FEATURES, LAZY_LIMIT, NETWORK, RANDOM_FEATURES
from rf_limits.theory.bounds.growth_law import GrowthLaw, growth_law

_GROWING = {
    LAZY_LIMIT.key: "features needed",
    RANDOM_FEATURES.key: "features measured (RF)",
    "magnitude_limit": "r max|u_i| needed",
    "frontier": "r max|u_i| measured",
}
_SHOWN = ("from_dim", "to_dim", "digits_per_dimension", "law")
_BIASES = {"zero": "0", "paper": "the paper's", "hardest": "the hardest", "d_cubed": "d^3"}


def needed_law(risk: float, norm_exponent: float | int) -> GrowthLaw | None:
    """Returns the law of the features needed at b* = 0.

    None stands for degrees that do not outgrow the dimension.
    """
    return growth_law(risk, norm_exponent) if norm_exponent > 0.75 else None


def growth(metrics: pd.DataFrame, law: GrowthLaw | None) -> list[dict[str, Any]]:
    """Computes decimal digits gained per dimension, from each dimension of the table to the next.

    They are those of the features needed (b* = 0 and hardest), the features measured, the limits
    of r max|u_i| and r rms(u_i), and the least r max|u_i| on the measured frontier; of measured
    quantities they are medians over seeds. No rate is fitted: the digits per dimension grow with d.

    Args:
      metrics: the study's table.
      law: of the features needed at b* = 0.

    Returns:
      Rows with method, target_bias, column, ``from_dim``, ``to_dim``, ``digits_per_dimension`` and
      ``law``: the mean of the law over the same dimensions, None where there is none.
    """
    features, sizes = "log10_features", "log10_size_times_weight"
    series = [
        (LAZY_LIMIT.key, "zero", features),
        (LAZY_LIMIT.key, "hardest", features),
        (RANDOM_FEATURES.key, "zero", features),
        (LATTICE_FEATURES.key, "zero", features),
        ("magnitude_limit", "zero", sizes),
        ("rms_magnitude_limit", "zero", sizes),
        ("frontier", "zero", sizes),
    ]
    rows = []
    for method, kind, column in series:
        part = metrics[(metrics["method"] == method) & (metrics["target_bias"] == kind)]
        part = part.dropna(subset=[column])
        if method == "frontier":
            part = part.groupby(["dim", "seed"], as_index=False)[column].min()
        middle = over_seeds(part, "dim")[column].median()
        law_of_method = law if (method, kind) == (LAZY_LIMIT.key, "zero") else None
        for (low, start), (high, end) in itertools.pairwise(middle.items()):
            expected = None
            if law_of_method is not None:
                expected = statistics.fmean(law_of_method.digits(dim) for dim in range(low, high))
            rows.append(
                {
                    "method": method,
                    "target_bias": kind,
                    "column": column,
                    "from_dim": int(low),
                    "to_dim": int(high),
                    "digits_per_dimension": float((end - start) / (high - low)),
                    "law": expected,
                }
            )
    return rows


def failures(metrics: pd.DataFrame) -> pd.DataFrame:
    """Returns where networks of several neurons failed from every start.

    Returns:
      Columns target_bias, num_features (neurons), dim, ``starts``, ``steps`` tried, and
      ``log10_needed``: of fixed functions that suffice, by the lazy limit.
    """
    trained = NETWORK.rows(metrics)
    keys = ["target_bias", "num_features", "dim"]
    table = over_seeds(trained, keys).agg(
        reached=("reached", "max"), starts=("seed", "size"), steps=("steps", "max")
    )
    table = table[table["reached"] == 0.0].drop(columns="reached").reset_index()
    limits = LAZY_LIMIT.rows(metrics)[["target_bias", "dim", "log10_features"]]
    limits = limits.rename(columns={"log10_features": "log10_needed"})
    return table.merge(limits, on=["target_bias", "dim"], how="left")


def growth_remarks(rows: list[dict[str, Any]], law: GrowthLaw | None) -> list[str]:
    """Returns a line for every quantity at b* = 0: digits gained per dimension, first and last.

    Args:
      rows: of :func:`growth`.
      law: of the features needed at b* = 0.
    """
    table = pd.DataFrame(rows, columns=["method", "target_bias", *_SHOWN])
    lines = []
    for method, words in _GROWING.items():
        part = table[(table["method"] == method) & (table["target_bias"] == "zero")]
        if len(part):
            lines.append(_growth_remark(words, part, law))
    return lines


def _growth_remark(words: str, rows: pd.DataFrame, law: GrowthLaw | None) -> str:
    ends = [rows.iloc[0], rows.iloc[-1]][: len(rows)]
    digits = ", ".join(
        f"{row['digits_per_dimension']:.2f} from d = {row['from_dim']} to {row['to_dim']}"
        for row in ends
    )
    text = f"{words}: decimal digits gained per dimension, b* = 0: {digits}"
    if law is not None and pd.notna(rows["law"]).any():
        text += (
            f" (law, d to infinity: {law.slope:.3g} log10 d + {law.constant:.3f}, there "
            f"{ends[-1]['law']:.2f}: faster than any exponential)"
        )
    return f"{text}."


def unresolved_remarks(metrics: pd.DataFrame) -> list[str]:
    """Returns lines about dimensions at which a limit exists and is not computed."""
    lines = []
    count = LAZY_LIMIT.rows(metrics[metrics["log10_features"].isna()])
    for kind, rows in count.groupby("target_bias"):
        dims = ", ".join(str(dim) for dim in rows["dim"])
        lines.append(
            f"No limit of the features at b* = {_BIASES.get(kind, kind)}, d = {dims}: float64 does "
            "not resolve it."
        )
    for method, words in (("magnitude_limit", "max|u_i|"), ("rms_magnitude_limit", "rms(u_i)")):
        limits = metrics[metrics["method"] == method]
        missing = limits[limits["log10_size_times_weight"].isna()]
        if len(missing):
            dims = ", ".join(str(dim) for dim in missing["dim"])
            lines.append(
                f"No limit of r {words} at d = {dims}: it exists, but the risk needs more degrees "
                "than are computed there."
            )
    return lines


def failure_remarks(failed: list[dict[str, Any]]) -> list[str]:
    """Returns a line for every bias and width at which networks fail and features need not.

    Args:
      failed: rows of :func:`failures`.
    """
    lines = []
    keys = ["target_bias", "num_features"]
    table = pd.DataFrame(failed, columns=[*keys, "dim", "steps", "log10_needed"])
    for (kind, width), rows in table.groupby(keys):
        dims = ", ".join(str(dim) for dim in rows["dim"])
        line = (
            f"The reverse: at b* = {_BIASES.get(kind, kind)}, {width} neurons trained by gradient "
            f"descent did not get there from any start at d = {dims} ({rows['steps'].max()} steps)"
        )
        first = rows.iloc[0]
        if pd.notna(first["log10_needed"]):
            count = 10.0 ** first["log10_needed"]
            line += f", where fixed features are few: 10^{first['log10_needed']:.1f} = {count:.0f}"
            line += f" suffice at d = {first['dim']}"
        lines.append(f"{line}.")
    return lines
