"""Every field of a training config: its type, range, default and meaning, in one place.

The field names are the user interface: ``--config.problem.dim=15``.
"""

import dataclasses
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal

import annotated_types
import pydantic

from rf_limits.config import Config, option, section
from rf_limits.config.kinds import (
    MOST_DEGREES,
    Count,
    NonNegative,
    Number,
    Positive,
    Seed,
    Several,
    Sized,
    Terms,
    Whole,
    Words,
    among,
)
from rf_limits.models.increments import ACTIVATIONS
from rf_limits.models.infinite_width import SUPPLIERS
from rf_limits.models.network import CENTRINGS, OUTPUT_INITS, PARAMETERIZATIONS, TRAINABLE
from rf_limits.optimization.ensemble import ENSEMBLES
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.step_size import AUTOMATIC
from rf_limits.problem import INPUTS
from rf_limits.problem.polynomial_kinds import POLYNOMIALS
from rf_limits.problem.targets import TARGETS

MaxDegree = Annotated[int, annotated_types.Interval(ge=-1, le=MOST_DEGREES)]


def _as_rates(value: Any) -> Any:
    """Returns numbers for text that holds them, as in configs of earlier versions."""
    if not isinstance(value, str) or value in AUTOMATIC:
        return value
    try:
        rates = tuple(float(number) for number in value.split(","))
    except ValueError:
        return value
    return rates if len(rates) > 1 else rates[0]


def _read_optimizer(text: str) -> str:
    parse_optimizer(text)
    return text


LearningRate = Annotated[
    Positive | tuple[Positive, ...] | Literal["auto", "auto_ntk"],
    pydantic.BeforeValidator(_as_rates),
    Words('be a positive number, a tuple of them by lazy scale, "auto" or "auto_ntk"'),
]
Optimizer = Annotated[str, pydantic.AfterValidator(_read_optimizer)]


@dataclasses.dataclass(frozen=True)
class ProblemFields(Config):
    """The problem: a target under random inputs, with noisy labels."""

    path: ClassVar[str] = "problem"
    dim: Whole = option(20, "d, dimension of the inputs")
    target: Annotated[str, among(TARGETS)] = option("single_neuron", "kind of the target")
    norm: Positive = option(
        1.0,
        "|w*|; of each teacher neuron; root mean square of a polynomial; times a hermite target",
    )
    bias: Number = option(0.0, "b*, of the target's neurons")
    neurons: Whole = option(3, "number of neurons of a teacher")
    degree: Count = option(2, "degree of a polynomial")
    polynomial: Annotated[str, among(POLYNOMIALS)] = option("single_index", "kind of a polynomial")
    terms: Terms = option(
        (((1, 1), 1.0),),
        "of a hermite target: degrees of he_k in z_1, z_2, ..., and coefficients",
        since=3,
    )
    inputs: Annotated[str, among(INPUTS)] = option("gaussian", "law of the inputs")
    noise: NonNegative = option(0.0, "standard deviation of the label noise")
    seed: Seed = option(0, "draws the target")


@dataclasses.dataclass(frozen=True)
class DataFields(Config):
    """Samples to train and to test on."""

    path: ClassVar[str] = "data"
    kind: Literal["fixed", "stream", "population"] = option(
        "fixed",
        "fixed: a training set; stream: fresh samples at every step; population: no samples, "
        "the exact risk is what is trained on",
    )
    num_train: Whole = option(
        512, "n; with stream and population, the set that fitted predictors use", "samples"
    )
    num_test: Sized = option(4096, "test set, for whatever has no exact risk", "samples")
    seed: Seed | None = option(None, "None: every seed draws its own data; a number: shared data")


@dataclasses.dataclass(frozen=True)
class ModelFields(Config):
    """The networks."""

    path: ClassVar[str] = "model"
    widths: Several[Whole] = option((16, 64, 256, 1024), "N, numbers of hidden neurons")
    activation: Annotated[str, among(ACTIVATIONS)] = option(
        "relu", "activation of the hidden neurons"
    )
    bias: bool = option(False, "whether neurons have biases, N(0, 1) at initialization")
    parameterization: Annotated[str, among(PARAMETERIZATIONS)] = option(
        "ntk", "scales of layers and steps"
    )
    output_init: Annotated[str, among(OUTPUT_INITS)] = option(
        "gaussian", "law of the initial output weights"
    )
    lazy_scales: Several[Positive] = option((0.1, 1.0, 10.0), "alpha, lazy scales")
    centring: Annotated[str, among(CENTRINGS)] = option(
        "subtract", "whether f starts at zero: subtract takes f_0 off, antisymmetric pairs neurons"
    )
    trainable: Annotated[str, among(TRAINABLE)] = option("both", "layers that are trained")
    kernel_supplier: Annotated[str, among(SUPPLIERS)] = option(
        "auto",
        "of infinite-width kernels: closed forms of neural_tangents, exact series for any "
        "activation; auto: neural_tangents where it has a closed form",
    )


