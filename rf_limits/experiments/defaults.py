"""Every field of a training config and its default, in one place.

Files under configs/ start from :func:`default_config` and override. The field names are the
user interface: ``--config.problem.dim=15``.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

METHODS = ("network", "linearized", "random_features", "tangent_features", "nngp", "ntk")
"""Everything a training run can put side by side."""


def default_config() -> ConfigDict:
    """A fresh, locked config; docs/results.md says what each experiment writes."""
    config = ConfigDict()
    config.experiment = "training"

    config.problem = problem = ConfigDict()
    problem.dim = 20  # d
    problem.target = "single_neuron"  # single_neuron, teacher, polynomial
    problem.norm = 1.0  # |w*|; of every teacher neuron; root mean square of a polynomial
    problem.bias = 0.0  # b*
    problem.neurons = 3  # of a teacher
    problem.degree = 2  # of a polynomial
    problem.inputs = "gaussian"  # gaussian, sphere
    problem.noise = 0.0  # standard deviation of the label noise
    problem.seed = 0  # draws the target

    config.data = data = ConfigDict()
    data.kind = "fixed"  # fixed: a training set; stream: fresh samples at every step
    data.num_train = 512  # n; with stream, the set that fitted predictors use
    data.num_test = 4096  # for whatever has no exact risk
    data.seed = placeholder(int)  # None: every seed draws its own data; a number: shared data

    config.model = model = ConfigDict()
    model.widths = (16, 64, 256, 1024)  # N
    model.activation = "relu"  # relu, erf, tanh, gelu, sigmoid, softplus, sin, linear
    model.bias = False  # hidden biases, N(0, 1) at initialization
    model.parameterization = "ntk"  # ntk, standard, mean_field
    model.output_init = "gaussian"  # gaussian, sign
    model.lazy_scales = (0.1, 1.0, 10.0)  # alpha
    model.centring = "subtract"  # none, subtract (f - f_0), antisymmetric
    model.trainable = "both"  # hidden, output, both

    config.training = training = ConfigDict()
    training.optimizer = "sgd"  # any of optax: "sgd(momentum=0.9)", "adam", "adamw(b1=0.8)"
    training.learning_rate = "auto"  # or a number; auto = n / largest NTK eigenvalue
    training.steps = 1000
    training.batch_size = placeholder(int)  # None: full batch
    training.log_points = 12  # log-spaced measurements, step 0 and the last included
    training.ensemble = "auto"  # map, vmap; auto = map on CPU

    config.predictors = predictors = ConfigDict()
    predictors.methods = METHODS
    predictors.ridge = 0.0  # added to the kernel's diagonal; penalty on squared weights

    config.measure = measure = ConfigDict()
    measure.num_probe = 256  # training inputs on which NTK drift and flips are measured

    config.precision = "float32"  # of training; everything measured is float64
    config.seeds = 3  # how many draws of data and initialization
    return config.lock()
