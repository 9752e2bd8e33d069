"""Methods that are fitted in one solve to the features of a network at initialization."""

import abc
import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array

from rf_limits.measure.risk import ExactRisks
from rf_limits.methods.method import Kind, Method
from rf_limits.methods.regression import Regression
from rf_limits.models import Params, ScaledNetwork
from rf_limits.problem import Dataset
from rf_limits.types import Scalar


class FeatureProblem(NamedTuple):
    """What features of a network at initialization are fitted to.

    Attributes:
      f: the network at its initialization, which fixes the features; its lazy scale does not
        enter.
      data: training and test set.
      ridge: penalty (:mod:`rf_limits.regression.dense`).
      exact: how to compute the exact risk, or None to use the test set.
    """

    f: ScaledNetwork
    data: Dataset
    ridge: Scalar
    exact: ExactRisks | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class FittedMethod(Method):
    """A linear predictor on features of a network at initialization, for every width."""

    kind = Kind.FITTED

    @abc.abstractmethod
    def fit(self, problem: FeatureProblem) -> Regression:
        """Returns the fit to one data set."""

    @abc.abstractmethod
    def predictor(self, f: ScaledNetwork, solution: Array | Params) -> Callable[[Array], Array]:
        """Returns the function of (m, d) inputs that a fit to the features of f ended with."""
