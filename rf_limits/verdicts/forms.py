"""The forms in which a network is handed over: arrays of one hidden layer, or any function.

Arrays become a :class:`Layer`, whose population risk is exact where the package knows it. A
callable with parameters, or a module of Flax or Equinox, becomes a :class:`Function`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx
from jaxtyping import Array, Float

from rf_limits.errors import RequirementError, check, check_choice
from rf_limits.models.network import PARAMETERIZATIONS, OneHiddenLayer, Params, make_network
from rf_limits.theory.numerics import arguments

LAYOUTS = ("torch", "flax")
"""W of shape (N, d), as PyTorch has it, or (d, N), as Flax has it."""
Prefactor = str | float


@dataclasses.dataclass(frozen=True)
class Layer:
    """A network with one hidden layer, by its arrays.

    Attributes:
      network: the architecture.
      params: its parameters.
    """

    network: OneHiddenLayer
    params: Params

    @property
    def dim(self) -> int:
        """Returns the input dimension d."""
        return self.params["params"]["hidden_kernel"].shape[0]

    @property
    def num_parameters(self) -> int:
        """Returns the number of parameters."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))

    def as_function(self) -> "Function":
        """Returns the same network as a function of its parameters."""
        return Function(self.network.value, self.params)


@dataclasses.dataclass(frozen=True)
class Function:
    """A network as a function of parameters and inputs.

    Attributes:
      function: (params, (n, d)) -> (n,) or (n, 1).
      params: a tree of arrays.
    """

    function: Callable[[Any, Array], Array]
    params: Any

    @property
    def num_parameters(self) -> int:
        """Returns the number of parameters, real numbers of any precision."""
        return sum(np.size(leaf) for leaf in jax.tree.leaves(self.params))

    def values(self, params: Any, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns f at the rows of ``x`` in float64.

        Raises:
          RequirementError: values of another shape.
        """
        found = jnp.asarray(self.function(params, x))
        shape = found.shape
        fits = shape in ((x.shape[0],), (x.shape[0], 1))
        check(fits, "weights", "be a function with one value for each of n inputs", shape)
        return found.reshape(x.shape[0]).astype(jnp.float64)


Network = Layer | Function


def _numbers(value: Any, name: str, ndim: int | None = None) -> np.ndarray:
    """Returns an array of NumPy, JAX or PyTorch in float64."""
    if hasattr(value, "detach"):  # a tensor of PyTorch, which may be on another device
        value = value.detach().cpu().numpy()
    return arguments.array(value, name, ndim)


def layer_of(
    weights: tuple[Any, ...],
    *,
    activation: str = "relu",
    layout: str = "torch",
    prefactor: Prefactor = "standard",
    dim: int | None = None,
) -> Layer:
    """Returns the network sum_i u_i sigma(<w_i, x> + b_i), with its prefactors, from its arrays.

    Args:
      weights: (W, u) or (W, u, b), of any real type: W (N, d), or (d, N) with the layout of Flax;
        u (N,) or (N, 1) or (1, N); b (N,).
      activation: a name of :data:`rf_limits.models.increments.ACTIVATIONS`.
      layout: one of :data:`LAYOUTS`.
      prefactor: the name of a parameterization, whose factors stand before W, b and u; or a number
        before the sum.
      dim: d, where it is known; W has to agree.

    Raises:
      RequirementError: arrays that do not go together, not finite, or an unknown name.
    """
    check(len(weights) in (2, 3), "weights", "be (W, u) or (W, u, b)", f"{len(weights)} arrays")
    check_choice(layout, LAYOUTS, "layout")
    w = _numbers(weights[0], "W", 2)
    w = w if layout == "torch" else w.T
    shape = w.shape
    other = " (layout='flax' takes (d, N))" if layout == "torch" else ""
    if dim is not None:
        check(shape[1] == dim, "W", f"have shape (N, {dim}), N neurons of d inputs{other}", shape)
    width = shape[0]
    u = _numbers(weights[1], "u").reshape(-1)
    check(u.shape == (width,), "u", f"have {width} entries, one for each row of W{other}", u.shape)
    inner: dict[str, Any] = {"hidden_kernel": jnp.asarray(w.T), "output_kernel": jnp.asarray(u)}
    if len(weights) == 3 and weights[2] is not None:
        b = _numbers(weights[2], "b", 1)
        check(b.shape == (width,), "b", f"have {width} entries, one for each row of W", b.shape)
        inner["hidden_bias"] = jnp.asarray(b)
    for name, array in inner.items():
        finite = bool(jnp.all(jnp.isfinite(array)))
        check(finite, "weights", "be finite", f"{name} with values that are not")
    if not isinstance(prefactor, str):
        inner["output_kernel"] = arguments.finite(prefactor, "prefactor") * inner["output_kernel"]
        prefactor = "standard"
    check_choice(prefactor, PARAMETERIZATIONS, "prefactor")
    bias = "hidden_bias" in inner
    network = make_network(width, activation=activation, use_bias=bias, parameterization=prefactor)
    return Layer(network, {"params": inner})


def _is_equinox(value: Any) -> bool:
    """Returns whether a value is a module of Equinox, which need not be installed."""
    return any(cls.__module__.startswith("equinox") for cls in type(value).__mro__)


def _of_equinox(module: Any) -> Function:
    import equinox

    params, rest = equinox.partition(module, equinox.is_inexact_array)

    def function(params: Any, x: Array) -> Array:
        return jax.vmap(equinox.combine(params, rest))(x)

    return Function(function, params)


def _of_nnx(module: nnx.Module) -> Function:
    parts: Any = nnx.split(module, nnx.Param, ...)
    definition, params, rest = parts

    def function(params: Any, x: Array) -> Array:
        return nnx.merge(definition, params, rest)(x)

    return Function(function, params)


def network_of(weights: Any, **options: Any) -> Network:
    """Returns a network in one of the forms.

    Args:
      weights: arrays as for :func:`layer_of`; a pair of a function (params, x) -> f(x) and its
        parameters; a pair of a Linen module and its variables; a module of NNX or Equinox (of one
        example, as Equinox has it); or a function of x alone.
      **options: of :func:`layer_of`.

    Raises:
      RequirementError: it is none of these.
    """
    if isinstance(weights, nnx.Module):
        return _of_nnx(weights)
    if _is_equinox(weights):
        return _of_equinox(weights)
    if isinstance(weights, (tuple, list)) and len(weights) == 2 and callable(weights[0]):
        function, params = weights
        if isinstance(function, linen.Module):
            function = function.apply
        return Function(function, params)
    if isinstance(weights, tuple):
        return layer_of(weights, **options)
    if callable(weights):
        return Function(lambda params, x: weights(x), ())
    raise RequirementError(
        "weights must be arrays (W, u[, b]), a pair (function, params), or a module of Flax or "
        f"Equinox, but received {type(weights).__name__}."
    )
