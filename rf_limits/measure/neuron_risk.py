"""Exact risks of networks with neurons of erf, gelu and others, by their Gram matrices alone.

Everything is a value or a derivative of two forms, E g_p g_q of the network at parameters p
and q and E g_p f*: the linearization g_0 + <grad g_0, p - p_0> enters through directional
derivatives of them at p_0, on one side or on both.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.measure.risk import ExactRisk, ExactRisks, Risk, risk_is_exact
from rf_limits.models.network import OneHiddenLayer, Params, hidden_weights
from rf_limits.models.scaled_network import ScaledNetwork, moved
from rf_limits.problem.neurons import Teacher
from rf_limits.problem.problem import Problem
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from rf_limits.theory.numerics.blocks import sum_over_blocks
from rf_limits.types import Scalar

CLOSED = ("erf", "gelu", "linear", "quadratic", "abs", "relu_squared")
"""Activations, besides relu, whose products with themselves and with relu are closed forms."""


def _along(form: Callable[[Params], Array], at: Params, direction: Params) -> Array:
    """Returns the derivative of ``form`` at ``at`` along ``direction``."""
    return jax.jvp(form, (at,), (direction,))[1]


def _rows(network: OneHiddenLayer, params: Params) -> tuple[Array, Array, Array]:
    """Returns (N, d) weights, (N,) biases and (N,) amplitudes of g."""
    weights, biases = hidden_weights(network, params)
    u = network.output_scale * params["params"]["output_kernel"]
    return weights, jnp.zeros_like(u) if biases is None else biases, u


def _product(network: OneHiddenLayer, p: Params, q: Params) -> Float[Array, ""]:
    """Returns E g_p g_q."""

    def block(f: tuple[Array, Array, Array], g: tuple[Array, Array, Array]) -> Array:
        return f[2] @ gaussian_gram(f[0], f[1], g[0], g[1], network.activation) @ g[2]

    return sum_over_blocks(block, _rows(network, p), _rows(network, q))


@dataclasses.dataclass(frozen=True)
class ExactNeuronRisk:
    """Exact risks and distances under Gaussian inputs, as :class:`ExactRisk` has them for relu.

    The activation is one of :data:`CLOSED`.

    Attributes:
      problem: what is learned; its target is a sum of ReLU neurons.
      max_degree: -1: risks by degree are known for relu alone.
    """

    problem: Problem
    max_degree: int = -1

    def _cross(self, network: OneHiddenLayer, p: Params) -> Float[Array, ""]:
        """Returns E g_p f*."""
        w, b, u = _rows(network, p)
        target = cast(Teacher, self.problem.target)
        gram = gaussian_gram(w, b, target.directions, target.biases, network.activation, "relu")
        return u @ gram @ target.coefficients

    def slope_square(self, f: ScaledNetwork, change: Params) -> Float[Array, ""]:
        """Returns E <grad g_0, change>^2."""

        def one_side(q: Params) -> Array:
            return _along(lambda p: _product(f.network, p, q), f.init, change)

        return _along(one_side, f.init, change)

    def _risk(self, square: Array, cross: Array, alpha: Scalar) -> Risk:
        value = alpha**2 * square - 2.0 * alpha * cross + self.problem.second_moment
        return Risk(value, jnp.zeros_like(value))

    def network(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of f at ``init + change``."""
        g, init, params = f.network, f.init, moved(f.init, change)
        square, cross = _product(g, params, params), self._cross(g, params)
        if g.centred:
            square += _product(g, init, init) - 2.0 * _product(g, params, init)
            cross -= self._cross(g, init)
        return self._risk(square, cross, f.alpha)

    def linearized(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of the linearization of f around ``init``, at ``init + change``."""
        g, init, square = f.network, f.init, self.slope_square(f, change)
        cross = _along(partial(self._cross, g), init, change)
        if not g.centred:
            square += _product(g, init, init)
            square += 2.0 * _along(lambda p: _product(g, p, init), init, change)
            cross += self._cross(g, init)
        return self._risk(square, cross, f.alpha)

    def gap(self, f: ScaledNetwork, change: Params, linear_change: Params) -> Array:
        """Returns the root mean square of f less its linearization, over the population."""
        g, init, params = f.network, f.init, moved(f.init, change)
        square = _product(g, params, params) - 2.0 * _product(g, params, init)
        square += _product(g, init, init) + self.slope_square(f, linear_change)
        square -= 2.0 * _along(lambda q: _product(g, params, q), init, linear_change)
        square += 2.0 * _along(lambda q: _product(g, init, q), init, linear_change)
        return f.alpha * jnp.sqrt(jnp.maximum(square, 0.0))

    def random_features(self, f: ScaledNetwork, coefficients: Float[Array, "N"]) -> Risk:
        """Returns the risk of sum_i coefficients_i p_out sigma(h_i), the output layer refitted."""
        refitted = {"params": {**f.init["params"], "output_kernel": coefficients}}
        square = _product(f.network, refitted, refitted)
        return self._risk(square, self._cross(f.network, refitted), 1.0)

    def tangent_features(self, f: ScaledNetwork, change: Params) -> Risk:
        """Returns the risk of <grad g_0, change>."""
        cross = _along(partial(self._cross, f.network), f.init, change)
        return self._risk(self.slope_square(f, change), cross, 1.0)


def exact_risk(
    network: OneHiddenLayer, problem: Problem, max_degree: int = -1
) -> ExactRisks | None:
    """Returns the exact risks that are known, or None where a test set has to do.

    For relu see :func:`~rf_limits.measure.risk.risk_is_exact`; for the activations in
    :data:`CLOSED` under Gaussian inputs if the target is a sum of neurons.

    Args:
      network: the architecture.
      problem: what is learned; the label noise does not enter.
      max_degree: largest degree whose risk is measured as well (relu), or -1 for none.
    """
    if risk_is_exact(network, problem):
        return ExactRisk(problem.noiseless, max_degree)
    closed = network.activation in CLOSED and problem.inputs == "gaussian"
    if closed and isinstance(problem.target, Teacher):
        return ExactNeuronRisk(problem.noiseless)
    return None
