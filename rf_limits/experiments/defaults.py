"""Where config files start: a training config under construction."""

from typing import TYPE_CHECKING

from rf_limits.config import Builder

if TYPE_CHECKING:
    from rf_limits.experiments.config import TrainingConfig

METHODS = ("network", "linearized", "random_features", "tangent_features", "nngp", "ntk")
"""What a training run puts side by side."""
OPTIONAL_METHODS = ("rf_descent",)
"""On request: the output layer alone, trained by the same steps on the same samples."""
TRAINED = ("network", "linearized", "rf_descent")
"""Those that are trained by steps; all others are fitted."""


def default_config() -> "Builder[TrainingConfig]":
    """Returns a training config under construction, whose fields can be assigned."""
    from rf_limits.experiments.config import TrainingConfig

    return Builder(TrainingConfig)
