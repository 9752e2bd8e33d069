"""Results on disk: claimed by one config, whole or absent, damage named."""

import json
import os
import pathlib

import numpy as np
import pandas as pd
import pytest
from matplotlib import figure

from rf_limits.errors import RequirementError
from rf_limits.runs.checkpoints import Checkpoints
from rf_limits.runs.directory import plain
from rf_limits.runs.file_list import LIST
from rf_limits.runs.files import TEMPORARY, write_whole
from rf_limits.runs.store import RunStore

CONFIG = {"form": 3, "a": 1, "b": {"c": (1, 2)}}


def test_plain_json():
    value = {"t": (1, 2.5), "n": float("nan"), "i": float("inf"), "s": "x", "none": None}
    expected = {"t": [1, 2.5], "n": "nan", "i": "inf", "s": "x", "none": None}
    assert plain(value) == expected


def test_a_failed_write_leaves_the_earlier_file(tmp_path):
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
        with_results(store)
    return store


def with_results(store):
    """A table and a summary."""
    store.write_metrics(pd.DataFrame({"risk": [0.5]}))
    store.written.add(store.path / "summary.json")
    store.write_json("summary.json", {})


def test_what_a_directory_holds_decides_whether_a_run_may_begin(tmp_path):
    store = begun(tmp_path)
    assert store.open(CONFIG, overwrite=False) == "finished"
    assert store.open(CONFIG, overwrite=True) == "new"
    other = {"form": 3, "a": 1, "b": {"c": (1, 3)}, "d": 2}
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
    (store.path / "figures").mkdir()
    for name in ("old.png", "old.svg", "old.pdf"):
        store.written.add(store.path / "figures" / name).write_text("x")
    store.complete({"status": "complete"})
    for name in ("notes.txt", "own.png"):
        (store.path / "figures" / name).write_text("x")
    store.begin(CONFIG, {"status": "running"})
    assert not (store.path / "metrics.parquet").exists()
    assert sorted(os.listdir(store.path / "figures")) == ["notes.txt", "own.png"]
    assert json.loads((store.path / "config.json").read_text()) == plain(CONFIG)


OWN = {
    "parts/width-4.parquet": "a table of my own",
    "states/width-4.0.state": "a state of my own",
    "states/.ipynb_checkpoints/x.state": "of Jupyter",
    "figures/own.png": "drawn by hand",
    "figures/risk.png": "drawn by hand, of the same name",
    "metrics.parquet": "measured elsewhere",
    "run.json": "{}",
    ".tmp-notes": "notes",
    "tensorboard/mine/events.out.tfevents.1": "of another program",
}


class Figure(figure.Figure):
    """As far as it is saved."""

    def savefig(self, path, **options):
        pathlib.Path(path).write_text("of the run")


def one_run(store, monkeypatch):
    """A run with a part, a state, an event file, a table and a figure."""
    monkeypatch.setattr("rf_limits.runs.store.save", lambda f, path, *, form: f.savefig(path))
    states = Checkpoints(store.states, print, store.written)
    with store.locked():
        store.begin(CONFIG, {"status": "running"})
        assert (store.parts(), states.load("width-4"), store.read_part("width-4")) == (
            [],
            None,
            None,
        )
        states.save("width-4", {"x": np.ones(2)})
        np.testing.assert_array_equal(states.load("width-4")["x"], np.ones(2))
        store.write_part("width-4", pd.DataFrame({"risk": [0.5]}))
        events = store.path / "tensorboard" / "network" / "events.out.tfevents.2"
        events.parent.mkdir(parents=True)
        events.write_text("")
        store.written.made(events)
        with_results(store)
        store.write_figure("risk", Figure())
        assert store.parts() == ["width-4"]


@pytest.mark.parametrize("finished", [True, False])
def test_overwrite_removes_what_a_run_wrote_only(tmp_path, monkeypatch, finished):
    """The folder of a user, with files of the names that a run gives."""
    store = RunStore(tmp_path / "run")
    for name, text in OWN.items():
        path = store.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def kept():
        found = [p.read_bytes() for p in store.path.rglob("*") if p.is_file()]
        return all(text.encode() in found for text in OWN.values())

    assert store.open(CONFIG, overwrite=True) == "new"
    one_run(store, monkeypatch)
    assert kept()
    if finished:
        store.complete({"status": "complete", "figures": ["risk"]})
        assert not (store.path / LIST).exists()
        assert kept()
        assert store.open(CONFIG, overwrite=False) == "finished"
    again = RunStore(store.path)
    assert again.open({"a": 2}, overwrite=True) == "new"
    again.begin({"a": 2}, {"status": "running"})
    assert kept()
    left = {str(p.relative_to(store.path)) for p in store.path.rglob("*") if p.is_file()}
    taken = {
        "metrics.parquet",
        "figures/risk.png",
        "parts/width-4.parquet",
        "states/width-4.0.state",
    }
    assert left == {
        *(OWN.keys() - taken - {"run.json"}),
        *(f"{name}~" for name in (*taken, "run.json")),
        *("config.json", "run.json", LIST),
    }


