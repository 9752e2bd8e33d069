"""Networks of finite width beside the infinite-width NTK over time, as a page's script reads it."""

import math
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.analysis.limits import one_limit
from rf_limits.analysis.seeds import over_seeds
from rf_limits.figures.curves import flow_means
from rf_limits.figures.style import shades
from rf_limits.methods import NETWORK, NTK

_DIGITS = 5


def finite_and_infinite(metrics: pd.DataFrame, label: str = "") -> list[dict[str, Any]]:
    """Returns risks over time of the networks of every width, for each lazy scale.

    Args:
      metrics: table of one training run.
      label: of the run, put before the lazy scale.

    Returns:
      For every lazy scale ``name``, ``moment`` (E f*^2), ``ntk`` (``time``, ``mean`` over seeds,
      of the kernel's gradient flow; empty where it was not computed) and ``widths``: for each
      ``width``, ``limit`` (smaller R*), and by measurement ``step``, ``time``, ``mean``, ``low``,
      ``high`` (over seeds) and ``ntk`` (the kernel's mean risk at that time, interpolated
      between its times on logarithmic axes), and its ``colour``. Risks are absolute; None is a
      missing number.
    """
    networks = NETWORK.rows(metrics[metrics["step"] > 0])
    flow = flow_means(NTK.rows(metrics))
    curves = []
    for scale, rows in networks.groupby("lazy_scale"):
        moments = (rows["risk"] / rows["relative_risk"]).replace([np.inf, -np.inf], np.nan)
        name = f"{label}, alpha = {scale:g}" if label else f"alpha = {scale:g}"
        widths = [_width(int(n), part, flow) for n, part in rows.groupby("width")]
        colours = shades(NETWORK.colour, [curve["width"] for curve in widths])
        for curve in widths:
            curve["colour"] = colours[curve["width"]]
        curves.append(
            {
                "name": name,
                "moment": _plain([moments.median()])[0],
                NTK.key: {"time": _plain(flow[0]), "mean": _plain(flow[1])},
                "widths": widths,
            }
        )
    return curves


def _width(width: int, rows: pd.DataFrame, flow: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    by_step = over_seeds(rows, "step")
    times = by_step["time"].mean(skipna=False).to_numpy(float)
    risks = by_step["risk"]
    mean = risks.mean(skipna=False)
    return {
        "width": width,
        "limit": _plain([one_limit(rows).iloc[-1]])[0],
        "step": [int(step) for step in mean.index],
        "time": _plain(times),
        "mean": _plain(mean),
        "low": _plain(risks.min().where(mean.notna())),
        "high": _plain(risks.max().where(mean.notna())),
        NTK.key: _plain(_at(times, *flow)),
    }


def _at(times: np.ndarray, grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolates values at ``times`` inside the range of ``grid``, NaN outside."""
    good = (grid > 0) & (values > 0) & np.isfinite(values)
    if not good.any():
        return np.full(len(times), np.nan)
    logs = np.log(grid[good]), np.log(values[good])
    slack = 1e-9  # the same times, rounded
    inside = (times >= grid[good][0] * (1 - slack)) & (times <= grid[good][-1] * (1 + slack))
    return np.where(inside, np.exp(np.interp(np.log(times), *logs)), np.nan)


def _plain(values: Any) -> list[float | None]:
    """Returns numbers as JSON has them, in few digits."""
    numbers = (float(value) for value in np.asarray(values, float))
    return [float(f"{v:.{_DIGITS}g}") if math.isfinite(v) else None for v in numbers]
