"""Predictors fitted in one solve: RF and NT features of a network, NNGP and NTK kernels.

A fit that is too ill-conditioned to be trusted (:class:`rf_limits.learning.regression.Fit`) is
refused: its risk is NaN, its training loss and condition number stay.

Kernel systems are solved by one compiled program for all kernels on as many points, whatever the
width.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.processes import on_host
from rf_limits.learning.infinite_width import flow_means
from rf_limits.learning.linearized import flow_coefficients, pull_back, spectrum
from rf_limits.learning.regression import Fit, feature_regression, kernel_regression
from rf_limits.measure.kernel_risk import ExactKernelRisk
from rf_limits.measure.neuron_risk import Exact
from rf_limits.measure.risk import Risk, sampled_risk
from rf_limits.models import (
    InfiniteNetwork,
    Kernels,
    OneHiddenLayer,
    Params,
    random_features,
    tangent_features,
    tangent_kernel,
)
from rf_limits.problem import Dataset
from rf_limits.types import Scalar


class FittedRow(NamedTuple):
    """What is reported of one fit.

    Attributes:
      train_loss: mean squared error on the training set.
      risk: population risk and its standard error; NaN where the fit is refused.
      condition_number: of the system solved.
      backward_error: with which it was solved.
      ridge_needed: where the fit is refused, a ridge with which it would not be; else 0.
      solution: what the predictor is made of: (N,) output weights of RF, the change of all
        parameters of NT, (n,) coefficients of kernel sections.
    """

    train_loss: Float[Array, ""]
    risk: Risk
    condition_number: Float[Array, ""]
    backward_error: Float[Array, ""]
    ridge_needed: Float[Array, ""]
    solution: Array | Params


def fitted_values(fit: FittedRow) -> dict[str, float]:
    """The columns of a fitted predictor."""
    fit = on_host(fit._replace(solution=()))
    return {
        "train_loss": float(fit.train_loss),
        **{name: float(value) for name, value in fit.risk.columns().items()},
        "condition_number": float(fit.condition_number),
        "backward_error": float(fit.backward_error),
        "ridge_needed": float(fit.ridge_needed),
    }


def _row(fit: Fit, train_loss: Array, risk: Risk, solution: Array | Params) -> FittedRow:
    """A row of the fit, without a risk where it is refused."""
    solved = fit.is_solved
    risk = jax.tree.map(lambda value: jnp.where(solved, value, jnp.nan), risk)
    needed = jnp.where(solved, 0.0, fit.ridge_needed)
    return FittedRow(train_loss, risk, fit.condition_number, fit.backward_error, needed, solution)


def _mean_square(error: Array) -> Array:
    return jnp.mean(error**2)


_solve_kernel = jit_quickly(kernel_regression)


@partial(jit_quickly, static_argnums=(0, 4))
def fit_random_features(
    network: OneHiddenLayer, init: Params, data: Dataset, ridge: Scalar, exact: Exact | None
) -> FittedRow:
    """Output layer refitted on the random features of ``init``.

    Args:
      network: the module g.
      init: parameters that fix the features.
      data: training and test set.
      ridge: penalty (:mod:`rf_limits.learning.regression`).
      exact: how to compute the exact risk, or None to use the test set.
    """
    features = random_features(network, init, data.x_train)
    fit = feature_regression(features, data.y_train, ridge)
    if exact is not None:
        risk = exact.random_features(init, fit.coefficients)
    else:
        predictions = random_features(network, init, data.x_test) @ fit.coefficients
        risk = sampled_risk(predictions, data.y_test)
    train_loss = _mean_square(features @ fit.coefficients - data.y_train)
    return _row(fit, train_loss, risk, fit.coefficients)


def fit_tangent_features(
    network: OneHiddenLayer, init: Params, data: Dataset, ridge: Scalar, exact: Exact | None
) -> FittedRow:
    """Linear predictor on all tangent features of ``init``; arguments as for RF.

    With fewer features than samples the features are decomposed, otherwise their kernel.
    """
    if sum(leaf.size for leaf in jax.tree.leaves(init)) <= data.x_train.shape[0]:
        fit, change = _solve_tangent_features(network, init, data, ridge)
    else:
        fit = _solve_kernel(_tangent_gram(network, init, data.x_train), data.y_train, ridge)
        change = _pull_back(network, init, data.x_train, fit.coefficients)
    return _tangent_row(network, init, data, fit, change, exact)


_tangent_gram = jit_quickly(tangent_kernel, static_argnums=0)
_pull_back = jit_quickly(pull_back, static_argnums=0)


@partial(jit_quickly, static_argnums=0)
def _solve_tangent_features(
    network: OneHiddenLayer, init: Params, data: Dataset, ridge: Scalar
) -> tuple[Fit, Params]:
    """The fit to the features themselves, and the change of parameters it stands for."""
    unravel = ravel_pytree(init)[1]
    features = tangent_features(network, init, data.x_train)
    fit = feature_regression(features, data.y_train, ridge)
    return fit, unravel(fit.coefficients)


@partial(jit_quickly, static_argnums=(0, 5))
def _tangent_row(
    network: OneHiddenLayer,
    init: Params,
    data: Dataset,
    fit: Fit,
    change: Params,
    exact: Exact | None,
) -> FittedRow:
    def predict(x):
        return jax.jvp(lambda p: network.apply(p, x), (init,), (change,))[1]

    if exact is not None:
        risk = exact.tangent_features(init, change)
    else:
        risk = sampled_risk(predict(data.x_test), data.y_test)
    train_loss = _mean_square(predict(data.x_train) - data.y_train)
    return _row(fit, train_loss, risk, change)


class DataKernels(NamedTuple):
    """Infinite-width kernels on one data set.

    Attributes:
      grams: on the training inputs.
      crosses: between test and training inputs, or None where risks are exact.
    """

    grams: Kernels
    crosses: Kernels | None


limit_kernels = jit_quickly(InfiniteNetwork.kernels, static_argnums=0)


def data_kernels(
    limit: InfiniteNetwork, data: Dataset, exact: ExactKernelRisk | None = None
) -> DataKernels:
    """The kernels of an infinitely wide network that fits and risks on one data set take."""
    grams = limit_kernels(limit, data.x_train)
    return DataKernels(grams, None if exact else limit_kernels(limit, data.x_test, data.x_train))


def fit_kernels(
    kernels: DataKernels, data: Dataset, ridge: Scalar, exact: ExactKernelRisk | None = None
) -> dict[str, FittedRow]:
    """NNGP and NTK kernel regression at convergence, ensemble mean.

    Args:
      kernels: from :func:`data_kernels`.
      data: training and test set.
      ridge: penalty (:mod:`rf_limits.learning.regression`).
      exact: how to compute exact risks, or None to use the test set.
    """
    grams = kernels.grams
    fits = {
        method: _solve_kernel(getattr(grams, method), data.y_train, ridge, grams.error)
        for method in ("nngp", "ntk")
    }
    return _kernel_rows(kernels, data, fits, exact)


@partial(jit_quickly, static_argnums=3)
def _kernel_rows(
    kernels: DataKernels, data: Dataset, fits: dict[str, Fit], exact: ExactKernelRisk | None
) -> dict[str, FittedRow]:
    def one(method: str) -> FittedRow:
        coefficients = fits[method].coefficients
        train_loss = _mean_square(getattr(kernels.grams, method) @ coefficients - data.y_train)
        if exact is not None:
            risks = exact.of(method, data.x_train, coefficients[None])
            risk = jax.tree.map(lambda leaf: leaf[0], risks)
        else:
            risk = sampled_risk(getattr(kernels.crosses, method) @ coefficients, data.y_test)
        return _row(fits[method], train_loss, risk, coefficients)

    return {method: one(method) for method in fits}


@partial(jit_quickly, static_argnums=4)
def flow_risks(
    kernels: DataKernels,
    data: Dataset,
    times: Float[Array, "T"],
    ridge: Scalar,
    exact: ExactKernelRisk | None = None,
) -> dict[str, Risk]:
    """Risks of the infinite-width ensemble means after each training time.

    Arguments as for :func:`fit_kernels`. On the test set the means are those of
    :func:`~rf_limits.learning.infinite_width.flow_means`; where risks are exact the same means
    are written in the kernel sections at the training points, with coefficients
    (1 - exp(-(K + ridge) t/n))/(K + ridge) y.

    Returns:
      For "nngp" and "ntk", a :class:`~rf_limits.measure.risk.Risk` of (T,) arrays.
    """
    grams, crosses = kernels
    if exact is not None:
        shift = ridge * jnp.eye(data.y_train.size)

        def in_sections(method: str) -> Risk:
            kernel = spectrum(getattr(grams, method) + shift)
            at = jax.vmap(lambda time: flow_coefficients(kernel, data.y_train, time))
            return exact.of(method, data.x_train, at(times))

        return {method: in_sections(method) for method in ("nngp", "ntk")}

    def sampled(method: str) -> Risk:
        pair = (getattr(grams, method), getattr(crosses, method))
        means = flow_means(*pair, data.y_train, times, ridge)
        return jax.vmap(lambda mean: sampled_risk(mean, data.y_test))(means)

    return {method: sampled(method) for method in ("nngp", "ntk")}
