"""Every field of the experiment of hardness: its type, range, default and meaning."""

import dataclasses
from typing import Annotated, ClassVar

from rf_limits.config import Config, option, section
from rf_limits.config.kinds import (
    NonNegative,
    Number,
    Positive,
    Seeds,
    Several,
    Sized,
    Whole,
    among,
)
from rf_limits.methods import LATTICE_FEATURES, LAZY_LIMIT, RANDOM_FEATURES, keys_of

TARGET_BIASES = ("zero", "paper", "hardest", "d_cubed")
"""Biases b* of the target."""
MEASURED = keys_of((RANDOM_FEATURES, LATTICE_FEATURES))
"""Features whose least number is measured."""
METHODS = (*MEASURED, LAZY_LIMIT.key, "magnitude_limit", "frontier", "descent", "wave")


@dataclasses.dataclass(frozen=True)
class FrontierFields(Config):
    """Risks at sizes of weights."""

    path: ClassVar[str] = "frontier"
    widths: Several[Whole] = option(
        (16, 64, 256), "r; those smaller than can reach the threshold are left out"
    )


@dataclasses.dataclass(frozen=True)
class DescentFields(Config):
    """Gradient descent on neurons."""

    path: ClassVar[str] = "descent"
    widths: Several[Whole] = option((1, 8), "neurons trained by gradient descent")
    learning_rate: Positive = option(0.8, "of half the risk; the curvature is at most 1")
    max_steps: Whole = option(20_000, "steps after which a run ends")


@dataclasses.dataclass(frozen=True)
class WaveFields(Config):
    """The paper's wave."""

    path: ClassVar[str] = "wave"
    biases: Several[Number] = option((0.0, 1.0), "of the features the wave is correlated with")
    draws: Whole = option(1000, "features drawn per seed")


@dataclasses.dataclass(frozen=True)
class HardnessConfig(Config):
    """Fields of the experiment."""

    dims: Several[Sized] = option((2, 3, 4, 5, 6, 8, 10, 15, 20, 30), "d, dimensions to compare")
    threshold: Positive = option(0.02, "absolute risk to reach: the paper's 1/50")
    norm_exponent: NonNegative = option(2.0, "|w*| = d^norm_exponent")
    biases: Several[Annotated[str, among(TARGET_BIASES)]] = option(
        TARGET_BIASES,
        "b*: 0; the hardest among the neurons of the paper's wave; the hardest of all; d^3",
    )
    methods: Several[Annotated[str, among(METHODS)]] = option(
        (
            *keys_of((LAZY_LIMIT, RANDOM_FEATURES, LATTICE_FEATURES)),
            "magnitude_limit",
            "frontier",
            "descent",
            "wave",
        ),
        "what is computed and measured",
    )
    seeds: Seeds = option(3, "draws of features, initializations, directions")
    max_features: Whole = option(4096, "up to which features are measured")
    frontier: FrontierFields = section(FrontierFields)
    descent: DescentFields = section(DescentFields)
    wave: WaveFields = section(WaveFields)
