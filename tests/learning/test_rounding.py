"""At large lazy scales float32 training stands still, looks better, and says so; float64 trains.

Experiment (a) of Chizat, Oyallon and Bach (2019) at tau = 10, half as many steps.
"""

import numpy as np
import pytest

from rf_limits.experiments.dynamics import chizat
from rf_limits.experiments.dynamics.configs import chizat_config
from rf_limits.experiments.tables import (
    ROUNDING_LIMIT,
    exponent_rows,
    final_rows,
    rounding_remarks,
)
from rf_limits.experiments.training import prepare
from tests.experiments.conftest import small_config


def final(precision):
    """Final row at tau = 10, and what the run says under its table."""
    config = chizat_config()
    config.parts, config.taus, config.seeds = ("scale",), (10.0,), 1
    config.training.steps, config.training.log_points = 5000, 3
    config.precision = precision
    result = chizat.prepare(config).run()
    (row,) = final_rows(result.metrics, chizat.LABELS).to_dict("records")
    return row, rounding_remarks(result.metrics, chizat.LABELS)


def lazy_limit():
    """Losses of the linearized network, in closed form: what tau -> infinity tends to."""
    config = chizat_config()
    config.parts, config.taus, config.seeds = ("scale",), (10.0,), 1
    config.training.steps, config.training.log_points = 5000, 2
    config.predictors.methods = ("linearized",)
    metrics = chizat.prepare(config).run().metrics
    return final_rows(metrics, chizat.LABELS).iloc[-1]


@pytest.fixture(scope="module")
def losses():
    return {"float32": final("float32"), "float64": final("float64"), "limit": lazy_limit()}


@pytest.mark.slow
def test_the_artefact_and_the_cure(losses):
    """float32 stops early, which flatters the risk; float64 is the lazy limit to a percent."""
    single, double, limit = losses["float32"][0], losses["float64"][0], losses["limit"]
    assert single["train_loss"] > 1.5 * limit["train_loss"]
    assert single["risk"] < 0.95 * limit["risk"]
    np.testing.assert_allclose(double["train_loss"], limit["train_loss"], rtol=0.01)
    np.testing.assert_allclose(double["risk"], limit["risk"], rtol=0.01)


@pytest.mark.slow
def test_it_cannot_pass_unnoticed(losses):
    row, remarks = losses["float32"]
    assert row["rounding_error"] > 0.9 > ROUNDING_LIMIT
    assert len(remarks) == 1
    assert remarks[0].startswith("ROUNDING: 1 networks")
    row, remarks = losses["float64"]
    assert row["rounding_error"] < 1e-6
    assert remarks == []


def test_exponents_leave_it_out():
    """Widths at the floor are named and not fitted."""
    config = small_config()
    config.model.widths, config.model.lazy_scales = (8, 16), (1.0, 1e6)
    config.measure.exact = False
    config.predictors.methods, config.measure.max_degree = ("network",), -1
    metrics = prepare(config).run().metrics
    final = final_rows(metrics)
    high = final[final["lazy_scale"] == 1e6]
    assert np.all(high["rounding_error"] > ROUNDING_LIMIT)
    scales = {row["lazy_scale"] for row in exponent_rows(metrics)}
    assert scales == {1.0}
