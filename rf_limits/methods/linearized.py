"""The network's first-order expansion at initialization, trained by the same steps."""

import dataclasses
from collections.abc import Callable

from jaxtyping import Array

from rf_limits.measure.risk import Risk, Risks
from rf_limits.methods.trained import TrainedMethod
from rf_limits.models import Params, ScaledNetwork
from rf_limits.optimization.cells import TrainState


@dataclasses.dataclass(frozen=True, kw_only=True)
class Linearized(TrainedMethod):
    """The linearized network: its features are all derivatives at initialization."""

    gap = "linearization_gap"

    def change(self, state: TrainState, closed_form: Callable[[], Params] | None) -> Params:
        """Returns the change: computed in closed form, or trained beside the network."""
        if closed_form is not None:
            return closed_form()
        assert state.linear_change is not None  # the network's trainer has moved it
        return state.linear_change

    def predict(self, f: ScaledNetwork, change: Params, x: Array) -> Array:
        """Returns the first-order expansion of f at the rows of ``x``."""
        return f.linearized_after(change, x)

    def risk(self, risks: Risks, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of the first-order expansion of f."""
        return risks.linearized(f, change)


LINEARIZED = Linearized(
    key="linearized",
    label="linearized network",
    short="linear",
    colour="#4D4D4D",
    marker="^",
    line="--",
)
