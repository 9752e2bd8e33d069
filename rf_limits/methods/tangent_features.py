"""Tangent features: all derivatives of the network at initialization."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial

import jax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from rf_limits.devices.compiling import jit_quickly
from rf_limits.measure.risk import ExactRisks, sampled_risk
from rf_limits.methods.fitted import FeatureProblem, FittedMethod
from rf_limits.methods.regression import Regression, mean_square, regression, solve_kernel
from rf_limits.models import Params, ScaledNetwork, tangent_features, tangent_kernel
from rf_limits.optimization.linearized import pull_back
from rf_limits.problem import Dataset
from rf_limits.regression.dense import Fit, feature_regression
from rf_limits.types import Scalar

_gram = jit_quickly(tangent_kernel, static_argnums=0)
_pull_back = jit_quickly(pull_back, static_argnums=0)


@jit_quickly
def _solve_features(f: ScaledNetwork, data: Dataset, ridge: Scalar) -> tuple[Fit, Params]:
    """Returns the fit to the features themselves, and the change of parameters it stands for."""
    unravel = ravel_pytree(f.init)[1]
    features = tangent_features(f.network, f.init, data.x_train)
    fit = feature_regression(features, data.y_train, ridge)
    return fit, unravel(fit.coefficients)


def _derivative(f: ScaledNetwork, change: Params) -> Callable[[Array], Array]:
    return lambda x: jax.jvp(lambda p: f.network.apply(p, x), (f.init,), (change,))[1]


@partial(jit_quickly, static_argnums=4)
def _measured(
    f: ScaledNetwork, data: Dataset, fit: Fit, change: Params, exact: ExactRisks | None
) -> Regression:
    predict = _derivative(f, change)
    if exact is not None:
        risk = exact.tangent_features(f, change)
    else:
        risk = sampled_risk(predict(data.x_test), data.y_test)
    train_loss = mean_square(predict(data.x_train) - data.y_train)
    return regression(fit, train_loss, risk, change)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TangentFeatures(FittedMethod):
    """Linear regression on as many features as a network has parameters."""

    features_column = "parameters"

    def fit(self, problem: FeatureProblem) -> Regression:
        """Returns the fit: of the features, or of their kernel where they outnumber samples."""
        f, data, ridge, exact = problem
        if sum(leaf.size for leaf in jax.tree.leaves(f.init)) <= data.x_train.shape[0]:
            fit, change = _solve_features(f, data, ridge)
        else:
            fit = solve_kernel(_gram(f.network, f.init, data.x_train), data.y_train, ridge)
            change = _pull_back(f.network, f.init, data.x_train, fit.coefficients)
        return _measured(f, data, fit, change, exact)

    def predictor(self, f: ScaledNetwork, solution: Array | Params) -> Callable[[Array], Array]:
        """Returns the derivative of the network along the change of its parameters."""
        assert isinstance(solution, Mapping)  # a change of parameters
        return _derivative(f, solution)


TANGENT_FEATURES = TangentFeatures(
    key="tangent_features",
    label="tangent features (NT)",
    short="NT",
    colour="#E69F00",
    marker="s",
    line="-",
)
