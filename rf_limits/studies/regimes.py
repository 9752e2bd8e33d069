"""The regimes in which the paper couples a network to random features, and one in which not."""

import dataclasses
from typing import Any

from rf_limits.figures.style import OTHERS
from rf_limits.methods import LINEARIZED, NETWORK, RF_DESCENT, TrainedMethod, keys_of
from rf_limits.studies.study import Study


@dataclasses.dataclass(frozen=True)
class Regime:
    """The layers that are trained, and how training begins.

    Attributes:
      trainable: layers that are trained.
      output_init: law of the initial output weights.
      coupled: the method that is SGD on the regime's random features. With the hidden layer
        trained these are the gradients at initialization, so the linearization is their linear
        model; with all layers from u = 0 they are the neurons.
      features: whose gradients or values these features are.
      colour: of its networks in figures.
      words: how they are called there.
    """

    trainable: str
    output_init: str
    coupled: TrainedMethod
    features: str
    colour: str
    words: str

    @property
    def gap(self) -> str:
        """Returns the column with the distance of networks from the coupled method."""
        return str(self.coupled.gap)

    def fields(self) -> dict[str, Any]:
        """Returns fields of a training config, with linearizations beside the coupled method."""
        methods = dict.fromkeys((NETWORK, LINEARIZED, self.coupled))
        return {
            "model.trainable": self.trainable,
            "model.output_init": self.output_init,
            "predictors.methods": keys_of(methods),
        }


REGIMES = {
    "hidden": Regime("hidden", "sign", LINEARIZED, "hidden", NETWORK.colour, "hidden layer"),
    "all": Regime("both", "zero", RF_DESCENT, "output", OTHERS[0], r"all layers, $u_0=0$"),
    "ntk": Regime("both", "gaussian", RF_DESCENT, "output", OTHERS[1], "all, Gaussian $u_0$"),
}
"""By name: hidden layer trained with u_i = +-1; both layers from u = 0; both layers from Gaussian
outputs, which no theorem couples to the output layer's features."""
FITTED = "fitted"
"""The name in place of a regime where nothing is trained."""


class OnePass(Study):
    """A study of one-pass SGD on fresh samples, in float64."""

    defaults = {"precision": "float64"}
