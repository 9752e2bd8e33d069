"""Pages of unfinished runs whose target is the user's own."""

import shutil

import pytest

from rf_limits.config.files import load_entries
from rf_limits.problem.targets import TARGETS
from rf_limits.runs.store import RunStore
from tests import in_process
from tests.report.test_unfinished import interrupted
from tests.runs.test_session import tiny_config

OWN = """
import jax.numpy as jnp
from rf_limits.problem import Teacher
from rf_limits.problem.targets import TARGETS


def target(key, fields):
    return Teacher(jnp.eye(fields["dim"])[:1], jnp.zeros(1), jnp.ones(1))


def get_config(variant):
    TARGETS[variant] = target
"""


@pytest.fixture
def unfinished(tmp_path):
    """A directory of a run with an own target, which this process has forgotten, and the file."""
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    load_entries(f"{file}:own")
    config = tiny_config()
    config.problem.target, config.predictors.methods = "own", ("network",)
    interrupted(config, tmp_path / "run")
    store = RunStore(tmp_path / "run")
    facts = store.read_json("run.json")
    store.write_json("run.json", {**facts, "command": f"scripts/train.py --config={file}:own"})
    del TARGETS["own"]
    yield store.path, file
    TARGETS.pop("own", None)


def test_an_unfinished_run_with_an_own_target(unfinished, tmp_path):
    """It was refused, and nothing could be done about it."""
    path, file = unfinished
    asked = (f"--workdir={path}", f"--output={tmp_path / 'page.html'}")
    refused = in_process.run("report", *asked)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.count("\n") == 1
    assert "problem.target must be one of" in refused.err
    assert f"--own_config={file}:own loads the config file" in refused.err
    assert not (tmp_path / "page.html").exists()
    found = in_process.run("report", *asked, f"--own_config={file}:own")
    assert (found.code, found.err) == (0, "")
    assert "UNFINISHED" in (tmp_path / "page.html").read_text()


def test_a_file_that_cannot_be_loaded_is_named_by_the_flag(unfinished, tmp_path):
    path, _ = unfinished
    found = in_process.run("report", f"--workdir={path}", f"--own_config={tmp_path / 'none.py'}")
    assert found.code == 2
    assert "--own_config must be a file that can be read" in found.err


def test_an_experiment_of_ones_own_is_hinted_at(unfinished, tmp_path):
    path, file = unfinished
    store = RunStore(path)
    store.write_json("config.json", {**store.read_json("config.json"), "experiment": "own"})
    shutil.rmtree(store.path / "figures", ignore_errors=True)
    found = in_process.run("report", f"--workdir={path}")
    assert found.code == 2
    assert "experiment of" in found.err
    assert f"--own_config={file}:own loads" in found.err
