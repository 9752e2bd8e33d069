"""Every committed table, drawn: nothing cut without a mark, nothing over anything else."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from rf_limits.figures.curves import BEYOND, limit_heights, log_axes
from rf_limits.figures.legends import legend_above
from rf_limits.figures.style import new_figure, shades, style
from rf_limits.methods import NETWORK, NTK
from rf_limits.runs.recipes import FOLDERS, ROOT
from rf_limits.runs.store import RunStore
from rf_limits.studies import config_from_json
from tests.figures.looks import faults, widths_by_colour
from tests.variants import kept

RUNS = sorted(
    path.parent.relative_to(ROOT).as_posix()
    for folder in FOLDERS.values()
    for path in (ROOT / folder).glob("*/config.json")
)
FASTEST = [f"{FOLDERS['full']}/{name}" for name in ("hardness", "sample_complexity", "chizat")]
FASTEST += [f"{FOLDERS['quick']}/{name}" for name in ("approximation", "lazy_scale", "large")]


def figures(folder: str) -> dict[str, Figure]:
    """Drawn from the table of a committed run."""
    store = RunStore(ROOT / folder)
    return config_from_json(store.read_json("config.json")).figures(store.read_metrics())


def lightness(colour) -> float:
    """From 0 to 1."""
    return float(np.dot(mpl.colors.to_rgb(colour), (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("folder", kept(RUNS, FASTEST))
def test_committed_tables_are_drawn_whole_and_readable(folder):
    for name, figure in figures(folder).items():
        assert faults(figure) == [], name
        for label, pairs in widths_by_colour(figure).items():
            ordered = [lightness(colour) for _, colour in sorted(pairs, key=lambda p: p[0])]
            assert ordered == sorted(ordered), (name, label)


def test_faults_are_seen():
    with style():
        figure, (axis, other) = new_figure(2)
        axis.plot([1, 2, 3], [1, 10, 1e4], "o", label="a line")
        other.plot([1, 2, 3], [0.1, 1, 2], "o", label="N = 3")
        log_axes(axis, x="x", y="y")
        axis.set_ylim(top=100.0)
        other.set_xlim(left=1.5)
        axis.legend(loc="upper left")
        other.text(2.0, 1.0, "here")
        other.text(2.0, 1.0, "there")
    assert faults(figure) == [
        "legend over a panel",
        "'here' over 'there'",
        "a line: points above the axes, no mark",
        "N = 3: points left or right of the axes",
    ]


def test_what_lies_beyond_is_marked():
    """Each marker beyond the edge; of a line without markers the point where it leaves."""
    with style():
        figure, (axis,) = new_figure(1)
        axis.plot([1, 2, 3, 4, 5], [0.5, 50, 80, 1, 1e-9], "o-", color="red", label="dots")
        axis.plot([1, 2, 3, 4, 5], [0.5, 50, 80, 1, np.nan], "-", label="line")
        log_axes(axis, x="x", y="y")
        limit_heights([axis], low=1e-3, high=10.0)
        legend_above(axis)
    marks = [line for line in axis.lines if line.get_label() == BEYOND]
    assert [list(line.get_xdata()) for line in marks] == [[2, 3], [5], [2]]
    assert [set(line.get_ydata()) for line in marks] == [{10.0}, {1e-3}, {10.0}]
    assert marks[0].get_color() == "red"
    words = {text.get_text() for text in axis.get_legend().get_texts()}
    assert words == {"dots", "line", "above the axis", "below the axis"}
    assert faults(figure) == []


def test_shared_heights_hold_every_panel():
    """Of five targets the second may have the least risk: no panel alone sets the range."""
    with style():
        figure, axes = new_figure(2, sharey=True)
        for axis, low in zip(axes, (1e-1, 1e-6), strict=True):
            axis.plot([1, 10], [1.0, low], "o")
            log_axes(axis, x="x", y="y")
        limit_heights(axes, high=3.0)
    assert axes[0].get_ylim()[0] < 1e-6
    assert faults(figure) == []


def test_shades_go_from_dark_to_light():
    found = shades(NETWORK.colour, [1024, 16, 64, 16])
    assert list(found) == [16, 64, 1024]
    values = [lightness(colour) for colour in found.values()]
    assert values == sorted(values)
    assert shades(NTK.colour, [5]) == {5: NTK.colour.lower()}
    assert shades(NTK.colour, []) == {}


def test_hardness_says_correlations_on_its_axis():
    """Ticks of the wave are powers of ten with the exponent at which they are."""
    (figure,) = figures(f"{FOLDERS['full']}/hardness").values()
    wave = figure.axes[2]
    figure.draw_without_rendering()
    low, high = sorted(wave.get_ylim())
    shown = {t.get_loc(): t.label1.get_text() for t in wave.yaxis.get_major_ticks()}
    shown = {at: text for at, text in shown.items() if low <= at <= high}
    assert {100.0, 1000.0} <= set(shown)
    assert all(text == f"$10^{{-{at:g}}}$" for at, text in shown.items())
    table = RunStore(ROOT / FOLDERS["full"] / "hardness").read_metrics()
    rows = table[(table["method"] == "wave") & (table["bias"] == 0.0)].sort_values("dim")
    drawn = next(line for line in wave.lines if "bias 0" in str(line.get_label()))
    expected = -pd.to_numeric(rows["log10_correlation"]).dropna()
    np.testing.assert_allclose(drawn.get_ydata(), expected)
    assert wave.yaxis_inverted()
