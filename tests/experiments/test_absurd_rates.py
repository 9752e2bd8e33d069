"""Learning rates at which nothing can be learned say so, in the table, under it and in figures."""

import io

import numpy as np
import pandas as pd
import pytest

from rf_limits.analysis.tables import final_rows
from rf_limits.figures.style import save
from rf_limits.optimization import flow
from rf_limits.remarks import Remark
from rf_limits.studies.training import Training
from rf_limits.training.run import prepare
from tests.experiments.conftest import remarks, small_config


def run(optimizer, rate, precision, activation="relu"):
    """Two networks, and what the run says of them; no warning, and no traceback of a figure."""
    config = small_config()
    config.problem.dim, config.data.num_train, config.seeds = 4, 12, 1
    config.model.widths, config.model.lazy_scales = (8,), (1.0, 10.0)
    config.model.activation, config.precision = activation, precision
    config.training.optimizer, config.training.learning_rate = optimizer, rate
    config.predictors.methods = ("network",)
    config.measure.exact, config.measure.max_degree = False, -1
    result = prepare(config).run()
    figures = Training().figures(result.metrics)
    for figure in figures.values():
        save(figure, io.BytesIO(), "png")
    return result, [line.topic for line in remarks(result) if isinstance(line, Remark)]


@pytest.mark.parametrize(
    ("rate", "precision", "activation", "risk"),
    [
        ("1e36", "float32", "relu", "nan"),
        ("1e77", "float64", "relu", "inf"),
        ("1e300", "float64", "tanh", "nan"),
    ],
)
def test_training_that_diverges(rate, precision, activation, risk):
    """The table showed the first risk as the last."""
    result, said = run("adam", rate, precision, activation)
    assert result.diverged
    assert said == ["DIVERGED"]
    _, columns, rows = Training().findings(result).table
    assert [row[columns.index("network")] for row in rows] == [risk, risk]


def test_risks_that_axes_cannot_hold():
    """Finite, so that nothing diverged; their figures overflowed."""
    result, _ = run("adam", "1e151", "float64", "tanh")
    risks = final_rows(result.metrics)["risk"].to_numpy(float)
    assert np.all(np.isfinite(risks))
    assert np.all(risks > 1e290)


@pytest.mark.parametrize(
    ("optimizer", "rate", "precision"),
    [
        ("adam", "1e-37", "float32"),
        ("adam", "1e-300", "float64"),
        ("sgd", "1e-37", "float32"),
        ("gradient_flow", "1e-30", "float64"),
    ],
)
def test_training_that_does_not_move(optimizer, rate, precision):
    _, said = run(optimizer, rate, precision)
    assert said == ["UNMOVED"]


def test_flow_that_fails_diverges(monkeypatch):
    """Where the solver runs out of steps parameters are nan."""
    monkeypatch.setattr(flow, "_MAX_STEPS", 7)
    result, said = run("gradient_flow(rtol=1e-7)", "50.0", "float64")
    assert result.diverged
    assert said == ["DIVERGED"]


def test_the_last_row_is_that_of_the_last_step():
    """Also where times are not finite, or all the same."""
    rows = {"method": "network", "width": 8, "lazy_scale": 1.0, "seed": 0}
    for times in ([np.nan, np.inf, np.inf], [0.0, 0.0, 0.0]):
        table = pd.DataFrame(
            [rows | {"step": k, "time": t} for k, t in zip((0, 9, 3), times, strict=True)]
        )
        assert final_rows(table)["step"].tolist() == [9]
