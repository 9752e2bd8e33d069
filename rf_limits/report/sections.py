"""The sections of a page, and what they show of a run."""

import inspect
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from rf_limits.analysis.limits import FEATURES, limit_curve
from rf_limits.errors import RequirementError
from rf_limits.figures.headline import headline, samples_limit
from rf_limits.figures.training import movement_and_drift
from rf_limits.methods import NETWORK
from rf_limits.remarks import Remark
from rf_limits.report import tables
from rf_limits.report.configuration import Field, fields, words
from rf_limits.report.curves import finite_and_infinite
from rf_limits.report.pictures import Picture, picture
from rf_limits.report.sources import Source
from rf_limits.studies import Experiment
from rf_limits.studies.experiment import Drawing
from rf_limits.studies.training import Training
from rf_limits.table import Table
from rf_limits.training.result import Result


class Section(NamedTuple):
    """A section of a page, about one run or several.

    Attributes:
      key: prefix of ids, unique on the page.
      title: of the section.
      about: one sentence on what it is.
      verdict: sentences on the results.
      warnings: lines on which results not to trust.
      headline: the figures to look at first.
      curves: of :func:`rf_limits.report.curves.finite_and_infinite`.
      figures: all others.
      tables: the first is shown, the others can be unfolded.
      differing: fields of the config that differ from the defaults.
      same: all other fields.
      provenance: facts by name; with several runs, a table.
      sources: whose files are linked.
    """

    key: str
    title: str
    about: str
    verdict: list[str]
    warnings: list[str]
    headline: list[Picture]
    curves: list[dict[str, Any]]
    figures: list[Picture]
    tables: list[Table]
    differing: list[Field]
    same: list[Field]
    provenance: list[tuple[str, str]] | Table
    sources: list[Source]


def run_section(source: Source, key: str) -> Section:
    """Returns the section of one run.

    Args:
      source: with tables.
      key: prefix of ids.

    Raises:
      RequirementError: its files are damaged, or of a version with other columns.
    """
    result, config = source.read(), source.resolved()
    try:
        return _section(source, config, result, key)
    except (KeyError, AttributeError) as error:
        raise RequirementError(
            f"{source.store.table} must have the columns this version writes, but "
            f"{error} is not there; run {source.path} again with --overwrite."
        ) from error


def _section(source: Source, config: Experiment, result: Result, key: str) -> Section:
    metrics, left_out = result.metrics, list[str]()

    def attempt(what: str, make: Callable[[], Any], otherwise: Any) -> Any:
        """Makes a part, which is left out where an unfinished run lacks what it needs."""
        try:
            return make()
        except (KeyError, IndexError, ValueError):
            if source.state == "done":
                raise
            left_out.append(f"TOO EARLY: its {what} need parts that are not finished.")
            return otherwise

    summary = attempt("findings", lambda: config.analyse(result), {})
    remarks: list[str] = []
    if result.choices:
        remarks = attempt("remarks", lambda: config.remarks(result, summary), [])
    shown = attempt("table", lambda: [config.printed(result, summary)], [])
    drawn = attempt("figures", lambda: _drawn(config, metrics, key), [])
    sentences = attempt("sentences", lambda: config.verdict(metrics, summary), [])
    first, drawn, curves = drawn[:1], drawn[1:], list[dict[str, Any]]()
    if isinstance(config, Training):
        shown.append(tables.ends(metrics))
        first, drawn = _first_figures(metrics, config, key), first + drawn
        curves = finite_and_infinite(metrics)
    so_far = "" if source.state == "done" else "So far: "
    notes = [line for line in remarks if not _is_warning(line)]
    differing, same = fields(source.config)
    return Section(
        key=key,
        title=source.name,
        about=config.about(),
        verdict=[f"{so_far}{sentence}" for sentence in sentences] + notes,
        warnings=[*warnings_of(source), *left_out, *filter(_is_warning, remarks)],
        headline=first,
        curves=curves,
        figures=drawn,
        tables=[table for table in shown if table.rows] or shown[:1],
        differing=differing,
        same=same,
        provenance=_provenance(source),
        sources=[source],
    )


def _is_warning(line: str) -> bool:
    return isinstance(line, Remark) and line.topic != ""


