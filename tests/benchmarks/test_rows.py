"""Verdicts and regressions of the table of benchmarks."""

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks.rows import Row, from_json, to_json

REFERENCE = Path(__file__).parents[2] / "benchmarks" / "reference.json"


@pytest.mark.parametrize(
    ("ratio", "larger", "verdict"),
    [(2.0, True, "met"), (1.9, True, "MISSED"), (2.0, False, "met"), (2.1, False, "MISSED")],
)
def test_verdicts(ratio, larger, verdict):
    assert Row("job", "other", ratio, 2.0, larger).verdict == verdict
    assert Row("job", "other", ratio).verdict == ""


@pytest.mark.parametrize(
    ("larger", "now", "lost"), [(True, 1.5, True), (True, 1.7, False), (False, 2.5, True)]
)
def test_a_fifth_worse_is_a_regression(larger, now, lost):
    before = Row("job", "other", 2.0, larger_is_better=larger)
    text = dataclasses.replace(before, ratio=now).change(before)
    assert text.startswith("REGRESSION") == lost
    assert "was 2.00" in text
    assert before.change(None) == "new"


def test_nothing_to_lose_from_zero():
    before = Row("job", "other", 0.0, 0.0, larger_is_better=False)
    assert before.change(before) == "was 0.00"
    assert dataclasses.replace(before, ratio=3.0).change(before).startswith("REGRESSION")


def test_committed_ratios_can_be_read():
    rows = from_json(json.dumps(json.loads(REFERENCE.read_text())["rows"]))
    assert len({row.name for row in rows}) == len(rows) > 10
    assert from_json(to_json(rows)) == rows
