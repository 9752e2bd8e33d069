"""A run stopped anywhere and begun again gives the undisturbed numbers, to the last bit."""

import json

import pandas as pd
import pytest

from rf_limits.devices.pace import Pace
from rf_limits.training import run as training
from tests.experiments.conftest import small_config
from tests.keeping import MemoryKeep, run_in_pieces
from tests.variants import kept

CASES = {
    "closed_form": {},
    "alongside": {
        "training.optimizer": "sgd(momentum=0.9)",
        "training.learning_rate": "0.05",
        "predictors.methods": ("network", "linearized", "rf_descent", "random_features"),
    },
    "minibatches": {
        "training.optimizer": "adam",
        "training.learning_rate": "0.01",
        "training.batch_size": 7,
        "predictors.methods": ("network", "linearized"),
    },
    "stream": {
        "data.kind": "stream",
        "training.learning_rate": "0.05",
        "training.batch_size": 5,
        "predictors.methods": ("network", "rf_descent"),
    },
    "noise": {
        "training.optimizer": "noisy_sgd(key=1, eta=1e-4)",
        "training.learning_rate": "0.05",
        "predictors.methods": ("network", "linearized", "rf_descent"),
    },
    "short_floats": {
        "training.optimizer": "adamw(mu_dtype='bfloat16')",
        "training.learning_rate": "0.01",
        "predictors.methods": ("network",),
    },
    "short_momentum": {
        "training.optimizer": "sgd(momentum=0.9, accumulator_dtype='bfloat16')",
        "training.learning_rate": "0.05",
        "predictors.methods": ("network",),
    },
    "flow": {
        "training.optimizer": "gradient_flow",
        "training.learning_rate": "0.05",
        "predictors.methods": ("network",),
    },
}


def configured(case):
    config = small_config()
    config.model.widths, config.seeds = (4,), 2
    config.training.steps, config.training.log_points = 60, 4
    config.measure.exact, config.measure.max_degree = False, -1
    config.update(CASES[case])
    return config


@pytest.mark.parametrize("case", kept(CASES, ["alongside", "minibatches", "noise", "short_floats"]))
def test_stopped_at_every_opportunity(case, monkeypatch):
    config = configured(case)
    prepared = training.prepare(config)
    whole = prepared.run()
    monkeypatch.setattr("rf_limits.devices.pace._GROWTH", 1.5)  # short chunks
    result, stops = run_in_pieces(prepared, 1)
    assert stops > 5
    pd.testing.assert_frame_equal(result.metrics, whole.metrics, check_exact=True)
    assert json.dumps(result.choices) == json.dumps(whole.choices)


def test_saving_changes_nothing():
    config = configured("alongside")
    keep, prepared = MemoryKeep(), training.prepare(config)
    result = prepared.run(keep=keep)
    assert len(keep.saved) > 5
    assert not keep.states  # the part is finished: nothing to go on from
    pd.testing.assert_frame_equal(result.metrics, prepared.run().metrics, check_exact=True)


def test_chunks_take_about_the_time_asked_for(monkeypatch):
    pace, sizes, clock = Pace(), [], [0.0]
    monkeypatch.setattr("rf_limits.devices.pace.SECONDS", 0.2)
    monkeypatch.setattr("rf_limits.devices.pace.time.monotonic", lambda: clock[0])

    def work(size):
        clock[0] += 5.0 if not sizes else size * 1e-3  # the first call compiles

    for size in pace.chunks(1000):
        pace.timed(size, lambda size=size: work(size))
        sizes.append(size)
    assert sum(sizes) == 1000
    assert sizes[:4] == [1, 1, 8, 64]
    assert set(sizes[4:-1]) <= {199, 200}  # the clock rounds
