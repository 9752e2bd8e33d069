"""Infinite-width kernels and predictors of the same architecture.

neural-tangents supplies the kernels that it has in closed form. Its angles come from rounded
cosines, which leave none of their digits where inputs are multiples of each other: entries of
nearly parallel inputs are those of :mod:`~rf_limits.models.exact_kernels`, which supply every
other activation as well.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import check, check_choice
from rf_limits.models._neural_tangents import predict, stax
from rf_limits.models.exact_kernels import (
    Points,
    check_activation,
    exact_kernels,
    exact_points,
    hidden_rows,
)
from rf_limits.models.network import TRAINABLE, OneHiddenLayer
from rf_limits.theory.expectations.relu_kernels import relu_kernels
from rf_limits.types import Scalar

_CLOSED = {
    "relu": stax.Relu,
    "erf": stax.Erf,
    "gelu": stax.Gelu,
    "sin": stax.Sin,
    "linear": stax.Identity,
}
SUPPLIERS = ("auto", "neural_tangents", "exact")
"""The suppliers of kernels; "auto" is neural-tangents where it has a closed form."""


class Kernels(NamedTuple):
    """Infinite-width kernels on a pair of input sets.

    Attributes:
      nngp: (n, m) covariance of g at initialization.
      ntk: (n, m) tangent kernel over the trainable layers.
      error: what series leave of their entries, relative to the diagonals; 0 if it is rounding.
    """

    nngp: Float[Array, "n m"]
    ntk: Float[Array, "n m"]
    error: Float[Array, ""]


class Ensemble(NamedTuple):
    """Gaussian process of an infinite ensemble of networks, at T times.

    Attributes:
      mean: (T, m) mean prediction.
      covariance: (T, m, m) posterior covariance, or None where not asked for.
    """

    mean: Float[Array, "T m"]
    covariance: Float[Array, "T m m"] | None


def _learns_weights_directly(network: OneHiddenLayer) -> bool:
    """Returns whether the hidden layer's kernel has <x, x'> where ntk has <x, x'>/d."""
    return network.parameterization in ("standard", "mup")


def _kernel_function(network: OneHiddenLayer) -> Callable[..., Any]:
    """Returns stax's kernels of g, both layers trained, without factors that go to the limit."""
    kind = "standard" if _learns_weights_directly(network) else "ntk"
    bias = 1.0 if network.use_bias else None
    _, _, kernel_fn = stax.serial(
        stax.Dense(network.width, W_std=1.0, b_std=bias, parameterization=kind),
        _CLOSED[network.activation](),
        stax.Dense(1, W_std=1.0, b_std=None, parameterization=kind),
    )
    return kernel_fn


class _Pair(NamedTuple):
    """A pair of kernels, as neural-tangents takes it from a kernel function."""

    nngp: Array
    ntk: Array


class InfiniteNetwork(NamedTuple):
    """A network as its width grows, and the supplier of its kernels; hashable.

    Attributes:
      network: the architecture.
      trainable: layers whose parameters move, for the NTK.
      supplier: one of :data:`SUPPLIERS`.
    """

    network: OneHiddenLayer
    trainable: str = "both"
    supplier: str = "auto"

    def check(self) -> None:
        """Refuses an activation without a series, before any input is drawn.

        Raises:
          RequirementError: values or derivatives that are not finite beside 0.
        """
        if resolve_supplier(self.network.activation, self.supplier) == "exact":
            check_activation(self.network)

    def points(self, x: Float[Array, "n d"]) -> Points:
        """Returns inputs with the coefficients of their kernels, computed once for all pairs."""
        if resolve_supplier(self.network.activation, self.supplier) == "exact":
            return exact_points(self.network, x)
        return Points(x)

    def kernels(
        self, x_left: Float[Array, "n d"], x_right: Float[Array, "m d"] | None = None
    ) -> Kernels:
        """Returns :func:`infinite_width_kernels` of the inputs."""
        left = self.points(x_left)
        return self.kernels_of(left, left if x_right is None else self.points(x_right))

    def kernels_of(self, left: Points, right: Points) -> Kernels:
        """Returns the kernels of inputs from :meth:`points`."""
        network = self.network
        check_choice(self.trainable, TRAINABLE, "model.trainable")
        exact = resolve_supplier(network.activation, self.supplier) == "exact"
        nngp, hidden = (_exact_parts if exact else _neural_tangents_parts)(network, left, right)
        if network.output_init == "zero":
            hidden = jnp.zeros_like(hidden)
        output = network.width * nngp if network.parameterization == "standard" else nngp
        ntk = {"both": output + hidden, "output": output, "hidden": hidden}[self.trainable]
        if network.parameterization == "mean_field":
            ntk = ntk / network.width
        if network.parameterization in ("mean_field", "mup"):
            nngp = nngp / network.width
        return Kernels(nngp, ntk, jnp.maximum(left.error, right.error))


class _Parts(NamedTuple):
    """The NNGP, and the hidden layer's part of the NTK, without factors that go to the limit."""

    values: Array
    hidden: Array


def resolve_supplier(activation: str, supplier: str = "auto") -> str:
    """Returns the supplier of the kernels of an activation, ``"neural_tangents"`` or ``"exact"``.

    Raises:
      RequirementError: unknown ``supplier``, or neural-tangents where it has no closed form.
    """
    check_choice(supplier, SUPPLIERS, "model.kernel_supplier")
    closed = activation in _CLOSED
    if supplier == "auto":
        return "neural_tangents" if closed else "exact"
    requirement = f"be auto or exact for {activation}, which neural-tangents has no closed form of"
    check(closed or supplier == "exact", "model.kernel_supplier", requirement, supplier)
    return supplier


