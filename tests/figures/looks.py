"""What is wrong with how a figure looks: data cut, legends over it, text over text, odd ticks."""

import itertools
import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from rf_limits.figures.curves import BEYOND
from rf_limits.figures.style import legible

_TOUCHING = 1.0  # pixels by which boxes may overlap: they are of whole pixels


def faults(figure: Figure) -> list[str]:
    """A line for each; the figure is laid out as it is when it is saved."""
    legible(figure)
    figure.draw_without_rendering()
    axes = [axis for axis in figure.axes if axis.get_visible()]
    found = [*_legends(figure, axes), *_texts(figure, axes)]
    for axis in axes:
        found += [*_cut(axis), *_ticks(axis)]
    return found


def _cut(axis) -> list[str]:
    """Lines whose points lie outside without a mark at the edge that says so."""
    (left, right), (bottom, top) = sorted(axis.get_xlim()), sorted(axis.get_ylim())
    marks = [line.get_xydata() for line in axis.lines if line.get_label() == BEYOND]
    marks = np.concatenate(marks) if marks else np.empty((0, 2))
    found = []
    for line in axis.lines:
        if line.get_transform() != axis.transData or line.get_label() == BEYOND:
            continue
        xy = np.array(line.get_xydata(), float)
        xy = xy[np.isfinite(xy).all(1)]
        x, y = xy.T
        if not ((left <= x) & (x <= right)).all():
            found.append(f"{line.get_label()}: points left or right of the axes")
        for side, out in (("above", y > top), ("below", y < bottom)):
            edge = top if side == "above" else bottom
            marked = marks[np.isclose(marks[:, 1], edge), 0]
            runs = np.split(np.arange(len(x)), np.flatnonzero(np.diff(out)) + 1)
            for run in runs:
                if len(run) and out[run[0]] and not np.isin(x[run], marked).any():
                    found.append(f"{line.get_label()}: points {side} the axes, no mark")
    return found


def _overlap(one: Bbox, two: Bbox) -> bool:
    both = Bbox.intersection(one, two)
    return both is not None and min(both.width, both.height) > _TOUCHING


def _legends(figure: Figure, axes: list) -> list[str]:
    """Legends over the ground of a panel: where data are, or may be."""
    legends = [*figure.legends, *(axis.get_legend() for axis in axes)]
    found = []
    for legend in filter(None, legends):
        box = legend.get_window_extent()
        found += ["legend over a panel" for a in axes if _overlap(box, a.get_window_extent())]
    return found


def _texts(figure: Figure, axes: list) -> list[str]:
    """Texts over other texts, or partly outside of the figure."""
    shown = []
    legends = [*figure.legends, *filter(None, (axis.get_legend() for axis in axes))]
    for axis in axes:
        shown += [*axis.texts, axis.title, axis._left_title, axis._right_title]
        for one in (axis.xaxis, axis.yaxis):
            shown += [one.label, one.get_offset_text(), *_tick_texts(one)]
    for legend in legends:
        shown += [*legend.get_texts(), legend.get_title()]
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in shown
        if text.get_visible() and text.get_text().strip()
    ]
    page = figure.bbox
    found = [
        f"{text!r} leaves the figure"
        for text, box in boxes
        if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < -1 or box.y1 > page.y1 + 1
    ]
    for (one, a), (two, b) in itertools.combinations(boxes, 2):
        if _overlap(a, b):
            found.append(f"{one!r} over {two!r}")
    return found


def _tick_texts(axis) -> list:
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [t.label1 for t in ticks if t.label1.get_visible() and low <= t.get_loc() <= high]


def _ticks(axis) -> list[str]:
    """Axes with fewer than two numbers, and signs under a logarithm."""
    found = []
    for one in (axis.xaxis, axis.yaxis):
        texts = [text.get_text() for text in _tick_texts(one) if text.get_text().strip()]
        values = one.get_data_interval()
        low, high = sorted(values)
        single = not np.isfinite(values).all() or high <= low * (1 + 1e-9)
        if one.get_tick_params().get("labelleft", True) and len(texts) < 2 and not single:
            found.append(f"{one.label.get_text()!r} has numbers {texts}")
        if any(re.search(r"[-\N{MINUS SIGN}]\s*10\^", text) for text in texts):
            found.append(f"{one.label.get_text()!r} has numbers {texts}")
    return found


def widths_by_colour(figure: Figure) -> dict[str, list[tuple[int, object]]]:
    """Widths and colours of the lines of every panel, by what the label says before the width."""
    found: dict[str, list] = {}
    for i, axis in enumerate(figure.axes):
        for line in axis.lines:
            match = re.fullmatch(r"(.*?)\$?[Nr] ?= ?(\d+)\b.*", str(line.get_label()))
            if match:
                found.setdefault(f"{i}: {match[1]}", []).append((int(match[2]), line.get_color()))
    return {name: pairs for name, pairs in found.items() if len(pairs) > 1}
