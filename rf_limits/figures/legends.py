"""Legends beside the data, never over them: above a panel, or above all of a figure."""

from collections.abc import Iterable
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.figures.style import LEAST_SIZE, TEXT_WIDTH, Look

_SIZE = 6.5  # points, of the text
_KEY = 0.55  # inches, of a key and the space around an entry
_ROW = 0.14  # inches
_WIDE = 0.58  # of a character on average, in sizes of the text


def legend_above(axis: Axes, title: str = "", **options: Any) -> None:
    """Puts the legend above its panel.

    Args:
      axis: the panel.
      title: of the panel, above the legend; a title of the axes would be under it.
      **options: of ``axis.legend``.
    """
    if not axis.get_legend_handles_labels()[1]:
        axis.set_title(title, loc="left", fontsize=8)
        return
    place: Look = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
    axis.legend(**place, title=title or None, alignment="left", title_fontsize=8, **options)


def shared_legend(figure: Figure, axes: Iterable[Axes]) -> None:
    """Puts one legend above the whole figure, which grows by its height.

    Args:
      figure: with a constrained layout.
      axes: whose entries are shown; of entries with the same label the first is.
    """
    entries: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    width = figure.get_figwidth()
    size = max(_SIZE, LEAST_SIZE * width / TEXT_WIDTH) / 72.0  # as style.legible() makes it
    entry = _KEY + _WIDE * size * max(map(len, entries))
    columns = max(1, min(len(entries), int(width / entry)))
    place: Look = {"loc": "outside upper left", "ncols": columns, "columnspacing": 1.0}
    figure.legend(list(entries.values()), list(entries), **place)
    rows = -(-len(entries) // columns)
    figure.set_figheight(figure.get_figheight() + _ROW * (1 + rows) * size * 72.0 / _SIZE)


def note_below(figure: Figure, text: str) -> None:
    """Puts a line below the whole figure, where no legend is."""
    figure.supxlabel(text, fontsize=7)
