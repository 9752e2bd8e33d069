"""Train, predict and plot from Python: no files, no command line (docs/python.md).

The names here are those of ``from rf_limits import ...``; they are loaded when first asked for.
"""

import dataclasses

import pandas as pd
from jaxtyping import Array, Float
from rich.console import Console

from rf_limits.analysis.tables import overview
from rf_limits.config import Builder, frozen
from rf_limits.devices.options import check_devices, check_options
from rf_limits.errors import RequirementError, check
from rf_limits.figures.style import Figure
from rf_limits.methods import NETWORK
from rf_limits.models import Params
from rf_limits.problem import Dataset, Problem
from rf_limits.runs.progress import progress
from rf_limits.studies import default_config
from rf_limits.studies.training import Training
from rf_limits.training.descent import part_name
from rf_limits.training.predictors import Inputs, KeepTrained, Predictor, Predictors
from rf_limits.training.result import Result, no_report
from rf_limits.verdicts.certify import certify
from rf_limits.verdicts.risks import risk

__all__ = [
    "RequirementError",
    "TrainingResult",
    "certify",
    "default_config",
    "plot",
    "risk",
    "train",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingResult(Result):
    """The outcome of :func:`train`: tables, parameters, predictors.

    ``metrics`` is the table that docs/results.md describes, ``choices`` what "auto" settings
    resolved to, ``diverged`` whether any network has no finite risk.

    Attributes:
      config: that was run.
      predictors: what :meth:`predictor` looks up.
    """

    config: Training
    predictors: Predictors

    @property
    def problem(self) -> Problem:
        """Returns what was learned: target, inputs and label noise."""
        return self.predictors.training.problem

    def table(self) -> pd.DataFrame:
        """Returns final risks, movement and drift by width and lazy scale, as a run prints them."""
        return overview(self.metrics)

    def remarks(self) -> list[str]:
        """Returns units, certificates and warnings: the lines that a run prints under its table."""
        return self.config.remarks(self, {})

    def data(self, seed: int = 0) -> Dataset:
        """Returns ``x_train``, ``y_train``, ``x_test`` and ``y_test`` of one seed.

        Raises:
          RequirementError: there is no such seed.
        """
        return self.predictors.data(seed)

    def params(
        self,
        method: str = NETWORK.key,
        *,
        width: int | None = None,
        lazy_scale: float | None = None,
        seed: int = 0,
    ) -> tuple[Params, Params]:
        """Returns the Flax parameters of one network, float64.

        Args:
          method: one that is trained by steps.
          width: N; may be left out if there is one.
          lazy_scale: alpha; may be left out if there is one.
          seed: which draw.

        Returns:
          The parameters after training, and those at initialization.

        Raises:
          RequirementError: there is no such network.
        """
        return self.predictors.params(method, width, lazy_scale, seed)

    def predictor(
        self,
        method: str = NETWORK.key,
        *,
        width: int | None = None,
        lazy_scale: float | None = None,
        seed: int = 0,
    ) -> Predictor:
        """Returns a predictor after training: (m, d) inputs to (m,) predictions, float64.

        Args:
          method: one of ``config.predictors.methods``.
          width: N; may be left out if there is one, and for ``"nngp"`` and ``"ntk"``.
          lazy_scale: alpha; the same, and for fitted predictors.
          seed: which draw of data and initialization.

        Raises:
          RequirementError: there is no such predictor, or its fit was refused.
        """
        return self.predictors(method, width, lazy_scale, seed)

    def predict(
        self,
        x: Inputs,
        method: str = NETWORK.key,
        *,
        width: int | None = None,
        lazy_scale: float | None = None,
        seed: int = 0,
    ) -> Float[Array, "m"]:
        """Computes predictions at the rows of ``x``; for the rest see :meth:`predictor`."""
        return self.predictors(method, width, lazy_scale, seed)(x)


def train(config: Training | Builder, *, show_progress: bool = False) -> TrainingResult:
    """Trains networks beside all predictors that a training config asks for.

    The numbers are those of scripts/train.py with the same config.

    Args:
      config: from :func:`default_config`.
      show_progress: whether a bar is drawn on standard error.

    Raises:
      RequirementError: a config that cannot be run, before any work.
    """
    check_options()
    check_devices()
    checked, keep = frozen(config), KeepTrained()
    made = isinstance(checked, Training)
    check(made, "config", "be made by default_config()", type(checked).__name__)
    if show_progress:
        with progress(Console(stderr=True)) as report:
            training = checked.prepare(report)
            result = training.run(report, keep)
    else:
        training = checked.prepare()
        result = training.run(no_report, keep)
    trained = {
        run.network.width: keep.changes[part_name(run)] for run in training.widths if run.trains
    }
    fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return TrainingResult(**fields, config=checked, predictors=Predictors(training, trained))


def plot(result: Result) -> dict[str, Figure]:
    """Draws the figures of a training run; returns matplotlib figures by name.

    Args:
      result: from :func:`train`, or anything with its ``metrics``.
    """
    return Training().figures(result.metrics)