def _inner(network: OneHiddenLayer, left: Points, right: Points) -> Array:
    """Returns the factor of E sigma' sigma' in the hidden part of the NTK."""
    scale = 1.0 if _learns_weights_directly(network) else 1.0 / left.x.shape[1]
    return scale * (left.x @ right.x.T) + float(network.use_bias)


def _exact_parts(network: OneHiddenLayer, left: Points, right: Points) -> _Parts:
    hidden = exact_kernels(network, left, right)
    return _Parts(hidden.values, _inner(network, left, right) * hidden.slopes)


def _neural_tangents_parts(network: OneHiddenLayer, left: Points, right: Points) -> _Parts:
    both = _kernel_function(network)(left.x, right.x, ("nngp", "ntk"))
    # d g / d u_i: the output layer's part of the NTK is the NNGP kernel, times N where the
    # output weights carry the 1/sqrt(N) themselves.
    output = network.width * both.nngp if _learns_weights_directly(network) else both.nngp
    supplied = _Parts(both.nngp, both.ntk - output)
    if network.activation != "relu":
        return supplied
    relu = relu_kernels(hidden_rows(network, left.x), hidden_rows(network, right.x))
    exact = _Parts(relu.relu, _inner(network, left, right) * relu.gate)
    return _Parts(*(jnp.where(relu.near, *parts) for parts in zip(exact, supplied, strict=True)))


def infinite_width_kernels(
    network: OneHiddenLayer,
    x_left: Float[Array, "n d"],
    x_right: Float[Array, "m d"] | None = None,
    trainable: str = "both",
    supplier: str = "auto",
) -> Kernels:
    """Returns NNGP and NTK of the architecture of ``network`` as its width grows.

    Args:
      network: the architecture. Under ``"standard"`` and ``"mean_field"`` the kernels depend
        on the width (NTK ~ N and ~ 1/N), under ``"mup"`` the NNGP does (~ 1/N); the value at
        ``network.width`` is given. With
        antisymmetric doubling ``nngp`` is that of the undoubled network.
      x_left: (n, d) inputs.
      x_right: (m, d) inputs; ``x_left`` if None.
      trainable: layers whose parameters move; with ``output_init="zero"`` the hidden layer has
        no part in the NTK.
      supplier: one of :data:`SUPPLIERS`.

    Returns:
      :class:`Kernels`, float64. Activations of which neural-tangents has no closed form (tanh,
      sigmoid, softplus, any that were added) are series: ``error`` says how far they may be off.

    Raises:
      RequirementError: unknown ``trainable`` or ``supplier``, or one that has no such kernels.
    """
    return InfiniteNetwork(network, trainable, supplier).kernels(x_left, x_right)


def gradient_flow_ensemble(
    network: OneHiddenLayer,
    x_train: Float[Array, "n d"],
    y_train: Float[Array, "n"],
    x_test: Float[Array, "m d"],
    times: Float[Array, "T"] | None,
    *,
    method: str = "ntk",
    trainable: str = "both",
    ridge: Scalar = 0.0,
    covariance: bool = False,
    supplier: str = "auto",
) -> Ensemble:
    """Returns infinitely wide networks trained by gradient flow on half squared errors.

    Args:
      network: the architecture.
      x_train: (n, d) training inputs.
      y_train: (n,) labels.
      x_test: (m, d) test inputs.
      times: (T,) learning rate times steps, or None for convergence (T = 1).
      method: ``"ntk"`` (``trainable`` layers move) or ``"nngp"`` (Bayesian posterior at
        convergence; in time, only the output layer moves).
      trainable: layers whose parameters move, for ``"ntk"``.
      ridge: added to the diagonal of the training kernel, absolute scale.
      covariance: whether to compute that of g; of f = alpha g it is alpha^2 times that.
      supplier: of the kernels, one of :data:`SUPPLIERS`.

    Returns:
      :class:`Ensemble`, by ``neural_tangents.predict.gradient_descent_mse_ensemble`` (Lee et
      al. 2019): one eigendecomposition for all times.

    Raises:
      RequirementError: unknown ``method``, ``trainable`` or ``supplier``.
    """
    check_choice(method, ("nngp", "ntk"), "method")
    kernels_of = InfiniteNetwork(network, trainable, supplier).kernels
    predict_fn = predict.gradient_descent_mse_ensemble(
        partial(_as_kernel_function, kernels_of),
        x_train,
        y_train[:, None],
        diag_reg=ridge,
        diag_reg_absolute_scale=True,
    )
    out = predict_fn(t=times, x_test=x_test, get=method, compute_cov=covariance)
    mean = (out.mean if covariance else out)[..., 0]
    cov = out.covariance if covariance else None
    if times is None:
        mean, cov = mean[None], None if cov is None else cov[None]
    return Ensemble(jnp.asarray(mean), cov)


def _as_kernel_function(
    kernels_of: Callable[[Array, Array | None], Kernels],
    x1: Array,
    x2: Array | None = None,
    get: str | tuple[str, ...] = ("nngp", "ntk"),
    **_: Any,
) -> Array | _Pair:
    """Returns kernels in the form that neural-tangents asks for them."""
    kernels = kernels_of(x1, x2)
    return getattr(kernels, get) if isinstance(get, str) else _Pair(kernels.nngp, kernels.ntk)
