"""Results that a disk, an older version or a clock has changed: named or still right."""

import io
import json
import pathlib
import re
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.runs.files import read_table
from rf_limits.runs.keep import KeepInStore
from rf_limits.runs.progress import progress
from rf_limits.runs.stopping import Stop
from rf_limits.runs.store import RunStore
from rf_limits.studies import config_from_json
from rf_limits.sweeps.compare import gather
from rf_limits.sweeps.status import state_of

ROOT = pathlib.Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"


@pytest.fixture
def run(tmp_path):
    """A finished training run, written anew."""
    store = RunStore(tmp_path / "run")
    shutil.copytree(REFERENCE / "quickstart", store.path)
    store.write_metrics(store.read_metrics())
    return store


def flipped(data, place, bit=3):
    found = bytearray(data)
    found[place] ^= 1 << bit
    return bytes(found)


def test_a_changed_bit_in_a_table_is_no_number(run):
    """Without checksums two in three changed bits were read as other numbers."""
    path = run.path / "metrics.parquet"
    whole, table = path.read_bytes(), run.read_metrics()
    assert len(whole) > 50_000
    seen = 0
    # the end of the file is what it says of itself, of which not every byte matters
    for place in np.linspace(0, len(whole) - 20_000, 150).astype(int):
        path.write_bytes(flipped(whole, place))
        try:
            found = run.read_metrics()
        except (OSError, ValueError):
            seen += 1
        else:
            pd.testing.assert_frame_equal(found, table, check_exact=True)
    assert seen > 140


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_finished_run_without_its_summary_is_not_done(run, damage):
    """It counted as done, and no command but --overwrite made it again."""
    path, config = run.path / "summary.json", run.read_json("config.json")
    assert state_of(run)[0] == "done"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    assert state_of(run) == ("damaged", f"summary.json is {damage}")
    with pytest.raises(RequirementError, match=rf"summary\.json must be .* {damage}; --overwrite"):
        run.open(config, overwrite=False)
    with pytest.raises(
        RequirementError, match=rf"must hold a whole run, but summary.json is {damage}"
    ):
        gather([run.path])


@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_finished_run_without_its_table_is_not_done(run, damage):
    path, config = run.path / "metrics.parquet", run.read_json("config.json")
    assert run.open(config, overwrite=False) == "finished"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9] if damage == "cut" else b"")
    with pytest.raises(RequirementError, match=r"metrics\.parquet must be .* --overwrite"):
        run.open(config, overwrite=False)
    assert run.open(config, overwrite=True) == "new"
    with pytest.raises(RequirementError, match=r"metrics\.parquet must be readable"):
        gather([run.path])


def test_a_damaged_part_is_computed_again(tmp_path):
    store = RunStore(tmp_path)
    table = pd.DataFrame({"risk": np.random.default_rng(0).normal(size=500)})
    keep, computed = KeepInStore(store, Stop(), 1.0, print), []

    def compute():
        computed.append(1)
        return table

    keep.part("width 4", compute)
    assert computed == [1]
    pd.testing.assert_frame_equal(keep.part("width 4", compute), table, check_exact=True)
    assert computed == [1]
    path = tmp_path / "parts" / "width 4.parquet"
    path.write_bytes(flipped(path.read_bytes(), 1000))
    pd.testing.assert_frame_equal(keep.part("width 4", compute), table, check_exact=True)
    assert computed == [1, 1]
    pd.testing.assert_frame_equal(read_table(path), table, check_exact=True)


def test_a_config_of_an_older_version_is_another_config(run):
    config = config_from_json(run.read_json("config.json")).to_json()
    older = json.loads(json.dumps(config))
    del older["measure"]["test_loss"]
    older["training"]["patience"] = 3
    run.write_json("config.json", older)
    with pytest.raises(RequirementError) as refused:
        run.open(config, overwrite=False)
    assert "measure.test_loss" in str(refused.value)
    assert "training.patience" in str(refused.value)


def test_versions_side_by_side(run, tmp_path):
    """A table without the columns of today, a config with fewer fields: both stay readable."""
    older = RunStore(tmp_path / "older")
    shutil.copytree(run.path, older.path)
    config = config_from_json(run.read_json("config.json")).to_json()
    del config["measure"]["test_loss"]
    older.write_json("config.json", config)
    older.write_metrics(run.read_metrics().drop(columns=["backward_error", "ridge_needed"]))
    found = gather([run.path, older.path])
    assert found.differing == ("measure.test_loss",)
    sizes = found.table.groupby("cell").size()
    assert list(sizes) == [len(run.read_metrics())] * 2
    older.write_metrics(run.read_metrics().drop(columns=["relative_risk"]))
    with pytest.raises(RequirementError, match="must have the columns .*relative_risk"):
        gather([older.path])


@pytest.mark.parametrize("experiment", ["approximation", "sample_complexity"])
def test_other_experiments_are_not_compared(experiment):
    """Their final rows, by the keys of a training run, were those of one member of many."""
    with pytest.raises(RequirementError, match=f"must hold training runs.*{experiment}"):
        gather([REFERENCE / "quickstart", REFERENCE / experiment])


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "pending"),
        ({"status": "finished"}, "interrupted"),
        ({"status": "failed"}, "failed"),
        ({"status": "failed", "error": ""}, "failed"),
        ({"status": None, "host": 3}, "pending"),
    ],
)
def test_records_of_another_version_are_not_done(tmp_path, facts, state):
    store = RunStore(tmp_path)
    store.write_json("run.json", facts)
    assert state_of(store)[0] == state


@pytest.mark.parametrize("text", ["[]", "3", '{"status": ', "", "\xff\xfe"])
def test_records_that_are_no_json_are_named(tmp_path, text):
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RequirementError, match=r"run\.json must"):
        state_of(RunStore(tmp_path))


def test_clocks_that_jump_change_nothing(monkeypatch, tmp_path):
    """The time of day jumps by years, both ways: who measures time asks another clock."""
    jumps = iter(np.tile([1e9, -1e9, 0.0], 1000))
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    file = io.StringIO()
    with progress(Console(file=file)) as report:
        for i in range(20):
            report(f"stage {i}", i / 20)
    elapsed = [float(found) for found in re.findall(r"\[ *(-?[\d.]+) s", file.getvalue())]
    assert len(elapsed) == 20
    assert 0.0 <= min(elapsed) <= max(elapsed) < 60.0
    keep = KeepInStore(RunStore(tmp_path), Stop(), 3600.0, print)
    assert not any(keep.due() for _ in range(20))


def test_nothing_but_records_asks_the_time_of_day():
    asked = re.compile(r"time\.time\(|datetime\.now|\butcnow|\.today\(")
    sources = (ROOT / "rf_limits").rglob("*.py")
    found = {path.name for path in sources if asked.search(path.read_text())}
    assert found == {"provenance.py", "events.py", "tensorboard.py"}
