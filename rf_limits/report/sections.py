"""Parts of a page: one run, or training runs side by side."""

import importlib
import inspect
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rf_limits.errors import RequirementError
from rf_limits.experiments.certificate import limit_curve
from rf_limits.experiments.result import Result
from rf_limits.experiments.tables import CELL, diverged_rows
from rf_limits.figures import compare as comparing
from rf_limits.figures.headline import against_functions, against_limit, headline
from rf_limits.figures.training import movement_and_drift
from rf_limits.report import tables
from rf_limits.report.configuration import Field, fields, shared, words
from rf_limits.report.curves import finite_and_infinite
from rf_limits.report.limits import with_limits
from rf_limits.report.pictures import Picture, picture
from rf_limits.report.sources import Source
from rf_limits.report.tables import Table
from rf_limits.report.verdict import verdict, verdict_of_many, verdict_of_study
from rf_limits.runs.run import EXPERIMENTS
from rf_limits.sweeps.compare import Compared
from rf_limits.sweeps.manifest import config_from_json

_WARNING = re.compile(r"[A-Z][A-Z ]+: ")
_SAID = "Below the lazy limit"
"""How a remark begins that the verdict makes too."""
_MOST_CURVES = 60


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
    metrics = source.read_metrics()
    experiment, figures = (importlib.import_module(name) for name in EXPERIMENTS[source.experiment])
    try:
        lines = _remarks(experiment, source, metrics)
        found = [tables.printed(experiment.printed_table(metrics))]
        drawn = _drawn(figures, metrics, key)
        first, sentences, curves = [], [], []
        if source.experiment == "training":
            first = _first_figures(metrics, source.config, key)
            sentences, curves = verdict(metrics), finite_and_infinite(metrics)
            lines = [line for line in lines if not line.startswith(_SAID)]
            found.append(tables.ends(metrics))
        elif {"width", "lazy_scale", "risk", "time"} <= set(metrics):
            sentences = verdict_of_study(metrics, experiment.LABELS)
    except (KeyError, AttributeError) as error:
        raise RequirementError(
            f"{source.path}/metrics.parquet must have the columns this version writes, but "
            f"{error} is not there; run {source.path} again with --overwrite."
        ) from error
    differing, same = fields(source.config)
    return Section(
        key=key,
        title=source.name,
        about=inspect.getdoc(experiment).splitlines()[0],
        verdict=sentences + [line for line in lines if not _WARNING.match(line)],
        warnings=[*_state(source), *(line for line in lines if _WARNING.match(line))],
        headline=first or drawn[:1],
        curves=curves,
        figures=drawn if first else drawn[1:],
        tables=found,
        differing=differing,
        same=same,
        provenance=_provenance(source),
        sources=[source],
    )


def _remarks(experiment: Any, source: Source, metrics: pd.DataFrame) -> list[str]:
    """The lines a run prints under its table."""
    choices = source.facts.get("choices")
    if choices is None:  # not finished: these are written last
        return []
    return experiment.remarks(Result(metrics, choices))


def _state(source: Source) -> list[str]:
    """What run.json says against trusting the run."""
    found = []
    if source.state != "done":
        what = f"{source.state}{f' ({source.detail})' if source.detail else ''}"
        found.append(f"UNFINISHED: this run is {what}; the tables are what it had written.")
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
    most = int(max(metrics["parameters"].max(), config["data"]["num_train"]))
    fixed = config["data"]["kind"] == "fixed"
    samples = float(config["data"]["num_train"]) if fixed else math.inf
    limit = limit_curve(resolved, most)
    known = "The lazy limit R* is not known for this target, so no line is drawn."
    if len(limit):
        known = (
            "No fixed features have an expected risk in the grey ground below the lazy limit R*: "
            "a trained network whose mean lies there has learned features."
        )
    found = [
        picture(
            f"{key}-headline",
            headline(metrics, limit, samples),
            "Risk against the number of features",
            f"{known} Means over seeds at the end of training; bars reach to the extreme seeds.",
        )
    ]
    if metrics["method"].eq("network").any():
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
    for name in ("compiling", "device", "versions"):
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


