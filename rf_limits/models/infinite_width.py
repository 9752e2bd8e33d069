"""Infinite-width kernels and predictors of the same architecture, by neural-tangents."""

import warnings
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import check_choice
from rf_limits.models._neural_tangents import predict, stax
from rf_limits.models.network import ACTIVATIONS, TRAINABLE, OneHiddenLayer
from rf_limits.types import Scalar

_QUADRATURE_DEGREE = 50
_CLOSED = {
    "relu": stax.Relu,
    "erf": stax.Erf,
    "gelu": stax.Gelu,
    "sin": stax.Sin,
    "linear": stax.Identity,
}


class Kernels(NamedTuple):
    """Infinite-width kernels on a pair of input sets.

    Attributes:
      nngp: (n, m) covariance of g at initialization.
      ntk: (n, m) tangent kernel over the trainable layers.
    """

    nngp: Float[Array, "n m"]
    ntk: Float[Array, "n m"]


class Ensemble(NamedTuple):
    """Gaussian process of an infinite ensemble of networks, at T times.

    Attributes:
      mean: (T, m) mean prediction.
      covariance: (T, m, m) posterior covariance, or None where not asked for.
    """

    mean: Float[Array, "T m"]
    covariance: Float[Array, "T m m"] | None


def _activation_layer(name: str):
    if name in _CLOSED:
        return _CLOSED[name]()
    with warnings.catch_warnings():  # it warns that quadrature is approximate, at every call
        warnings.simplefilter("ignore", UserWarning)
        return stax.ElementwiseNumerical(ACTIVATIONS[name], deg=_QUADRATURE_DEGREE)


def _learns_weights_directly(network: OneHiddenLayer) -> bool:
    """Whether the hidden layer's kernel has <x, x'> where ntk has <x, x'>/d."""
    return network.parameterization in ("standard", "mup")


def _kernel_function(network: OneHiddenLayer):
    """Stax kernel function of g, both layers trained, without factors that go to the limit."""
    kind = "standard" if _learns_weights_directly(network) else "ntk"
    bias = 1.0 if network.use_bias else None
    _, _, kernel_fn = stax.serial(
        stax.Dense(network.width, W_std=1.0, b_std=bias, parameterization=kind),
        _activation_layer(network.activation),
        stax.Dense(1, W_std=1.0, b_std=None, parameterization=kind),
    )
    return kernel_fn


def _hidden_of_relu(
    network: OneHiddenLayer, found: Array, left: Array, right: Array
) -> Float[Array, "n m"]:
    """The hidden layer's part of the NTK, with angles that are zero or pi to rounding set to it.

    The part is <x, x'> (pi - theta)/(2 pi), and theta comes from a cosine: where it is zero, as on
    the diagonal, the rounding of the cosine leaves its root, 4e-9 of the kernel, while fits take
    kernels to be known to rounding.

    Args:
      network: an architecture with relu.
      found: (n, m) the part as it was computed.
      left: (n, d) inputs.
      right: (m, d) inputs.
    """
    dim, bias = left.shape[1], float(network.use_bias)
    inner = left @ right.T
    cosine = inner / dim + bias
    lengths = [jnp.sum(x * x, axis=1) / dim + bias for x in (left, right)]
    product = lengths[0][:, None] * lengths[1]
    unseen = (dim + 8) * jnp.finfo(inner.dtype).eps  # what rounding may leave of sin^2
    scaled = inner + bias if _learns_weights_directly(network) else cosine
    ends = jnp.where(cosine > 0.0, 0.5 * scaled, 0.0)
    return jnp.where(product - cosine**2 <= unseen * product, ends, found)


