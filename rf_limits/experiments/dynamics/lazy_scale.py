"""The crossover from feature learning to lazy training, in the lazy scale alpha."""

import math
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.config import accepts_builder
from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.dynamics.configs import LazyScaleConfig
from rf_limits.experiments.fits import (
    crossing,
    exponents,
    interval,
    spread,
    upper_half,
)
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.seeds import over_seeds, words_of_seeds
from rf_limits.experiments.study import Member, Study, member, validate_members
from rf_limits.experiments.tables import (
    final_rows,
    short_number,
    summary_rows,
)
from rf_limits.methods import NETWORK

LABELS = ("num_train",)
MEASURED = ("weight_movement", "kernel_drift")


@accepts_builder
def study_members(config: LazyScaleConfig) -> list[Member]:
    """The training runs of the study."""
    given = {"data.num_train": "nums_train"}
    return [member(config, {"num_train": n}, given, data__num_train=n) for n in config.nums_train]


@accepts_builder
def validate(config: LazyScaleConfig) -> None:
    """Checks what concerns several fields.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    validate_members(study_members(config))


@accepts_builder
def prepare(config: LazyScaleConfig, report: Report = no_report) -> Study:
    """Checks the config and prepares one training run per number of samples.

    Raises:
      RequirementError: a config that cannot be run.
    """
    validate(config)
    return Study(study_members(config), report, constants={"threshold": config.threshold})


def networks_at_the_end(metrics: pd.DataFrame) -> pd.DataFrame:
    """Final rows of networks, with ``collapsed``: alpha sqrt(N)."""
    final = final_rows(NETWORK.rows(metrics), LABELS)
    return final.assign(collapsed=final["lazy_scale"] * np.sqrt(final["width"].astype(float)))


def crossovers(metrics: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Scale at which each seed's measurement falls through ``threshold``.

    Args:
      metrics: the study's table.
      threshold: of relative movement and of NTK drift.

    Returns:
      Columns measurement, num_train, width, seed, crossover (NaN where not passed).
    """
    final = networks_at_the_end(metrics)
    rows = []
    for (n, width, seed), curve in final.groupby([*LABELS, "width", "seed"]):
        curve = curve.sort_values("lazy_scale")
        for name in MEASURED:
            at = crossing(
                curve["lazy_scale"].to_numpy(float), curve[name].to_numpy(float), threshold
            )
            key = {"measurement": name, "num_train": int(n), "width": int(width)}
            rows.append({**key, "seed": int(seed), "crossover": at})
    return pd.DataFrame(rows)


def fits(metrics: pd.DataFrame, threshold: float) -> list[dict[str, Any]]:
    """Exponents of the crossover in N and n, from all widths and from the upper half of them."""
    table = crossovers(metrics, threshold)
    rows = []
    for least in sorted({0.0, upper_half(metrics)}):
        for name, group in table.groupby("measurement", sort=False):
            found = exponents(group, ["width", "num_train"], "crossover", least)
            if found is not None:
                rows.append({"measurement": name, "widths_from": least, **found})
    return rows


def collapse(metrics: pd.DataFrame) -> list[dict[str, Any]]:
    """Spread of the curves of all widths around one, against alpha and against alpha sqrt(N).

    Root mean square in decades (:func:`~rf_limits.experiments.fits.spread`).
    """
    final = networks_at_the_end(metrics)
    rows = []
    for n, group in final.groupby("num_train"):
        for name in MEASURED:
            row: dict[str, Any] = {"measurement": name, "num_train": int(n)}
            for axis in ("lazy_scale", "collapsed"):
                curves = []
                for _, part in group.groupby("width"):
                    mean = over_seeds(part, axis)[name].mean(skipna=False)
                    curves.append((mean.index.to_numpy(float), mean.to_numpy(float)))
                row[f"spread_against_{axis}"] = spread(curves)
            rows.append(row)
    return rows


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: crossovers, their exponents, the collapse, means at the end."""
    threshold = result.choices["threshold"]
    table = crossovers(result.metrics, threshold)
    keys = ["measurement", "num_train", "width"]
    means = over_seeds(table, keys, sort=False)["crossover"].agg(list).reset_index()
    return {
        "choices": result.choices,
        "crossovers": means.to_dict("records"),
        "exponents": fits(result.metrics, threshold),
        "collapse": collapse(result.metrics),
        "final": summary_rows(result.metrics, LABELS),
    }


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Movement and drift at the end by width and scale, for the largest n."""
    final = networks_at_the_end(metrics)
    final = final[final["num_train"] == final["num_train"].max()]
    widths = sorted(final["width"].unique())
    means = over_seeds(final, ["lazy_scale", "width"])["kernel_drift"].mean(skipna=False)
    drift = means.unstack()  # noqa: PD010
    cells = [
        [short_number(float(scale)), *(short_number(float(row[w])) for w in widths)]
        for scale, row in drift.iterrows()
    ]
    title = f"NTK drift at the end, n = {final['num_train'].iloc[0]}: {words_of_seeds(final)}"
    return title, ["scale", *(f"N = {w}" for w in widths)], cells


def remarks(result: Result) -> list[str]:
    """Lines under the table."""
    lines = []
    for row in fits(result.metrics, result.choices["threshold"]):
        which = "all widths" if row["widths_from"] == 0.0 else f"N >= {row['widths_from']:g}"
        lines.append(
            f"{row['measurement']} falls below {result.choices['threshold']:g} at a scale "
            f"~ N^{interval(row, 'width')} n^{interval(row, 'num_train')} ({which})."
        )
    several = len(set(result.metrics["width"])) > 1  # of one width there is nothing to compare
    for row in collapse(result.metrics) if several else ():
        one, two = row["spread_against_lazy_scale"], row["spread_against_collapsed"]
        places = {"at equal alpha": one, "at equal alpha sqrt(N)": two}
        parts = [f"{short_number(v)} decades {at}" for at, v in places.items() if math.isfinite(v)]
        if parts:
            where = f"{row['measurement']}, n = {row['num_train']}"
            lines.append(f"{where}: widths differ by {', '.join(parts)}.")
    return lines + doubts(result.metrics, LABELS)
