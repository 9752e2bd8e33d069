"""Risk of a predictor: exact where Gaussian integrals allow it, else on a test set."""

import dataclasses
import math
from typing import NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.models.network import (
    OneHiddenLayer,
    Params,
    as_relu_sum,
    linearized_relu_sum,
    tangent_relu_sum,
)
from rf_limits.models.scaled_network import ScaledNetwork, moved
from rf_limits.problem.problem import Problem
from rf_limits.problem.sampled import SampledTarget
from rf_limits.theory.risks.degree_risks import degree_risks
from rf_limits.theory.risks.population_risk import (
    Sum,
    expected_square,
    mean_square_difference,
    population_risk,
)

_ROUNDED = 1e-6
Columns = dict[str, Array | np.ndarray]


class Risk(NamedTuple):
    """A population squared error, without a factor 1/2.

    An exact risk is a difference of numbers of the size of E f*^2: rounding, some 1e-16 of them,
    may leave it below zero.

    Attributes:
      risk: E (f(x) - f*(x))^2 or its estimate.
      standard_error: of the estimate; 0 where the risk is exact.
      degrees: (K + 1,) risks of the degrees 0 ... K, or None where they are not known.
    """

    risk: Float[Array, "*T"]
    standard_error: Float[Array, "*T"]
    degrees: Float[Array, "*T K"] | None = None

    def columns(self) -> Columns:
        """Returns the columns of the results table, where what rounding left below zero is zero."""
        risk = self.risk.clip(0.0)
        if isinstance(self.risk, np.ndarray):
            risk = np.asarray(risk)  # NumPy makes numbers of arrays without axes
        columns: Columns = {"risk": risk, "risk_standard_error": self.standard_error}
        if self.degrees is not None:
            columns |= degree_columns("risk", self.degrees, self.risk)
        return columns


def degree_columns(
    prefix: str, degrees: Array | np.ndarray, total: Array | np.ndarray | float
) -> Columns:
    """Returns the columns ``prefix``_degree_0, ..., and _rest, what is missing to ``total``."""
    columns = {f"{prefix}_degree_{k}": degrees[..., k] for k in range(degrees.shape[-1])}
    return columns | {f"{prefix}_degree_rest": total - degrees.sum(axis=-1)}


def sampled_risk(predictions: Float[Array, "m"], target: Float[Array, "m"]) -> Risk:
    """Returns the mean squared error over a test set and its standard error."""
    square = (predictions - target) ** 2
    return Risk(jnp.mean(square), jnp.std(square, ddof=1) / jnp.sqrt(square.size))


def risk_is_exact(network: OneHiddenLayer, problem: Problem) -> bool:
    """Returns whether the population risk is computed exactly rather than on a test set.

    It is for relu under Gaussian inputs, and under inputs on the sphere of radius sqrt(d)
    if the target is a sum of neurons and neither side has biases
    (:mod:`rf_limits.theory.risks.population_risk`).
    """
    if network.activation != "relu" or isinstance(problem.target, SampledTarget):
        return False
    homogeneous = problem.target.is_homogeneous and not network.use_bias
    return problem.inputs == "gaussian" or homogeneous


def largest_exact_scale(network: OneHiddenLayer, problem: Problem) -> float:
    """Returns alpha up to which exact risks of f = alpha (g - g_0) are resolved in float64.

    The exact risk is put together from products of neurons, of size alpha^2 E g_0^2, which
    cancel: what is left is rounded by 2e-16 of them. That is a millionth of E f*^2 at the scale
    returned; from a thousand times it on the risk would be noise, of either sign.

    Args:
      network: g.
      problem: what f learns.
    """
    square = network.aligned_size(problem.dim) ** 2 / network.width
    eps = float(jnp.finfo(jnp.float64).eps)
    return math.sqrt(_ROUNDED * problem.second_moment / (eps * square))


