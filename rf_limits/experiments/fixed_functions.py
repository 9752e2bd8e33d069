"""How many fixed functions span what a method can learn, whatever the labels.

The lazy limit R*(p) bounds the mean risk of every method whose predictor lies in the span of p
functions that do not depend on the target's direction (docs/theory.md, "What the limits exclude").
There are two such spans: of the features that a method has, and of as many functions as it has seen
samples, which training without labels fixes. Not every training stays in the second.
"""

import math
from typing import Any, NamedTuple

from rf_limits.experiments.config import TrainingConfig
from rf_limits.experiments.defaults import TRAINED
from rf_limits.learning.optimizers import parse_optimizer

_HOMOGENEOUS = ("relu", "linear")


class FixedFunctions(NamedTuple):
    """Sizes of two spans that hold a method's predictor; infinite where there is none.

    Attributes:
      features: functions that do not depend on labels or training inputs, whatever the algorithm.
      samples: functions that are fixed by the training inputs, whatever the labels.
    """

    features: float | int
    samples: float | int


def _samples_seen(config: TrainingConfig, step: Any) -> float | int:
    """By a trained network."""
    if config.data.kind == "population":
        return math.inf
    if config.data.kind == "stream":
        return step * config.training.batch_size
    return config.data.num_train


def _trained_blocks(config: TrainingConfig, method: str) -> int:
    """Arrays of parameters that training moves."""
    if method == "rf_descent":
        return 1
    hidden = 1 + int(config.model.bias)
    return {"hidden": hidden, "output": 1, "both": hidden + 1}[config.model.trainable]


def _outside_tangent_span(config: TrainingConfig, method: str) -> bool:
    """Whether f_0 is subtracted nowhere and is no combination of the method's features.

    It is one where the output layer is trained, by linearity, and where the activation is
    homogeneous, by Euler's theorem.
    """
    model = config.model
    homogeneous = model.activation in _HOMOGENEOUS
    return model.centring == "none" and (
        method != "rf_descent" and model.trainable == "hidden" and not homogeneous
    )


def fixed_functions(config: TrainingConfig, row: dict[str, Any]) -> FixedFunctions:
    """Sizes of the spans for one row of the metrics table.

    A trained network is counted as the linear methods that it is compared with: features of
    number P, its parameters, and kernel methods on the samples it has seen, which start from its
    own f_0 where that is not taken off.

    Args:
      config: of a training run.
      row: with ``method``, ``width``, ``parameters`` and ``step``.
    """
    method = row["method"]
    if method in ("nngp", "ntk"):
        return FixedFunctions(math.inf, config.data.num_train)
    features = row["width"] if method in ("random_features", "rf_descent") else row["parameters"]
    if method not in TRAINED:
        return FixedFunctions(features, config.data.num_train)
    features += int(_outside_tangent_span(config, method))
    started = int(config.model.centring == "none")
    samples = _samples_seen(config, row["step"])
    if method == "network":
        return FixedFunctions(features, samples + started)
    span = parse_optimizer(config.training.optimizer).span
    if span is None:
        return FixedFunctions(features, math.inf)
    return FixedFunctions(
        features, span.functions(samples, _trained_blocks(config, method)) + started
    )
