"""Measurements of one's own: a name, and a function of what is seen at a log point.

Put a function into :data:`EXTRA`, and its name into ``measure.extra`` of a config: the table gets a
column of that name, in the rows of networks.
"""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float

from rf_limits.models.network import Params
from rf_limits.models.scaled_output import ScaledOutput


class Seen(NamedTuple):
    """One network at one log point, in float64.

    Attributes:
      output: the trained function f; ``output.network`` is g, before scaling.
      params: now.
      init: at initialization.
      alpha: lazy scale.
      x: (m, d) probe inputs, the first ``measure.num_probe`` of the training set.
      y: (m,) noise-free target there.
    """

    output: ScaledOutput
    params: Params
    init: Params
    alpha: Float[Array, ""]
    x: Float[Array, "m d"]
    y: Float[Array, "m"]


Measurement = Callable[[Seen], Float[Array, ""]]
EXTRA: dict[str, Measurement] = {}
"""By name, a number measured of every network, of jax.numpy."""