def comparison_section(sources: Sequence[Source], found: Compared, key: str) -> Section:
    """The section of several training runs.

    Args:
      sources: all of them, finished or not.
      found: the table of the finished ones.
      key: prefix of ids.
    """
    table, differing = found.table, list(found.differing)
    done = [source for source in sources if source.state == "done"]
    table = table.assign(run=comparing.labels(table, differing) if differing else table[CELL])
    warnings = [f"LEFT OUT: {line}." for line in found.left_out]
    bad = diverged_rows(table.assign(seed=table[CELL] + " " + table["seed"].astype(str)))
    if len(bad):
        runs = ", ".join(sorted(bad["run"].unique()))
        warnings.append(f"DIVERGED: {len(bad)} trained networks have no finite risk ({runs}).")
    curves: list[dict[str, Any]] = []
    for name, rows in table.groupby("run", sort=False):
        curves += finite_and_infinite(rows, str(name))
        warnings += [f"{line} ({name})" for line in tables.warnings(rows)]
    if len(curves) > _MOST_CURVES:
        warnings.append(f"The curves over time are those of the first {_MOST_CURVES} runs.")
    common = shared([source.config for source in done])
    changed, same = fields({"experiment": "training", **common})
    return Section(
        key=key,
        title=", ".join(dict.fromkeys(_root(source).name for source in sources)),
        about=f"{len(done)} training runs; they differ in {', '.join(differing) or 'nothing'}.",
        verdict=verdict_of_many(tables.means(table, ("run",)), len(done), len(sources)),
        warnings=warnings,
        headline=_limit_figures(table, done, key),
        curves=curves[:_MOST_CURVES],
        figures=_drawn_comparison(table.drop(columns="run"), differing, key),
        tables=[
            tables.ends(table[table["method"] == "network"], ("run",), ("run",)),
            tables.ends(table[table["method"] != "network"], ("run",), ("run",)),
        ],
        differing=changed,
        same=same,
        provenance=_provenances(sources),
        sources=list(sources),
    )


def _root(source: Source) -> Path:
    """The directory a user names: the sweep's, or the run's own."""
    inside = source.path.parent.name == "cells"
    return source.path.parent.parent if inside else source.path


def _limit_figures(table: pd.DataFrame, done: Sequence[Source], key: str) -> list[Picture]:
    """All runs over the lazy limit: against the number of functions, and against the limit."""
    if not (table["lazy_limit"] > 0).any():
        return []
    counted, limits = with_limits(table, {source.name: source.config for source in done})
    return [
        picture(
            f"{key}-functions",
            against_functions(counted, limits),
            "Risk against the number of features or samples",
            "Every run, width and scale, at the end of training: means over seeds. Below the line "
            "of its problem a network has learned features; random features have p = N, networks "
            "and tangent features as many as parameters, kernels n.",
        ),
        picture(
            f"{key}-limit",
            against_limit(table),
            "Risk against the lazy limit",
            "The same points, each at the limit of its own problem, features and samples: what no "
            "fixed features reach is below the diagonal.",
        ),
    ]


def _drawn_comparison(table: pd.DataFrame, differing: list[str], key: str) -> list[Picture]:
    words_of = {
        "risk_against_width": "Networks of finite width beside the infinite-width kernels.",
        "risk_against_time": "Risk over time, beside the kernels' gradient flow.",
        "distance_to_infinite_width": "Distance to the NTK's flow at the end, with exponents.",
    }
    return [
        picture(f"{key}-{name}", figure, name.replace("_", " "), words_of.get(name, ""))
        for name, figure in comparing.draw(table, differing).items()
    ]


def _provenances(sources: Sequence[Source]) -> Table:
    """A row for every run."""
    heads = ["run", "state", "revision", "device", "JAX", "started", "wall time (s)"]
    rows = []
    for source in sources:
        facts = source.facts
        state = f"{source.state} {source.detail}".strip()
        device = (facts.get("device") or {}).get("kind", "")
        version = (facts.get("versions") or {}).get("jax") or ""
        texts = (state, str(facts.get("git_revision", ""))[:10], device, version)
        rows.append(
            [
                tables.Cell(source.name),
                *(tables.Cell(str(text)) for text in texts),
                tables.Cell(str(facts.get("started", ""))),
                tables.number(facts.get("wall_time_s")),
            ]
        )
    return Table("Where the numbers come from", [(head, "") for head in heads], rows)
