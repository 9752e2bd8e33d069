"""Every number that a document quotes from the reference results is the one in their tables."""

import pytest

from tests.docs.quoted import ROOT, Quoted, quoted, unquoted

TELLING = [ROOT / "README.md", ROOT / "results" / "README.md", ROOT / "docs" / "story.md"]
"""Documents in which every measured number must name its source."""
FREE = {"results/README.md": ["0.71"], "README.md": ["3.11"]}
"""Numbers that are settings or plain arithmetic: 0.71 is the root of 1/2."""


@pytest.mark.parametrize("path", TELLING, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_quoted_numbers_are_those_of_the_tables(path):
    found = quoted(path.read_text())
    assert len(found) > (10 if path.parent == ROOT else 20)
    wrong = [f"{q.text}, but {q.value:.6g}: {q.source}" for q in found if not q.agrees()]
    assert not wrong, wrong


@pytest.mark.parametrize("path", TELLING, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_measured_number_is_without_source(path):
    assert unquoted(path.read_text()) == FREE.get(path.relative_to(ROOT).as_posix(), [])


@pytest.mark.parametrize("text", ["0.0040", "4.0e-3", "4e-3", "0.00400"])
def test_a_number_agrees_if_it_is_rounded_right(text):
    assert Quoted(text, "", 0.0039995307).agrees()


@pytest.mark.parametrize("text", ["0.0041", "3.9e-3", "0.003999", "5e-3", "-0.0040"])
def test_a_number_that_is_not_does_not(text):
    assert not Quoted(text, "", 0.0039995307).agrees()


def test_a_changed_table_is_seen():
    text = "14<!--= hardness overview dim=10 neuron_steps -->"
    assert quoted(text)[0].agrees()
    assert not quoted(text.replace("14", "15"))[0].agrees()
    assert unquoted("a risk of 0.25, `0.1`, 3e-4") == ["0.25", "3e-4"]
