"""An experiment: a config that checks itself, runs, and shows what came out.

A subclass declares the fields of the config, and its methods are all that the rest of the package
asks of an experiment. :func:`experiment` makes a frozen dataclass of it and puts it into the table
:data:`EXPERIMENTS`: the command line, work directories, sweeps and reports know it from there.
"""

import abc
import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import (
    Any,
    ClassVar,
    NamedTuple,
    Protocol,
    TypeVar,
    dataclass_transform,
    runtime_checkable,
)

import pandas as pd
from matplotlib.figure import Figure

from rf_limits.config import Builder, Config, frozen, option, with_defaults
from rf_limits.errors import check, check_choice
from rf_limits.figures.style import style
from rf_limits.named import Named
from rf_limits.studies.cost import Cost
from rf_limits.studies.pilot_runs import Estimate
from rf_limits.table import Table
from rf_limits.training.checkpointing import NO_KEEP, Keep
from rf_limits.training.result import Report, Result, no_report

Drawing = Callable[[pd.DataFrame], Figure]
"""Draws a figure from an experiment's table; its docstring is the caption in reports."""
Summary = dict[str, Any]
"""The analysis of a table, as summary.json holds it."""
AnyExperiment = TypeVar("AnyExperiment", bound="Experiment")


@runtime_checkable
class Prepared(Protocol):
    """An experiment that is ready to run: whatever could be refused has been checked."""

    def run(self, report: Report = no_report, keep: Keep = NO_KEEP) -> Result:
        """Runs the experiment."""


class Findings(NamedTuple):
    """The analysis of a result, its printed table and its remarks.

    Attributes:
      summary: the analysis, as summary.json holds it.
      table: the table that a run prints.
      remarks: the lines under the table.
    """

    summary: Summary
    table: Table
    remarks: list[str]


