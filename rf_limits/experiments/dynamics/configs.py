"""Every field and default of the studies of lazy training.

A study's config is a training config (:mod:`rf_limits.experiments.config`) with the lists its
runs go through; its figures and tables are described in docs/dynamics.md.
"""

import dataclasses
from typing import Annotated, ClassVar, Literal

from rf_limits.config import Builder, Config, option, section, with_default
from rf_limits.config.kinds import Degree, Positive, Several, Sized, Whole, among
from rf_limits.experiments.config import (
    DataFields,
    MeasureFields,
    ModelFields,
    PredictorFields,
    ProblemFields,
    StepFields,
    TrainingConfig,
)
from rf_limits.methods import LINEARIZED, NETWORK, NTK, keys_of
from rf_limits.models.increments import ACTIVATIONS
from rf_limits.models.network import PARAMETERIZATIONS

_POWERS_OF_FOUR = (16, 64, 256, 1024, 4096)


@dataclasses.dataclass(frozen=True)
class _SmallDifferences(TrainingConfig):
    """A training config as studies of small differences need it: float64, centred, one scale."""

    precision: Literal["float32", "float64"] = with_default(TrainingConfig, "precision", "float64")
    problem: ProblemFields = section(ProblemFields, dim=10)


@dataclasses.dataclass(frozen=True)
class LazyWidthConfig(_SmallDifferences):
    """Movement, drift and gaps against width, in four parameterizations and without a kink."""

    experiment: str = with_default(TrainingConfig, "experiment", "lazy_width")
    parameterizations: Several[Annotated[str, among(PARAMETERIZATIONS)]] = option(
        ("ntk", "standard", "mean_field", "mup"), "scales of layers and steps to compare"
    )
    activations: Several[Annotated[str, among(ACTIVATIONS)]] = option(
        ("relu", "erf"),
        "the first is taken in every parameterization, the others in the first of these",
    )
    data: DataFields = section(DataFields, num_train=64, num_test=1000, seed=0)
    model: ModelFields = section(ModelFields, widths=_POWERS_OF_FOUR, lazy_scales=(1.0,))
    training: StepFields = section(StepFields, learning_rate="auto_ntk", steps=500, log_points=8)
    predictors: PredictorFields = section(
        PredictorFields, methods=keys_of((NETWORK, LINEARIZED, NTK))
    )
    measure: MeasureFields = section(
        MeasureFields,
        max_degree=-1,
        num_probe=64,
        exact=False,
        kernels=True,
        eigenvalues=8,
        infinite_width=True,
        test_loss=True,
    )
    seeds: Whole = with_default(TrainingConfig, "seeds", 10)


@dataclasses.dataclass(frozen=True)
class LazyScaleConfig(_SmallDifferences):
    """The crossover from feature learning to lazy training as the scale alpha grows."""

    experiment: str = with_default(TrainingConfig, "experiment", "lazy_scale")
    nums_train: Several[Whole] = option((32, 64, 128), "n, numbers of samples to compare")
    threshold: Positive = option(
        0.1, "relative movement and drift below which training counts as lazy"
    )
    data: DataFields = section(DataFields, num_test=1000)
    model: ModelFields = section(
        ModelFields,
        widths=_POWERS_OF_FOUR,
        lazy_scales=tuple(10.0 ** (k / 2.0) for k in range(-6, 7)),
    )
    training: StepFields = section(StepFields, steps=500, log_points=2)
    predictors: PredictorFields = section(PredictorFields, methods=keys_of((NETWORK, LINEARIZED)))
    measure: MeasureFields = section(MeasureFields, max_degree=-1, num_probe=128, exact=False)
    seeds: Whole = with_default(TrainingConfig, "seeds", 4)


@dataclasses.dataclass(frozen=True)
class PopulationFields(Config):
    """Networks trained on the population risk, beside the theory of infinitely many samples."""

    path: ClassVar[str] = "population"
    dim: Sized = option(5, "d")
    widths: Several[Whole] = option((32, 128, 512), "N")
    lazy_scale: Positive = option(30.0, "alpha")
    max_degree: Degree = option(4, "risks by degree of the target, 0 to this")
    seeds: Whole = option(4, "draws of the initialization")


