"""The environment's options of JAX: no other numbers, or a line before work."""

import json
import os
import subprocess
import sys

import jax
import pandas as pd
import pytest

from rf_limits.api import default_config, train
from rf_limits.devices.options import PINNED, check_devices, check_options, options, pin
from rf_limits.errors import RequirementError
from rf_limits.report.sources import Source
from rf_limits.runs.run import Run
from rf_limits.runs.session import select_platform
from rf_limits.runs.store import RunStore
from tests.in_process import ROOT

HOSTILE = {
    "JAX_ENABLE_X64": "0",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_RANDOM_SEED_OFFSET": "3",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
}
OTHERS = {
    "jax_enable_x64": False,
    "jax_default_matmul_precision": "default",
    "jax_default_prng_impl": "rbg",
    "jax_threefry_partitionable": False,
    "jax_random_seed_offset": 1,
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_debug_nans": True,
    "jax_debug_infs": True,
    "jax_transfer_guard": "disallow",
    "jax_transfer_guard_host_to_device": "disallow_explicit",
}


def numbers():
    """Risks of a small run, to the last bit."""
    config = default_config()
    config.problem.dim, config.problem.inputs = 5, "sphere"
    config.data.num_train, config.data.num_test = 40, 200
    config.model.widths, config.model.lazy_scales, config.model.bias = (4,), (1.0,), True
    config.training.steps, config.training.log_points, config.seeds = 4, 4, 1
    config.measure.num_probe, config.measure.max_degree = 16, -1
    config.predictors.methods = ("network", "random_features")
    return [float(risk).hex() for risk in train(config).metrics["risk"]]


def test_hostile_environments_give_the_same_numbers():
    assert {name.lower() for name in HOSTILE} == set(PINNED)
    code = (
        "import json; from tests.devices.test_options import numbers; print(json.dumps(numbers()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **HOSTILE, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == numbers()


@pytest.mark.parametrize("name", OTHERS)
def test_options_changed_after_the_import_are_refused(tmp_path, name):
    before = getattr(jax.config, name)
    try:
        jax.config.update(name, OTHERS[name])
        for begin in (check_options, lambda: train(default_config())):
            with pytest.raises(
                RequirementError, match=rf"JAX's option {name} must be .*{name.upper()}"
            ):
                begin()
        with pytest.raises(RequirementError, match=name):
            Run(default_config(), tmp_path / "run")
    finally:
        jax.config.update(name, getattr(before, "value", before))
    check_options()
    assert not (tmp_path / "run").exists()


def test_the_package_sets_what_it_checks():
    assert set(PINNED) <= set(OTHERS)
    pin()
    check_options()


def test_a_platform_that_is_not_there_is_a_line(tmp_path, monkeypatch):
    """``JAX_PLATFORMS=cuda`` without a GPU is an AssertionError of JAX without words."""

    def devices():
        raise AssertionError

    monkeypatch.setattr(jax, "devices", devices)
    for begin in (
        check_devices,
        Source("unfinished", RunStore(tmp_path), {}, "interrupted", "").read,
        lambda: select_platform(None, keep=False),
        lambda: train(default_config()),
    ):
        with pytest.raises(
            RequirementError, match="JAX_PLATFORMS must name devices that JAX finds"
        ):
            begin()


def test_flags_of_the_compiler_are_part_of_what_a_run_is(tmp_path, monkeypatch):
    """Parts made under one are not put together with parts made under another."""
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    fast = options()
    assert fast["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=true"
    monkeypatch.delenv("XLA_FLAGS")
    plain = options()
    assert "XLA_FLAGS" not in plain
    store = RunStore(tmp_path)
    for facts, kept in ((fast, []), (fast, ["one"]), (plain, [])):
        store.begin({"seeds": 1}, {"options": facts}, resume=True)
        assert store.parts() == kept
        store.write_part("one", pd.DataFrame({"risk": [0.5]}))