@dataclasses.dataclass(frozen=True)
class Experiment(Config, abc.ABC):
    """A config with the methods by which the package runs it and shows its results.

    Attributes:
      script: name of the script, without suffix, that runs it; by default the experiment's.
      labels: columns of the table that tell its training runs apart.
      defaults: fields by dotted name that have other defaults than in the base class.
      quick: fields by dotted name in which the small committed results differ from configs/.
      full: the same of the committed results.
    """

    experiment: str = option("", "what is run")

    script: ClassVar[str] = ""
    labels: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[Mapping[str, Any]] = {}
    quick: ClassVar[Mapping[str, Any]] = {}
    full: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def about(cls) -> str:
        """Returns the first line of the class's docstring: what the experiment is about."""
        return (inspect.getdoc(cls) or "").partition("\n")[0]

    @abc.abstractmethod
    def check(self) -> None:
        """Checks what concerns several fields, and sizes; computes nothing.

        Raises:
          RequirementError: naming the first field that cannot be, with the value received.
        """

    def prepare(self, report: Report = no_report) -> Prepared:
        """Checks the config and prepares all that could still be refused.

        Raises:
          RequirementError: a config that cannot be run.
        """
        del report
        self.check()
        return Checked(self)

    def compute(self, report: Report, keep: Keep) -> Result:
        """Runs an experiment that has nothing to prepare."""
        raise NotImplementedError

    @abc.abstractmethod
    def cost(self) -> Cost:
        """Returns sizes and memory of a config that was checked."""

    def estimate(self) -> Estimate | None:
        """Estimates the seconds of a run on this machine; None where there is no way to know."""
        return None

    @abc.abstractmethod
    def analyse(self, result: Result) -> Summary:
        """Computes what the table says; written to summary.json."""

    @abc.abstractmethod
    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns the table that a run prints.

        Args:
          result: of a run of this config.
          summary: of :meth:`analyse`.
        """

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns the lines under the table: units, findings, and whatever needs a warning."""
        del result, summary
        return []

    def verdict(self, metrics: pd.DataFrame, summary: Summary) -> list[str]:
        """Returns sentences on what came out, for reports."""
        del metrics, summary
        return []

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns the functions that draw figures, by file name; the first is the most telling."""
        del metrics
        return {}

    def figures(self, metrics: pd.DataFrame) -> dict[str, Figure]:
        """Draws the figures of a table by file name."""
        return {name: self.figure(name, metrics) for name in self.drawings(metrics)}

    def figure(self, name: str, metrics: pd.DataFrame) -> Figure:
        """Draws one figure of a table, by its name in :meth:`drawings`.

        Raises:
          TypeError: the function that draws it returns no figure.
        """
        with style():
            figure = self.drawings(metrics)[name](metrics)
        if not isinstance(figure, Figure):
            raise TypeError(f"figure {name!r} must be a matplotlib Figure, not {figure!r}")
        return figure

    def findings(self, result: Result) -> Findings:
        """Returns everything that is said of a result in words and numbers."""
        summary = self.analyse(result)
        return Findings(summary, self.printed(result, summary), self.remarks(result, summary))


class Checked(NamedTuple):
    """An experiment that has nothing to prepare, checked."""

    config: Experiment

    def run(self, report: Report = no_report, keep: Keep = NO_KEEP) -> Result:
        """Runs the experiment."""
        return self.config.compute(report, keep)


EXPERIMENTS: Named[type[Experiment]] = Named({})
"""Experiments by name: the default of their field ``experiment``."""


@dataclass_transform(frozen_default=True)
def experiment(name: str) -> Callable[[type[AnyExperiment]], type[AnyExperiment]]:
    """Makes a frozen dataclass of a class and puts it into :data:`EXPERIMENTS`.

    Args:
      name: of the experiment, as configs hold it.

    Raises:
      RequirementError: the name is no word; ``defaults``, ``quick`` or ``full`` name a field that
        the experiment does not have, or a value that it cannot have.
    """
    good = isinstance(name, str) and name.isidentifier()
    check(good, "name of an experiment", 'be a word, as in @experiment("label_noise")', name)

    def register(cls: type[AnyExperiment]) -> type[AnyExperiment]:
        inherited = (vars(base).get("defaults", {}) for base in reversed(cls.__mro__))
        values = {name: value for defaults in inherited for name, value in defaults.items()}
        with_defaults(cls, values | {"experiment": name})
        cls.script = cls.script or name
        cls.__doc__ = cls.__doc__ or f"The experiment {name}."
        made = dataclasses.dataclass(frozen=True)(cls)
        if not inspect.isabstract(made):
            for variant in (made.quick, made.full):
                made().replace(variant)  # refuses what is no field, and what none can be
        EXPERIMENTS[name] = made
        return made

    return register


def default_config(experiment: str = "training") -> Builder:
    """Returns a config under construction with the defaults of an experiment.

    Its fields can be assigned: ``config.problem.dim = 15``.

    Args:
      experiment: name of the experiment, one of :data:`EXPERIMENTS`.

    Raises:
      RequirementError: no experiment of that name is known.
    """
    check_choice(experiment, EXPERIMENTS, "experiment")
    return Builder(EXPERIMENTS[experiment])


def prepare(config: Experiment | Builder, report: Report = no_report) -> Prepared:
    """Prepares an experiment of any kind.

    Args:
      config: frozen, or under construction.
      report: called with progress.

    Raises:
      RequirementError: a config that cannot be run.
    """
    return frozen(config).prepare(report)


def config_from_json(values: Mapping[str, Any]) -> Experiment:
    """Makes the config whose :meth:`~rf_limits.config.Config.to_json` these values are.

    Raises:
      RequirementError: no experiment of that name is known, or a field is missing, unknown or has
        a value that it cannot have.
    """
    check_choice(values.get("experiment"), EXPERIMENTS, "experiment")
    return EXPERIMENTS[values["experiment"]].from_json(values)
