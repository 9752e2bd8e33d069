"""Exact risks of networks with neurons of erf, gelu and others, by their Gram matrices alone.

Everything is a value or a derivative of two forms, E g_p g_q of the network at parameters p
and q and E g_p f*: the linearization g_0 + <grad g_0, p - p_0> enters through directional
derivatives of them at p_0, on one side or on both.
"""

import dataclasses
from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.measure.risk import ExactRisk, ExactRisks, Risk, risk_is_exact
from rf_limits.models.network import Params, hidden_weights
from rf_limits.models.scaled_output import ScaledOutput, moved
from rf_limits.problem.neurons import Teacher
from rf_limits.problem.problem import Problem
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from rf_limits.theory.numerics.blocks import sum_over_blocks

CLOSED = ("erf", "gelu", "linear", "quadratic", "abs", "relu_squared")
"""Activations, besides relu, whose products with themselves and with relu are closed forms."""


def _along(form: Callable[[Params], Array], at: Params, direction: Params) -> Array:
    """Returns the derivative of ``form`` at ``at`` along ``direction``."""
    return jax.jvp(form, (at,), (direction,))[1]


@dataclasses.dataclass(frozen=True)
class ExactNeuronRisk:
    """Exact risks and distances under Gaussian inputs, as :class:`ExactRisk` has them for relu.

    Attributes:
      output: the trained function f, activation one of :data:`CLOSED`.
      problem: what is learned; its target is a sum of ReLU neurons.
      max_degree: -1: risks by degree are known for relu alone.
    """

    output: ScaledOutput
    problem: Problem
    max_degree: int = -1

    def _rows(self, params: Params) -> tuple[Array, Array, Array]:
        """Returns (N, d) weights, (N,) biases and (N,) amplitudes of g."""
        weights, biases = hidden_weights(self.output.network, params)
        u = self.output.network.output_scale * params["params"]["output_kernel"]
        return weights, jnp.zeros_like(u) if biases is None else biases, u

    def _product(self, p: Params, q: Params) -> Float[Array, ""]:
        """Returns E g_p g_q."""
        activation = self.output.network.activation

        def block(f: tuple[Array, Array, Array], g: tuple[Array, Array, Array]) -> Array:
            return f[2] @ gaussian_gram(f[0], f[1], g[0], g[1], activation) @ g[2]

        return sum_over_blocks(block, self._rows(p), self._rows(q))

    def _cross(self, p: Params) -> Float[Array, ""]:
        """Returns E g_p f*."""
        w, b, u = self._rows(p)
        f, activation = cast(Teacher, self.problem.target), self.output.network.activation
        gram = gaussian_gram(w, b, f.directions, f.biases, activation, "relu")
        return u @ gram @ f.coefficients

    def slope_square(self, init: Params, change: Params) -> Float[Array, ""]:
        """Returns E <grad g_0, change>^2."""

        def one_side(q: Params) -> Array:
            return _along(lambda p: self._product(p, q), init, change)

        return _along(one_side, init, change)

    def _risk(self, square: Array, cross: Array, alpha: Array | float) -> Risk:
        value = alpha**2 * square - 2.0 * alpha * cross + self.problem.second_moment
        return Risk(value, jnp.zeros_like(value))

    def network(self, change: Params, init: Params, alpha: Array) -> Risk:
        """Returns the risk of f at ``init + change``."""
        params = moved(init, change)
        square, cross = self._product(params, params), self._cross(params)
        if self.output.centred:
            square += self._product(init, init) - 2.0 * self._product(params, init)
            cross -= self._cross(init)
        return self._risk(square, cross, alpha)

    def linearized(self, change: Params, init: Params, alpha: Array) -> Risk:
        """Returns the risk of the linearization of f around ``init``, at ``init + change``."""
        square = self.slope_square(init, change)
        cross = _along(self._cross, init, change)
        if not self.output.centred:
            square += self._product(init, init)
            square += 2.0 * _along(lambda p: self._product(p, init), init, change)
            cross += self._cross(init)
        return self._risk(square, cross, alpha)

    def gap(self, change: Params, linear_change: Params, init: Params, alpha: Array) -> Array:
        """Returns the root mean square of f less its linearization, over the population."""
        params, change = moved(init, change), linear_change
        square = self._product(params, params) - 2.0 * self._product(params, init)
        square += self._product(init, init) + self.slope_square(init, change)
        square -= 2.0 * _along(lambda q: self._product(params, q), init, change)
        square += 2.0 * _along(lambda q: self._product(init, q), init, change)
        return alpha * jnp.sqrt(jnp.maximum(square, 0.0))

    def random_features(self, init: Params, coefficients: Float[Array, "N"]) -> Risk:
        """Returns the risk of sum_i coefficients_i p_out sigma(h_i), the output layer refitted."""
        moved = {"params": {**init["params"], "output_kernel": coefficients}}
        return self._risk(self._product(moved, moved), self._cross(moved), 1.0)

    def tangent_features(self, init: Params, change: Params) -> Risk:
        """Returns the risk of <grad g_0, change>."""
        return self._risk(self.slope_square(init, change), _along(self._cross, init, change), 1.0)


def exact_risk(output: ScaledOutput, problem: Problem, max_degree: int = -1) -> ExactRisks | None:
    """Returns the exact risks that are known, or None where a test set has to do.

    For relu see :func:`~rf_limits.measure.risk.risk_is_exact`; for the activations in
    :data:`CLOSED` under Gaussian inputs if the target is a sum of neurons.

    Args:
      output: the trained function f.
      problem: what is learned; the label noise does not enter.
      max_degree: largest degree whose risk is measured as well (relu), or -1 for none.
    """
    if risk_is_exact(output.network, problem):
        return ExactRisk(output, problem.noiseless, max_degree)
    closed = output.network.activation in CLOSED and problem.inputs == "gaussian"
    if closed and isinstance(problem.target, Teacher):
        return ExactNeuronRisk(output, problem.noiseless)
    return None
