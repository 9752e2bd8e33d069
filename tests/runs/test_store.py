"""Results on disk: claimed by one config, whole or absent, damage named."""

import json
import os

import pandas as pd
import pytest

from rf_limits.errors import RequirementError
from rf_limits.runs.store import RunStore, plain, write_whole

CONFIG = {"a": 1, "b": {"c": (1, 2)}}


def test_plain_json():
    value = {"t": (1, 2.5), "n": float("nan"), "i": float("inf"), "s": "x", "none": None}
    expected = {"t": [1, 2.5], "n": "nan", "i": "inf", "s": "x", "none": None}
    assert plain(value) == expected


def test_write_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_whole(path, lambda t: t.write_text("first"))

    def fail(temporary):
        temporary.write_text("second, unfin")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        write_whole(path, fail)
    assert path.read_text() == "first"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def begun(tmp_path, config=CONFIG, status="complete"):
    """A work directory with a run in it."""
    store = RunStore(tmp_path / "run")
    assert store.open(config, overwrite=False) == "new"
    store.begin(config, {"status": status})
    if status == "complete":
        store.write_metrics(pd.DataFrame({"risk": [0.5]}))
    return store


def test_opening(tmp_path):
    store = begun(tmp_path)
    assert store.open(CONFIG, overwrite=False) == "finished"
    assert store.open(CONFIG, overwrite=True) == "new"
    other = {"a": 1, "b": {"c": (1, 3)}, "d": 2}
    with pytest.raises(
        RequirementError, match=r"differing in b\.c, d\); name another .*--overwrite"
    ):
        store.open(other, overwrite=False)
    assert store.open(other, overwrite=True) == "new"


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_unfinished_runs_start_again(tmp_path, status):
    assert begun(tmp_path, status=status).open(CONFIG, overwrite=False) == "new"


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    precious = tmp_path / "run" / "thesis.tex"
    precious.write_text("years")
    store = RunStore(tmp_path / "run")
    with pytest.raises(RequirementError, match="holds other files"):
        store.open(CONFIG, overwrite=False)
    assert store.open(CONFIG, overwrite=True) == "new"
    store.begin(CONFIG, {"status": "running"})
    assert precious.read_text() == "years"


def test_workdir_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RequirementError, match="must be a directory"):
        RunStore(tmp_path / "file").open(CONFIG, overwrite=True)


def test_damaged_json_is_named(tmp_path):
    store = begun(tmp_path)
    (store.path / "config.json").write_text('{"a": ')
    with pytest.raises(RequirementError, match=r"config\.json must be JSON"):
        store.open(CONFIG, overwrite=False)


def test_unwritable_place(tmp_path):
    blocker = tmp_path / "blocker"
    blocker.write_text("a file where a directory is needed")
    store = RunStore(blocker / "run")
    with pytest.raises(RequirementError, match="--workdir must take files"), store.locked():
        pass


def test_begin_removes_the_earlier_run_only(tmp_path):
    store = begun(tmp_path)
    store.write_metrics(pd.DataFrame({"risk": [1.0]}))
    (store.path / "figures").mkdir()
    for name in ("old.png", "old.svg", "old.pdf", "notes.txt"):
        (store.path / "figures" / name).write_text("x")
    store.begin(CONFIG, {"status": "running"})
    assert not (store.path / "metrics.parquet").exists()
    assert os.listdir(store.path / "figures") == ["notes.txt"]
    assert json.loads((store.path / "config.json").read_text()) == plain(CONFIG)
