"""The paper's theorem in numbers: features, weights and correlations against d."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from rf_limits.analysis.seeds import over_seeds
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import OTHERS, Look, new_figure, shades
from rf_limits.methods import LATTICE_FEATURES, LAZY_LIMIT, NETWORK, RANDOM_FEATURES
from rf_limits.studies.hardness.growth import failures

_LIMITS = {
    "zero": ("-", "lazy limit, $b^*=0$"),
    "hardest": ("--", "lazy limit, hardest $b^*$"),
    "d_cubed": (":", "lazy limit, $b^*=d^3$"),
}
_MEASURED = (
    (RANDOM_FEATURES, "o", "random features, measured"),
    (LATTICE_FEATURES, "s", "lattice features, measured"),
)


def hardness(metrics: pd.DataFrame) -> Figure:
    """Three panels against d, decimal logarithms.

    Features needed and measured beside the neurons that gradient descent needs; r max|u_i|
    needed and measured beside the trained neuron's; correlations of the wave.
    """
    figure, (count, size, wave) = new_figure(3, height=4.8)
    _features(count, metrics)
    _weights(size, metrics)
    _wave(wave, metrics)
    for axis in (count, size, wave):
        axis.set_xlabel("dimension $d$")
    legend_above(count, "features")
    legend_above(size, "size of weights, $b^*=0$")
    legend_above(wave, "the paper's wave")
    return figure


def _line(axis: Axes, part: pd.DataFrame, column: str, *shape: str, **options: Any) -> None:
    part = part.dropna(subset=[column]).sort_values("dim")
    if len(part):
        axis.plot(part["dim"].to_numpy(float), part[column].to_numpy(float), *shape, **options)


def _features(axis: Axes, metrics: pd.DataFrame) -> None:
    column = "log10_features"
    for kind, (shape, label) in _LIMITS.items():
        part = LAZY_LIMIT.rows(metrics[metrics["target_bias"] == kind])
        _line(axis, part, column, shape, color=LAZY_LIMIT.colour, label=label)
    for features, marker, label in _MEASURED:
        part = features.rows(metrics[metrics["target_bias"] == "zero"])
        _line(axis, part, column, marker, color=features.colour, alpha=0.7, label=label)
    _trained(axis, metrics, column)
    failed = failures(metrics)
    failed = failed[failed["target_bias"] == "d_cubed"]
    if len(failed):
        heights = np.log10(failed["num_features"].astype(float))
        label = "neurons that GD fails to train, $b^*=d^3$"
        line: Look = {"color": OTHERS[1], "linestyle": "", "label": label, "zorder": 5}
        axis.plot(failed["dim"].astype(float), heights, marker="x", **line)
    axis.set_ylabel(r"$\log_{10}$ features for risk 1/50 at $|w^*|=d^2$")


def _trained(axis: Axes, metrics: pd.DataFrame, column: str) -> None:
    """Draws networks trained by gradient descent, by width, where every seed got there."""
    part = metrics[metrics["method"].isin(["neuron", NETWORK.key])]
    part = part[part["target_bias"] == "zero"]
    by = over_seeds(part, ["num_features", "dim"])["reached"]
    part = part[by.transform(lambda reached: (reached == 1.0).all()).astype(bool)]
    colours = shades(NETWORK.colour, part["num_features"])
    for width, rows in part.groupby("num_features"):
        means = over_seeds(rows, "dim")[column].median().reset_index()
        steps = rows["steps"].astype(float)
        name = "one neuron" if width == 1 else f"{width} neurons"
        label = f"{name} trained by GD ({steps.min():.0f}-{steps.max():.0f} steps)"
        marker = "*" if width == 1 else "P"
        shape: Look = {"color": colours[width], "linewidth": 0.8}
        _line(axis, means, column, marker + "-", label=label, **shape)


def _weights(axis: Axes, metrics: pd.DataFrame) -> None:
    column = "log10_size_times_weight"
    for method, shape, label in (
        ("magnitude_limit", "-", r"limit of $r\,\max|u_i|$"),
        ("rms_magnitude_limit", "--", r"limit of $r\,\mathrm{rms}(u_i)$"),
    ):
        part = metrics[metrics["method"] == method]
        _line(axis, part, column, shape, color=LAZY_LIMIT.colour, label=label)
    part = metrics[metrics["method"] == "frontier"]
    if len(part):
        for width, colour in shades(RANDOM_FEATURES.colour, part["num_features"]).items():
            rows = part[part["num_features"] == width]
            label = f"measured, $r={width}$"
            _line(axis, rows, column, "o", color=colour, alpha=0.8, label=label)
    _trained(axis, metrics, column)
    axis.set_ylabel(r"$\log_{10}$ least $r\,\max|u_i|$ (unit-length features)")


def _wave(axis: Axes, metrics: pd.DataFrame) -> None:
    """Draws correlation coefficients c by log(-log10 c), downwards.

    The axis of -log10 c is logarithmic and inverted, and its ticks say the coefficients.
    """
    column = "minus_log10"
    metrics = metrics.assign(minus_log10=-metrics["log10_correlation"].astype(float))
    metrics = metrics[metrics["minus_log10"] > 0.0]
    part = metrics[metrics["method"] == "wave"]
    for i, (bias, rows) in enumerate(part.groupby("bias")):
        label = f"root mean square, feature bias {bias:g}"
        _line(axis, rows, column, "-", color=OTHERS[i % len(OTHERS)], label=label)
        drawn = metrics[(metrics["method"] == "wave_draws") & (metrics["bias"] == bias)]
        if len(drawn):
            count = int(drawn["num_features"].iloc[0])
            label = f"largest of {count} features drawn, bias {bias:g}"
            _line(axis, drawn, column, "x", color=OTHERS[i % len(OTHERS)], label=label, alpha=0.8)
    axis.set_yscale("log")
    axis.invert_yaxis()
    low, high = sorted(axis.get_ylim())
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 100.0 * low else (1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: rf"$10^{{-{v:g}}}$"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_ylabel(r"|correlation of $\psi$ with one feature|")
