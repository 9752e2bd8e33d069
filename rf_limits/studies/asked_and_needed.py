"""Step size, steps and width that the paper's argument asks for, beside those that were needed.

The argument is used as an estimate, with means in place of suprema
(:mod:`rf_limits.theory.guarantees.sgd_regret`): Gaussian inputs have no suprema.
"""

import functools
import itertools
import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.analysis.exponents import steps_to_threshold
from rf_limits.analysis.seeds import SEED, check_told_apart, over_seeds
from rf_limits.analysis.tables import final_rows
from rf_limits.figures.curves import by_scale, log_axes, mark, spread_line
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import MARKERS, OTHERS, Look, new_figure
from rf_limits.methods import NETWORK
from rf_limits.studies.regimes import FITTED, REGIMES, Regime
from rf_limits.theory.guarantees.sgd_regret import (
    MeanFeatures,
    mean_features,
    sgd_estimate,
    sgd_requirements,
)
from rf_limits.theory.spectra.coefficients import coefficients_by_degree
from rf_limits.training.run import TrainingRun

ESTIMATE = "estimate"
"""The value of column ``method`` in rows of estimates."""
REQUIRED = ("learning_rate", "steps", "width")
"""The quantities that the argument asks for: columns ``required_learning_rate`` and so on."""
_LABELS = ("target", "regime", "num_train")
_DEGREES = 60


@functools.cache
def _features(features: str, dim: int, bias: bool) -> MeanFeatures:
    return mean_features(features, dim, _DEGREES, bias=bias)


def _target_degrees(run: TrainingRun) -> np.ndarray:
    """Computes E f*_k^2 on the sphere of radius sqrt(d), and the rest."""
    target = run.problem.target
    by_degree = coefficients_by_degree(target, _DEGREES, target.second_moment("sphere"), "sphere")
    return np.append(by_degree.weights, max(by_degree.total - float(by_degree.weights.sum()), 0.0))


def estimate_rows(regime: Regime, run: TrainingRun, accuracy: float) -> pd.DataFrame:
    """Computes mean risks over the steps of SGD on a regime's features, and what accuracy asks.

    Args:
      regime: which features.
      run: a training run of the regime, prepared.
      accuracy: relative risk.

    Returns:
      A row for every width and lazy scale, with ``risk``, ``relative_risk``, ``learning_rate``
      and ``required_learning_rate``, ``required_steps`` and ``required_width``.
    """
    config = run.config
    features = _features(regime.features, config.problem.dim, config.model.bias)
    degrees = _target_degrees(run)
    required = sgd_requirements(features, degrees, accuracy * float(degrees.sum()))
    rows, scales = [], config.model.lazy_scales
    for width, (j, scale) in itertools.product(run.widths, enumerate(scales)):
        rate = float(np.mean(width.learning_rates[:, j]))  # over seeds
        risk = sgd_estimate(
            features,
            degrees,
            learning_rate=rate,
            steps=config.training.steps,
            width=width.network.width,
            noise=config.problem.noise,
        )
        rows.append(
            {
                "method": ESTIMATE,
                "width": width.network.width,
                "risk": risk,
                "relative_risk": risk / float(degrees.sum()),
                "learning_rate": rate,
                "required_learning_rate": required.learning_rate,
                "required_steps": required.steps,
                "required_width": required.width,
            }
            | ({"lazy_scale": scale} if len(scales) > 1 else {})
        )
    return pd.DataFrame(rows)


def scales_of(metrics: pd.DataFrame) -> list[float]:
    """Returns the lazy scales of what was trained, ascending."""
    return sorted(map(float, NETWORK.rows(metrics)["lazy_scale"].unique()))


