"""Cells of tables: what they print, and the numbers by which they are sorted."""

import math

import numpy as np
import pytest

from rf_limits.analysis.exponents import short_interval
from rf_limits.table import Cell, Column, Table


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        (3.14e-4, "3.1e-4", 3.14e-4),
        (0.2718, "0.27", 0.2718),
        (np.float32(0.5), "0.5", 0.5),
        (12, "12", 12.0),
        (np.int64(1_000_000), "1000000", 1e6),
        ("NTK", "NTK", None),
        (None, "-", None),
        (math.nan, "nan", None),
        (math.inf, "inf", None),
    ],
)
def test_cells_are_sorted_by_the_numbers_they_show(value, text, number):
    """By the whole number, of which two digits are printed."""
    cell = Cell.of(value)
    assert cell == text
    assert isinstance(cell, str)
    assert cell.value == number
    assert cell.method == ""


def test_cells_of_parts():
    cell = Cell("10^50.6", 10**50.6, "ntk")
    assert (cell, cell.value, cell.method) == ("10^50.6", 10**50.6, "ntk")
    assert Cell("NTK").value is None


@pytest.mark.parametrize(
    ("row", "text", "value"),
    [
        ({"N_exponent": -0.5123, "N_low": -0.53, "N_high": -0.49}, "-0.51±0.02", -0.5123),
        ({"N_exponent": -0.5123, "N_low": math.nan, "N_high": math.nan}, "-0.51", -0.5123),
        (None, "-", None),
    ],
)
def test_exponents_are_sorted_without_their_intervals(row, text, value):
    cell = short_interval(row, "N")
    assert (cell, cell.value) == (text, value)


def test_columns_say_what_they_mean():
    column = Column("N", "width")
    assert (column, column.meaning) == ("N", "width")
    assert Column("risk").meaning == ""


def test_tables_hold_text_too():
    table = Table("title", ["method", Column("N", "width")], [["RF", Cell.of(8)]])
    title, heads, rows = table
    assert (title, list(heads), rows[0][1].value) == ("title", ["method", "N"], 8.0)
