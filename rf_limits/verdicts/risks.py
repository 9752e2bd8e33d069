"""The population risk of a network of any form: exact where it is known, else with an interval."""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats

from rf_limits.errors import check
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.models.network import OneHiddenLayer, Params, as_relu_sum, hidden_weights
from rf_limits.models.scaled_network import ScaledNetwork
from rf_limits.problem.problem import Problem
from rf_limits.problem.sampled import SampledTarget
from rf_limits.problem.target import Target
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.arguments import Number
from rf_limits.theory.risks.degree_risks import degree_risks
from rf_limits.theory.risks.population_risk import population_risk
from rf_limits.types import Scalar
from rf_limits.verdicts.forms import Function, Layer, Network, Prefactor, network_of

LEVEL = 1e-3
"""Level of intervals and verdicts."""
MAX_DEGREE = 4
_BLOCK, _BLOCKS = 2**12, 64
_ROUNDINGS = 4.0  # that a product of two neurons has seen


@dataclasses.dataclass(frozen=True)
class RiskEstimate:
    """E (f - f*)^2 over the population.

    Attributes:
      value: the risk, absolute; exact or the mean over test inputs.
      standard_error: of that mean; 0 where the risk is exact.
      level: of the interval.
      rounding: error of an exact risk, a difference of products of neurons.
    """

    value: float
    standard_error: float = 0.0
    level: float = LEVEL
    rounding: float = 0.0

    @property
    def exact(self) -> bool:
        """Returns whether the risk is computed rather than sampled."""
        return self.standard_error == 0.0

    @property
    def _reach(self) -> float:
        return float(stats.norm.isf(0.5 * self.level)) * self.standard_error

    @property
    def low(self) -> float:
        """Returns the lower end of the interval, by the normal approximation; at least 0."""
        return max(self.value - self._reach - self.rounding, 0.0)

    @property
    def high(self) -> float:
        """Returns the upper end of the interval."""
        return self.value + self._reach + self.rounding

    def __float__(self) -> float:
        """Returns the value."""
        return self.value


@functools.partial(jax.jit, static_argnums=0)
def _relu_risk(
    network: OneHiddenLayer, params: Params, target: Target, second_moment: Scalar
) -> Float[Array, ""]:
    return population_risk(as_relu_sum(network, params), target, second_moment)


@functools.partial(jax.jit, static_argnums=(0, 2))
def _layer_risk(network: OneHiddenLayer, params: Params, problem: Problem) -> Float[Array, ""]:
    risks = exact_risk(network, problem)
    assert risks is not None  # the caller asked
    change = jax.tree.map(jnp.zeros_like, params)
    return risks.network(ScaledNetwork(network, params), change).risk


@functools.partial(jax.jit, static_argnums=(0, 2))
def _layer_degrees(network: OneHiddenLayer, params: Params, problem: Problem) -> Float[Array, "K"]:
    f = as_relu_sum(network, params)
    return degree_risks(f, problem.target, MAX_DEGREE, inputs=problem.inputs)


def _rounding(network: Layer, problem: Problem) -> float:
    """Returns what rounding may have done to an exact risk, to first order.

    It is put together from products E u_i sigma(h_i) u_j sigma(h_j), each with a few roundings of
    the size of |u_i| s_i |u_j| s_j; s is |w| + |b|, and at least 1, or twice its square.
    """
    layer, inner = network.network, network.params["params"]
    weights, biases = hidden_weights(layer, network.params)
    sizes = np.linalg.norm(weights, axis=1) + (0.0 if biases is None else np.abs(biases))
    sizes = np.maximum(sizes, 1.0) if layer.activation != "relu" else sizes
    sizes = 2.0 * sizes**2 if layer.activation in ("quadratic", "relu_squared") else sizes
    total = layer.output_scale * float(np.abs(inner["output_kernel"]) @ sizes)
    root = math.sqrt(problem.second_moment)
    return _ROUNDINGS * float(np.finfo(np.float64).eps) * (total + root) ** 2