def practice(metrics: pd.DataFrame) -> pd.DataFrame:
    """Computes what the estimate asks for beside what was needed, by target, regime and scale.

    Returns:
      Columns target, regime, lazy_scale, ``asked_learning_rate``, ``asked_steps`` and
      ``asked_width`` for the accuracy of the study; ``learning_rate`` and ``steps`` of the widest
      network until its relative risk was as small (mean over seeds, NaN unless all reached it),
      ``rf_steps`` the same for SGD on its random features; ``width``: the smallest whose seeds all
      ended there (NaN: none).
    """
    accuracy = float(metrics["accuracy"].iloc[0])
    estimated = metrics[metrics["method"] == ESTIMATE]
    groups = estimated.groupby(["target", "regime"], sort=False)
    rows = []
    for ((target, regime), required), scale in itertools.product(groups, scales_of(metrics)):
        trained = metrics[(metrics["target"] == target) & (metrics["regime"] == regime)]
        trained = trained[trained["lazy_scale"] == scale]
        widest = trained[trained["width"] == trained["width"].max()]
        # where there is one scale, the estimate does not say it
        required = required[required["lazy_scale"].isna() | (required["lazy_scale"] == scale)]
        last = required[required["width"] == widest["width"].iloc[0]].iloc[0]
        row = {"target": target, "regime": regime, "lazy_scale": scale}
        row |= {f"asked_{name}": float(last[f"required_{name}"]) for name in REQUIRED}
        row["learning_rate"] = float(last["learning_rate"])
        for name, method in (("steps", NETWORK), ("rf_steps", REGIMES[regime].coupled)):
            times = steps_to_threshold(widest, accuracy, _LABELS, method.key)
            check_told_apart(times, [SEED])
            row[name] = float(np.mean(times["steps"].to_numpy(float)))  # NaN stays
        final = final_rows(NETWORK.rows(trained), _LABELS)
        final = final.assign(learned=final["relative_risk"] <= accuracy)
        learned = over_seeds(final, "width")["learned"].all()
        row["width"] = float(min(learned[learned].index, default=math.nan))
        rows.append(row)
    return pd.DataFrame(rows)


def asked_and_needed(metrics: pd.DataFrame) -> Figure:
    """Steps to the accuracy by target, estimated and needed; risk at the end against width."""
    table = practice(metrics)
    targets, scales = list(metrics["target"].unique()), scales_of(metrics)
    places = {target: i for i, target in enumerate(targets)}
    figure, axes = new_figure(2, height=3.7, width=3.6)
    for i, (regime, group) in enumerate(table.groupby("regime", sort=False)):
        for rows, colour, words in by_scale(group, REGIMES[regime].colour, scales):
            x = np.array([places[t] for t in rows["target"]], float)
            line: Look = {"color": colour, "marker": MARKERS[i]}
            required_steps = rows["asked_steps"].to_numpy(float)
            finite = np.isfinite(required_steps)
            word = REGIMES[regime].words + words
            estimate: Look = {"linestyle": "--", "label": f"{word}: estimate"}
            axes[0].plot(x[finite], required_steps[finite], **estimate, **line)
            axes[0].plot(x, rows["steps"], label=f"{word}: needed", **line)
    axes[0].set_yscale("log")
    axes[0].set_ylabel(f"steps to relative risk {metrics['accuracy'].iloc[0]:g}")
    names = ["\n".join(t.split("_")) for t in targets]
    axes[0].set_xticks(range(len(targets)), names, fontsize=6)
    legend_above(axes[0], handlelength=3.5)
    networks = NETWORK.rows(metrics[metrics["regime"] != FITTED])
    final = final_rows(networks, _LABELS)
    for i, target in enumerate(targets):
        for regime, part in final[final["target"] == target].groupby("regime", sort=False):
            line = {"marker": MARKERS[i % len(MARKERS)]}
            line["linestyle"] = "-" if regime == "hidden" else "--"
            for rows, colour, words in by_scale(part, OTHERS[i % len(OTHERS)], scales):
                first = regime == final["regime"].iloc[0]
                line |= {
                    "color": colour,
                    "label": target.replace("_", " ") + words if first else None,
                }
                spread_line(axes[1], rows, "width", "relative_risk", **line)
    log_axes(axes[1], x="width $N$", y="relative risk at the end")
    mark(axes[1], sorted(final["width"].unique()))
    legend_above(axes[1], "solid: hidden layer; dashed: all layers", ncols=2)
    return figure
