r"""The one-hidden-layer network g.

g(x) = p_out sum_i u_i sigma(p_in <w_i, x> + b_i), with by parameterization

===========  ==========  ==========  ================  ==================
name         p_in        p_out       Var(w), Var(u)    source
===========  ==========  ==========  ================  ==================
ntk          1/sqrt(d)   1/sqrt(N)   1, 1              Jacot et al. 2018
standard     1           1           1/d, 1/N          LeCun et al. 1998
mean_field   1/sqrt(d)   1/N         1, 1              Mei et al. 2018
mup          sqrt(N)     1/sqrt(N)   1/(d N), 1/N      Yang and Hu 2021
===========  ==========  ==========  ================  ==================

Biases, where used, have p_in b ~ N(0, 1), with p_in = sqrt(N) under mup and 1 otherwise. The
trained function is f(x) = alpha (g(x) - g_0(x)) or alpha g(x), with alpha the lazy scale.

mup is written so that one learning rate serves both layers (their table 1, symmetric form): in
terms of W = p_in w and U = p_out u, with variances 1/d and 1/N^2, it is N times that rate for W
and 1/N times for U. Mean field is the same up to a factor d between the two.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from rf_limits.errors import check, check_choice
from rf_limits.models.increments import ACTIVATIONS, increment, moved_sum
from rf_limits.models.relu_output import relu_output, relu_output_change
from rf_limits.theory.risks.relu_moments import ReluSum
from rf_limits.types import Scalar

Params = Mapping[str, Any]
Initializer = Callable[[Array, tuple[int, ...], Any], Array]

PARAMETERIZATIONS = ("ntk", "standard", "mean_field", "mup")
CENTRINGS = ("none", "subtract", "antisymmetric")
OUTPUT_INITS = ("gaussian", "sign", "positive", "zero")
TRAINABLE = ("hidden", "output", "both")


class OneHiddenLayer(nn.Module):
    """One-hidden-layer network g of the module docstring, (n, d) -> (n,).

    Attributes:
      width: number of hidden neurons N.
      activation: a key of :data:`ACTIVATIONS`.
      use_bias: whether hidden neurons have biases.
      parameterization: one of :data:`PARAMETERIZATIONS`.
      output_init: ``"gaussian"``, ``"sign"`` (u_i = +-1 times the standard deviation),
        ``"positive"`` (+1 times it) or ``"zero"``: hidden weights then have no gradient at
        initialization, and the tangent features are the random features alone.
      antisymmetric: the second half of the neurons copies the first with opposite output
        weights, so that g_0 = 0 exactly and the tangent kernel is that of N/2 independent
        neurons (both halves count). Needs an even width.
      centred: whether the trained function f leaves out g at initialization.
    """

    width: int
    activation: str = "relu"
    use_bias: bool = False
    parameterization: str = "ntk"
    output_init: str = "gaussian"
    antisymmetric: bool = False
    centred: bool = False

    def input_scale(self, dim: int) -> float:
        """Returns the factor p_in."""
        return {"standard": 1.0, "mup": self.width**0.5}.get(self.parameterization, dim**-0.5)

    @property
    def bias_scale(self) -> float:
        """Returns the factor in front of the biases."""
        return self.width**0.5 if self.parameterization == "mup" else 1.0

    @property
    def output_scale(self) -> float:
        """Returns the factor p_out."""
        scales = {"standard": 1.0, "mean_field": 1.0 / self.width}
        return scales.get(self.parameterization, self.width**-0.5)

    @property
    def starts_at_zero(self) -> bool:
        """Returns whether g is zero, exactly, with weights as :func:`init_params` draws them."""
        return self.antisymmetric or self.output_init == "zero"

    def weight_std(self, dim: int) -> float:
        """Returns the standard deviation of the hidden weights at initialization."""
        stds = {"standard": dim**-0.5, "mup": (dim * self.width) ** -0.5}
        return stds.get(self.parameterization, 1.0)

    @property
    def output_std(self) -> float:
        """Returns the root mean square of initial output weights (if they are not zero)."""
        return self.width**-0.5 if self.parameterization in ("standard", "mup") else 1.0

    def aligned_size(self, dim: int) -> float:
        """Returns N p_out u p_in |w|, the size of g with initial weights all pointing one way.

        sqrt(N) in ntk and standard parameterization, 1 in mean field and muP. Times the lazy
        scale, it says how far training is from the tangent regime, whatever N, alpha and the
        parameterization (docs/theory.md, section 9).
        """
        hidden = self.input_scale(dim) * self.weight_std(dim) * dim**0.5
        return self.width * self.output_scale * self.output_std * hidden

    def _output_init(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        draws = {
            "gaussian": jax.random.normal,
            "sign": jax.random.rademacher,
            "positive": lambda key, shape, dtype: jnp.ones(shape, dtype),
            "zero": lambda key, shape, dtype: jnp.zeros(shape, dtype),
        }
        return self.output_std * draws[self.output_init](key, shape, dtype)

    def _mirrored(self, init: Initializer, sign: float) -> Initializer:
        """Returns an initializer whose second half of neurons is the first times ``sign``."""
        if not self.antisymmetric:
            return init

        def mirrored(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
            half = init(key, (*shape[:-1], shape[-1] // 2), dtype)
            return jnp.concatenate([half, sign * half], axis=-1)

        return mirrored

    @nn.compact
    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns outputs at the rows of ``x``, in the dtype of the parameters."""
        dim = x.shape[-1]
        kernel_init = self._mirrored(nn.initializers.normal(self.weight_std(dim)), 1.0)
        bias_init = self._mirrored(nn.initializers.normal(1.0 / self.bias_scale), 1.0)
        output_init = self._mirrored(self._output_init, -1.0)
        kernel = self.param("hidden_kernel", kernel_init, (dim, self.width), jnp.float64)
        x = self._rows(x)
        if self.use_bias:
            bias = self.param("hidden_bias", bias_init, (self.width,), jnp.float64)
            kernel = jnp.concatenate([kernel, bias[None, :]])
        u = self.param("output_kernel", output_init, (self.width,), jnp.float64)
        if not self.antisymmetric:
            return self._neurons(x, kernel, u) * self.output_scale
        half = self.width // 2
        first = self._neurons(x, kernel[:, :half], u[:half])
        return (first + self._neurons(x, kernel[:, half:], u[half:])) * self.output_scale

    def _rows(self, x: Array) -> Array:
        """Returns inputs times their factor, and that of the biases as one more column."""
        x = x * self.input_scale(x.shape[-1])
        if not self.use_bias:
            return x
        return jnp.concatenate([x, jnp.full_like(x[:, :1], self.bias_scale)], axis=1)

    def output_change(
        self, init: Params, change: Params, x: Float[Array, "n d"]
    ) -> Float[Array, "n"]:
        """Returns g(init + change) - g(init) at the rows of ``x``, without cancellation.

        p_out sum_i [u_i (sigma(h_i + dh_i) - sigma(h_i)) + du_i sigma(h_i + dh_i)], with dh_i
        from the change alone: no digit of a small change is lost.
        """
        x = self._rows(x)
        (kernel, u), (dkernel, du) = by_neuron(init), by_neuron(change)
        if self.activation == "relu":
            return relu_output_change(x, kernel, u, dkernel, du) * self.output_scale
        h, dh = x @ kernel, x @ dkernel
        before = ACTIVATIONS[self.activation](h)
        by = increment(self.activation, h, dh)
        return moved_sum(by, before, u, du) * self.output_scale

    def value(self, params: Params, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns g(params) at the rows of ``x``."""
        return nn.apply(OneHiddenLayer.__call__, self)(params, x)

    def _neurons(self, x: Array, kernel: Array, u: Array) -> Array:
        """Returns sum_i u_i sigma(<kernel_i, x_a>)."""
        if self.activation == "relu":
            return relu_output(x, kernel, u)
        return ACTIVATIONS[self.activation](x @ kernel) @ u


def by_neuron(params: Params) -> tuple[Array, Array]:
    """Returns hidden parameters (d or d + 1, N), biases last, and output weights (N,)."""
    inner = params["params"]
    kernel, u = inner["hidden_kernel"], inner["output_kernel"]
    if "hidden_bias" not in inner:
        return kernel, u
    return jnp.concatenate([kernel, inner["hidden_bias"][None, :]]), u


def make_network(
    width: int,
    *,
    activation: str = "relu",
    use_bias: bool = False,
    parameterization: str = "ntk",
    output_init: str = "gaussian",
    centring: str = "none",
) -> OneHiddenLayer:
    """Returns a checked :class:`OneHiddenLayer`.

    Raises:
      RequirementError: an unknown name, or a width that antisymmetric doubling cannot halve.
    """
    check(width >= 1, "model.widths", "be at least 1", width)
    check_choice(activation, ACTIVATIONS, "model.activation")
    check_choice(parameterization, PARAMETERIZATIONS, "model.parameterization")
    check_choice(output_init, OUTPUT_INITS, "model.output_init")
    check_choice(centring, CENTRINGS, "model.centring")
    doubled = centring == "antisymmetric"
    check(
        not doubled or width % 2 == 0, "model.widths", "be even for antisymmetric doubling", width
    )
    centred = centring == "subtract"
    return OneHiddenLayer(
        width, activation, use_bias, parameterization, output_init, doubled, centred
    )


def init_params(network: OneHiddenLayer, key: Key[Array, ""], dim: int) -> Params:
    """Draws parameters in float64.

    Returns:
      ``{"params": {"hidden_kernel": (d, N), ["hidden_bias": (N,),] "output_kernel": (N,)}}``.
    """
    return network.init(key, jnp.zeros((1, dim), jnp.float64))


def hidden_weights(network: OneHiddenLayer, params: Params) -> tuple[Array, Array | None]:
    """Returns weights (N, d) and biases (N,) of h_i = <w_i, x> + b_i, with their factors."""
    kernel, bias = params["params"]["hidden_kernel"], params["params"].get("hidden_bias")
    weights = kernel.T * network.input_scale(kernel.shape[0])
    return weights, None if bias is None else network.bias_scale * bias


def as_relu_sum(network: OneHiddenLayer, params: Params, scale: Scalar = 1.0) -> ReluSum:
    """Returns ``scale`` times g in the form exact expectations take, N gates.

    Raises:
      RequirementError: the activation is not relu.
    """
    check(network.activation == "relu", "model.activation", "be relu here", network.activation)
    weights, biases = hidden_weights(network, params)
    factor = scale * network.output_scale
    return ReluSum(weights, biases, factor * params["params"]["output_kernel"])


def tangent_relu_sum(
    network: OneHiddenLayer,
    params: Params,
    change: Params,
    scale: Scalar = 1.0,
) -> ReluSum:
    """Returns ``scale`` times <grad g(params), change> as a sum of neurons, N gates.

    Args:
      network: a network with activation relu.
      params: where the gradient is taken.
      change: direction in parameter space, a tree like ``params``.
      scale: factor in front.

    Raises:
      RequirementError: the activation is not relu.
    """
    gates = as_relu_sum(network, params, scale)
    slopes, offsets = hidden_weights(network, change)
    return gates._replace(
        amplitudes=scale * network.output_scale * change["params"]["output_kernel"],
        slopes=gates.amplitudes[:, None] * slopes,
        offsets=None if offsets is None else gates.amplitudes * offsets,
    )


def linearized_relu_sum(
    network: OneHiddenLayer,
    init: Params,
    change: Params,
    scale: Scalar = 1.0,
    *,
    centred: bool = False,
) -> ReluSum:
    """Returns ``scale`` times the linearization of g around ``init`` at ``init + change``, N gates.

    With ``centred`` the value at ``init`` is left out.
    """
    tangent = tangent_relu_sum(network, init, change, scale)
    if centred:
        return tangent
    start = as_relu_sum(network, init, scale)
    return tangent._replace(amplitudes=tangent.amplitudes + start.amplitudes)
