"""Every field of a large regression job and its default."""

from ml_collections import ConfigDict

from rf_limits.experiments.defaults import default_config


def large_config() -> ConfigDict:
    """Random-features and kernel regression of any size; a fresh, locked config."""
    config = ConfigDict()
    config.experiment = "large"
    config.problem = default_config().problem.copy_and_resolve_references()
    config.problem.noise = 0.1
    config.model = model = ConfigDict()
    model.activation = "relu"  # of features and kernels: any that training runs know
    model.bias = False
    model.kernel_supplier = "auto"  # exact, neural_tangents; auto = exact: cheaper by far
    config.methods = ("random_features", "nngp", "ntk")
    config.widths = (500, 2000)  # N, numbers of random features
    config.nums_train = (1000, 3000, 8000)  # n
    config.ridge = 0.01  # penalty on squared weights; added to the kernel's diagonal
    # cholesky, cg; auto: cholesky where it fits and does not cost far more
    config.solver = "auto"
    config.tolerance = 1e-9  # of cg: true residual over right-hand side
    config.max_iterations = 200  # of cg
    # of cg. features: population (exact Gram matrix), sample (Gram matrix of the first 4 N
    # samples), none; auto: population where it is known. kernels: none, or else Nystrom
    config.preconditioner = "auto"
    config.kernel_points = 2000  # of the Nystrom preconditioner
    config.block_size = 1024  # samples drawn at a time; part of the draw
    config.num_test = 4096  # for whatever has no exact risk
    config.seeds = 2  # draws of data and features
    config.mesh = mesh = ConfigDict()  # devices along each axis
    mesh.seeds = 1  # seeds run one after the other: 1
    mesh.data = 1  # rows of a block of samples, of a tile of the kernel
    mesh.width = 1  # features, rows of the Gram matrix
    return config.lock()
