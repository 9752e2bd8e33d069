"""One style: colours told apart by everybody, text that is read in print, files without dates."""

import io
import itertools
import os
import pathlib
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text

import rf_limits
from rf_limits.figures.style import (
    FORMATS,
    LEAST_SIZE,
    OTHERS,
    TEXT_WIDTH,
    new_figure,
    save,
    style,
)
from rf_limits.methods import BASELINES, METHODS
from tests.in_process import ROOT

COLOURS = {key: entry.colour for key, entry in {**METHODS, **BASELINES}.items()}

# Machado, Oliveira and Fernandes (2009), dichromats.
SIGHT = {
    "normal": np.eye(3),
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]


def light(colour):
    """Linear light of a colour."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def seen(colour, sight):
    """CIE L*a*b* of a colour."""
    xyz = TO_XYZ @ np.clip(np.array(SIGHT[sight]) @ light(colour), 0, 1) / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_methods_are_told_apart(sight):
    colours = {name: seen(colour, sight) for name, colour in COLOURS.items()}
    for (one, a), (two, b) in itertools.combinations(colours.items(), 2):
        assert np.linalg.norm(a - b) > 15, (one, two)  # 2.3 is just noticeable


@pytest.mark.parametrize("sight", SIGHT)
def test_other_lines_are_told_apart(sight):
    assert not set(OTHERS) & set(COLOURS.values())
    for one, two in itertools.combinations(OTHERS, 2):
        assert np.linalg.norm(seen(one, sight) - seen(two, sight)) > 15, (one, two)


def test_lines_are_seen_on_white():
    for name, colour in [*COLOURS.items(), *enumerate(OTHERS)]:
        assert 1.05 / (light(colour) @ TO_XYZ[1] + 0.05) > 2.2, name


@pytest.mark.parametrize(("panels", "width"), [(1, 3.4), (4, 3.2)])
def test_text_is_legible_in_print(panels, width):
    with style():
        figure, axes = new_figure(panels, width=width)
        for axis in axes:
            axis.plot([1, 10], [1, 1e3], label="one")
            axis.set_yscale("log")
            axis.legend(fontsize=4)
    save(figure, io.BytesIO(), "svg")
    printed = min(1.0, TEXT_WIDTH / (panels * width))
    figure.draw_without_rendering()  # whatever ticks are made only now
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert len(shown) > 5 * panels
    assert min(text.get_fontsize() for text in shown) * printed >= LEAST_SIZE * (1 - 1e-9)


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_figure_is_the_same_file(form, monkeypatch):
    def file(now):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", now)  # a clock in the hands of the test
        with style():
            figure, (axis,) = new_figure(1)
            axis.plot([1, 2], [3, 4], "o", label="a line")
            axis.legend()
        found = io.BytesIO()
        save(figure, found, form)
        return found.getvalue()

    assert file("1000000000") == file("1700000000")


def test_colours_come_from_one_place():
    for path in (pathlib.Path(rf_limits.__file__).parent / "figures").rglob("*.py"):
        if path.name != "style.py":
            assert not re.search(r"#[0-9a-fA-F]{6}|\"C\d|C\{|tab:", path.read_text()), path


_SETTINGS = """text.usetex: True
font.size: 30
axes.facecolor: black
savefig.bbox: tight
svg.fonttype: none
lines.linewidth: 9
backend: nowhere
"""
_DRAWN = """
import hashlib, io, sys
from rf_limits.studies import Study
from rf_limits.report import pictures
from rf_limits.figures.style import save, style, new_figure
import matplotlib as mpl
with style():
    figure, (axis,) = new_figure(1)
    axis.plot([1, 2], [3, 4], "o", label="a line")
    axis.set_xlabel("$N$")
    axis.legend()
file = io.BytesIO()
save(figure, file, "svg")
print(hashlib.sha256(file.getvalue()).hexdigest(), mpl.rcParams._get("backend"), sep="\\n")
"""


def drawn(folder, backend):
    """Hash of a figure, and the backend that is left to others, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", _DRAWN], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_settings_and_backends_of_others_change_nothing(tmp_path):
    """A notebook's backend that is not here, and a matplotlibrc file in the current folder."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "matplotlibrc").write_text(_SETTINGS)
    expected, backend = drawn(tmp_path / "plain", "svg")
    assert backend == "svg"  # what the user asked for outside our figures stays
    found, backend = drawn(tmp_path / "own", "module://matplotlib_inline.backend_inline")
    assert found == expected
    assert "inline" not in backend  # matplotlib does not know it here


def test_settings_of_a_session_change_nothing():
    def file():
        with style():
            figure, (axis,) = new_figure(1)
            axis.plot([1, 2], [3, 4], "o", label="a line")
        found = io.BytesIO()
        save(figure, found, "svg")
        return found.getvalue()

    expected = file()
    with mpl.rc_context({"text.usetex": True, "font.size": 30, "axes.facecolor": "black"}):
        assert file() == expected
        assert mpl.rcParams["font.size"] == 30


def test_matplotlib_is_imported_after_figures_alone():
    """Its import is where backends that are not there would be errors.

    Files of studies draw too: the first that is imported with any of them are the figures.
    """
    package = pathlib.Path(rf_limits.__file__).parent
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] not in ("figures", "studies"):
            assert not re.search(r"^(import|from) matplotlib", path.read_text(), re.M), path
    text = (package / "studies" / "__init__.py").read_text()
    first, *_ = re.findall(r"^(?:import|from) ((?:rf_limits|matplotlib).*?)(?:  #.*)?$", text, re.M)
    assert first == "rf_limits import figures"
