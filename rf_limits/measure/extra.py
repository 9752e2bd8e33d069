"""Measurements of a user: a name, and a function of a network at a log point.

Put a function into :data:`EXTRA`, and its name into ``measure.extra`` of a config: the table gets a
column of that name, in the rows of networks.
"""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float

from rf_limits.models.network import Params
from rf_limits.models.scaled_network import ScaledNetwork


class Seen(NamedTuple):
    """One network at one log point, in float64.

    Attributes:
      f: the trained function, with its initialization and lazy scale; ``f.network`` is g.
      params: the parameters now.
      x: (m, d) probe inputs, the first ``measure.num_probe`` of the training set.
      y: (m,) noise-free target there.
    """

    f: ScaledNetwork
    params: Params
    x: Float[Array, "m d"]
    y: Float[Array, "m"]


Measurement = Callable[[Seen], Float[Array, ""]]
EXTRA: dict[str, Measurement] = {}
"""By name, functions in jax.numpy that measure a number of every network."""