def sampled(network: Function, problem: Problem, level: float, seed: int) -> RiskEstimate:
    """Returns the mean squared error over 2^18 test inputs of this seed's own, with its error."""

    def block(key: Array) -> Array:
        x = problem.draw_inputs(key, _BLOCK)
        return (network.values(network.params, x) - problem.target(x)) ** 2

    keys = jax.random.split(jax.random.key(seed), _BLOCKS)
    squares = np.asarray(jax.jit(lambda keys: jax.lax.map(block, keys))(keys), np.float64).ravel()
    mean = float(np.mean(squares))
    check(math.isfinite(mean), "weights", "have finite values on test inputs", mean)
    error = float(np.std(squares, ddof=1)) / math.sqrt(squares.size)
    return RiskEstimate(mean, max(error, 1e-300), level)


def risk_of(
    network: Network, problem: Problem, *, level: float = LEVEL, seed: int = 0
) -> RiskEstimate:
    """Returns the risk of a network on a problem; the label noise does not enter."""
    if isinstance(network, Layer):
        if exact_risk(network.network, problem) is not None:
            layer, params = network.network, network.params
            if layer.activation == "relu":  # one program for all targets of a kind
                value = _relu_risk(layer, params, problem.target, problem.second_moment)
            else:
                value = _layer_risk(layer, params, problem.noiseless)
            rounding = _rounding(network, problem)
            enough = "have a risk that rounding leaves known: its neurons cancel too much"
            known = rounding <= 1e-3 * max(problem.second_moment, float(value))
            check(known, "weights", enough, float(value))
            return RiskEstimate(max(float(value), 0.0), 0.0, level, rounding)
        network = network.as_function()
    return sampled(network, problem, level, seed)


def degrees_of(network: Network, problem: Problem) -> tuple[float, ...] | None:
    """Returns E (f_k - f*_k)^2 for k = 0 ... 4; None where they are not known exactly."""
    known = isinstance(network, Layer) and network.network.activation == "relu"
    if not known or isinstance(problem.target, SampledTarget) or problem.dim < 2:
        return None
    assert isinstance(network, Layer)
    found = _layer_degrees(network.network, network.params, problem.noiseless)
    return tuple(float(value) for value in found)


def risk(
    weights: Any,
    target: Any,
    *,
    inputs: str = "gaussian",
    activation: str = "relu",
    layout: str = "torch",
    prefactor: Prefactor = "standard",
    level: Number = LEVEL,
    seed: int = 0,
) -> RiskEstimate:
    """Returns the population risk E (f - f*)^2 of a network of any form.

    Args:
      weights: arrays (W, u[, b]), a pair (function, params), or a module
        (:func:`~rf_limits.verdicts.forms.network_of`).
      target: f*.
      inputs: law of x, ``"gaussian"`` or ``"sphere"``.
      activation: of arrays, like the next two; a name.
      layout: ``"torch"``, W is (N, d), or ``"flax"``, (d, N).
      prefactor: the name of a parameterization, or a number before the sum.
      level: of the interval, where the risk is sampled.
      seed: draws the 2^18 test inputs of a sampled risk.

    Returns:
      :class:`RiskEstimate`, absolute; exact for one hidden layer of ReLU neurons under Gaussian
      inputs, and of erf, gelu, linear and some more on sums of ReLU neurons.

    Raises:
      RequirementError: weights of no such form, or of another dimension.
    """
    problem, level = checked_problem(target, inputs), checked_level(level)
    form = {"activation": activation, "layout": layout, "prefactor": prefactor}
    return risk_of(network_of(weights, problem.dim, **form), problem, level=level, seed=seed)


def checked_level(level: Any) -> float:
    """Returns a level between 0 and 1.

    Raises:
      RequirementError: it is none.
    """
    level = arguments.real(level, "level")
    check(0.0 < level < 1.0, "level", "lie between 0 and 1", level)
    return level


def checked_problem(target: Any, inputs: str, noise: Number = 0.0) -> Problem:
    """Returns the problem of a target, which has a positive second moment.

    Raises:
      RequirementError: no target, or one that is 0.
    """
    kind = type(target).__name__
    check(isinstance(target, Target), "target", "be one of rf_limits.problem", kind)
    problem = Problem(target, inputs, noise)
    least = "have an E f*^2 that float64 holds, and not 0"
    check(1e-200 < problem.second_moment < 1e200, "target", least, problem.second_moment)
    return problem
