"""Distribution of the mean squared error over an infinite ensemble of infinitely wide networks."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.models.infinite_width import gradient_flow_ensemble
from rf_limits.models.network import OneHiddenLayer


class EnsembleLoss(NamedTuple):
    """Mean squared error of one member of the ensemble at T times.

    Attributes:
      mean: (T,) expectation over initializations.
      std: (T,) standard deviation over initializations.
    """

    mean: Float[Array, "T"]
    std: Float[Array, "T"]


def ensemble_loss(
    network: OneHiddenLayer,
    x_train: Float[Array, "n d"],
    y_train: Float[Array, "n"],
    x: Float[Array, "m d"],
    y: Float[Array, "m"],
    times: Float[Array, "T"],
    *,
    method: str = "ntk",
    trainable: str = "both",
    alpha: float = 1.0,
    supplier: str = "auto",
) -> EnsembleLoss:
    """Returns the mean squared error of infinitely wide networks, not centred, over time.

    At every time a network's predictions are Gaussian, N(mu, C) (Lee et al. 2019, equations 14
    and 15), so its error |f - y|^2/m has mean (|mu - y|^2 + tr C)/m and variance
    (4 (mu - y)^T C (mu - y) + 2 tr C^2)/m^2.

    Args:
      network: the architecture.
      x_train: (n, d) training inputs.
      y_train: (n,) labels.
      x: (m, d) inputs of the error, training or test.
      y: (m,) values there.
      times: (T,) learning rate times steps.
      method: ``"ntk"``, ``trainable`` layers move; ``"nngp"``, the output layer alone.
      trainable: layers that move, for ``"ntk"``.
      alpha: lazy scale, by which f_0 is multiplied.
      supplier: of the kernels (:data:`rf_limits.models.infinite_width.SUPPLIERS`).

    Raises:
      RequirementError: unknown ``method``, ``trainable`` or ``supplier``.
    """
    ensemble = partial(gradient_flow_ensemble, network, x_train, y_train, x, times)
    outputs = ensemble(method=method, trainable=trainable, covariance=True, supplier=supplier)

    def of_time(mean: Array, covariance: Array) -> EnsembleLoss:
        error, c = mean - y, alpha**2 * covariance
        variance = 4.0 * error @ c @ error + 2.0 * jnp.sum(c**2)
        return EnsembleLoss(
            (error @ error + jnp.trace(c)) / y.size, jnp.sqrt(jnp.maximum(variance, 0.0)) / y.size
        )

    return jax.vmap(of_time)(outputs.mean, jnp.asarray(outputs.covariance))
