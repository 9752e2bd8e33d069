"""Tangent features: all derivatives of the network at initialization."""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from rf_limits.devices.compiling import jit_quickly
from rf_limits.measure.risk import ExactRisks, sampled_risk
from rf_limits.methods.fitted import FeatureProblem, FittedMethod
from rf_limits.methods.regression import Regression, mean_square, regression, solve_kernel
from rf_limits.models import (
    OneHiddenLayer,
    Params,
    ScaledNetwork,
    tangent_features,
    tangent_kernel,
)
from rf_limits.problem import Dataset
from rf_limits.regression.dense import Fit, feature_regression
from rf_limits.training.linearized import pull_back
from rf_limits.types import Scalar

_gram = jit_quickly(tangent_kernel, static_argnums=0)
_pull_back = jit_quickly(pull_back, static_argnums=0)


@partial(jit_quickly, static_argnums=0)
def _solve_features(
    network: OneHiddenLayer, init: Params, data: Dataset, ridge: Scalar
) -> tuple[Fit, Params]:
    """The fit to the features themselves, and the change of parameters it stands for."""
    unravel = ravel_pytree(init)[1]
    features = tangent_features(network, init, data.x_train)
    fit = feature_regression(features, data.y_train, ridge)
    return fit, unravel(fit.coefficients)


def _derivative(network: OneHiddenLayer, init: Params, change: Params) -> Callable[[Array], Array]:
    return lambda x: jax.jvp(lambda p: network.apply(p, x), (init,), (change,))[1]


@partial(jit_quickly, static_argnums=(0, 5))
def _measured(
    network: OneHiddenLayer,
    init: Params,
    data: Dataset,
    fit: Fit,
    change: Params,
    exact: ExactRisks | None,
) -> Regression:
    predict = _derivative(network, init, change)
    if exact is not None:
        risk = exact.tangent_features(ScaledNetwork(network, init), change)
    else:
        risk = sampled_risk(predict(data.x_test), data.y_test)
    train_loss = mean_square(predict(data.x_train) - data.y_train)
    return regression(fit, train_loss, risk, change)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TangentFeatures(FittedMethod):
    """Linear regression on as many features as a network has parameters."""

    features_column = "parameters"

    def fit(self, problem: FeatureProblem) -> Regression:
        """Decomposes the features, or their kernel where there are more of them than samples."""
        network, init, data, ridge, exact = problem
        if sum(leaf.size for leaf in jax.tree.leaves(init)) <= data.x_train.shape[0]:
            fit, change = _solve_features(network, init, data, ridge)
        else:
            fit = solve_kernel(_gram(network, init, data.x_train), data.y_train, ridge)
            change = _pull_back(network, init, data.x_train, fit.coefficients)
        return _measured(network, init, data, fit, change, exact)

    def predictor(
        self, network: OneHiddenLayer, init: Params, solution: Array | Params
    ) -> Callable[[Array], Array]:
        """The derivative of the network along the change of its parameters."""
        return _derivative(network, init, solution)


TANGENT_FEATURES = TangentFeatures(
    key="tangent_features",
    label="tangent features (NT)",
    short="NT",
    colour="#E69F00",
    marker="s",
    line="-",
)
