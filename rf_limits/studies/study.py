"""A study: several training runs that differ in labelled fields, in one table."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from rf_limits.analysis.numerical_warnings import training_warnings
from rf_limits.analysis.seeds import words_of_seeds
from rf_limits.analysis.tables import KEYS, MEASUREMENTS, measured_rows, printed_name, summary_rows
from rf_limits.analysis.verdict import verdict_of_study
from rf_limits.config.training import TrainingConfig, training_part
from rf_limits.errors import RequirementError, check
from rf_limits.studies.cost import Cost, cost_of_several, estimate_trainings
from rf_limits.studies.experiment import Experiment, Summary
from rf_limits.studies.pilot_runs import Estimate
from rf_limits.table import Cell, Table
from rf_limits.training.checkpointing import NO_KEEP, Keep
from rf_limits.training.progress import Progress
from rf_limits.training.result import Report, Result, no_report
from rf_limits.training.run import TrainingRun
from rf_limits.training.validation import validate

Label = str | int | float
_PRINTED = ("method", "width", "lazy_scale", "risk", "risk_se")


@contextlib.contextmanager
def _named_by(sources: Mapping[str, str]) -> Iterator[None]:
    """Names the study's field where a value that was taken from it is refused."""
    try:
        yield
    except RequirementError as error:
        if error.field in sources:
            raise error.renamed(sources[error.field]) from error
        raise


@dataclasses.dataclass(frozen=True)
class Member:
    """One training run of a study.

    Attributes:
      labels: values that tell it from the others, by name of the table's column.
      config: of the training run.
      sources: fields of the study by those of ``config`` that are taken from them.
    """

    labels: Mapping[str, Label]
    config: TrainingConfig
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """Returns the labels in one word, as file names can hold it."""
        return ".".join(f"{key}={value}" for key, value in self.labels.items())

    def check(self) -> None:
        """Checks the config.

        Raises:
          RequirementError: with the name of the study's field where the value is from one.
        """
        with _named_by(self.sources):
            validate(self.config)


@dataclasses.dataclass(frozen=True)
class Study(TrainingConfig, Experiment):
    """A training config with the fields by which its training runs differ.

    A subclass declares these fields, the names of its ``labels``, and :meth:`members`; everything
    else has defaults, which it may extend.
    """

    def members(self) -> Sequence[Member]:
        """Returns the training runs; all have the same labels."""
        raise NotImplementedError

    def member(
        self,
        labels: Mapping[str, Label],
        fields: Mapping[str, Any] | None = None,
        sources: Mapping[str, str] | None = None,
    ) -> Member:
        """Returns a training run with the study's config, but for some fields.

        Args:
          labels: of the member.
          fields: values by dotted name.
          sources: see :class:`Member`.

        Raises:
          RequirementError: a field cannot have that value.
        """
        sources = dict(sources or {})
        with _named_by(sources):
            config = training_part(self).replace(fields or {})
        return Member(dict(labels), config, sources)

    def constants(self) -> dict[str, Label]:
        """Returns fields that figures need: columns with the same value in every row."""
        return {}

    def theory(self, member: Member, run: TrainingRun) -> pd.DataFrame:
        """Computes further rows of a member's table, which are theory and not measured.

        Args:
          member: one of :meth:`members`.
          run: the member, prepared.
        """
        del member, run
        return pd.DataFrame()

    def completed(self, result: Result, study: "PreparedStudy") -> Result:
        """Returns the result of all members with values that need all of them."""
        del study
        return result

    def check(self) -> None:
        """Checks the config of every member.

        Raises:
          RequirementError: naming the first field that cannot be, with the value received; two
            members with the same labels, which no table would tell apart.
        """
        members = tuple(self.members() or ())
        check(len(members) > 0, "members", "be at least one training run", members)
        self._check_labels(members)
        for member in members:
            member.check()

    def _check_labels(self, members: Sequence[Member]) -> None:
        """Refuses labels that no table tells apart, or that are its columns already."""
        check(isinstance(self.labels, tuple), "labels", "be a tuple of names", self.labels)
        taken = {*KEYS, *MEASUREMENTS}.intersection((*self.labels, *self.constants()))
        requirement = "have names that no other column has"
        check(not taken, "labels and constants", requirement, sorted(taken))
        names = [member.name for member in members]
        for name, member in zip(names, members, strict=True):
            requirement = f"have the labels {', '.join(self.labels) or 'none'}"
            good = set(member.labels) == set(self.labels)
            check(good, "members", requirement, dict(member.labels))
            requirement = "have labels without a slash, as names of files can hold them"
            check("/" not in name, "members", requirement, name)
        check(len(set(names)) == len(names), "members", "differ in their labels", names)

    def prepare(self, report: Report = no_report) -> "PreparedStudy":
        """Checks the config and prepares every member."""
        self.check()
        return PreparedStudy(self, report)

    def cost(self) -> Cost:
        """Returns sizes of all members together and of the largest."""
        return cost_of_several([member.config for member in self.members()])

    def estimate(self) -> Estimate | None:
        """Estimates the seconds of all members from a pilot run of the largest."""
        return estimate_trainings(self.cost().trainings)

    def analyse(self, result: Result) -> Summary:
        """Computes means over seeds at the end, with what "auto" settings resolved to."""
        final = summary_rows(measured_rows(result.metrics), self.labels)
        return {"choices": result.choices, "final": final}

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns risks at the end, means over seeds and their standard errors."""
        names = [*self.labels, *_PRINTED]
        rows = [[_cell(row.get(name)) for name in names] for row in summary["final"]]
        heads = [printed_name(name) for name in names]
        return Table(f"Risk at the end, {words_of_seeds(result.metrics)}", heads, rows)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns whatever needs a warning."""
        del summary
        return training_warnings(measured_rows(result.metrics), self.labels)

    def verdict(self, metrics: pd.DataFrame, summary: Summary) -> list[str]:
        """Returns how networks stand beside methods that keep their features, if there are any."""
        del summary
        return verdict_of_study(metrics, self.labels)


