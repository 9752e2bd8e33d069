"""Every field and default of the studies of the power of random features."""

import dataclasses
from typing import Annotated, Literal

from rf_limits.config import Builder, option, section, with_default
from rf_limits.config.kinds import Positive, Several, Whole, among
from rf_limits.experiments.config import (
    DataFields,
    MeasureFields,
    ModelFields,
    ProblemFields,
    StepFields,
    TrainingConfig,
)
from rf_limits.experiments.power.regimes import REGIMES


@dataclasses.dataclass(frozen=True)
class _OnePass(TrainingConfig):
    """One-pass SGD on fresh samples, centred, float64."""

    precision: Literal["float32", "float64"] = with_default(TrainingConfig, "precision", "float64")


@dataclasses.dataclass(frozen=True)
class CouplingConfig(_OnePass):
    """Network, linearization and random features on the same samples, against width."""

    experiment: str = with_default(TrainingConfig, "experiment", "coupling")
    regimes: Several[Annotated[str, among(REGIMES)]] = option(
        ("hidden", "all", "ntk"), "what is trained, and how it begins"
    )
    problem: ProblemFields = section(ProblemFields, dim=10)
    # the training set is for kernel drift and train_loss alone
    data: DataFields = section(DataFields, kind="stream", num_train=64, num_test=16)
    model: ModelFields = section(ModelFields, widths=(16, 64, 256, 1024), lazy_scales=(1.0,))
    training: StepFields = section(
        StepFields, learning_rate=0.5, batch_size=16, steps=400, log_points=10
    )
    measure: MeasureFields = section(MeasureFields, max_degree=-1, num_probe=64)
    seeds: Whole = with_default(TrainingConfig, "seeds", 4)


@dataclasses.dataclass(frozen=True)
class PolynomialsConfig(_OnePass):
    """Polynomials and a neuron, learned by SGD in the paper's two regimes and by features."""

    experiment: str = with_default(TrainingConfig, "experiment", "polynomials")
    targets: Several[str] = option(
        ("harmonic_1", "harmonic_2", "monomial_3", "hermite_product_4", "neuron"),
        "kinds of polynomials with their degree, or neuron",
    )
    regimes: Several[Annotated[str, among(REGIMES)]] = option(
        ("hidden", "all"), "what is trained, and how it begins"
    )
    nums_train: Several[Whole] = option((128, 1024), "n of the fitted features and kernels")
    accuracy: Positive = option(0.1, "relative risk that counts as learned")
    largest_coefficient: Positive | None = option(
        None, "of a monomial in the polynomials; None: E f*^2 = 1"
    )
    problem: ProblemFields = section(ProblemFields, dim=5)
    data: DataFields = section(DataFields, kind="stream", num_test=10_000)
    # without biases relu has no odd degree but the first
    model: ModelFields = section(ModelFields, widths=(64, 512), lazy_scales=(1.0,), bias=True)
    training: StepFields = section(StepFields, batch_size=64, steps=4000, log_points=10)
    # exact risks of networks and features would take 2.4 times the time
    measure: MeasureFields = section(MeasureFields, max_degree=-1, num_probe=64, exact=False)


def coupling_config() -> Builder[CouplingConfig]:
    """Returns a fresh :class:`CouplingConfig`."""
    return Builder(CouplingConfig)


def polynomials_config() -> Builder[PolynomialsConfig]:
    """Returns a fresh :class:`PolynomialsConfig`."""
    return Builder(PolynomialsConfig)
