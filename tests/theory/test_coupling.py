"""The coupling guarantee: its laws, and its two inequalities met by exact computation."""

import math

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory.coupling import coupling_guarantee
from tests.rounding import rounding


def exponent(regime, name):
    """Slope in N where N is large."""
    values = [getattr(coupling_guarantee(regime, 1.0, 1.0, n, 10), name) for n in (10**14, 10**16)]
    return math.log(values[1] / values[0]) / math.log(100.0)


@pytest.mark.parametrize(
    ("regime", "name", "slope"),
    [
        ("hidden", "weight_movement", -0.5),
        ("hidden", "gap", -0.25),
        ("all", "weight_movement", -1.0),
        ("all", "gap", -1.0),
    ],
)
def test_exponents(regime, name, slope):
    assert exponent(regime, name) == pytest.approx(slope, abs=2e-3)


@pytest.mark.parametrize("bias", [False, True])
def test_a_neurons_departure_from_its_linearization(bias):
    """alpha sqrt(N) m q bounds the mean of the sum of |relu(h + m) - relu(h) - 1[h > 0] m|."""
    rng, width, impulse, scale = np.random.default_rng(0), 10**6, 3.0, 2.0
    r = math.sqrt(2.0) if bias else 1.0
    moved = impulse * r**2 / math.sqrt(width)
    h = r * rng.normal(size=width)
    shift = moved * rng.choice([-1.0, 1.0], size=width)
    departure = np.abs(np.maximum(h + shift, 0.0) - np.maximum(h, 0.0) - (h > 0) * shift)
    found = scale * np.sum(departure) / math.sqrt(width)
    # with no time passed, what is left beside tau is M r sqrt(q) times alpha R
    bound = coupling_guarantee("hidden", impulse, 0.0, width, 10, lazy_scale=scale, bias=bias)
    flips = math.sqrt(2.0 / math.pi) * impulse * r / math.sqrt(width)
    tau = bound.gap - scale * r / math.sqrt(2.0) * impulse * r * math.sqrt(flips)
    assert found < tau
    assert tau < 5.0 * found


def test_movement_of_neurons_is_the_impulse():
    """|delta_i| = M r/sqrt(N) for every neuron gives |W_t - W_0| = M r over |W_0| = sqrt(N d)."""
    found = coupling_guarantee("hidden", 2.0, 5.0, 400, 9)
    rel = rounding(16)  # products, quotients and roots of a few numbers
    assert found.weight_movement == pytest.approx(2.0 / math.sqrt(400 * 9), rel=rel)
    biased = coupling_guarantee("hidden", 2.0, 5.0, 400, 9, bias=True)
    assert biased.weight_movement == pytest.approx(2.0 * math.sqrt(2.0 / 4000), rel=rel)


def test_refusals():
    with pytest.raises(RequirementError, match="regime must be one of"):
        coupling_guarantee("ntk", 1.0, 1.0, 10, 10)
    with pytest.raises(RequirementError, match="impulse must be at least 0"):
        coupling_guarantee("all", -1.0, 1.0, 10, 10)
