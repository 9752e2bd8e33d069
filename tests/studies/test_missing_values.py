"""A seed without a finite risk shows in every printed mean: it is never averaged away."""

import pathlib

import numpy as np
import pytest

from rf_limits.analysis.tables import exponent_rows
from rf_limits.runs.store import RunStore
from rf_limits.studies import config_from_json
from rf_limits.studies.hardness.hardness import Hardness
from rf_limits.training.result import Result

REFERENCE = pathlib.Path(__file__).parents[2] / "results" / "reference"
IDENTITY = {"width", "seed", "step", "dim", "num_train", "lazy_scale", "time", "threshold"}
LABELS = {"N", "scale", "params", "parameterization", "part", "point", "data", "student", "d", "n"}
LABELS |= {"target", "regime", "measurement", "activation"}
TABLES = {
    "training": "quickstart",
    "lazy_scale": "lazy_scale",
    "lazy_width": "lazy_width",
    "ntk_curves": "ntk_curves",
    "chizat": "chizat",
    "single_neuron": "single_neuron",
    "sample_complexity": "sample_complexity",
    "polynomials": "polynomials",
    "coupling": "coupling",
}


def lost_seed(metrics):
    """The table after all networks and fits of its first seed ended without a number."""
    table = metrics.copy()
    lost = table["seed"] == 0
    for name in table.columns:
        if name in IDENTITY or table[name].dtype != np.float64:
            continue
        table.loc[lost & table[name].notna(), name] = np.nan
    return table


@pytest.mark.parametrize("experiment", TABLES)
def test_no_printed_mean_leaves_out_a_seed(experiment):
    store = RunStore(REFERENCE / TABLES[experiment])
    study = config_from_json(store.read_json("config.json"))
    metrics, choices = store.read_metrics(), store.read_json("run.json")["choices"]
    _, heads, before = study.findings(Result(metrics, choices)).table
    _, _, after = study.findings(Result(lost_seed(metrics), choices)).table
    assert len(before) == len(after)
    measured = [j for j, head in enumerate(heads) if head not in LABELS]
    shown = [row[j] for row in before for j in measured]
    assert sum(cell not in ("nan", "-") for cell in shown) > len(shown) // 2
    assert {row[j] for row in after for j in measured} <= {"nan", "-"}


def test_exponents_leave_out_the_width_that_lost_a_seed():
    metrics = RunStore(REFERENCE / "quickstart").read_metrics()
    assert len(exponent_rows(metrics))
    assert not exponent_rows(lost_seed(metrics))


def test_the_figure_of_hardness_leaves_out_where_a_seed_did_not_arrive():
    metrics = RunStore(REFERENCE / "hardness").read_metrics()

    def trained(table):
        axis = Hardness().figures(table)["hardness"].axes[0]
        return [line for line in axis.lines if "trained by GD" in str(line.get_label())]

    assert len(trained(metrics)) == 2
    lost = metrics.copy()
    network = (lost["method"] == "network") & (lost["seed"] == 0)
    lost.loc[network & (lost["dim"] == lost["dim"].max()), "reached"] = 0.0
    before, after = (
        dict(zip(*trained(table)[1].get_data(), strict=True)) for table in (metrics, lost)
    )
    assert set(before) - set(after) == {float(metrics["dim"].max())}
    assert all(after[dim] == before[dim] for dim in after)
