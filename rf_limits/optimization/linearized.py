r"""Gradient descent on the linearized network, in closed form.

With f(theta_0 + delta) = f_0 + alpha J delta and the loss |f - y|^2/(2 n alpha^2), the
residual r_s = f - y after s steps of size eta is (I - eta Theta/n)^s r_0, Theta = J J^T, and

.. math:: \delta_s = -\frac1\alpha J^T Q\,\frac{1 - (1 - \eta\lambda/n)^s}{\lambda}\,Q^T r_0

with Theta = Q diag(lambda) Q^T: one n x n eigendecomposition gives every step.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models.network import OneHiddenLayer, Params
from rf_limits.models.scaled_network import ScaledNetwork
from rf_limits.optimization.optimizers import trainable_mask
from rf_limits.types import Scalar


class Spectrum(NamedTuple):
    """Eigendecomposition of a kernel matrix.

    Attributes:
      eigenvalues: (n,) ascending.
      vectors: (n, n) eigenvectors in columns.
    """

    eigenvalues: Float[Array, "*s n"]
    vectors: Float[Array, "*s n n"]


def spectrum(gram: Float[Array, "n n"]) -> Spectrum:
    """Decomposes a symmetric matrix, with negative rounding errors set to zero."""
    eigenvalues, vectors = jnp.linalg.eigh(gram)
    return Spectrum(jnp.maximum(eigenvalues, 0.0), vectors)


def _power_sum(x: Array, steps: Array) -> Array:
    """Returns (1 - (1 - x)^s)/x, the sum of (1 - x)^k over k < s, for 0 <= x."""
    small = x < 0.5
    inner = jnp.where(small & (x > 0.0), x, 0.25)
    below = -jnp.expm1(steps * jnp.log1p(-inner)) / inner
    base = 1.0 - jnp.where(small, 1.0, x)
    odd = jnp.mod(steps, 2.0) == 1.0
    power = jnp.abs(base) ** steps
    above = (1.0 - jnp.where(odd & (base < 0.0), -power, power)) / (1.0 - base)
    return jnp.where(x == 0.0, steps, jnp.where(small, below, above))


def descent_coefficients(
    kernel: Spectrum,
    residual: Float[Array, "n"],
    learning_rate: Scalar,
    steps: Scalar,
) -> Float[Array, "n"]:
    """Returns Q (1 - (1 - eta lambda/n)^s)/lambda Q^T r_0: minus alpha delta_s in the dual.

    Args:
      kernel: spectrum of the empirical NTK on the training set.
      residual: (n,) initial residual f_0 - y.
      learning_rate: eta.
      steps: s >= 0, a whole number.

    Returns:
      (n,) coefficients.
    """
    n = residual.shape[0]
    rate = learning_rate / n
    filtered = rate * _power_sum(rate * kernel.eigenvalues, jnp.asarray(steps, residual.dtype))
    return kernel.vectors @ (filtered * (kernel.vectors.T @ residual))


def flow_coefficients(
    kernel: Spectrum, residual: Float[Array, "n"], time: Scalar
) -> Float[Array, "n"]:
    """Returns Q (1 - exp(-lambda t/n))/lambda Q^T r_0: the same for gradient flow at time t."""
    rate = time / residual.shape[0]
    z = rate * kernel.eigenvalues
    filtered = rate * jnp.where(z > 0.0, -jnp.expm1(-z) / jnp.where(z > 0.0, z, 1.0), 1.0)
    return kernel.vectors @ (filtered * (kernel.vectors.T @ residual))


def pull_back(
    network: OneHiddenLayer,
    init: Params,
    x: Float[Array, "n d"],
    coefficients: Float[Array, "n"],
    trainable: str = "both",
) -> Params:
    """Returns J^T c over the trainable layers: the parameter change with dual coefficients c.

    Args:
      network: the module g.
      init: where the Jacobian J is taken.
      x: (n, d) inputs, one per row of J.
      coefficients: (n,) c.
      trainable: layers that move; the rest of the tree is zero.

    Returns:
      A tree like ``init``.
    """
    _, vjp = jax.vjp(lambda p: network.value(p, x), init)
    (change,) = vjp(coefficients)
    mask = trainable_mask(init, trainable)
    return jax.tree.map(lambda c, keep: c if keep else jnp.zeros_like(c), change, mask)


def linearized_change(
    f: ScaledNetwork,
    x: Float[Array, "n d"],
    residual: Float[Array, "n"],
    kernel: Spectrum,
    *,
    learning_rate: Scalar,
    steps: Scalar,
    trainable: str = "both",
    flow: bool = False,
) -> Params:
    """Returns how the linearized network's parameters change in full-batch gradient descent.

    The arguments are those of :func:`descent_coefficients` and :func:`pull_back`. With ``flow``,
    gradient flow for the same time, ``learning_rate`` times ``steps``.
    """
    if flow:
        coefficients = flow_coefficients(kernel, residual, learning_rate * steps)
    else:
        coefficients = descent_coefficients(kernel, residual, learning_rate, steps)
    return pull_back(f.network, f.init, x, -coefficients / f.alpha, trainable)
