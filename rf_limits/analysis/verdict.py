"""What the tables of training runs say, in a few sentences."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.analysis.certificate import LEVEL, certificates, counted_seeds
from rf_limits.analysis.limits import LIMITS, UNKNOWN
from rf_limits.analysis.tables import KEYS, MEASUREMENTS, final_rows, summary_rows
from rf_limits.methods import METHODS, NETWORK
from rf_limits.table import short_number


def means(metrics: pd.DataFrame, labels: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The summary of training runs, of a table that may have other columns too.

    Args:
      metrics: the table.
      labels: columns that tell runs apart.
    """
    kept = {*labels, *KEYS, *MEASUREMENTS}
    return summary_rows(metrics[[name for name in metrics if name in kept]], labels)


def _name(method: str) -> str:
    """The label of a method, as it is written in a sentence."""
    return METHODS[method].label


def _where(row: dict[str, Any]) -> str:
    return f"N = {int(row['width'])}, alpha = {row['lazy_scale']:g}"


def _between(values: list[float], form: Callable[[float], str] = short_number) -> str:
    low, high = form(min(values)), form(max(values))
    return low if low == high else f"{low} to {high}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"


def _networks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of trained networks with a finite risk."""
    return [r for r in rows if r["method"] == NETWORK.key and np.isfinite(r["risk"])]


def _fixed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with a finite risk of the methods that keep their features."""
    keys = [method.key for method in METHODS.values() if method.keeps_features]
    return [r for r in rows if r["method"] in keys and np.isfinite(r["risk"])]


def against_fixed(rows: list[dict[str, Any]]) -> str:
    """The best network beside the best of everything that keeps its features."""
    networks, fixed = _networks(rows), _fixed(rows)
    if not networks:
        return "No network was trained to a finite risk."
    best = min(networks, key=lambda row: row["risk"])
    text = f"The best trained network ({_where(best)}) ends at risk {short_number(best['risk'])}"
    if not fixed or best["risk"] <= 0.0:
        return f"{text}."
    other = min(fixed, key=lambda row: row["risk"])
    width = "" if other.get("width") is None else f" at N = {int(other['width'])}"
    reached = f"{_name(other['method'])}{width}: {short_number(other['risk'])}"
    ratio = other["risk"] / best["risk"]
    if ratio >= 1.0:
        return (
            f"{text}, {_times(ratio)} times below the best beside it that keeps its features "
            f"({reached})."
        )
    return (
        f"{text}, {_times(1 / ratio)} times above the best beside it that keeps its features "
        f"({reached})."
    )


def against_limits(metrics: pd.DataFrame, labels: Sequence[str] = ()) -> list[str]:
    """How many networks are certified to be below each lazy limit; none where none is known.

    Args:
      metrics: table of training runs.
      labels: columns that tell them apart.
    """
    found = certificates(final_rows(metrics, labels), labels)
    sentences = []
    for limit in LIMITS:
        own = [one for one in found if one.limit is limit]
        if not own:
            continue
        sure = sum(one.holds for one in own)
        below = sum(one.below for one in own)
        sentences.append(
            f"{below} of {len(own)} widths and scales end below {limit.symbol} on average over "
            f"{counted_seeds(own)}, {sure or 'none'} with a certificate (level {LEVEL:g} for all "
            f"tests of this table together: {len(found)})."
        )
    return sentences


def movement(rows: list[dict[str, Any]]) -> str:
    """How far networks of the smallest and the largest lazy scale went; empty if unknown."""
    names = ("weight_movement", "kernel_drift")
    networks = _networks(rows)
    moved = [r for r in networks if all(np.isfinite(r.get(name, np.nan)) for name in names)]
    scales = sorted({row["lazy_scale"] for row in moved})
    parts = []
    for scale in dict.fromkeys([*scales[:1], *scales[-1:]]):
        part = [row for row in moved if row["lazy_scale"] == scale]
        move, drift = (_between([row[name] for row in part], _percent) for name in names)
        parts.append(f"at alpha = {scale:g} hidden weights moved by {move}, the NTK by {drift}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _percent(value: float) -> str:
    return f"{short_number(100 * value)}%"


def verdict(metrics: pd.DataFrame) -> list[str]:
    """Sentences about one training run.

    Args:
      metrics: its table.
    """
    rows = means(metrics)
    found = [against_fixed(rows)]
    if _networks(rows):
        found += [*against_limits(metrics), movement(rows)]
    return [sentence for sentence in found if sentence]


def verdict_of_many(metrics: pd.DataFrame, done: int, asked: int) -> list[str]:
    """Sentences about several training runs.

    Args:
      metrics: their table, with the label ``run``.
      done: how many runs are finished.
      asked: how many there are.
    """
    found = [f"{done} of {asked} runs are finished."]
    rows = means(metrics, ("run",))
    if not _networks(rows):
        return [*found, "No network was trained to a finite risk."]
    limits = against_limits(metrics, ("run",)) or [UNKNOWN]
    return [*found, *gains(rows), *limits, movement(rows)]


def gains(rows: list[dict[str, Any]]) -> list[str]:
    """Networks beside the best of their own run that keeps its features fixed; none if unknown.

    Args:
      rows: of :func:`means`, with the label ``run``.
    """
    found = []
    for row in _networks(rows):
        others = [r["risk"] for r in _fixed(rows) if r["run"] == row["run"]]
        if others and row["risk"] > 0.0:
            found.append((min(others) / row["risk"], row))
    if not found:
        return []
    gain, row = max(found, key=lambda one: one[0])
    better = sum(ratio > 1.0 for ratio, _ in found)
    which = f"{row['run']}, {_where(row)}" if row["run"] else _where(row)
    return [
        f"{better} of {len(found)} networks end below the best beside them that keeps its features "
        f"fixed; the largest factor is {_times(gain)} ({which})."
    ]


def verdict_of_study(metrics: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """Sentences about a study, where it has networks beside fixed features; else none.

    Args:
      metrics: its table.
      labels: columns that tell its training runs apart.
    """
    measured = metrics[metrics["seed"].notna() & metrics["method"].isin(METHODS)]
    if not NETWORK.is_in(measured) or len(measured["method"].unique()) < 2:
        return []
    parts = [label + " = " + measured[label].astype(str) for label in labels]
    names = [", ".join(words) for words in zip(*parts, strict=True)]
    named = measured.assign(run=names)
    return [*gains(means(named, ("run",))), *against_limits(named, ("run",))]


def verdict_of_features(means: pd.DataFrame) -> list[str]:
    """Sentences about the best risks of fixed features.

    Args:
      means: of :func:`rf_limits.studies.approximation.means`.
    """
    found = []
    for method, rows in means[means["lazy_limit"] > 0].groupby("method", sort=False):
        ratios = (rows["mean"] / rows["lazy_limit"]).to_numpy(float)
        ratios = ratios[np.isfinite(ratios)]
        if len(ratios):
            below = int((ratios < 1.0).sum())
            times = _between(list(ratios), _times)
            found.append(
                f"{_name(method)}: {times} times the lazy limit R* of as many features; "
                f"{below or 'none'} of {len(ratios)} below it."
            )
    return found
