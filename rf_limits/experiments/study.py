"""A study: several training runs that differ in labelled fields, in one table."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from rf_limits.config import Builder, frozen
from rf_limits.errors import RequirementError, check
from rf_limits.experiments import training
from rf_limits.experiments.config import TrainingConfig, training_part
from rf_limits.experiments.keep import NO_KEEP, Keep
from rf_limits.experiments.progress import Progress
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.tables import KEYS
from rf_limits.experiments.training import Training
from rf_limits.experiments.validation import validate

Label = str | int | float
Extra = Callable[["Member", Training], pd.DataFrame]


@dataclasses.dataclass(frozen=True)
class Member:
    """One training run of a study.

    Attributes:
      labels: what tells it from the others, by name of the table's column.
      config: a complete training config.
      given: fields of the study's config by those of ``config`` that are taken from them.
    """

    labels: Mapping[str, Label]
    config: TrainingConfig
    given: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The labels in one word, as file names can hold it."""
        return ".".join(f"{key}={value}" for key, value in self.labels.items())


def member(
    base: TrainingConfig | Builder,
    labels: Mapping[str, Label],
    given: Mapping[str, str] | None = None,
    **fields: Any,
) -> Member:
    """A member with the study's config, but for some fields.

    Args:
      base: config of the study.
      labels: of the member.
      given: see :class:`Member`.
      **fields: dotted names of fields, with ``__`` for the dots, and their values.
    """
    given = dict(given or {})
    try:
        values = {name.replace("__", "."): value for name, value in fields.items()}
        config = training_part(frozen(base)).replace(values)
    except RequirementError as error:
        raise _of_study(error, given) from error
    return Member(dict(labels), config, given)


def _of_study(error: RequirementError, given: Mapping[str, str]) -> RequirementError:
    """The error with the name of the study's field, where the value was taken from one."""
    return error.renamed(given[error.field]) if error.field in given else error


def validate_members(members: Sequence[Member]) -> None:
    """Checks the training config of every member.

    Raises:
      RequirementError: as :func:`rf_limits.experiments.validation.validate`, with the name of
        the study's field where the value was taken from one; two members with the same labels,
        which no table would tell apart.
    """
    names = [one.name for one in members]
    check(len(set(names)) == len(names), "members", "differ in their labels", names)
    for one in members:
        try:
            validate(one.config)
        except RequirementError as error:
            raise _of_study(error, one.given) from error


class Study:
    """All members, prepared: nothing left that could be refused.

    Attributes:
      members: of the study; all have the same labels.
      trainings: their prepared training runs.
      extra: ``extra(member, training)`` gives further rows of the table, of theory.
      constants: fields of the study that its tables and figures need: columns that are the same
        in every row, and among the choices.
    """

    def __init__(
        self,
        members: Sequence[Member],
        report: Report = no_report,
        extra: Extra | None = None,
        constants: Mapping[str, Label] | None = None,
    ):
        self.members, self.extra = tuple(members), extra
        self.constants = dict(constants or {})
        self.trainings = []
        for one in self.members:
            report(f"preparing {one.name}", 0.0)
            self.trainings.append(training.prepare(one.config))

    def run(self, report: Report = no_report, keep: Keep = NO_KEEP) -> Result:
        """Runs every member; the parts of a member carry its name."""
        tables, choices, diverged = [], {}, False
        costs = [one.cost() for one in self.trainings]
        progress = Progress(report, sum(costs))
        for one, prepared, cost in zip(self.members, self.trainings, costs, strict=True):
            own = keep.under(one.name)
            result = prepared.run(progress.part(cost, one.name), own)
            found = [result.metrics]
            if self.extra is not None:
                extra = own.part(
                    "theory", lambda one=one, prepared=prepared: self.extra(one, prepared)
                )
                found.append(extra)
            tables += [self._labelled(table, one) for table in found if len(table)]
            choices[one.name] = result.choices
            diverged |= result.diverged
        names = list(self.members[0].labels)
        metrics = pd.concat(tables, ignore_index=True)
        columns = [*names, *(name for name in metrics if name not in names)]
        metrics = metrics[columns].assign(**self.constants)
        return Result(metrics, {**self.constants, "members": choices}, diverged)

    @staticmethod
    def _labelled(table: pd.DataFrame, one: Member) -> pd.DataFrame:
        table = table.copy()
        for name, value in one.labels.items():
            table[name] = value
        needed = {*one.labels, *KEYS}
        kept = [name for name in table if table[name].notna().any() or name in needed]
        return table[kept]