def test_figures_of_a_run_of_an_earlier_version_are_its_own(tmp_path):
    """It kept no list: its table and the figures that run.json names are what it wrote."""
    store = begun(tmp_path)
    (store.path / LIST).unlink()
    store.write_json("run.json", {"status": "complete", "figures": ["risk"]})
    (store.path / "figures").mkdir()
    for name in ("risk.png", "risk.svg", "own.png"):
        (store.path / "figures" / name).write_text("x")
    store.begin({"a": 2}, {"status": "running"})
    assert os.listdir(store.path / "figures") == ["own.png"]
    assert not (store.path / "metrics.parquet").exists()


@pytest.mark.parametrize("folder", ["parts", "states", "figures"])
@pytest.mark.parametrize("name", [".ipynb_checkpoints", ".tmp-rf_limits-x", "width-4.parquet"])
def test_a_folder_among_parts_leaves_a_run_complete(tmp_path, monkeypatch, folder, name):
    """Jupyter makes some; the results were written, and the run was marked as failed."""
    store = RunStore(tmp_path / "run")
    one_run(store, monkeypatch)
    own = store.path / folder / name
    if name == "width-4.parquet" and folder == "parts":
        own.unlink()  # in place of the run's file
    (own / "deep").mkdir(parents=True)
    store.complete({"status": "complete", "figures": ["risk"]})
    assert store.read_json("run.json")["status"] == "complete"
    again = RunStore(store.path)
    assert again.open(CONFIG, overwrite=False) == "finished"
    again.tidy()
    assert (own / "deep").is_dir()
    assert not list(store.path.rglob("*.state"))
    again.begin(CONFIG, {"status": "running"})
    assert (own / "deep").is_dir()
    assert not (store.path / "figures" / "risk.png").exists()


def test_a_folder_where_the_table_belongs_is_moved(tmp_path, monkeypatch):
    store = RunStore(tmp_path / "run")
    (store.path / "metrics.parquet" / "deep").mkdir(parents=True)
    one_run(store, monkeypatch)
    assert (store.path / "metrics.parquet~" / "deep").is_dir()
    assert len(store.read_metrics()) == 1
    part = store.path / "parts" / "width-4.parquet"
    part.unlink()
    part.mkdir()
    assert store.read_part("width-4") is None
    store.write_part("width-4", pd.DataFrame({"risk": [0.5]}))
    assert store.read_part("width-4") is not None


def test_a_list_that_a_crash_has_cut(tmp_path):
    """Its last line is no name, and what is added stands in a line of its own."""
    store = begun(tmp_path, status="running")
    (store.path / LIST).write_text("parts/width-4.parquet\nparts/wid")
    assert store.written.names() == ["parts/width-4.parquet"]
    store.write_part("width-8", pd.DataFrame({"risk": [0.5]}))
    assert store.parts() == ["width-8"]


def test_a_long_list_is_cut_to_what_is_there(tmp_path):
    store = begun(tmp_path, status="running")
    states = Checkpoints(store.states, print, store.written)
    for number in range(300):
        states.save("width-4", {"x": np.full(1, number)})
    assert len(store.written.names()) < 256
    assert [p.name for p in sorted(store.states.iterdir())] == [
        "width-4.298.state",
        "width-4.299.state",
    ]
    assert states.load("width-4")["x"] == 299


def test_folders_that_a_killed_process_left_empty_are_removed(tmp_path):
    """It was killed between making the folder and moving its first state there."""
    store = begun(tmp_path, status="interrupted")
    (store.path / "states").mkdir()
    (store.path / "states" / f"{TEMPORARY}half.state").write_text("half")
    store.begin(CONFIG, {"status": "running"}, resume=True)
    store.complete({"status": "complete"})
    assert not (store.path / "states").exists()
