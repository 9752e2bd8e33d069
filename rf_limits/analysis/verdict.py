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


def means(metrics: pd.DataFrame, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the summary of training runs, of a table that may have other columns too.

    Args:
      metrics: the table.
      labels: columns that tell runs apart.
    """
    kept = {*labels, *KEYS, *MEASUREMENTS}
    return summary_rows(metrics[[name for name in metrics if name in kept]], labels)


def _name(method: str) -> str:
    """Returns the label of a method, as it is written in a sentence."""
    return METHODS[method].label


def _where(row: dict[str, Any]) -> str:
    return f"N = {int(row['width'])}, alpha = {row['lazy_scale']:g}"


def _between(values: list[float], form: Callable[[float], str] = short_number) -> str:
    low, high = form(min(values)), form(max(values))
    return low if low == high else f"{low} to {high}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"


def _networks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns rows of trained networks with a finite risk."""
    return [r for r in rows if r["method"] == NETWORK.key and np.isfinite(r["risk"])]


def _fixed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns rows with a finite risk of the methods that keep their features."""
    keys = [method.key for method in METHODS.values() if method.keeps_features]
    return [r for r in rows if r["method"] in keys and np.isfinite(r["risk"])]


def against_fixed(rows: list[dict[str, Any]]) -> str:
    """Compares the best network with the best of everything that keeps its features."""
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
    side, times = ("below", ratio) if ratio >= 1.0 else ("above", 1.0 / ratio)
    beside = f"the best beside it that keeps its features ({reached})"
    return f"{text}, {_times(times)} times {side} {beside}."


def against_limits(metrics: pd.DataFrame, labels: Sequence[str] = ()) -> list[str]:
    """Returns a sentence on each limit that is known: how many networks are below it.

    Args:
      metrics: table of training runs.
      labels: columns that tell them apart.
    """
    tests = certificates(final_rows(metrics, labels), labels)
    sentences = []
    for limit in LIMITS:
        against = [test for test in tests if test.limit is limit]
        if not against:
            continue
        sure = sum(test.holds for test in against)
        below = sum(test.below for test in against)
        level = f"level {LEVEL:g} for all tests of this table together: {len(tests)}"
        sentences.append(
            f"{below} of {len(against)} widths and scales end below {limit.symbol} on average over "
            f"{counted_seeds(against)}, {sure or 'none'} with a certificate ({level})."
        )
    return sentences


def movement(rows: list[dict[str, Any]]) -> str:
    """Returns how far networks of the extreme lazy scales went; empty if unknown."""
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


def verdict(metrics: pd.DataFrame, rows: list[dict[str, Any]]) -> list[str]:
    """Returns sentences about one training run.

    Args:
      metrics: its table.
      rows: of :func:`~rf_limits.analysis.tables.summary_rows`.
    """
    sentences = [against_fixed(rows)]
    if _networks(rows):
        sentences += [*against_limits(metrics), movement(rows)]
    return [sentence for sentence in sentences if sentence]


def verdict_of_many(metrics: pd.DataFrame, finished: int, total: int) -> list[str]:
    """Returns sentences about several training runs.

    Args:
      metrics: their table, with the label ``run``.
      finished: how many runs are finished.
      total: how many there are.
    """
    first = f"{finished} of {total} runs are finished."
    rows = means(metrics, ("run",))
    if not _networks(rows):
        return [first, "No network was trained to a finite risk."]
    limits = against_limits(metrics, ("run",)) or [UNKNOWN]
    return [first, *gains(rows), *limits, movement(rows)]


def gains(rows: list[dict[str, Any]]) -> list[str]:
    """Compares networks with the best of their run that keeps its features; none if unknown.

    Args:
      rows: of :func:`means`, with the label ``run``.
    """
    ratios = []
    for row in _networks(rows):
        others = [r["risk"] for r in _fixed(rows) if r["run"] == row["run"]]
        if others and row["risk"] > 0.0:
            ratios.append((min(others) / row["risk"], row))
    if not ratios:
        return []
    gain, row = max(ratios, key=lambda pair: pair[0])
    better = sum(ratio > 1.0 for ratio, _ in ratios)
    which = f"{row['run']}, {_where(row)}" if row["run"] else _where(row)
    return [
        f"{better} of {len(ratios)} networks end below the best beside them that keeps its "
        f"features fixed; the largest factor is {_times(gain)} ({which})."
    ]


def verdict_of_study(metrics: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """Returns sentences about a study that has networks beside fixed features; else none.

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
    """Returns sentences about the best risks of fixed features.

    Args:
      means: of :func:`rf_limits.studies.approximation.means`.
    """
    sentences = []
    for method, rows in means[means["lazy_limit"] > 0].groupby("method", sort=False):
        ratios = (rows["mean"] / rows["lazy_limit"]).to_numpy(float)
        ratios = ratios[np.isfinite(ratios)]
        if len(ratios):
            below = int((ratios < 1.0).sum())
            times = _between(list(ratios), _times)
            sentences.append(
                f"{_name(method)}: {times} times the lazy limit R* of as many features; "
                f"{below or 'none'} of {len(ratios)} below it."
            )
    return sentences
