"""Every field and default of the studies of samples."""

from ml_collections import ConfigDict

from rf_limits.experiments.defaults import default_config


def sample_complexity_config() -> ConfigDict:
    """Risk against the number of samples, for every learner, at several dimensions."""
    config = default_config().unlock()
    config.experiment = "sample_complexity"
    config.dims = (10, 20)
    config.nums_train = (16, 32, 64, 128, 256, 512, 1024)  # n
    config.precision = "float64"
    config.model.widths = (256,)
    config.model.lazy_scales = (0.1, 10.0)  # feature learning, lazy
    config.training.steps = 1000
    config.training.log_points = 2
    config.measure.max_degree = -1
    config.measure.num_probe = 16
    config.seeds = 5
    return config.lock()
