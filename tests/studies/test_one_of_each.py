"""Tables with one seed, width, dimension or number of samples: what is said of them holds words."""

import json
import pathlib
import re

import pytest

from rf_limits.runs.store import RunStore, plain
from rf_limits.studies import config_from_json
from rf_limits.training.result import Result

QUICK = pathlib.Path(__file__).parents[2] / "results" / "quick"
FOUND = sorted(
    path.parent.name
    for path in QUICK.glob("*/run.json")
    if (path.parent / "metrics.parquet").exists()
)
_NOTHING = re.compile(r"\bnan\b|N\^-[.;,]|over 1 |no dimension every run|nan\b", re.IGNORECASE)


def result_of(name):
    """The committed table of an experiment, and what of it says it."""
    store = RunStore(QUICK / name)
    facts = store.read_json("run.json")
    study = config_from_json(store.read_json("config.json"))
    return study, Result(store.read_metrics(), facts.get("choices", {}))


def cuts(metrics):
    """The table with one value of each label, the labels in turn and all at once."""
    whole = metrics
    for name in ("seed", "width", "dim", "num_train", "lazy_scale"):
        if name in metrics and metrics[name].nunique() > 1:
            first = metrics[name].dropna().iloc[0]
            yield name, whole[whole[name].isna() | (whole[name] == first)]
            metrics = metrics[metrics[name].isna() | (metrics[name] == first)]
    yield "all", metrics


@pytest.mark.parametrize("name", FOUND)
def test_of_one_there_is_no_spread(name):
    study, result = result_of(name)
    for cut, metrics in cuts(result.metrics):
        own = Result(metrics, result.choices)
        summary, table, remarks = study.findings(own)
        json.dumps(plain(summary), allow_nan=False)
        for line in (table.title, *remarks):
            assert not _NOTHING.search(line), (cut, line)
            assert cut != "seed" or "over seeds" not in line, line
