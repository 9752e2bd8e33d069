"""CITATION.cff says what pyproject.toml says."""

import pathlib
import tomllib

import yaml

import rf_limits

ROOT = pathlib.Path(__file__).parents[2]


def test_citation_agrees_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()  # what the format requires
    assert str(citation["version"]) == project["version"] == rf_limits.__version__
    assert citation["license"] == project["license"]
    assert citation["title"].startswith(project["name"])
    assert set(citation["keywords"]) & set(project["keywords"])
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert paper["identifiers"][0]["value"] == "arXiv:1904.00687"
