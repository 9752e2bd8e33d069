"""Every field and default of the studies of lazy training.

A study's config is a training config (:mod:`rf_limits.experiments.defaults`) with the lists its
runs go through; its figures and tables are described in docs/dynamics.md.
"""

from ml_collections import ConfigDict

from rf_limits.experiments.defaults import default_config

_POWERS_OF_FOUR = (16, 64, 256, 1024, 4096)


def _base(experiment: str) -> ConfigDict:
    """A training config as studies of small differences need it: float64, centred, one scale."""
    config = default_config().unlock()
    config.experiment = experiment
    config.precision = "float64"
    config.problem.dim = 10
    config.data.num_test = 1000
    config.model.lazy_scales = (1.0,)
    config.training.learning_rate = "auto_ntk"
    config.measure.max_degree = -1
    return config


def lazy_width_config() -> ConfigDict:
    """Movement, drift and gaps against width, in four parameterizations and without a kink."""
    config = _base("lazy_width")
    # the first activation in every parameterization, the others in the first of these
    config.parameterizations = ("ntk", "standard", "mean_field", "mup")
    config.activations = ("relu", "erf")
    config.model.widths = _POWERS_OF_FOUR
    config.data.num_train = 64
    config.data.seed = 0  # the same data for every seed
    config.training.steps = 500
    config.training.log_points = 8
    config.predictors.methods = ("network", "linearized", "ntk")
    config.measure.num_probe = 64
    config.measure.exact = False
    config.measure.kernels = True
    config.measure.eigenvalues = 8
    config.measure.infinite_width = True
    config.measure.test_loss = True
    config.seeds = 10
    return config.lock()


def lazy_scale_config() -> ConfigDict:
    """The crossover from feature learning to lazy training as the scale alpha grows."""
    config = _base("lazy_scale")
    config.nums_train = (32, 64, 128)  # n
    config.threshold = 0.1  # of relative movement and drift, where training counts as lazy
    config.model.widths = _POWERS_OF_FOUR
    config.model.lazy_scales = tuple(10.0 ** (k / 2.0) for k in range(-6, 7))
    config.training.learning_rate = "auto"
    config.training.steps = 500
    config.training.log_points = 2
    config.predictors.methods = ("network", "linearized")
    config.measure.num_probe = 128
    config.measure.exact = False
    config.seeds = 4
    return config.lock()


def ntk_curves_config() -> ConfigDict:
    """Finite networks over the infinite-width predictions, in time."""
    config = _base("ntk_curves")
    config.model.widths = (16, 64, 256, 1024)
    config.model.centring = "none"  # the ensemble's spread comes from f_0
    config.data.num_train = 64
    config.data.num_test = 500
    config.data.seed = 0
    config.training.optimizer = "gradient_flow(rtol=1e-6)"
    config.training.steps = 1000  # of 0.4 n / largest NTK eigenvalue each
    config.training.log_points = 16
    config.predictors.methods = ("network",)
    config.measure.exact = False
    config.measure.infinite_width = True
    config.measure.test_loss = True
    config.seeds = 10
    config.population = population = ConfigDict()
    population.dim = 5
    population.widths = (32, 128, 512)
    population.lazy_scale = 30.0
    population.max_degree = 4
    population.seeds = 4
    return config.lock()


def chizat_config(variant: str = "") -> ConfigDict:
    """The two-layer student-teacher experiments of Chizat, Oyallon and Bach (2019).

    Args:
      variant: ``""`` for a selection in minutes; ``"full"`` for the paper's grid of
        initialization scales, 10 trials and 10,000 steps, hours.
    """
    full = variant == "full"
    config = _base("chizat")
    config.problem.dim = 100
    config.problem.inputs = "sphere"
    config.problem.target = "teacher"
    config.problem.neurons = 3
    # Neurons of unit norm on the unit sphere, output weights +-1: ours divide by
    # sqrt(neurons), and by sqrt(dim) where the sphere's radius is sqrt(dim).
    config.problem.norm = (3.0 / 100.0) ** 0.5
    config.data.num_train = 1000
    config.data.num_test = 1000
    config.model.centring = "antisymmetric"
    config.training.steps = 10_000
    config.training.log_points = 60
    config.predictors.methods = ("network",)
    config.measure.num_probe = 100
    config.measure.test_loss = True
    exponents = range(-22, 11) if full else range(-22, 11, 8)
    config.parts = ("scale", "width", "stream")
    config.taus = tuple(10.0 ** (k / 10.0) for k in exponents)
    config.student = 50  # neurons of parts "scale" and "stream"
    config.model.widths = (2, 4, 8, 16, 32, 64, 128, 256, 512) if full else (2, 8, 32, 128)
    config.batch_size = 200  # of part "stream"
    config.seeds = 10 if full else 2
    return config.lock()


def single_neuron_config() -> ConfigDict:
    """One neuron learned by one neuron, by many, and by a lazy network."""
    config = _base("single_neuron")
    config.dims = (5, 10, 20, 40)
    config.kinds = ("population", "fixed")
    config.samples_per_dim = 32  # n = this times d, for kind "fixed"
    config.threshold = 0.01  # relative risk that counts as learned
    config.model.widths = (16, 64)
    config.model.lazy_scales = (0.1, 10.0)  # feature learning, lazy
    config.training.learning_rate = "auto"
    config.training.steps = 1000
    config.training.log_points = 24
    config.predictors.methods = ("network",)
    config.measure.alignment = True
    config.seeds = 4
    return config.lock()
