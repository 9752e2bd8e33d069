"""Imports run one way: a folder of the package imports those below it, and none above."""

import ast
from pathlib import Path

import pytest

import rf_limits

PACKAGE = Path(rf_limits.__file__).parent
FLOORS = (
    "devices",
    "theory",
    "models",
    "problem",
    "measure",
    "regression",
    "optimization",
    "config",
    "methods",
    "analysis",
    "training",
    "figures",
    "verdicts",
    "studies",
    "runs",
    "sweeps",
    "report",
    "experiments",
    "certifying",
)
"""Folders, the lowest first; docs/architecture.md says what each holds."""
NOUNS = ("errors", "named", "remarks", "table", "types")
"""Modules of the root that every floor may import."""

PLACES = {path.stem for path in PACKAGE.iterdir()} - {"__init__", "__pycache__"}


def imported(path):
    """Folders and modules of the package that a file imports when it is loaded."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for root, _, rest in (name.partition(".") for name in names):
            place = rest.partition(".")[0]
            if root == "rf_limits" and place in PLACES:
                yield place


@pytest.mark.parametrize(
    ("line", "places"),
    [
        ("from rf_limits.report.page import report", ["report"]),
        ("from rf_limits import figures, train", ["figures"]),
        ("from rf_limits import report as page, errors", ["report", "errors"]),
        ("import rf_limits.runs.store", ["runs"]),
        ("import rf_limits.runs as runs", ["runs"]),
        ("import rf_limits", []),
        ("from report import page", []),
    ],
)
def test_every_form_of_import_is_seen(tmp_path, line, places):
    (tmp_path / "module.py").write_text(line)
    assert list(imported(tmp_path / "module.py")) == places


def test_every_folder_is_a_floor():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(FLOORS)


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_those_below_it_alone(floor):
    below = {*FLOORS[: FLOORS.index(floor) + 1], *NOUNS}
    if floor == "certifying":  # trains runs again as users do
        below.add("api")
    above = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in (PACKAGE / floor).rglob("*.py")
        for name in imported(path)
        if name not in below
    }
    assert not above


def test_nouns_of_the_root_import_no_floor():
    for noun in NOUNS:
        assert set(imported(PACKAGE / f"{noun}.py")) <= set(NOUNS)
