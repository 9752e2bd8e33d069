"""Exponents of the table of benchmarks."""

import numpy as np
import pytest

from benchmarks.jobs.growth import exponent
from tests.rounding import LIBRARY, rounding

SIZES = np.array([64, 256, 1024, 4096])
ROUNDING = rounding(LIBRARY + 10, condition=2 * 19 / 0.6)
"""Logarithms up to 19, and what is left of them without their mean, 0.6 and more."""


@pytest.mark.parametrize("change", [None, 300.0])
def test_a_power_law(change):
    assert exponent(SIZES, 3.0 * SIZES**2.0, change) == pytest.approx(2.0, rel=ROUNDING)


def test_a_change_of_method_is_no_growth():
    values = np.where(SIZES > 300, 5.0, 3.0) * SIZES**2.0
    assert exponent(SIZES, values, 300.0) == pytest.approx(2.0, rel=ROUNDING)
    assert exponent(SIZES, values, None) > 2.05
