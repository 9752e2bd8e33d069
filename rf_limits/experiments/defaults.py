"""Where config files start: a training config under construction."""

from rf_limits.config import Builder
from rf_limits.experiments.config import TrainingConfig


def default_config() -> Builder[TrainingConfig]:
    """Returns a training config under construction, whose fields can be assigned."""
    return Builder(TrainingConfig)
