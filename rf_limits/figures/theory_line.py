"""Dashed lines of theory beside measured risks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

LARGEST_RISK = 3.0
"""Relative risks above it are marked at the edge: features without ridge blow up where n = N."""
_FAINT = 0.35
_INFINITE = 1e3  # times the largest finite risk: where a line leaves the axes


def theory_line(axis: Axes, rows: pd.DataFrame, x: str, colour: str | tuple) -> None:
    """Draws a learning curve dashed: faint where a remark says that it is rough, not at all
    where there is none; a risk that is infinite, as without ridge where n = N, out of the axes.

    Args:
      axis: where to draw.
      rows: theory rows of one method, in the order of ``x``.
      x: column of the number of samples.
      colour: of the line.
    """
    rough = "theory_remark" in rows and bool(rows["theory_remark"].notna().any())
    values = np.asarray(rows["relative_risk"], float)
    if len(rows) and not np.all(np.isnan(values)):
        alpha = _FAINT if rough else 1.0
        beyond = _INFINITE * max(LARGEST_RISK, *values[np.isfinite(values)])
        values = np.where(np.isposinf(values), beyond, values)
        axis.plot(np.asarray(rows[x], float), values, color=colour, linestyle="--", alpha=alpha)
