"""Every field of a training config and its default, in one place.

Files under configs/ start from :func:`default_config` and override. The field names are the
user interface: ``--config.problem.dim=15``.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

METHODS = ("network", "linearized", "random_features", "tangent_features", "nngp", "ntk")
"""What a training run puts side by side."""
OPTIONAL_METHODS = ("rf_descent",)
"""On request: the output layer alone, trained by the same steps on the same samples."""
TRAINED = ("network", "linearized", "rf_descent")
"""Those that are trained by steps; all others are fitted."""


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
    # single_index, harmonic, hermite_product, monomial, gegenbauer
    problem.polynomial = "single_index"
    problem.inputs = "gaussian"  # gaussian, sphere
    problem.noise = 0.0  # standard deviation of the label noise
    problem.seed = 0  # draws the target

    config.data = data = ConfigDict()
    # fixed: a training set; stream: fresh samples at every step; population: no samples at
    # all, the exact risk is what is trained on
    data.kind = "fixed"
    data.num_train = 512  # n; with stream and population, the set that fitted predictors use
    data.num_test = 4096  # for whatever has no exact risk
    data.seed = placeholder(int)  # None: every seed draws its own data; a number: shared data

    config.model = model = ConfigDict()
    model.widths = (16, 64, 256, 1024)  # N
    # relu, erf, tanh, gelu, sigmoid, softplus, sin, linear, quadratic, abs, relu_squared
    model.activation = "relu"
    model.bias = False  # hidden biases, N(0, 1) at initialization
    model.parameterization = "ntk"  # ntk, standard, mean_field, mup
    model.output_init = "gaussian"  # gaussian, sign, positive, zero
    model.lazy_scales = (0.1, 1.0, 10.0)  # alpha
    model.centring = "subtract"  # none, subtract (f - f_0), antisymmetric
    model.trainable = "both"  # hidden, output, both
    # of infinite-width kernels: neural_tangents (closed forms), exact (any activation);
    # auto = neural_tangents where it has a closed form
    model.kernel_supplier = "auto"

    config.training = training = ConfigDict()
    # any of optax: "sgd(momentum=0.9)", "adam", "adamw(b1=0.8)"; or "gradient_flow"
    training.optimizer = "sgd"
    # a number, numbers with commas by lazy scale, or: auto = 0.4 n / largest NTK eigenvalue,
    # less at small scales; auto_ntk = the same at infinite width, for the same time everywhere
    training.learning_rate = "auto"
    training.steps = 1000
    training.batch_size = placeholder(int)  # None: full batch
    training.log_points = 12  # log-spaced measurements, step 0 and the last included
    training.ensemble = "auto"  # map, vmap; auto = map on CPU

    config.predictors = predictors = ConfigDict()
    predictors.methods = METHODS  # and rf_descent
    predictors.ridge = 0.0  # added to the kernel's diagonal; penalty on squared weights

    config.measure = measure = ConfigDict()
    measure.num_probe = 256  # training inputs on which NTK drift and flips are measured
    measure.max_degree = 4  # risks by degree of the target, 0 to this; -1: none
    measure.exact = True  # False: all risks on the test set, faster for wide networks
    measure.kernels = False  # spectrum, rotation and distance to infinite width of the NTK
    measure.eigenvalues = 0  # largest NTK eigenvalues to record, with kernels
    measure.infinite_width = False  # distance from what the infinite-width NTK predicts
    measure.alignment = False  # angles between neurons and w*
    measure.test_loss = False  # mean squared error on the test set beside exact risks
    measure.extra = ()  # names of measurements of one's own (docs/extending.md)

    # devices along networks (seeds x lazy scales), training points and hidden units: one network
    # per device is the fastest; the other two spread one network over several
    config.mesh = mesh = ConfigDict()
    mesh.seeds = 1
    mesh.data = 1
    mesh.width = 1

    config.precision = "float32"  # of training; everything measured is float64
    config.seeds = 3  # how many draws of data and initialization
    return config.lock()


def approximation_config() -> ConfigDict:
    """A fresh, locked config of scripts/limits.py: how well can fixed features do?"""
    config = ConfigDict()
    config.experiment = "approximation"
    config.dims = (5, 10, 20, 40)
    config.widths = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
    config.methods = ("random_features", "tangent_features", "lazy_limit")
    config.seeds = 3  # draws of random features
    config.tangent_seeds = 1  # draws of tangent features: their matrices are the largest
    config.max_tangent_features = 10_000  # largest N d; wider networks are left out
    config.features = features = ConfigDict()
    features.activation = "relu"  # of random features: relu, erf, fourier
    features.weights = "gaussian"  # N(0, 1/d) entries, or uniform on the unit sphere
    features.scale = 1.0  # times that; matters for erf, fourier and with biases
    features.bias = False  # N(0, 1)
    config.ridge = 0.0  # added to the diagonal of Gram matrices
    return config.lock()


def hardness_config() -> ConfigDict:
    """A fresh, locked config of scripts/limits.py: what does one ReLU neuron cost?"""
    config = ConfigDict()
    config.experiment = "hardness"
    config.dims = (2, 3, 4, 5, 6, 8, 10, 15, 20, 30)
    config.threshold = 0.02  # absolute risk to reach: the paper's 1/50
    config.norm_exponent = 2.0  # |w*| = d^norm_exponent
    # b*: 0; the hardest among the neurons of the paper's wave; the hardest of all; d^3
    config.biases = ("zero", "paper", "hardest", "d_cubed")
    config.methods = (
        "lazy_limit",
        "random_features",
        "lattice_features",
        "magnitude_limit",
        "frontier",
        "descent",
        "wave",
    )
    config.seeds = 3  # draws of features, initializations, directions
    config.max_features = 4096  # up to which features are measured
    config.frontier = frontier = ConfigDict()
    frontier.widths = (16, 64, 256)  # r; smaller than can reach the threshold are left out
    config.descent = descent = ConfigDict()
    descent.widths = (1, 8)  # neurons trained by gradient descent
    descent.learning_rate = 0.8  # of half the risk; the curvature is at most 1
    descent.max_steps = 20_000
    config.wave = wave = ConfigDict()
    wave.biases = (0.0, 1.0)  # of the features the wave is correlated with
    wave.draws = 1000  # features drawn per seed
    return config.lock()