@dataclasses.dataclass(frozen=True)
class StepFields(Config):
    """The steps by which networks are trained."""

    path: ClassVar[str] = "training"
    optimizer: Optimizer = option(
        "sgd", 'any of optax, as "sgd(momentum=0.9)" or "adamw(b1=0.8)", or "gradient_flow"'
    )
    learning_rate: LearningRate = option(
        "auto",
        "a number, numbers by lazy scale, or auto: 0.4 n / largest NTK eigenvalue, less at small "
        "scales; auto_ntk: the same at infinite width, for the same time everywhere",
    )
    steps: Whole = option(1000, "number of steps")
    batch_size: Whole | None = option(None, "samples of a step; None: all")
    log_points: Sized = option(12, "log-spaced measurements, step 0 and the last included")
    ensemble: Annotated[str, among(ENSEMBLES)] = option(
        "auto", "how networks train together: map, vmap; auto: map on CPU"
    )


def _methods() -> Collection[str]:
    """Returns the table of methods, which a floor above configs makes."""
    from rf_limits.methods import METHODS

    return METHODS


def _default_methods() -> tuple[str, ...]:
    from rf_limits.methods import METHODS, keys_of

    return keys_of(METHODS.default())


@dataclasses.dataclass(frozen=True)
class PredictorFields(Config):
    """The methods beside the networks."""

    path: ClassVar[str] = "predictors"
    methods: Several[Annotated[str, among(_methods)]] = option(
        _default_methods, "methods to compare"
    )
    ridge: NonNegative = option(
        0.0, "added to the diagonal of kernels; penalty on squared weights of features"
    )


@dataclasses.dataclass(frozen=True)
class MeasureFields(Config):
    """The measurements at log points."""

    path: ClassVar[str] = "measure"
    num_probe: Whole = option(
        256, "training inputs on which drift of the NTK and flips are measured", "samples"
    )
    max_degree: MaxDegree = option(4, "risks by degree of the target, 0 to this; -1: none")
    exact: bool = option(True, "False: all risks on the test set, faster for wide networks")
    kernels: bool = option(False, "spectrum, rotation and distance to infinite width of the NTK")
    eigenvalues: Count = option(0, "largest NTK eigenvalues to record, with kernels")
    infinite_width: bool = option(False, "distance from what the infinite-width NTK predicts")
    alignment: bool = option(False, "angles between neurons and w*")
    test_loss: bool = option(False, "mean squared error on the test set beside exact risks")
    extra: tuple[str, ...] = option((), "names of measurements of your own (docs/extending.md)")


@dataclasses.dataclass(frozen=True)
class MeshFields(Config):
    """Devices along networks (seeds x lazy scales), training points and hidden units.

    One network per device is the fastest; the other two spread one network over several.
    """

    path: ClassVar[str] = "mesh"
    seeds: Whole = option(1, "devices along networks")
    data: Whole = option(1, "devices along training points")
    width: Whole = option(1, "devices along hidden units")


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Config):
    """Networks of several widths and lazy scales beside methods that keep their features."""

    experiment: str = option("training", "what is run")
    problem: ProblemFields = section(ProblemFields)
    data: DataFields = section(DataFields)
    model: ModelFields = section(ModelFields)
    training: StepFields = section(StepFields)
    predictors: PredictorFields = section(PredictorFields)
    measure: MeasureFields = section(MeasureFields)
    mesh: MeshFields = section(MeshFields)
    precision: Literal["float32", "float64"] = option(
        "float32", "of training; everything measured is float64"
    )
    seeds: Whole = option(3, "draws of data and initialization")

    def count_parameters(self, width: int) -> int:
        """Returns the number of parameters of a network: N d + N, and N more with biases."""
        return width * (self.problem.dim + 1 + int(self.model.bias))


def training_part(config: TrainingConfig) -> TrainingConfig:
    """Returns a study's config as that of a training run: without the study's own fields."""
    names = [field.name for field in dataclasses.fields(TrainingConfig)]
    values = {name: getattr(config, name) for name in names}
    return TrainingConfig(**values | {"experiment": "training"})
