"""Dashed lines of theory beside measured risks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

_FAINT = 0.35


def theory_line(axis: Axes, rows: pd.DataFrame, x: str, colour: str | tuple) -> None:
    """Draws a learning curve dashed: faint where a remark says that it is rough, not at all
    where there is none.

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
        axis.plot(np.asarray(rows[x], float), values, color=colour, linestyle="--", alpha=alpha)
