"""The networks of one width before training: initial parameters, outputs, exact risks."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rf_limits.config.training import TrainingConfig
from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.mesh import make_mesh
from rf_limits.devices.processes import on_host
from rf_limits.errors import check
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.measure.risk import ExactRisks, largest_exact_scale
from rf_limits.models import OneHiddenLayer, Params, init_params
from rf_limits.problem.seeds import streams
from rf_limits.training.seeded_problem import SeededProblem
from rf_limits.training.validation import network_from_config


@functools.partial(jit_quickly, static_argnames=("network", "dim", "dtype"))
def _draw_inits(keys: jax.Array, network: OneHiddenLayer, dim: int, dtype: Any) -> Params:
    def draw(key: jax.Array) -> Params:
        init = init_params(network, jax.random.fold_in(key, network.width), dim)
        return jax.tree.map(lambda leaf: leaf.astype(dtype).astype(jnp.float64), init)

    return jax.lax.map(draw, keys)


@functools.partial(jit_quickly, static_argnames="network")
def _outputs(inits: Params, x: jax.Array, network: OneHiddenLayer) -> jax.Array:
    """Returns (seeds, n) outputs g_0 of every seed's network on its training inputs."""
    return jax.lax.map(lambda seed: network.apply(*seed), (inits, x))


@dataclasses.dataclass(frozen=True, eq=False)
class Networks:
    """The networks of one width before training, with what they are trained on.

    Attributes:
      config: a training config.
      seeded: its problem, with the data of every seed.
      network: the architecture.
      inits: parameters at initialization, float64, with a leading axis of seeds.
      mesh: over which seeds are spread, or None.
    """

    config: TrainingConfig
    seeded: SeededProblem
    network: OneHiddenLayer
    inits: Params
    mesh: Mesh | None

    def largest_output(self) -> float:
        """Returns the largest root mean square of g_0 on the training inputs of a seed."""
        outputs = on_host(_outputs(self.inits, self.seeded.data.x_train, self.network))
        return float(np.max(np.sqrt(np.mean(outputs**2, axis=1))))

    def exact_risks(self, *, trains: bool) -> ExactRisks | None:
        """Returns the exact risks of the networks, or None to use the test set.

        Args:
          trains: whether the networks are trained, at the config's lazy scales.

        Raises:
          RequirementError: lazy scales at which exact risks would be rounding, or training on the
            population where its risk is not known.
        """
        config, problem = self.config, self.seeded.problem
        # Harmonics need two dimensions.
        degrees = config.measure.max_degree if problem.dim >= 2 else -1
        exact = exact_risk(self.network, problem, degrees) if config.measure.exact else None
        if exact is not None and trains:
            most = largest_exact_scale(self.network, problem)
            requirement = f"be at most {most:.2g} here for exact risks, which are rounded beyond"
            requirement += " (--config.measure.exact=False measures on a test set)"
            for scale in config.model.lazy_scales:
                check(scale <= most, "model.lazy_scales", requirement, scale)
        possible = exact is not None or config.data.kind != "population"
        requirement = "have exact risks for data.kind = 'population'"
        check(possible, "problem.target", requirement, config.problem.target)
        return exact


def draw_networks(config: TrainingConfig, seeded: SeededProblem, width: int) -> Networks:
    """Draws the networks of a width; every method sees the parameters that training sees."""
    network = network_from_config(config, width)
    keys = jnp.stack([streams(seed).init for seed in range(config.seeds)])
    inits = _draw_inits(keys, network, config.problem.dim, jnp.dtype(config.precision))
    return Networks(config, seeded, network, inits, make_mesh(vars(config.mesh)))
