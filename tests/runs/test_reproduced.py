"""The committed quick results come out again; a number that changes is seen."""

import json

import jax
import numpy as np
import pandas as pd
import pytest

from rf_limits.config import flat
from rf_limits.errors import RequirementError
from rf_limits.runs.recipes import FOLDERS, RECIPES, ROOT, chosen
from rf_limits.runs.reproduced import (
    TRAINED,
    check_results,
    differences,
    how_trained,
    tolerance,
)
from rf_limits.runs.store import RunStore
from rf_limits.studies import EXPERIMENTS, prepare
from rf_limits.training import networks
from tests.variants import kept

BY_NAME = {one.name: one for one in RECIPES}
FASTEST = ("lazy_scale",)


def committed(name, variant="quick"):
    """A committed run."""
    return RunStore(ROOT / FOLDERS[variant] / name)


@pytest.mark.parametrize("name", kept(BY_NAME, FASTEST))
def test_quick_results_come_out_again(name):
    config = BY_NAME[name].config("quick")
    found = prepare(config).run().metrics
    assert differences(found, committed(name).read_metrics(), how_trained(config.to_json())) == []


@pytest.mark.parametrize("name", BY_NAME)
def test_a_changed_number_is_seen(name):
    table = committed(name).read_metrics()
    assert differences(table, table) == []
    training = how_trained(committed(name).read_json("config.json"))
    for method, own in table.groupby("method"):
        own = own.reset_index(drop=True)
        rows = own.index[own["risk"].gt(1e-4)]
        if not len(rows):
            continue
        allowed = tolerance(method, "risk", training).relative
        for change, seen in ((0.4 * allowed, False), (2.5 * allowed + 1e-6, True), (np.nan, True)):
            other = own.copy()
            other.loc[rows[-1], "risk"] *= 1.0 + change
            lines = differences(other, own, training)
            assert bool(lines) is seen, lines
            assert all(line.startswith(f"{method}, risk: ") for line in lines)


GROWTH = {"lazy_scale": 300.0, "chizat": 1e4}
"""What tolerances allow a change of the initial weights to be multiplied by, until the end."""


@pytest.mark.parametrize("name", kept(GROWTH, FASTEST))
def test_training_multiplies_small_changes_by_what_tolerances_allow(monkeypatch, name):
    """Changes the initial weights by 1e-9, relative, and compares the tables."""
    config = BY_NAME[name].config("quick")
    before = prepare(config).run().metrics
    draw, random, size = networks._draw_inits, np.random.default_rng(0), 1e-9

    def changed(*args, **named):
        bump = lambda leaf: leaf * (1.0 + size * random.standard_normal(leaf.shape))
        return jax.tree.map(bump, draw(*args, **named))

    monkeypatch.setattr(networks, "_draw_inits", changed)
    after = prepare(config).run().metrics
    rows = before["method"].isin(TRAINED) & (before["risk"] > 1e-12)
    for column in ("risk", "train_loss", "weight_movement", "output_movement"):
        old, new = (table.loc[rows, column].astype(float) for table in (before, after))
        largest = ((old - new).abs() / old.abs())[old != 0.0].max() / size
        assert 0.01 < largest < GROWTH[name], (column, largest)


def test_other_rows_columns_and_labels_are_seen():
    table = committed("coupling").read_metrics()
    assert differences(table.iloc[:-1], table) == [
        f"{len(table) - 1} rows, where {len(table)} are kept"
    ]
    assert differences(table.drop(columns="risk"), table) == ["columns differ: ['risk']"]
    other = table.assign(method=table["method"].where(table.index != 3, "rf_descent"))
    assert differences(other, table) == ["method: not the same labels"]
    assert differences(table.assign(risk=np.inf), table)


def test_float64_is_held_to_more_than_float32():
    for column in ("risk", "weight_movement", "train_loss"):
        exact = tolerance("lazy_limit", column, "float64")
        fitted = tolerance("ntk", column, "float64")
        trained = [tolerance("network", column, kind) for kind in ("float64", "float32")]
        assert exact.relative < fitted.relative < trained[0].relative < trained[1].relative


def test_what_rounding_alone_decides_is_not_compared():
    """Gates of neurons that rest on kinks, and a share of steps as small as rounding itself."""

    def table(**columns):
        known = {"method": "network", "risk": 0.1, "relative_risk": 0.2, "train_loss": 1e-20}
        return pd.DataFrame([known | columns])

    for loss, same in ((1e-20, True), (1e-3, False)):
        for column, values in (("kernel_drift", (0.82, 0.83)), ("rounding_error", (0.1, 2.0))):
            first, second = (table(**{"train_loss": loss, column: v}) for v in values)
            assert (differences(first, second) == []) == same
    assert differences(table(kernel_drift=0.82), table(kernel_drift=0.9))


def test_absolute_tolerances_of_risks_are_in_units_of_the_target():
    def table(risk, moment):
        risks, relative = [risk, moment], [risk / moment, 1.0]
        both = {"method": "random_features", "risk": risks, "relative_risk": relative}
        return pd.DataFrame(both)

    assert differences(table(0.0, 1e8), table(1e-5, 1e8)) == []
    assert differences(table(0.0, 1.0), table(1e-5, 1.0)) != []


@pytest.mark.parametrize("variant", FOLDERS)
def test_committed_configs_are_those_of_the_recipes(variant):
    for one in chosen(variant):
        found = flat(one.config(variant).to_json())
        held = flat(committed(one.name, variant).read_json("config.json"))
        shared = found.keys() & held.keys()
        assert {name: held[name] for name in shared} == {name: found[name] for name in shared}
        assert held.keys() <= found.keys()
        if variant == "quick":
            assert found.keys() == held.keys()


def test_every_experiment_has_a_recipe():
    assert {one.config("quick").experiment for one in RECIPES} == set(EXPERIMENTS)
    words = BY_NAME["chizat"].command("full", "there")
    assert words[:3] == ["scripts/dynamics.py", "--config=configs/chizat.py", "--workdir=there"]
    assert words[-1] == "--config.seeds=4"


def test_check_names_what_differs(tmp_path, capsys):
    """As scripts/results.py check does it: exit code 1 and a line, or 0."""
    table = committed("coupling").read_metrics()
    other = RunStore(tmp_path / "coupling")
    other.write_metrics(table)
    assert check_results("quick", str(tmp_path), ["coupling"]) == 0
    other.write_metrics(table.assign(risk=table["risk"] * 1.01))
    assert check_results("quick", str(tmp_path), ["coupling"]) == 1
    assert "network, risk: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("quick", None), "--output"),
        (("quick", "/nowhere"), "--output"),
        (("large", "/nowhere"), "--variant"),
        (("full", "/nowhere", ["none"]), "--only"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments, field):
    with pytest.raises(RequirementError, match=f"^{field} must"):
        check_results(*arguments)


def test_an_experiment_that_is_not_committed_cannot_be_compared(tmp_path, monkeypatch):
    monkeypatch.setitem(FOLDERS, "quick", str(tmp_path / "committed"))
    with pytest.raises(RequirementError, match=r"^coupling must be in .*committed to be compared"):
        check_results("quick", str(tmp_path), ["coupling"])


def test_summaries_are_json_and_tables_are_small():
    for one in RECIPES:
        folder = committed(one.name).path
        assert json.loads((folder / "summary.json").read_text())
        assert sum(path.stat().st_size for path in folder.glob("*.*")) < 300_000
        assert isinstance(pd.read_parquet(folder / "metrics.parquet"), pd.DataFrame)
