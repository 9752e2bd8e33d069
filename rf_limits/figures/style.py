"""One style for every figure: colour-blind safe, one colour per method everywhere."""

import contextlib
from collections.abc import Iterator

import matplotlib as mpl
from matplotlib.figure import Figure

# Okabe and Ito's palette, and a grey.
COLOURS = {
    "network": "#0072B2",
    "linearized": "#4D4D4D",
    "random_features": "#D55E00",
    "rf_descent": "#56B4E9",
    "tangent_features": "#E69F00",
    "nngp": "#CC79A7",
    "ntk": "#009E73",
    "lazy_limit": "#000000",
}
NAMES = {
    "network": "network",
    "linearized": "linearized network",
    "random_features": "random features (RF)",
    "rf_descent": "RF by the same steps",
    "tangent_features": "tangent features (NT)",
    "nngp": "NNGP, infinite width",
    "ntk": "NTK, infinite width",
    "lazy_limit": "lazy limit $R^*$",
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_PARAMETERS = {
    "font.size": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 6.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "legend.frameon": False,
    "svg.hashsalt": "rf_limits",
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Applies the style inside the block."""
    with mpl.rc_context(_PARAMETERS):
        yield


def shade(colour: str, position: float) -> tuple[float, float, float]:
    """``colour`` darkened (position 0) to lightened (position 1)."""
    r, g, b = mpl.colors.to_rgb(colour)
    if position < 0.5:
        factor = 0.45 + 1.1 * position
        return r * factor, g * factor, b * factor
    mix = 1.1 * (position - 0.5)
    return r + (1 - r) * mix, g + (1 - g) * mix, b + (1 - b) * mix


def new_figure(
    panels: int, height: float = 2.9, width: float = 3.4, *, sharey: bool = False
) -> tuple[Figure, list]:
    """A figure with ``panels`` axes of this ``width`` in a row, drawn without a display."""
    figure = Figure(figsize=(width * panels, height), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False, sharey=sharey)[0]
    return figure, list(axes)
