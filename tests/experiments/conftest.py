"""A small config and its result, shared by the tests of experiments, runs and figures."""

import pytest

from rf_limits import default_config
from rf_limits.studies.training import Training
from rf_limits.training.run import prepare


def small_config():
    """Seconds, not minutes; every method on."""
    config = default_config()
    config.problem.dim = 5
    config.data.num_train = 40
    config.data.num_test = 200
    config.model.widths = (8, 32)
    config.model.lazy_scales = (0.5, 10.0)
    config.training.steps = 50
    config.training.log_points = 4
    config.measure.num_probe = 16
    config.seeds = 2
    return config


@pytest.fixture(scope="session")
def result():
    """The small config, run once."""
    return prepare(small_config()).run()


def remarks(result):
    """The lines under the table of a training run."""
    return Training().findings(result).remarks


def changed(config, fields):
    """The config with other values by dotted name: assigned, so refused if they are of no use."""
    config.update(fields)
    return config
