"""Network, linearization and random features on the same samples: distances against width."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rf_limits.experiments.power.coupling import estimates, fits, suprema
from rf_limits.figures.curves import as_floats, by_scale, log_axes, spread_line
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import MARKERS, REGIMES, new_figure, style

_NAMES = {
    "hidden": r"hidden layer, $u_i=\pm1$",
    "all": "all layers, $u_0=0$",
    "ntk": "all layers, Gaussian $u_0$",
}
_PANELS = {
    "coupled_gap": r"$\sup_t$ rms of $f_t-f_t^{\rm RF}$",
    "linearization_gap": r"$\sup_t$ rms of $f_t-f_t^{\rm lin}$",
    "weight_movement": r"$\sup_t\,|W_t-W_0|_F/|W_0|_F$",
}


def draw(metrics: pd.DataFrame) -> dict[str, Figure]:
    """All figures by file name.

    Args:
      metrics: the study's table (docs/power.md).
    """
    with style():
        return {"coupling": coupling(metrics)}


def coupling(metrics: pd.DataFrame) -> Figure:
    """Suprema over time against width, with exponents; estimates dashed."""
    table, bounds = suprema(metrics), estimates(metrics)
    scales = sorted(table["lazy_scale"].unique())
    found = {(r["regime"], r["lazy_scale"], r["measurement"]): r for r in fits(metrics)}
    figure, axes = new_figure(len(_PANELS), height=3.5, width=2.8)
    for axis, (column, label) in zip(axes, _PANELS.items(), strict=True):
        dashed = False
        for i, regime in enumerate(table["regime"].unique()):
            part = table[table["regime"] == regime]
            for rows, colour, words in by_scale(part, REGIMES[regime], scales):
                scale = rows["lazy_scale"].iloc[0]
                fit = found.get((regime, scale, column))
                slope = "" if fit is None else f": {fit['width_exponent']:.2f}"
                line = {
                    "color": colour,
                    "marker": MARKERS[i],
                    "label": (_NAMES[regime] + words + slope).replace("-", "\N{MINUS SIGN}"),
                }
                spread_line(axis, as_floats, rows, "width", column, **line)
                own = bounds[(bounds["regime"] == regime) & (bounds["lazy_scale"] == scale)]
                if column in own and len(own):
                    own = own.sort_values("width")
                    x, y = (np.asarray(own[c], float) for c in ("width", column))
                    axis.plot(x, y, color=colour, linestyle="--", lw=0.9)
                    dashed = True
        log_axes(axis, x="width $N$", y=label)
        if dashed:
            axis.plot([], [], color="0.4", linestyle="--", lw=0.9, label="estimate")
        legend_above(axis)
    return figure
