"""Entries that a config file makes are there in workers and jobs too."""

import math
import os

import pytest

from rf_limits.config.files import ConfigFile, load_entries
from rf_limits.errors import RequirementError
from rf_limits.measure.extra import EXTRA
from rf_limits.models.network import ACTIVATIONS
from rf_limits.problem.targets import TARGETS
from rf_limits.runs.store import RunStore
from rf_limits.sweeps.executors import local, slurm
from rf_limits.sweeps.manifest import SweepStore
from tests import in_process
from tests.sweeps.cells import spawned

CONFIG = """
import jax
import jax.numpy as jnp
from rf_limits import default_config
from rf_limits.measure.extra import EXTRA
from rf_limits.models.network import ACTIVATIONS
from rf_limits.problem import Teacher
from rf_limits.problem.targets import TARGETS
from rf_limits.sweeps import sweep


def pair(key, fields):
    axes = jnp.eye(fields["dim"])[:2]
    return Teacher(fields["norm"] * axes, jnp.zeros(2), jnp.array([1.0, -1.0]))


TARGETS["own_pair"] = pair
ACTIVATIONS["own_swish"] = jax.nn.silu
EXTRA["own_seven"] = lambda seen: jnp.float64(7.0)


def get_config(variant="none"):
    EXTRA["own_" + variant] = EXTRA["own_seven"]  # entries made here count too
    config = default_config()
    config.problem.target, config.model.activation = "own_pair", "own_swish"
    config.problem.dim, config.seeds = 5, 1
    config.data.num_train, config.data.num_test = 40, 50
    config.model.widths, config.model.lazy_scales = (4,), (1.0,)
    config.training.steps, config.training.log_points = 2, 2
    config.measure.num_probe, config.measure.max_degree = 16, -1
    config.measure.extra = ("own_seven", "own_later")
    config.predictors.methods = ("network",)
    config.sweep = sweep(grid={"problem.noise": (0.1,)})
    return config
"""


@pytest.fixture
def config_file(tmp_path):
    """A config file, whose entries are forgotten afterwards."""
    path = tmp_path / "own.py"
    path.write_text(CONFIG)
    yield path
    for table in (TARGETS, ACTIVATIONS, EXTRA):
        for name in [name for name in table if name.startswith("own_")]:
            del table[name]


def test_workers_know_the_entries_of_the_config_file(tmp_path, config_file, monkeypatch):
    monkeypatch.setattr(local.subprocess, "Popen", spawned)
    arguments = (f"--config={config_file}:later", f"--workdir={tmp_path / 'sweep'}")
    found = in_process.run("launch", *arguments, "--executor=local")
    assert found.code == 0, found.out + found.err
    (cell,) = SweepStore(tmp_path / "sweep").cells()
    metrics = RunStore(tmp_path / "sweep" / "cells" / cell.name).read_metrics()
    networks = metrics[metrics["method"] == "network"]
    assert (networks[["own_seven", "own_later"]] == 7.0).all().all()
    assert all(map(math.isfinite, networks["risk"]))


def test_jobs_of_slurm_load_the_file(tmp_path, config_file):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text('{"cells": []}')
    job = slurm.SlurmCells(str(tmp_path / "sweep"), (), 0.0, own=f"{config_file}:later")
    assert job() == 0
    assert "own_pair" in TARGETS
    assert "own_later" in EXTRA


def test_a_file_that_is_gone_is_refused_in_a_line(tmp_path):
    load_entries(None)
    with pytest.raises(RequirementError, match=r"--config must be .*No such file"):
        load_entries(str(tmp_path / "none.py"))
    with pytest.raises(RequirementError, match=r"--own_config must be .*No such file"):
        load_entries(str(tmp_path / "none.py"), "--own_config")


def test_files_are_found_from_other_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = ConfigFile.parse("a.py:full").absolute()
    assert str(file) == f"{os.path.join(os.getcwd(), 'a.py')}:full"