def warnings_of(source: Source) -> list[str]:
    """Returns the warnings that follow from run.json."""
    warnings = []
    if source.state != "done":
        what = f"{source.state}{f' ({source.detail})' if source.detail else ''}"
        warnings.append(f"UNFINISHED: this run is {what}; the tables are what it has finished.")
    elif source.detail == "diverged":
        warnings.append("DIVERGED: some trained network has no finite risk; its means read nan.")
    if str(source.facts.get("git_revision", "")).endswith("+changes"):
        warnings.append("CHANGED CODE: files differed from the revision that is named below.")
    if source.unknown_fields:
        names = ", ".join(source.unknown_fields)
        warnings.append(
            f"UNKNOWN FIELDS: this version of rf_limits does not know {names}, and shows the "
            "numbers as it would without."
        )
    if source.config.get("seeds") == 1:
        warnings.append("ONE SEED: there are no standard errors.")
    elif (source.config.get("data") or {}).get("seed") is not None:
        warnings.append(
            "SHARED DATA: all seeds have the same training set, so standard errors are over "
            "initializations alone."
        )
    return warnings


def _caption(draw: Drawing) -> str:
    """Returns the caption of a figure, from the docstring of the function that draws it."""
    text = (inspect.getdoc(draw) or "").split("\n\nArgs:")[0]
    return re.sub(r"\s+", " ", text.replace("``", ""))


def _drawn(config: Experiment, metrics: pd.DataFrame, key: str) -> list[Picture]:
    drawings = config.drawings(metrics)
    return [
        picture(f"{key}-{name}", figure, name.replace("_", " "), _caption(drawings[name]))
        for name, figure in config.figures(metrics).items()
    ]


def _first_figures(metrics: pd.DataFrame, config: Training, key: str) -> list[Picture]:
    """Draws the risk over the lazy limit, movement and drift of a training run."""
    counts = metrics[["parameters", "width"]].max().dropna()
    most = int(max([*counts, config.data.num_train]))
    limit = limit_curve(config, most)
    if not metrics[FEATURES.column].notna().any():
        limit = limit.iloc[:0]
    caption = "No lazy limit R*(p) bounds these means, so no line is drawn."
    if len(limit):
        caption = (
            "No p features drawn by a rotation-invariant law have an expected risk in the grey "
            "ground below the lazy limit R*(p), whatever is learned in their span."
        )
    if len(limit) and math.isfinite(samples_limit(metrics)):
        caption += (
            " On average over training sets no rotation-invariant kernel method in the span of as "
            "many functions as there are samples has one below R*(n)."
        )
    pictures = [
        picture(
            f"{key}-headline",
            headline(metrics, limit),
            "Risk against the number of features",
            f"{caption} Means over seeds at the end of training; bars reach to the extreme seeds.",
        )
    ]
    if NETWORK.is_in(metrics):
        pictures.append(
            picture(
                f"{key}-movement",
                movement_and_drift(metrics),
                "Weight movement and NTK drift",
                "Relative to initialization, at the end of training. Training is lazy where both "
                "are small; their slopes against width say how fast it becomes so.",
            )
        )
    return pictures


def _provenance(source: Source) -> list[tuple[str, str]]:
    """Returns facts of run.json by name."""
    facts = source.facts
    named_facts = [("status", source.state if source.state != "done" else facts["status"])]
    for name in ("command", "git_revision", "started", "error"):
        if facts.get(name):
            named_facts.append((name.replace("_", " "), str(facts[name])))
    if "wall_time_s" in facts:
        named_facts.append(("wall time", f"{facts['wall_time_s']:.3g} s"))
    for name in ("compiling", "device", "options", "versions"):
        if isinstance(facts.get(name), dict):
            pairs = (f"{k} {words(v)}" for k, v in facts[name].items() if v is not None)
            named_facts.append((name, ", ".join(pairs)))
    named_facts += [
        (name.replace("_", " "), words(value))
        for name, value in facts.get("choices", {}).items()
        if isinstance(value, (str, float, int)) and name != "target"
    ]
    if "resumed_parts" in facts:
        named_facts.append(("resumed", f"{len(facts['resumed_parts'])} parts"))
    return named_facts
