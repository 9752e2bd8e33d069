"""The network's output layer alone, trained by the same steps on the same samples."""

import dataclasses

from rf_limits.config.training import TrainingConfig
from rf_limits.methods.trained import TrainedMethod
from rf_limits.optimization.trainer import Trainer


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomFeaturesDescent(TrainedMethod):
    """Random features, the network's neurons at initialization, trained by its optimizer."""

    features_column = "width"
    gap = "rf_gap"

    def trainer(self, trainer: Trainer) -> Trainer:
        """Returns what moves the output layer alone: the function is its own linearization."""
        return dataclasses.replace(trainer, trainable="output", linearized=False)

    def trained_blocks(self, config: TrainingConfig) -> int:
        """Returns 1: the output weights."""
        del config
        return 1

    def moves_output(self, config: TrainingConfig) -> bool:
        """Returns True, whatever the network moves."""
        del config
        return True


RF_DESCENT = RandomFeaturesDescent(
    key="rf_descent",
    label="RF by the same steps",
    short="RF steps",
    colour="#56B4E9",
    marker="P",
    line="--",
    by_default=False,
)
