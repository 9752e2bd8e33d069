"""scripts/train.py at the command line: overrides work, mistakes get one line and exit code 2."""

import json
import os
import re
import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest

from rf_limits.runs import cli
from rf_limits.runs.store import RunStore
from tests import in_process
from tests.in_process import ROOT
from tests.runs.disturbed import in_child
from tests.runs.one_figure import one_figure

SMALL = (  # the sizes of tests.runs.test_session, whose programs serve again
    "--config.problem.dim=5",
    "--config.problem.inputs=sphere",
    "--config.data.num_train=40",
    "--config.data.num_test=200",
    "--config.model.bias=True",
    "--config.training.steps=4",
    "--config.training.log_points=4",
    "--config.measure.num_probe=16",
    "--config.measure.max_degree=-1",
)
TINY = (
    *SMALL,
    "--config.model.widths=(4,)",
    "--config.model.lazy_scales=(1.,)",
    "--config.seeds=1",
)


def train(*arguments, config="configs/quickstart.py"):
    """The answer of the script, which draws one figure, in this process."""
    first = [] if config is None else [f"--config={ROOT / config}"]
    with one_figure():
        return in_process.run("train", *first, *arguments)


def test_overrides_just_work(tmp_path):
    workdir = tmp_path / "run"
    found = train(
        *SMALL,
        f"--workdir={workdir}",
        "--config.model.widths=(4,8)",
        "--config.model.lazy_scales=(0.1,10.)",
        "--config.seeds=2",
        "--platform=cpu",
    )
    assert (found.code, found.err) == (0, "")
    config = json.loads((workdir / "config.json").read_text())
    assert config["model"]["widths"] == [4, 8]
    assert config["model"]["lazy_scales"] == [0.1, 10.0]
    assert config["seeds"] == 2
    table = [line for line in found.out.splitlines() if line.strip()[:2] in ("4 ", "8 ")]
    assert len(table) == 4
    assert max(len(line) for line in table) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in found.out  # no cell cut short