def infinite_width_kernels(
    network: OneHiddenLayer,
    x_left: Float[Array, "n d"],
    x_right: Float[Array, "m d"] | None = None,
    trainable: str = "both",
) -> Kernels:
    """NNGP and NTK of the architecture of ``network`` as its width grows.

    Args:
      network: the architecture. Under ``"standard"`` and ``"mean_field"`` the kernels depend
        on the width (NTK ~ N and ~ 1/N), under ``"mup"`` the NNGP does (~ 1/N); the value at
        ``network.width`` is given. With
        antisymmetric doubling ``nngp`` is that of the undoubled network.
      x_left: (n, d) inputs.
      x_right: (m, d) inputs; ``x_left`` if None.
      trainable: layers whose parameters move; with ``output_init="zero"`` the hidden layer has
        no part in the NTK.

    Returns:
      :class:`Kernels`, float64. Activations without a closed form (tanh, sigmoid, softplus, any
      that were added) use Gauss-Hermite quadrature of degree 50.

    Raises:
      RequirementError: unknown ``trainable``.
    """
    check_choice(trainable, TRAINABLE, "model.trainable")
    both = _kernel_function(network)(x_left, x_right, ("nngp", "ntk"))
    nngp, ntk = both.nngp, both.ntk
    if x_right is None and network.activation not in _CLOSED:
        # the quadrature takes its two inputs differently: 1e-9 apart, too far to be solved
        nngp, ntk = ((kernel + kernel.T) / 2.0 for kernel in (nngp, ntk))
    # d g / d u_i: the output layer's part of the NTK is the NNGP kernel, times N where the
    # output weights carry the 1/sqrt(N) themselves.
    output = network.width * nngp if _learns_weights_directly(network) else nngp
    hidden = ntk - output
    if network.activation == "relu":
        hidden = _hidden_of_relu(network, hidden, x_left, x_left if x_right is None else x_right)
    if network.output_init == "zero":
        hidden = jnp.zeros_like(hidden)
    if network.parameterization == "mup":
        output = nngp
    ntk = {"both": output + hidden, "output": output, "hidden": hidden}[trainable]
    if network.parameterization == "mean_field":
        ntk = ntk / network.width
    if network.parameterization in ("mean_field", "mup"):
        nngp = nngp / network.width
    return Kernels(nngp, ntk)


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
) -> Ensemble:
    """Infinite-width network trained by gradient flow on the mean of half squared errors.

    Args:
      network: the architecture.
      x_train: (n, d) training inputs.
      y_train: (n,) labels.
      x_test: (m, d) test inputs.
      times: (T,) training times, learning rate times steps (docs/theory.md), or None for
        convergence (T = 1).
      method: ``"ntk"`` (``trainable`` layers move) or ``"nngp"`` (Bayesian posterior at
        convergence; in time, only the output layer moves).
      trainable: layers whose parameters move, for ``"ntk"``.
      ridge: added to the diagonal of the training kernel, absolute scale.
      covariance: whether to compute the posterior covariance of g; for f = alpha g it is
        alpha^2 times that, for a centred f_0 it does not apply.

    Returns:
      :class:`Ensemble`. The computation is ``neural_tangents.predict
      .gradient_descent_mse_ensemble`` (Lee et al. 2019), one eigendecomposition for all
      times.

    Raises:
      RequirementError: unknown ``method`` or ``trainable``.
    """
    check_choice(method, ("nngp", "ntk"), "method")

    def kernel_fn(x1, x2=None, get=("nngp", "ntk"), **_):
        kernels = infinite_width_kernels(network, x1, x2, trainable)
        if isinstance(get, str):
            return getattr(kernels, get)
        return Kernels(kernels.nngp, kernels.ntk)

    predict_fn = predict.gradient_descent_mse_ensemble(
        kernel_fn, x_train, y_train[:, None], diag_reg=ridge, diag_reg_absolute_scale=True
    )
    out = predict_fn(t=times, x_test=x_test, get=method, compute_cov=covariance)
    mean = (out.mean if covariance else out)[..., 0]
    cov = out.covariance if covariance else None
    if times is None:
        mean, cov = mean[None], None if cov is None else cov[None]
    return Ensemble(jnp.asarray(mean), cov)
