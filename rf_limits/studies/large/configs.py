"""Every field of a large regression job and its default."""

import dataclasses
from typing import Annotated, ClassVar

from rf_limits.config import Config, option, section
from rf_limits.config.kinds import NonNegative, Positive, Seeds, Several, Sized, Whole, among
from rf_limits.config.training import MeshFields, ProblemFields
from rf_limits.methods import METHODS, keys_of
from rf_limits.models.increments import ACTIVATIONS
from rf_limits.models.infinite_width import SUPPLIERS
from rf_limits.models.network import OneHiddenLayer, make_network

SOLVERS = ("auto", "cholesky", "cg")
PRECONDITIONERS = ("auto", "population", "sample", "none")
STREAMED = tuple(method for method in METHODS.values() if method.is_streamed)
"""Methods that are fitted in blocks which are never all in memory."""


@dataclasses.dataclass(frozen=True)
class RegressionModelFields(Config):
    """The features and kernels."""

    path: ClassVar[str] = "model"
    activation: Annotated[str, among(ACTIVATIONS)] = option(
        "relu", "of features and kernels: any that training runs know"
    )
    bias: bool = option(False, "whether neurons have biases, N(0, 1) at initialization")
    kernel_supplier: Annotated[str, among(SUPPLIERS)] = option(
        "auto", "exact or neural_tangents; auto: exact, which is cheaper by far"
    )


@dataclasses.dataclass(frozen=True)
class LargeConfig(Config):
    """Random-features and kernel regression of any size."""

    problem: ProblemFields = section(ProblemFields, noise=0.1)
    model: RegressionModelFields = section(RegressionModelFields)
    methods: Several[Annotated[str, among(keys_of(STREAMED))]] = option(
        keys_of(STREAMED), "methods to compare"
    )
    widths: Several[Whole] = option((500, 2000), "N, numbers of random features")
    nums_train: Several[Whole] = option((1000, 3000, 8000), "n, numbers of samples")
    ridge: NonNegative = option(0.01, "penalty on squared weights; added to the kernel's diagonal")
    solver: Annotated[str, among(SOLVERS)] = option(
        "auto", "auto: cholesky where it fits and does not cost far more than cg"
    )
    tolerance: Positive = option(1e-9, "of cg: true residual over right-hand side")
    max_iterations: Whole = option(200, "of cg")
    preconditioner: Annotated[str, among(PRECONDITIONERS)] = option(
        "auto",
        "of cg. Of features: population (exact Gram matrix), sample (Gram matrix of the first "
        "4 N samples), none; auto: population where it is known. Of kernels: none, or else "
        "Nystrom",
    )
    kernel_points: Whole = option(2000, "of the Nystrom preconditioner")
    block_size: Whole = option(1024, "samples drawn at a time; part of the draw", "samples")
    num_test: Sized = option(4096, "test set, for whatever has no exact risk", "samples")
    seeds: Seeds = option(2, "draws of data and features")
    # seeds run one after the other: 1
    mesh: MeshFields = section(MeshFields)

    def network(self, width: int = 1) -> OneHiddenLayer:
        """Returns the architecture of the features and kernels."""
        return make_network(width, activation=self.model.activation, use_bias=self.model.bias)
