r"""Fixed features of a network at given parameters, and their kernel, in closed form.

Random features (RF) are the derivatives of g by the output weights; neural tangent (NT)
features the derivatives by all parameters. For one hidden layer the tangent kernel needs no
Jacobian: with phi = p_out sigma(h) and gamma = p_out u sigma'(h),

.. math:: \Theta = \phi\phi'^T + (\gamma\gamma'^T) \circ (p_{in}^2\, xx'^T + [p_b^2]),

d times less work and memory than contracting Jacobians. The first term belongs to the
output layer, the second to the hidden layer.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import check_choice
from rf_limits.models.network import ACTIVATIONS, TRAINABLE, OneHiddenLayer, Params, hidden_weights


class HiddenState(NamedTuple):
    """The hidden layer on a batch.

    Attributes:
      preactivations: (n, N) h.
      features: (n, N) phi = p_out sigma(h), the random features.
      gates: (n, N) gamma = p_out u sigma'(h), the derivatives of g by h.
    """

    preactivations: Float[Array, "n N"]
    features: Float[Array, "n N"]
    gates: Float[Array, "n N"]


def hidden_state(network: OneHiddenLayer, params: Params, x: Float[Array, "n d"]) -> HiddenState:
    """Returns preactivations, random features and gates at the rows of ``x``."""
    weights, biases = hidden_weights(network, params)
    h = x @ weights.T
    if biases is not None:
        h = h + biases
    value, slope = jax.jvp(ACTIVATIONS[network.activation], (h,), (jnp.ones_like(h),))
    gates = params["params"]["output_kernel"] * slope
    return HiddenState(h, network.output_scale * value, network.output_scale * gates)


def random_features(
    network: OneHiddenLayer, params: Params, x: Float[Array, "n d"]
) -> Float[Array, "n N"]:
    """Returns phi(x) = p_out sigma(<w_i, x> p_in + b_i): derivatives by the output weights."""
    return hidden_state(network, params, x).features


def tangent_features(
    network: OneHiddenLayer, params: Params, x: Float[Array, "n d"]
) -> Float[Array, "n p"]:
    """Returns derivatives of g by all p parameters.

    Columns in the order of ``jax.flatten_util.ravel_pytree``.
    """
    state = hidden_state(network, params, x)
    scaled = network.input_scale(x.shape[1]) * x
    hidden = (scaled[:, :, None] * state.gates[:, None, :]).reshape(x.shape[0], -1)
    parts = [hidden, state.features]
    if network.use_bias:
        parts.insert(0, network.bias_scale * state.gates)
    return jnp.concatenate(parts, axis=1)


def kernel_from_states(
    network: OneHiddenLayer,
    left: HiddenState,
    right: HiddenState,
    x_left: Float[Array, "n d"],
    x_right: Float[Array, "m d"],
    layers: str = "both",
) -> Float[Array, "n m"]:
    """Returns :func:`tangent_kernel` from hidden states that are computed already."""
    check_choice(layers, TRAINABLE, "model.trainable")
    kernel = jnp.zeros((x_left.shape[0], x_right.shape[0]), left.features.dtype)
    if layers in ("output", "both"):
        kernel = kernel + left.features @ right.features.T
    if layers in ("hidden", "both"):
        inner = network.input_scale(x_left.shape[1]) ** 2 * (x_left @ x_right.T)
        if network.use_bias:
            inner = inner + network.bias_scale**2
        kernel = kernel + (left.gates @ right.gates.T) * inner
    return kernel


def tangent_kernel(
    network: OneHiddenLayer,
    params: Params,
    x_left: Float[Array, "n d"],
    x_right: Float[Array, "m d"] | None = None,
    layers: str = "both",
) -> Float[Array, "n m"]:
    """Returns the empirical NTK <grad g(x), grad g(x')> over the parameters of ``layers``.

    Args:
      network: the module g.
      params: where the gradient is taken.
      x_left: (n, d) inputs.
      x_right: (m, d) inputs; ``x_left`` if None.
      layers: ``"hidden"``, ``"output"`` or ``"both"``.

    Returns:
      (n, m) kernel in closed form (module docstring); memory O(nN + nm).

    Raises:
      RequirementError: unknown ``layers``.
    """
    left = hidden_state(network, params, x_left)
    if x_right is None:
        return kernel_from_states(network, left, left, x_left, x_left, layers)
    right = hidden_state(network, params, x_right)
    return kernel_from_states(network, left, right, x_left, x_right, layers)
