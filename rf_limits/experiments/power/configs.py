"""Every field and default of the studies of the power of random features."""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from rf_limits.experiments.defaults import default_config


def _one_pass(experiment: str) -> ConfigDict:
    """One-pass SGD on fresh samples, centred, float64."""
    config = default_config().unlock()
    config.experiment = experiment
    config.precision = "float64"
    config.data.kind = "stream"
    config.model.lazy_scales = (1.0,)
    config.measure.max_degree = -1
    return config


def coupling_config() -> ConfigDict:
    """Network, linearization and random features on the same samples, against width."""
    config = _one_pass("coupling")
    config.regimes = ("hidden", "all", "ntk")
    config.problem.dim = 10
    config.data.num_train = 64  # for kernel drift and train_loss alone
    config.data.num_test = 16
    config.measure.num_probe = 64
    config.model.widths = (16, 64, 256, 1024)
    config.training.learning_rate = "0.5"
    config.training.batch_size = 16
    config.training.steps = 400
    config.training.log_points = 10
    config.seeds = 4
    return config.lock()


def polynomials_config() -> ConfigDict:
    """Polynomials and a neuron, learned by SGD in the paper's two regimes and by features."""
    config = _one_pass("polynomials")
    config.targets = ("harmonic_1", "harmonic_2", "monomial_3", "hermite_product_4", "neuron")
    config.regimes = ("hidden", "all")
    config.nums_train = (128, 1024)  # n of the fitted features and kernels
    config.accuracy = 0.1  # relative risk that counts as learned
    # of a monomial in the polynomials; None: E f*^2 = 1
    config.largest_coefficient = placeholder(float)
    config.problem.dim = 5
    config.measure.exact = False  # True: exact risks of networks and features, 2.4 times the time
    config.data.num_test = 10_000
    config.measure.num_probe = 64
    config.model.bias = True  # without biases relu has no odd degree but the first
    config.model.widths = (64, 512)
    config.training.batch_size = 64
    config.training.steps = 4000
    config.training.log_points = 10
    config.seeds = 3
    return config.lock()
