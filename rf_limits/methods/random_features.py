"""Random features: the network's neurons at initialization, their output weights refitted."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial

from jaxtyping import Array

from rf_limits.devices.compiling import jit_quickly
from rf_limits.measure.risk import ExactRisks, sampled_risk
from rf_limits.methods.fitted import FeatureProblem, FittedMethod
from rf_limits.methods.regression import Regression, mean_square, regression
from rf_limits.models import Params, ScaledNetwork, random_features
from rf_limits.problem import Dataset
from rf_limits.regression.dense import feature_regression
from rf_limits.types import Scalar


@partial(jit_quickly, static_argnums=3)
def fit_random_features(
    f: ScaledNetwork, data: Dataset, ridge: Scalar, exact: ExactRisks | None
) -> Regression:
    """Returns the refitted output layer; arguments are the fields of :class:`FeatureProblem`."""
    features = random_features(f.network, f.init, data.x_train)
    fit = feature_regression(features, data.y_train, ridge)
    if exact is not None:
        risk = exact.random_features(f, fit.coefficients)
    else:
        predictions = random_features(f.network, f.init, data.x_test) @ fit.coefficients
        risk = sampled_risk(predictions, data.y_test)
    train_loss = mean_square(features @ fit.coefficients - data.y_train)
    return regression(fit, train_loss, risk, fit.coefficients)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomFeatures(FittedMethod):
    """Linear regression on the N neurons of a network at initialization."""

    features_column = "width"
    is_streamed = True

    def fit(self, problem: FeatureProblem) -> Regression:
        """Returns the refitted output layer."""
        return fit_random_features(*problem)

    def predictor(self, f: ScaledNetwork, solution: Array | Params) -> Callable[[Array], Array]:
        """Returns the neurons with new output weights."""
        assert not isinstance(solution, Mapping)  # output weights
        return lambda x: random_features(f.network, f.init, x) @ solution


RANDOM_FEATURES = RandomFeatures(
    key="random_features",
    label="random features (RF)",
    short="RF",
    colour="#D55E00",
    marker="o",
    line="-",
)