@dataclasses.dataclass(frozen=True)
class NtkCurvesConfig(_SmallDifferences):
    """Finite networks over the infinite-width predictions, in time."""

    experiment: str = with_default(TrainingConfig, "experiment", "ntk_curves")
    population: PopulationFields = section(PopulationFields)
    data: DataFields = section(DataFields, num_train=64, num_test=500, seed=0)
    # the ensemble's spread comes from f_0
    model: ModelFields = section(
        ModelFields, widths=(16, 64, 256, 1024), lazy_scales=(1.0,), centring="none"
    )
    # steps of 0.4 n / largest NTK eigenvalue each
    training: StepFields = section(
        StepFields,
        optimizer="gradient_flow(rtol=1e-6)",
        learning_rate="auto_ntk",
        steps=1000,
        log_points=16,
    )
    predictors: PredictorFields = section(PredictorFields, methods=keys_of((NETWORK,)))
    measure: MeasureFields = section(
        MeasureFields, max_degree=-1, exact=False, infinite_width=True, test_loss=True
    )
    seeds: Whole = with_default(TrainingConfig, "seeds", 10)


PARTS = ("scale", "width", "stream")


@dataclasses.dataclass(frozen=True)
class ChizatConfig(_SmallDifferences):
    """The two-layer student-teacher experiments of Chizat, Oyallon and Bach (2019)."""

    experiment: str = with_default(TrainingConfig, "experiment", "chizat")
    parts: Several[Annotated[str, among(PARTS)]] = option(PARTS, "which of the experiments")
    taus: Several[Positive] = option(
        tuple(10.0 ** (k / 10.0) for k in range(-22, 11, 8)), "tau, scales of initial weights"
    )
    student: Sized = option(50, "neurons of the student in the parts scale and stream")
    batch_size: Whole = option(200, "samples of a step in the part stream", "samples")
    # Neurons of unit norm on the unit sphere, output weights +-1: ours divide by
    # sqrt(neurons), and by sqrt(dim) where the sphere's radius is sqrt(dim).
    problem: ProblemFields = section(
        ProblemFields,
        dim=100,
        inputs="sphere",
        target="teacher",
        neurons=3,
        norm=(3.0 / 100.0) ** 0.5,
    )
    data: DataFields = section(DataFields, num_train=1000, num_test=1000)
    model: ModelFields = section(
        ModelFields, widths=(2, 8, 32, 128), lazy_scales=(1.0,), centring="antisymmetric"
    )
    training: StepFields = section(
        StepFields, learning_rate="auto_ntk", steps=10_000, log_points=60
    )
    predictors: PredictorFields = section(PredictorFields, methods=keys_of((NETWORK,)))
    measure: MeasureFields = section(MeasureFields, max_degree=-1, num_probe=100, test_loss=True)
    seeds: Whole = with_default(TrainingConfig, "seeds", 2)


@dataclasses.dataclass(frozen=True)
class SingleNeuronConfig(_SmallDifferences):
    """One neuron learned by one neuron, by many, and by a lazy network."""

    experiment: str = with_default(TrainingConfig, "experiment", "single_neuron")
    dims: Several[Sized] = option((5, 10, 20, 40), "d, dimensions to compare")
    kinds: Several[Literal["population", "fixed"]] = option(
        ("population", "fixed"), "trained on the population risk, or on a training set"
    )
    samples_per_dim: Whole = option(32, "n / d, for kind fixed", "samples")
    threshold: Positive = option(0.01, "relative risk that counts as learned")
    data: DataFields = section(DataFields, num_test=1000)
    # feature learning, lazy
    model: ModelFields = section(ModelFields, widths=(16, 64), lazy_scales=(0.1, 10.0))
    training: StepFields = section(StepFields, log_points=24)
    predictors: PredictorFields = section(PredictorFields, methods=keys_of((NETWORK,)))
    measure: MeasureFields = section(MeasureFields, max_degree=-1, alignment=True)
    seeds: Whole = with_default(TrainingConfig, "seeds", 4)


def lazy_width_config() -> Builder[LazyWidthConfig]:
    """Returns a fresh :class:`LazyWidthConfig`."""
    return Builder(LazyWidthConfig)


def lazy_scale_config() -> Builder[LazyScaleConfig]:
    """Returns a fresh :class:`LazyScaleConfig`."""
    return Builder(LazyScaleConfig)


def ntk_curves_config() -> Builder[NtkCurvesConfig]:
    """Returns a fresh :class:`NtkCurvesConfig`."""
    return Builder(NtkCurvesConfig)


def chizat_config(variant: str = "") -> Builder[ChizatConfig]:
    """Returns a fresh :class:`ChizatConfig`.

    Args:
      variant: ``""`` for a selection in minutes; ``"full"`` for the paper's grid of
        initialization scales, 10 trials and 10,000 steps, hours.
    """
    config = Builder(ChizatConfig)
    if variant == "full":
        config.taus = tuple(10.0 ** (k / 10.0) for k in range(-22, 11))
        config.model.widths = (2, 4, 8, 16, 32, 64, 128, 256, 512)
        config.seeds = 10
    return config


def single_neuron_config() -> Builder[SingleNeuronConfig]:
    """Returns a fresh :class:`SingleNeuronConfig`."""
    return Builder(SingleNeuronConfig)
