"""Methods that are trained by steps, beside the network or as the network."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from jaxtyping import Array

from rf_limits.config.training import TrainingConfig
from rf_limits.measure.risk import Risk, Risks
from rf_limits.methods.method import Kind, Method
from rf_limits.models import Params, ScaledNetwork
from rf_limits.optimization.cells import TrainState
from rf_limits.optimization.optimizers import StepSpan, parse_optimizer
from rf_limits.optimization.trainer import Trainer

Changes = Mapping[str, Params]
"""By how much parameters have changed since initialization, by key of a trained method."""
_HOMOGENEOUS = ("relu", "linear")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedMethod(Method):
    """A method whose parameters move by the steps of ``training.optimizer``.

    What is counted is for a model that is linear in its parameters, as all are but the network.
    """

    kind = Kind.TRAINED
    features_column = "parameters"
    gap: ClassVar[str | None] = None
    """Column of the network's rows with the distance to this method's function."""

    def trainer(self, trainer: Trainer) -> Trainer:
        """Returns what takes the method's steps, from ``trainer``, which takes the network's."""
        return trainer

    def change(self, state: TrainState, closed_form: Callable[[], Params] | None) -> Params:
        """Returns by how much its parameters have changed.

        Args:
          state: of its trainer.
          closed_form: computes the change of the linearization where that is not trained.
        """
        del closed_form
        return state.change

    def predict(self, f: ScaledNetwork, change: Params, x: Array) -> Array:
        """Returns its predictions at the rows of ``x`` after a change of the parameters of f."""
        return f.after(change, x)

    def risk(self, risks: Risks, f: ScaledNetwork, change: Params) -> Risk:
        """Returns its risk after a change of the parameters of f."""
        return risks.network(f, change)

    def trained_blocks(self, config: TrainingConfig) -> int:
        """Returns the number of arrays of parameters that move."""
        hidden = 1 + int(config.model.bias)
        return {"hidden": hidden, "output": 1, "both": hidden + 1}[config.model.trainable]

    def moves_output(self, config: TrainingConfig) -> bool:
        """Returns whether the output layer moves."""
        return config.model.trainable != "hidden"

    def is_linear_model(self, config: TrainingConfig) -> bool:
        """Returns whether its function is linear in the parameters that move."""
        del config
        return True

    def starts_at_zero(self, config: TrainingConfig) -> bool:
        """Returns whether its output at initialization is taken off, or zero."""
        return config.model.centring != "none"

    def num_features(self, config: TrainingConfig, row: Mapping[Any, Any]) -> float | int:
        """Returns how many features it has, and one more where f_0 is outside their span.

        f_0, the output at initialization, is in it where the output layer moves, by linearity,
        and where the activation is homogeneous, by Euler's theorem.
        """
        in_span = self.moves_output(config) or config.model.activation in _HOMOGENEOUS
        outside = not (self.starts_at_zero(config) or in_span)
        return super().num_features(config, row) + int(outside)

    def samples_seen(self, config: TrainingConfig, row: Mapping[Any, Any]) -> float | int:
        """Returns the size of the training set, or the number of fresh samples so far."""
        if config.data.kind == "population":
            return math.inf
        if config.data.kind == "stream":
            return row["step"] * config.training.batch_size
        return config.data.num_train

    def is_in_sample_span(self, config: TrainingConfig) -> bool:
        """Returns whether steps stay in the span of gradients, block by block or not."""
        return parse_optimizer(config.training.optimizer).span is not None

    def num_sample_functions(self, config: TrainingConfig, row: Mapping[Any, Any]) -> float | int:
        """Returns one for each sample, or each sample and block, and one for f_0 unless it is 0."""
        span = parse_optimizer(config.training.optimizer).span
        if span is None:
            return math.inf
        count = span.functions(self.samples_seen(config, row), self.trained_blocks(config))
        return count + int(not self.starts_at_zero(config))

    def is_linear_in_labels(self, config: TrainingConfig) -> bool:
        """Returns whether it is: a linear model from zero, by steps in multiples fixed beforehand.

        Gradient descent (momentum, Nesterov and minibatches included) and gradient flow take such
        steps. Steps of adaptive size depend on labels; added noise makes an affine function.
        """
        linear = self.is_linear_model(config) and self.starts_at_zero(config)
        return linear and parse_optimizer(config.training.optimizer).span == StepSpan()
