"""The trained network."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from rf_limits.config.training import TrainingConfig
from rf_limits.methods.trained import TrainedMethod


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(TrainedMethod):
    """A network of one hidden layer.

    What is counted of it is the size of the linear methods that it is compared with: as many
    features as it has parameters, and kernels on the samples it has seen that start from its f_0.
    """

    keeps_features = False

    def is_linear_model(self, config: TrainingConfig) -> bool:
        """Returns whether the output layer alone moves."""
        return config.model.trainable == "output"

    def is_in_sample_span(self, config: TrainingConfig) -> bool:
        """Returns whether the output layer alone moves, by steps that stay in the span."""
        return self.is_linear_model(config) and super().is_in_sample_span(config)

    def num_sample_functions(self, config: TrainingConfig, row: Mapping[Any, Any]) -> float | int:
        """Returns how many kernel methods on as many samples have, whatever the optimizer."""
        return self.samples_seen(config, row) + int(not self.starts_at_zero(config))


NETWORK = Network(
    key="network", label="network", short="network", colour="#0072B2", marker="X", line="-"
)
