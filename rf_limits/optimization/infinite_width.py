"""Predictions of the infinite-width NTK for a network: its start, moved by the limit kernel."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models import InfiniteNetwork
from rf_limits.optimization.linearized import (
    Spectrum,
    descent_coefficients,
    flow_coefficients,
    spectrum,
)
from rf_limits.types import Scalar


class InfiniteWidth(NamedTuple):
    """The infinite-width NTK on one data set.

    Attributes:
      probe: (P, P) kernel on the probe inputs.
      train: spectrum of the (n, n) kernel on the training inputs.
      cross: (m, n) kernel between test and training inputs.
    """

    probe: Float[Array, "*s P P"]
    train: Spectrum
    cross: Float[Array, "*s m n"]


def infinite_width(
    limit: InfiniteNetwork,
    x_train: Float[Array, "n d"],
    x_test: Float[Array, "m d"],
    num_probe: int,
) -> InfiniteWidth:
    """Returns the NTK of the infinitely wide network on one data set.

    Args:
      limit: the infinitely wide network.
      x_train: (n, d) training inputs; the first ``num_probe`` are the probe inputs.
      x_test: (m, d) test inputs.
      num_probe: P.
    """
    train, cross = limit.kernels(x_train).ntk, limit.kernels(x_test, x_train).ntk
    return InfiniteWidth(train[:num_probe, :num_probe], spectrum(train), cross)


def flow_means(
    gram: Float[Array, "n n"],
    cross: Float[Array, "m n"],
    labels: Float[Array, "n"],
    times: Float[Array, "T"],
    ridge: Scalar = 0.0,
) -> Float[Array, "T m"]:
    """Returns the mean predictions of the infinite-width ensemble after each training time.

    They are those of :func:`rf_limits.models.gradient_flow_ensemble` without its covariance, at
    the cost of one eigendecomposition and two products for all times.

    Args:
      gram: (n, n) kernel on the training inputs: NTK, or NNGP where the output layer trains.
      cross: (m, n) kernel between test and training inputs.
      labels: (n,) y.
      times: (T,) learning rate times steps.
      ridge: added to the diagonal of ``gram``.

    Returns:
      (T, m) Theta(x, X) Theta^{-1} (1 - exp(-Theta t/n)) y (Lee et al. 2019, equation 14).
    """
    kernel = spectrum(gram.T + ridge * jnp.eye(labels.size))  # .T: laid out as LAPACK wants it
    coefficients = jax.vmap(lambda time: flow_coefficients(kernel, labels, time))(times)
    return coefficients @ cross.T


def predicted_change(
    limit: InfiniteWidth,
    residual: Float[Array, "n"],
    learning_rate: Scalar,
    steps: Scalar,
    *,
    flow: bool = False,
) -> Float[Array, "m"]:
    """Returns f_t - f_0 on the test inputs as N -> infinity, for a given start f_0.

    Args:
      limit: the kernel.
      residual: (n,) f_0 - y on the training set.
      learning_rate: of the loss over alpha^2.
      steps: taken since.
      flow: whether by gradient flow for the time ``learning_rate`` times ``steps`` instead of
        full-batch gradient descent.

    Returns:
      (m,) -Theta(x, X) Theta^{-1} (1 - (1 - eta Theta/n)^s) (f_0 - y) (Lee et al. 2019,
      equations 8 and 9, in discrete time).
    """
    if flow:
        coefficients = flow_coefficients(limit.train, residual, learning_rate * steps)
    else:
        coefficients = descent_coefficients(limit.train, residual, learning_rate, steps)
    return -limit.cross @ coefficients