@runtime_checkable
class Risks(Protocol):
    """Risks of a network and its linearization, as functions of the change of parameters."""

    def network(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of f at ``init + change``."""

    def linearized(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of the linearization of f around ``init``, at ``init + change``."""

    def gap(self, f: ScaledNetwork, change: Params, linear_change: Params) -> Array:
        """Returns the root mean square difference between f and its linearization."""


@runtime_checkable
class ExactRisks(Risks, Protocol):
    """Exact risks over the population, of fits on the fixed features of a network as well."""

    @property
    def max_degree(self) -> int:
        """Returns the largest degree whose risk is measured as well, or -1 for none."""

    def slope_square(self, f: ScaledNetwork, change: Params) -> Array:
        """Returns E <grad g_0, change>^2, g_0 the network before scaling."""

    def random_features(self, f: ScaledNetwork, coefficients: Float[Array, "N"]) -> Risk:
        """Returns the risk of sum_i coefficients_i p_out sigma(h_i), the output layer refitted."""

    def tangent_features(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of <grad g_0, change>."""


@dataclasses.dataclass(frozen=True)
class ExactRisk:
    """Exact risks and distances of networks and their linearizations.

    Attributes:
      problem: what is learned.
      max_degree: largest degree K whose risk is measured as well, or -1 for none.
    """

    problem: Problem
    max_degree: int = -1

    def network(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of f at ``init + change``."""
        after = as_relu_sum(f.network, moved(f.init, change), f.alpha)
        if not f.network.centred:
            return self.of(after)
        return self.of((after, as_relu_sum(f.network, f.init, -f.alpha)))

    def linearized(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of the linearization of f around ``init``, at ``init + change``."""
        centred = f.network.centred
        return self.of(linearized_relu_sum(f.network, f.init, change, f.alpha, centred=centred))

    def gap(self, f: ScaledNetwork, change: Params, linear_change: Params) -> Array:
        """Returns the root mean square of f less its linearization, over the population.

        Centring takes the same function off both, so it does not enter.
        """
        after = as_relu_sum(f.network, moved(f.init, change), f.alpha)
        linear = linearized_relu_sum(f.network, f.init, linear_change, f.alpha)
        return jnp.sqrt(mean_square_difference(after, linear))

    def slope_square(self, f: ScaledNetwork, change: Params) -> Array:
        """Returns E <grad g_0, change>^2, g_0 the network before scaling."""
        return expected_square(tangent_relu_sum(f.network, f.init, change))

    def random_features(self, f: ScaledNetwork, coefficients: Float[Array, "N"]) -> Risk:
        """Returns the risk of sum_i coefficients_i p_out sigma(h_i), the output layer refitted."""
        features = as_relu_sum(f.network, f.init)
        return self.of(features._replace(amplitudes=f.network.output_scale * coefficients))

    def tangent_features(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of <grad g_0, change>."""
        return self.of(tangent_relu_sum(f.network, f.init, change))

    def of(self, f: Sum) -> Risk:
        """Returns the risk of any sum of neurons and gradient features."""
        target, degrees = self.problem.target, None
        value = population_risk(f, target, self.problem.second_moment)
        if self.max_degree >= 0:
            degrees = degree_risks(f, target, self.max_degree)
        return Risk(value, jnp.zeros_like(value), degrees)


@dataclasses.dataclass(frozen=True)
class SampledRisk:
    """Risks on a test set, for targets and networks without a closed form.

    Attributes:
      x: (m, d) test inputs.
      y: (m,) target values.
    """

    x: Float[Array, "m d"]
    y: Float[Array, "m"]

    def network(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of f at ``init + change``."""
        return sampled_risk(f.after(change, self.x), self.y)

    def linearized(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of the linearization of f around ``init``, at ``init + change``."""
        return sampled_risk(f.linearized_after(change, self.x), self.y)

    def gap(self, f: ScaledNetwork, change: Params, linear_change: Params) -> Array:
        """Returns the root mean square of f less its linearization, on the test set."""
        difference = f.after(change, self.x) - f.linearized_after(linear_change, self.x)
        return jnp.sqrt(jnp.mean(difference**2))