def test_in_a_process_of_its_own(tmp_path):
    """As a user types it, in the project's root: the same table as in this process."""
    less = (*TINY, '--config.predictors.methods=("random_features",)')  # one figure, not three
    command = [sys.executable, "scripts/train.py", "--config=configs/quickstart.py", *less]
    done = subprocess.run(
        [*command, f"--workdir={tmp_path / 'own'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = train(*less, f"--workdir={tmp_path / 'here'}")
    assert found.code == 0
    tables = [RunStore(tmp_path / name).read_metrics() for name in ("own", "here")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)

    def printed(text):
        return [line for line in text.splitlines() if line.startswith(" ") or "E f*^2" in line]

    assert printed(done.stdout) == printed(found.out) != []
    assert (tmp_path / "own" / "figures" / "risk_against_width.svg").is_file()


MISTAKES = {
    "--config.problem.dimm=15": "--config.problem.dimm must be a field of the config, but there is "
    "none of that name. Did you mean --config.problem.dim?",
    "--config.modle.widths=(8,)": "Did you mean --config.model.widths?",
    "--config.problem.dim=abc": "--config.problem.dim must be a whole number of at least 1, but "
    "received 'abc'.",
    "--config.problem.dim=2.5": "--config.problem.dim must be a whole number of at least 1, but "
    "received '2.5'.",
    "--config.model.bias=maybe": "--config.model.bias must be True or False, but received 'maybe'.",
    "--config.model.lazy_scales=(1,x)": "model.lazy_scales must be a non-empty tuple",
    "--config.training.learning_rate=1e9": "training.learning_rate must be below",
    "--wrokdir=x": "wrokdir",
    "--platform=gpux": "platform",
    "stray": "arguments must be flags",
}


def assert_refused(answer, message):
    """Exit code 2, and one line that begins with the name of the script."""
    assert answer.code == 2
    lines = answer.err.strip().splitlines()
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("train.py: ")
    assert message in lines[0]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(tmp_path, mistake):
    workdir = tmp_path / "run"
    assert_refused(train(*TINY, f"--workdir={workdir}", mistake), MISTAKES[mistake])
    assert not workdir.exists()


def test_a_device_that_is_not_there(tmp_path):
    """Found out where JAX has not chosen its devices yet."""
    answer = in_child(train, *SMALL, f"--workdir={tmp_path / 'run'}", "--platform=tpu")
    assert_refused(answer, "--platform must name a device")
    assert not (tmp_path / "run").exists()


def test_missing_pieces():
    for answer, message in [
        (train("--workdir=x", config=None), "--config"),
        (train(), "--workdir"),
        (train("--workdir=x", config="configs/quikstart.py"), "quikstart.py"),
    ]:
        assert_refused(answer, message)


@pytest.mark.parametrize(
    ("config", "mistake", "text"),
    [
        ("configs/approximation.py", "--config.dims=(1,)", "dims must be a whole number"),
        ("configs/hardness.py", "--config.threshold=1e-9", "threshold must be at least"),
        ("configs/hardness.py", "--config.max_features=900000", "fits in memory"),
        ("configs/quickstart.py", "--config.seeds=1", "scripts/train.py runs it"),
        (
            "configs/chizat.py:full",
            "--config.taus=(0.,)",
            "dynamics.py: --config.taus must be finite",
        ),
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


def test_configs_that_are_named_are_there():
    """In what scripts and configs say of themselves, and of each other."""
    paths = [*(ROOT / "scripts").glob("*.py"), *(ROOT / "configs").glob("*.py")]
    paths += [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    named = {
        (path.name, name)
        for path in paths
        for name in re.findall(r"--config[= ](configs/\w+\.py)", path.read_text())
    }
    assert len(named) > 20
    named -= {("getting-started.md", "configs/mine.py")}  # which the reader makes there
    assert [(who, name) for who, name in sorted(named) if not (ROOT / name).is_file()] == []


def test_fields_that_are_not_there_in_a_file_of_flags(tmp_path):
    """Named like those on the command line, where the file also holds the config."""
    (tmp_path / "flags").write_text(
        f"--config={ROOT / 'configs/quickstart.py'}\n--config.problem.dimm=15\n"
    )
    mistake = f"--flagfile={tmp_path / 'flags'}"
    for arguments in ((mistake,), (mistake, "--config.problem.dim=abc")):
        answer = train(*arguments, f"--workdir={tmp_path / 'run'}", config=None)
        assert_refused(answer, MISTAKES["--config.problem.dimm=15"])
    lines = (f"--config={ROOT / 'configs/quickstart.py'}", f"--workdir={tmp_path / 'run'}")
    (tmp_path / "flags").write_text("\n".join((*lines, "--config.seeds=0\n")))
    assert_refused(train(mistake, config=None), "seeds must be a whole number of at least 1")
    missing = train(f"--flagfile={tmp_path / 'none'}", config=None)
    assert_refused(missing, "none")
    assert not (tmp_path / "run").exists()


def test_homes_are_found(tmp_path, monkeypatch):
    """Shells expand ``~`` at the start of a word, not after ``--workdir=``."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "own.py").write_text((ROOT / "configs/quickstart.py").read_text())
    arguments = ("--config=~/own.py", "--workdir=~/x", "--dry_run", "--notimed")
    answer = train(*arguments, config=None)
    assert answer.code == 0, answer.err
    assert f"workdir: {tmp_path / 'home' / 'x'}" in answer.out
    found = in_process.run("compare", "--workdirs=~/a,~/b", "--output=~/c")
    assert f"received {tmp_path / 'home' / 'a'}" in found.err
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


LONG = "x" * 300


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("train", ("--config={root}/configs/quickstart.py", f"--workdir={LONG}")),
        ("train", (f"--config={LONG}.py", "--workdir=x")),
        ("launch", ("--config={root}/configs/quickstart.py", f"--workdir={LONG}")),
        ("launch", ("status", f"--workdir={LONG}")),
        ("report", (f"--workdir={LONG}",)),
        ("report", ("--workdir=.", f"--output={LONG}")),
        ("compare", (f"--workdirs=.,{LONG}", "--output=x")),
        ("compare", ("--workdirs=.", f"--output={LONG}")),
        ("results", ("check", f"--output={LONG}")),
    ],
)
def test_names_that_no_file_can_have(tmp_path, monkeypatch, script, arguments):
    monkeypatch.chdir(tmp_path)
    answer = in_process.run(script, *(one.format(root=ROOT) for one in arguments))
    assert answer.code == 2, answer.err
    (line,) = answer.err.strip().splitlines()
    assert "File name too long" in line
    assert len(line) < 300
    assert not list(tmp_path.iterdir())


def test_where_warnings_are_errors():
    """What libraries warn of stops no config; this one is refused for what it says."""
    command = [sys.executable, "-W", "error", "scripts/train.py"]
    arguments = ["--config=configs/quickstart.py", "--workdir=none", "--config.seeds=0"]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("train.py: --config.seeds must be")


def test_memory_that_runs_out_is_one_line(capsys):
    """Counted as enough beforehand, but gone: NumPy and JAX say so each in its way."""

    def in_numpy():
        return np.empty(2**55)

    def in_jax():
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating\n8 bytes.")

    for allocate in (in_numpy, in_jax):
        with pytest.raises(SystemExit) as ended, cli.answering(["scripts/train.py"]):
            allocate()
        assert ended.value.code == 2
        line = capsys.readouterr().err
        assert line.startswith("train.py: memory must hold the job, but ran out (")
        assert line.count("\n") == 1
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"), cli.answering(["train.py"]):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")
