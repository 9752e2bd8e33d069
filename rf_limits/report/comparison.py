"""Training runs side by side, as a part of a page."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rf_limits.analysis.limits import one_limit
from rf_limits.analysis.numerical_warnings import training_warnings
from rf_limits.analysis.tables import CELL, diverged_rows
from rf_limits.analysis.verdict import verdict_of_many
from rf_limits.figures import compare as comparing
from rf_limits.figures.headline import against_functions, against_limit
from rf_limits.methods import NETWORK
from rf_limits.report import tables
from rf_limits.report.configuration import fields, shared
from rf_limits.report.curves import finite_and_infinite
from rf_limits.report.limits import with_limits
from rf_limits.report.pictures import Picture, picture
from rf_limits.report.sections import Section, warnings_of
from rf_limits.report.sources import Source
from rf_limits.runs.progress import counted
from rf_limits.sweeps.compare import Compared, compared_runs
from rf_limits.sweeps.manifest import CELLS
from rf_limits.table import Cell, Table

_MOST_CURVES = 60
_LONGEST = 60
"""Characters of a label that says in what a run differs."""


def comparison_section(sources: Sequence[Source], key: str) -> Section:
    """Returns the section of several training runs.

    Args:
      sources: all of them, finished or not.
      key: prefix of ids.
    """
    compared = compared_runs(sources)
    table, differing = compared.table, list(compared.differing)
    done = [source for source in sources if source.state == "done"]
    words = comparing.labels(table, differing)
    clear = differing and words.str.len().max() <= _LONGEST
    table = table.assign(run=words if clear else table[CELL])
    groups = table.groupby("run", sort=False)
    curves = [curve for name, rows in groups for curve in finite_and_infinite(rows, str(name))]
    trained = table["method"].eq(NETWORK.key)
    common = shared(list(compared.configs.values()))
    names = ", ".join(differing) or "nothing"
    changed, same = fields({"experiment": "training", **common})
    return Section(
        key=key,
        title=", ".join(dict.fromkeys(_root(source).name for source in sources)),
        about=f"{counted(len(compared.configs), 'training run')}; they differ in {names}.",
        verdict=verdict_of_many(table, len(done), len(sources)),
        warnings=_warnings(done, compared, table, len(curves)),
        headline=_limit_figures(table, compared, key),
        curves=curves[:_MOST_CURVES],
        figures=_drawn_comparison(table.drop(columns="run"), differing, key),
        tables=[
            tables.ends(rows, ("run",), ("run",))
            for rows in (table[trained], table[~trained])
            if len(rows)
        ],
        differing=changed,
        same=same,
        provenance=_provenances(sources),
        sources=list(sources),
    )


def _warnings(
    done: Sequence[Source], compared: Compared, table: pd.DataFrame, curves: int
) -> list[str]:
    """Returns the warnings: runs left out, doubts about runs, diverged networks, refused fits."""
    lines = [f"LEFT OUT: {line}." for line in compared.left_out]
    counts = Counter(line for source in done for line in warnings_of(source))
    lines += [
        f"{line} ({count} of {len(done)} runs)"
        for line, count in counts.items()
        if not line.startswith("DIVERGED")  # these are named
    ]
    bad = diverged_rows(table.assign(seed=table[CELL] + " " + table["seed"].astype(str)))
    if len(bad):
        runs = ", ".join(sorted(bad["run"].unique()))
        lines.append(f"DIVERGED: networks without a finite risk: {len(bad)}, in {runs}.")
    for name, rows in table.groupby("run", sort=False):
        lines += [f"{line} ({name})" for line in training_warnings(rows)]
    if curves > _MOST_CURVES:
        lines.append(f"The curves over time are those of the first {_MOST_CURVES} runs.")
    return lines


def _root(source: Source) -> Path:
    """Returns the directory that a user names: that of the sweep, or that of the run."""
    inside = source.path.parent.name == CELLS
    return source.path.parent.parent if inside else source.path


def _limit_figures(table: pd.DataFrame, compared: Compared, key: str) -> list[Picture]:
    """Draws all runs over the lazy limit: against the number of functions, and the limit."""
    if not (one_limit(table) > 0).any():
        return []
    counted, limits = with_limits(table, compared.configs)
    return [
        picture(
            f"{key}-functions",
            against_functions(counted, limits),
            "Risk against the number of features or samples",
            "Every run, width and scale, at the end of training: means over seeds. Random features "
            "have p = N, tangent features as many as parameters, kernels n, all of them at most n "
            "where every seed draws its own data; networks are drawn at the larger of parameters "
            "and samples, so that those below the line of their problem are below both limits "
            "(certificates stand in the table). Runs that no limit bounds are left out.",
        ),
        picture(
            f"{key}-limit",
            against_limit(table),
            "Risk against the lazy limit",
            "The same points, networks at the smaller of their two limits and everything else at "
            "the larger, which bounds its mean from below: but for chance, only networks lie below "
            "the diagonal.",
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
    """Returns a table with a row for every run."""
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
                Cell(source.name),
                *(Cell(str(text)) for text in texts),
                Cell(str(facts.get("started", ""))),
                tables.number(facts.get("wall_time_s")),
            ]
        )
    return Table("Where the numbers come from", heads, rows)
