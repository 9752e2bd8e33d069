"""The forms in which a network is handed over: arrays of one hidden layer, or any function.

Arrays become a :class:`Layer`, whose population risk is exact where the package knows it. A
callable with parameters, or a module of Flax or Equinox, becomes a :class:`Function`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

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
_OPTIONS = {"activation": "relu", "layout": "torch", "prefactor": "standard"}
"""What arrays are taken as, unless something else is said."""


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
        """Returns f at the rows of ``x`` in float64."""
        return jnp.asarray(self.function(params, x)).reshape(x.shape[0]).astype(jnp.float64)

    def checked(self, dim: int) -> "Function":
        """Returns the network itself, which takes inputs of this dimension.

        Raises:
          RequirementError: JAX cannot trace the function, its values are not n real numbers, or its
            parameters are not numbers.
        """
        kinds = [getattr(leaf, "dtype", type(leaf)) for leaf in jax.tree.leaves(self.params)]
        odd = [kind for kind in kinds if kind is not float and not _is_real(kind)]
        check(not odd, "weights", "have parameters that are arrays of real numbers", odd[:1])
        x = jax.ShapeDtypeStruct((2, dim), jnp.float64)
        try:
            found = jax.eval_shape(lambda p, x: jnp.asarray(self.function(p, x)), self.params, x)
        except Exception as error:  # whatever a function of the user's own raises
            text = " ".join(str(error).split())[:160]
            raise RequirementError(
                f"weights must be a function of (n, {dim}) inputs that JAX can trace, without "
                f"random numbers or state, but it raised {type(error).__name__}: {text}"
            ) from error
        fits = found.shape in ((2,), (2, 1))
        wanted = "be a function with one value for each of n inputs"
        check(fits, "weights", wanted, f"the shape {found.shape} for n = 2")
        real = jnp.issubdtype(found.dtype, jnp.floating)
        check(real, "weights", "be a function with real values", str(found.dtype))
        return self


def _is_real(kind: Any) -> bool:
    """Returns whether a type is one of floating-point arrays."""
    try:
        return bool(jnp.issubdtype(kind, jnp.floating))
    except TypeError:
        return False


Network = Layer | Function


def _numbers(value: Any, name: str, ndim: int | None = None) -> np.ndarray:
    """Returns an array of NumPy, JAX or PyTorch in float64."""
    return arguments.array(as_numpy(value), name, ndim)


def as_numpy(value: Any) -> Any:
    """Returns the array of NumPy that a tensor of PyTorch holds; anything else as it is."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:  # bfloat16, which NumPy has not
        return tensor.float().numpy()


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
    u = _numbers(weights[1], "u")
    fits = u.shape in ((width,), (width, 1), (1, width))
    check(fits, "u", f"have {width} entries, one for each row of W{other}", u.shape)
    u = u.reshape(width)
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


def _of_linen(module: linen.Module, variables: Any) -> Function:
    """Returns a Linen module: what is not in the collection of parameters does not move."""
    whole = isinstance(variables, Mapping) and "params" in variables
    wanted = "be a pair of a Linen module and its variables, with params"
    check(whole, "weights", wanted, type(variables).__name__)
    rest = {name: value for name, value in variables.items() if name != "params"}

    def function(params: Any, x: Array) -> Array:
        return cast(Array, module.apply({"params": params, **rest}, x))

    return Function(function, variables["params"])


def network_of(weights: Any, dim: int, **options: Any) -> Network:
    """Returns a network in one of the forms.

    Args:
      dim: dimension d of the inputs.
      weights: arrays as for :func:`layer_of`; a pair of a function (params, x) -> f(x) and its
        parameters; a pair of a Linen module and its variables; a module of NNX or Equinox (of one
        example, as Equinox has it); or a function of x alone.
      **options: of :func:`layer_of`.

    Raises:
      RequirementError: it is none of these.
    """
    if isinstance(weights, tuple) and not callable(weights[0] if weights else None):
        return layer_of(weights, dim=dim, **options)
    given = {name: value for name, value in options.items() if value != _OPTIONS[name]}
    check(not given, "weights", f"be arrays where {', '.join(given)} is given", type(weights))
    return _function_of(weights).checked(dim)


def _function_of(weights: Any) -> Function:
    if isinstance(weights, nnx.Module):
        return _of_nnx(weights)
    if _is_equinox(weights):
        return _of_equinox(weights)
    if isinstance(weights, tuple) and len(weights) == 2:
        function, params = weights
        if isinstance(function, linen.Module):
            return _of_linen(function, params)
        return Function(function, params)
    if callable(weights) and not isinstance(weights, linen.Module):
        return Function(lambda params, x: weights(x), ())
    raise RequirementError(
        "weights must be a tuple of arrays (W, u[, b]), a pair (function, params), a pair of a "
        "Linen module and its variables, or a module of NNX or Equinox (a list is of several "
        f"networks), but received {type(weights).__name__}."
    )
