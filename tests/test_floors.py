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
    "studies",
    "runs",
    "sweeps",
    "report",
    "experiments",
)
"""Folders, the lowest first; docs/architecture.md says what each holds."""
NOUNS = ("errors", "named", "remarks", "table", "types")
"""Modules of the root that every floor may import."""


def imported(path):
    """Folders and modules of the package that a file imports when it is loaded."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rf_limits."):
            yield node.module.split(".")[1]


def test_every_folder_is_a_floor():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(FLOORS)


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_those_below_it_alone(floor):
    below = {*FLOORS[: FLOORS.index(floor) + 1], *NOUNS}
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
