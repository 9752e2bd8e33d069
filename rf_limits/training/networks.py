"""The networks of one width before training: initial parameters, outputs, exact risks."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.config.training import TrainingConfig
from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.processes import on_host
from rf_limits.errors import check
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.measure.risk import ExactRisks, largest_exact_scale
from rf_limits.models import OneHiddenLayer, Params, init_params
from rf_limits.problem import Problem
from rf_limits.problem.seeds import streams


@functools.partial(jit_quickly, static_argnames=("network", "dim", "dtype"))
def _draw_inits(keys: jax.Array, network: OneHiddenLayer, dim: int, dtype: Any) -> Params:
    def one(key: jax.Array) -> Params:
        init = init_params(network, jax.random.fold_in(key, network.width), dim)
        return jax.tree.map(lambda leaf: leaf.astype(dtype).astype(jnp.float64), init)

    return jax.lax.map(one, keys)


def draw_inits(config: TrainingConfig, network: OneHiddenLayer) -> Params:
    """Draws parameters of every seed, float64; every method sees those that training sees."""
    keys = jnp.stack([streams(seed).init for seed in range(config.seeds)])
    return _draw_inits(keys, network, config.problem.dim, jnp.dtype(config.precision))


@functools.partial(jit_quickly, static_argnames="network")
def _outputs(inits: Params, x: jax.Array, network: OneHiddenLayer) -> jax.Array:
    """(seeds, n) outputs g_0 of every seed's network on its training inputs."""
    return jax.lax.map(lambda one: network.apply(*one), (inits, x))


def largest_output(network: OneHiddenLayer, inits: Params, x: jax.Array) -> float:
    """The largest root mean square of g_0 on the training inputs of a seed."""
    outputs = on_host(_outputs(inits, x, network))
    return float(np.max(np.sqrt(np.mean(outputs**2, axis=1))))


def exact_risk_of(
    config: TrainingConfig, problem: Problem, network: OneHiddenLayer, *, trains: bool
) -> ExactRisks | None:
    """Returns the exact risks of networks, or None to use the test set.

    Args:
      config: a training config.
      problem: what is learned.
      network: the architecture.
      trains: whether networks are trained, at the config's lazy scales.

    Raises:
      RequirementError: lazy scales at which exact risks would be rounding, or training on the
        population where its risk is not known.
    """
    # Harmonics need two dimensions.
    degrees = config.measure.max_degree if problem.dim >= 2 else -1
    exact = exact_risk(network, problem, degrees) if config.measure.exact else None
    if exact is not None and trains:
        most = largest_exact_scale(network, problem)
        requirement = f"be at most {most:.2g} here for exact risks, which are rounded beyond"
        requirement += " (--config.measure.exact=False measures on a test set)"
        for scale in config.model.lazy_scales:
            check(scale <= most, "model.lazy_scales", requirement, scale)
    known = exact is not None or config.data.kind != "population"
    requirement = "have exact risks for data.kind = 'population'"
    check(known, "problem.target", requirement, config.problem.target)
    return exact
