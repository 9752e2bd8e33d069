"""scripts/train.py as a user runs it: overrides work, mistakes get one line and exit code 2."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests import in_process
from tests.variants import kept

ROOT = pathlib.Path(__file__).parents[2]
SMALL = (
    "--config.problem.dim=4",
    "--config.data.num_train=30",
    "--config.data.num_test=50",
    "--config.training.steps=3",
)


def train(*arguments, config="configs/quickstart.py", script="scripts/train.py"):
    """Runs the script in the project's root."""
    command = [sys.executable, script]
    if config is not None:
        command.append(f"--config={config}")
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "COLUMNS": "80"}
    return subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_overrides_just_work(tmp_path):
    workdir = tmp_path / "run"
    done = train(
        *SMALL,
        f"--workdir={workdir}",
        "--config.model.widths=(8,16)",
        "--config.model.lazy_scales=(0.1,10.)",
        "--config.seeds=2",
        "--config.measure.max_degree=-1",
        "--config.measure.exact=False",
        "--platform=cpu",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    config = json.loads((workdir / "config.json").read_text())
    assert config["model"]["widths"] == [8, 16]
    assert config["model"]["lazy_scales"] == [0.1, 10.0]
    assert config["seeds"] == 2
    table = [line for line in done.stdout.splitlines() if line.strip()[:2] in ("8 ", "16")]
    assert len(table) == 4
    assert max(len(line) for line in table) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in done.stdout  # no cell cut short


MISTAKES = {
    "--config.problem.dimm=15": "--config.problem.dimm must be a field of the config, but there is "
    "none of that name. Did you mean --config.problem.dim?",
    "--config.modle.widths=(8,)": "Did you mean --config.model.widths?",
    "--config.problem.dim=abc": "--config.problem.dim must be an integer, but received 'abc'.",
    "--config.problem.dim=2.5": "--config.problem.dim must be an integer, but received '2.5'.",
    "--config.model.bias=maybe": "--config.model.bias must be True or False, but received 'maybe'.",
    "--config.model.lazy_scales=(1,x)": "model.lazy_scales must be finite",
    "--config.training.learning_rate=1e9": "training.learning_rate must be below",
    "--wrokdir=x": "wrokdir",
    "--platform=gpux": "platform",
    "--platform=tpu": "--platform must name a device",
    "stray": "arguments must be flags",
}


QUICK = [
    "--config.problem.dimm=15",
    "--config.problem.dim=abc",
    "--config.training.learning_rate=1e9",
    "--wrokdir=x",
    "--platform=tpu",
    "stray",
]


@pytest.mark.parametrize("mistake", kept(MISTAKES, QUICK))
def test_mistakes(tmp_path, mistake):
    workdir = tmp_path / "run"
    done = train(*SMALL, f"--workdir={workdir}", mistake)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("train.py: ")
    assert MISTAKES[mistake] in lines[0]
    assert not workdir.exists()


def test_missing_pieces(tmp_path):
    for done, message in [
        (train("--workdir=x", config=None), "--config"),
        (train(), "--workdir"),
        (train("--workdir=x", config="configs/quikstart.py"), "quikstart.py"),
    ]:
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert message in done.stderr


@pytest.mark.parametrize(
    ("config", "mistake", "text"),
    [
        ("configs/approximation.py", "--config.dims=(1,)", "dims must be a whole number"),
        ("configs/hardness.py", "--config.threshold=1e-9", "threshold must be at least"),
        ("configs/hardness.py", "--config.max_features=900000", "fits in memory"),
        ("configs/quickstart.py", "--config.seeds=1", "scripts/train.py runs it"),
        ("configs/chizat.py:full", "--config.taus=(0.,)", "dynamics.py: taus must be finite"),
    ],
)
def test_mistakes_of_other_scripts(tmp_path, config, mistake, text):
    workdir = tmp_path / "run"
    script = "dynamics" if "chizat" in config else "limits"
    found = in_process.run(script, f"--config={ROOT / config}", mistake, f"--workdir={workdir}")
    assert found.code == 2
    assert text in found.err
    assert len(found.err.strip().splitlines()) == 1, found.err
    assert not workdir.exists()
