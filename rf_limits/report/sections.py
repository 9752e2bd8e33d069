"""What a page shows, and what it shows of one run."""

import inspect
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from rf_limits.errors import RequirementError
from rf_limits.experiments.limits import FEATURES, limit_curve
from rf_limits.figures.headline import headline, samples_limit
from rf_limits.figures.training import movement_and_drift
from rf_limits.methods import NETWORK
from rf_limits.report import tables
from rf_limits.report.configuration import Field, fields, words
from rf_limits.report.curves import finite_and_infinite
from rf_limits.report.pictures import Picture, picture
from rf_limits.report.sources import Source
from rf_limits.report.tables import Table
from rf_limits.report.verdict import verdict, verdict_of_features, verdict_of_study
from rf_limits.runs.run import config_from_json, modules_of

_WARNING = re.compile(r"[A-Z][A-Z ]+: ")


class Section(NamedTuple):
    """What a page shows of a run, or of several.

    Attributes:
      key: prefix of ids, unique on the page.
      title: of the section.
      about: one sentence on what it is.
      verdict: what came out.
      warnings: what to mind.
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
    """The section of one run.

    Args:
      source: with tables.
      key: prefix of ids.

    Raises:
      RequirementError: its files are damaged, or of a version with other columns.
    """
    result = source.read()
    metrics = result.metrics
    experiment, figures = modules_of(source.experiment)
    left_out: list[str] = []

    def attempt(what: str, make: Callable[[], list[Any]]) -> list[Any]:
        """Of an unfinished run what there is not yet enough for is left out, and said."""
        try:
            return make()
        except (KeyError, IndexError, ValueError):
            if source.state == "done":
                raise
            left_out.append(f"TOO EARLY: its {what} need parts that are not finished.")
            return []

    try:
        lines = attempt("remarks", lambda: experiment.remarks(result) if result.choices else [])
        found = [tables.printed(experiment.printed_table(metrics))]
        drawn = attempt("figures", lambda: _drawn(figures, metrics, key))
        first, sentences, curves = [], [], []
        if source.experiment == "training":
            first = _first_figures(metrics, source.config, key)
            sentences, curves = verdict(metrics), finite_and_infinite(metrics)
            found.append(tables.ends(metrics))
        elif source.experiment == "approximation":
            sentences = verdict_of_features(experiment.means(metrics))
        elif {"width", "lazy_scale", "risk", "time"} <= set(metrics):
            sentences = verdict_of_study(metrics, experiment.LABELS)
    except (KeyError, AttributeError) as error:
        raise RequirementError(
            f"{source.path}/metrics.parquet must have the columns this version writes, but "
            f"{error} is not there; run {source.path} again with --overwrite."
        ) from error
    if source.state != "done":
        sentences = [f"So far: {sentence}" for sentence in sentences]
    found = [table for table in found if table.rows] or found[:1]
    differing, same = fields(source.config)
    return Section(
        key=key,
        title=source.name,
        about=inspect.getdoc(experiment).splitlines()[0],
        verdict=sentences + [line for line in lines if not _WARNING.match(line)],
        warnings=[*doubts(source), *left_out, *(line for line in lines if _WARNING.match(line))],
        headline=first or drawn[:1],
        curves=curves,
        figures=drawn if first else drawn[1:],
        tables=found,
        differing=differing,
        same=same,
        provenance=_provenance(source),
        sources=[source],
    )


def doubts(source: Source) -> list[str]:
    """What run.json says against trusting the run."""
    found = []
    if source.state != "done":
        what = f"{source.state}{f' ({source.detail})' if source.detail else ''}"
        found.append(f"UNFINISHED: this run is {what}; the tables are what it has finished.")
    elif source.detail == "diverged":
        found.append("DIVERGED: some trained network has no finite risk; its means read nan.")
    if str(source.facts.get("git_revision", "")).endswith("+changes"):
        found.append("CHANGED CODE: files differed from the revision that is named below.")
    if source.config.get("seeds") == 1:
        found.append("ONE SEED: there are no standard errors.")
    elif (source.config.get("data") or {}).get("seed") is not None:
        found.append(
            "SHARED DATA: all seeds have the same training set, so standard errors are over "
            "initializations alone."
        )
    return found


def _caption(module: Any, name: str) -> str:
    """What the function that draws a figure says of it."""
    text = (inspect.getdoc(getattr(module, name, None)) or "").split("\n\nArgs:")[0]
    return re.sub(r"\s+", " ", text.replace("``", ""))


def _drawn(module: Any, metrics: pd.DataFrame, key: str) -> list[Picture]:
    found = module.draw(metrics).items()
    return [
        picture(f"{key}-{name}", figure, name.replace("_", " "), _caption(module, name))
        for name, figure in found
    ]


def _first_figures(metrics: pd.DataFrame, config: dict[str, Any], key: str) -> list[Picture]:
    """Risk over the lazy limit, movement and drift of a training run."""
    resolved = config_from_json(config)
    counts = metrics[["parameters", "width"]].max().dropna()
    most = int(max([*counts, config["data"]["num_train"]]))
    limit = limit_curve(resolved, most)
    if not metrics[FEATURES.column].notna().any():
        limit = limit.iloc[:0]
    known = "No lazy limit R*(p) bounds these means, so no line is drawn."
    if len(limit):
        known = (
            "No p features drawn by a rotation-invariant law have an expected risk in the grey "
            "ground below the lazy limit R*(p), whatever is learned in their span."
        )
    if len(limit) and math.isfinite(samples_limit(metrics)):
        known += (
            " On average over training sets no rotation-invariant kernel method in the span of as "
            "many functions as there are samples has one below R*(n)."
        )
    found = [
        picture(
            f"{key}-headline",
            headline(metrics, limit),
            "Risk against the number of features",
            f"{known} Means over seeds at the end of training; bars reach to the extreme seeds.",
        )
    ]
    if NETWORK.is_in(metrics):
        found.append(
            picture(
                f"{key}-movement",
                movement_and_drift(metrics),
                "Weight movement and NTK drift",
                "Relative to initialization, at the end of training. Training is lazy where both "
                "are small; their slopes against width say how fast it becomes so.",
            )
        )
    return found


def _provenance(source: Source) -> list[tuple[str, str]]:
    """Facts of run.json by name."""
    facts = source.facts
    found = [("status", source.state if source.state != "done" else facts["status"])]
    for name in ("command", "git_revision", "started", "error"):
        if facts.get(name):
            found.append((name.replace("_", " "), str(facts[name])))
    if "wall_time_s" in facts:
        found.append(("wall time", f"{facts['wall_time_s']:.3g} s"))
    for name in ("compiling", "device", "options", "versions"):
        if isinstance(facts.get(name), dict):
            pairs = (f"{k} {words(v)}" for k, v in facts[name].items() if v is not None)
            found.append((name, ", ".join(pairs)))
    found += [
        (name.replace("_", " "), words(value))
        for name, value in facts.get("choices", {}).items()
        if isinstance(value, (str, float, int)) and name != "target"
    ]
    if "resumed_parts" in facts:
        found.append(("resumed", f"{len(facts['resumed_parts'])} parts"))
    return found
