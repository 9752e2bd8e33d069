"""An experiment from three things: its training runs, their labels, its figures.

``EXPERIMENTS["mine"] = (study, study)`` in :mod:`rf_limits.runs.run` makes it run like those that
are there (docs/extending.md).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from rf_limits.experiments.config import TrainingConfig
from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.seeds import words_of_seeds
from rf_limits.experiments.study import Member, Study, validate_members
from rf_limits.experiments.tables import (
    PRINTED_NAMES,
    short_number,
    summary_rows,
)
from rf_limits.figures.style import Figure

_PRINTED = ("method", "width", "lazy_scale", "risk", "risk_se")


@dataclasses.dataclass(frozen=True)
class OwnStudy:
    """A study whose table is that of its training runs.

    Attributes:
      config: class of its configs: a training config with the study's own fields.
      members: the training runs of a config, all with the same labels.
      labels: names of these labels, columns of the table.
      draw: figures by name, from the table.
    """

    config: type[TrainingConfig]
    members: Callable[[TrainingConfig], Sequence[Member]]
    labels: tuple[str, ...]
    draw: Callable[[pd.DataFrame], dict[str, Figure]] = lambda metrics: {}

    def validate(self, config: TrainingConfig) -> None:
        """Checks the training config of every member.

        Raises:
          RequirementError: naming the first field that cannot be, with the value received.
        """
        validate_members(self.members(config))

    def prepare(self, config: TrainingConfig, report: Report = no_report) -> Study:
        """Prepares every member.

        Raises:
          RequirementError: a config that cannot be run.
        """
        self.validate(config)
        return Study(self.members(config), report)

    def summary(self, result: Result) -> dict[str, Any]:
        """What summary.json holds: choices, and means over seeds at the end."""
        return {"choices": result.choices, "final": summary_rows(result.metrics, self.labels)}

    def printed_table(self, metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
        """Risks at the end, mean over seeds and its standard error."""
        names = [*self.labels, *_PRINTED]
        rows = [
            [_cell(row.get(name)) for name in names] for row in summary_rows(metrics, self.labels)
        ]
        title = f"Risk at the end, {words_of_seeds(metrics)}"
        return title, [PRINTED_NAMES.get(n, n) for n in names], rows

    def remarks(self, result: Result) -> list[str]:
        """Lines under the table: whatever needs a warning."""
        held = (result.metrics, self.labels)
        return doubts(*held)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return short_number(value) if isinstance(value, float) else str(value)
