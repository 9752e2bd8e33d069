"""What every method is asked for: its names and looks, and what a lazy limit counts of it."""

import abc
import dataclasses
import enum
import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import pandas as pd

from rf_limits.config.training import TrainingConfig


class Kind(enum.Enum):
    """How a predictor comes about; the value is by which columns its predictors differ."""

    TRAINED = ("width", "lazy_scale")
    """By steps, of every network."""
    FITTED = ("width",)
    """In one solve, for every width."""
    KERNEL = ()
    """In one solve, for all widths together."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Returns the columns of the results table by which predictors differ, beside the seed."""
        return self.value


class FixedFunctions(NamedTuple):
    """Sizes of two spans that hold a method's predictor; infinite where there is none.

    Attributes:
      features: functions that do not depend on labels or training inputs, whatever the algorithm.
      samples: functions that are fixed by the training inputs, whatever the labels.
    """

    features: float | int
    samples: float | int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A value of the column ``method``, and how it is called and drawn.

    Attributes:
      key: value of the column.
      label: long name, of legends and sentences.
      short: head of its column in printed tables.
      colour: of its lines, ``#rrggbb``.
    """

    key: str
    label: str
    short: str
    colour: str

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Returns its rows of a table with a column ``method``."""
        return table[table["method"] == self.key]

    def is_in(self, table: pd.DataFrame) -> bool:
        """Returns whether a table with a column ``method`` has rows of it."""
        return bool(table["method"].eq(self.key).any())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method(Entry, abc.ABC):
    """A learner that a training run puts beside others.

    Attributes:
      marker: of its points in figures.
      line: style of its lines in figures.
      by_default: whether a run has it unless its config says otherwise.
    """

    marker: str
    line: str
    by_default: bool = True

    kind: ClassVar[Kind]
    keeps_features: ClassVar[bool] = True
    """Whether its predictor is a combination of functions fixed before any label is seen."""
    is_streamed: ClassVar[bool] = False
    """Whether scripts/large.py fits it, in blocks that are never all in memory."""
    uses_infinite_width: ClassVar[bool] = False
    """Whether it is made from the kernels of an infinitely wide network."""
    features_column: ClassVar[str | None] = None
    """Column of the results table with the number of its features; None: there are none."""

    @property
    def look(self) -> dict[str, Any]:
        """Returns colour, style and label of its line, as matplotlib takes them."""
        return {"color": self.colour, "linestyle": self.line, "label": self.label}

    def num_features(self, config: TrainingConfig, row: Mapping[Any, Any]) -> float | int:
        """Returns the number P of fixed functions in whose span it ends, whatever the algorithm.

        Args:
          config: of a training run.
          row: of its table, with ``width``, ``parameters`` and ``step``.

        Returns:
          The number; infinite where no finite number does.
        """
        del config
        return math.inf if self.features_column is None else row[self.features_column]

    def samples_seen(self, config: TrainingConfig, row: Mapping[Any, Any]) -> float | int:
        """Returns how many labels decide about it; infinite for training on the population."""
        del row
        return config.data.num_train

    def is_in_sample_span(self, config: TrainingConfig) -> bool:
        """Returns whether it lies in the span of finitely many functions that its inputs fix.

        Least squares, ridge and kernel regression do by the representer theorem.
        """
        del config
        return True

    def num_sample_functions(self, config: TrainingConfig, row: Mapping[Any, Any]) -> float | int:
        """Returns how many these functions are; infinite where there are none."""
        return self.samples_seen(config, row) if self.is_in_sample_span(config) else math.inf

    def is_linear_in_labels(self, config: TrainingConfig) -> bool:
        """Returns whether its predictor is a linear function of the labels, for fixed inputs.

        So are regressions with a ridge fixed beforehand. An affine function is not linear.
        """
        del config
        return True

    def fixed_functions(self, config: TrainingConfig, row: Mapping[Any, Any]) -> FixedFunctions:
        """Returns the sizes of the two spans; arguments as for :meth:`num_features`."""
        features = self.num_features(config, row)
        return FixedFunctions(features, self.num_sample_functions(config, row))