def _cell(value: Any) -> Cell:
    return Cell("") if value is None else Cell.of(value)


class PreparedStudy:
    """A study that was checked and is ready to run: all its members are prepared.

    Attributes:
      study: the config.
      members: of the study.
      runs: their prepared training runs.
    """

    def __init__(self, study: Study, report: Report):
        self.study, self.members = study, tuple(study.members())
        self.runs: list[TrainingRun] = []
        for member in self.members:
            report(f"preparing {member.name}", 0.0)
            self.runs.append(TrainingRun(member.config, no_report))

    def run(self, report: Report = no_report, keep: Keep = NO_KEEP) -> Result:
        """Runs every member; the parts of a member carry its name."""
        tables, choices, diverged = [], {}, False
        costs = [run.cost() for run in self.runs]
        progress = Progress(report, sum(costs))
        for member, run, cost in zip(self.members, self.runs, costs, strict=True):
            kept = keep.under(member.name)
            result = run.run(progress.part(cost, member.name), kept)
            parts = [result.metrics]
            if type(self.study).theory is not Study.theory:
                parts.append(kept.part("theory", functools.partial(self._theory, member, run)))
            tables += [_labelled(table, member) for table in parts if len(table)]
            choices[member.name] = result.choices
            diverged |= result.diverged
        constants = self.study.constants()
        metrics = pd.concat(tables, ignore_index=True)
        names = list(self.members[0].labels)
        columns = [*names, *(name for name in metrics if name not in names)]
        metrics = metrics[columns].assign(**constants)
        whole = Result(metrics, {**constants, "members": choices}, diverged)
        return self.study.completed(whole, self)

    def _theory(self, member: Member, run: TrainingRun) -> pd.DataFrame:
        table = self.study.theory(member, run)
        if not isinstance(table, pd.DataFrame) or "seed" in table:
            raise TypeError(f"theory must return a DataFrame without seeds, but returned {table!r}")
        return table


def _labelled(table: pd.DataFrame, member: Member) -> pd.DataFrame:
    table = table.assign(**member.labels)
    needed = {*member.labels, *KEYS}
    return table[[name for name in table if table[name].notna().any() or name in needed]]
