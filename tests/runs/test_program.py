"""What is run decides whether a run goes on from its parts: every file, and what users add."""

import functools
import importlib
import os
import pathlib
import subprocess
import sys
import types
from unittest import mock

import jax
import numpy as np
import pandas as pd
import pytest

import rf_limits
from rf_limits.config.files import load_entries
from rf_limits.problem.targets import TARGETS
from rf_limits.runs import program
from rf_limits.runs.program import package_digest
from rf_limits.runs.store import RunStore
from rf_limits.studies import EXPERIMENTS, Study, experiment
from tests.runs.test_session import run, tiny_config

OWN = """
import jax.numpy as jnp
from rf_limits.problem import Teacher
import own_helper


def target(key, fields):
    return Teacher(SIZE * jnp.eye(fields["dim"])[:1], jnp.zeros(1), jnp.array([own_helper.sign()]))


SIZE = 1.0
TARGETS_OF_MINE = {"own": target}


def get_config():
    from rf_limits.problem.targets import TARGETS
    TARGETS["own"] = target
"""
HELPER = "def sign():\n    return 1.0\n\n\ndef other():\n    return {'a', 'b', 'c', 'd'}\n"


def test_every_file_of_the_package_counts(tmp_path):
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "network.py"
    path.write_text("x = 1\n")
    first = package_digest(tmp_path)
    (tmp_path / "page.css").write_text("no code")
    assert package_digest(tmp_path) == first
    path.write_text("x = 2\n")
    edited = package_digest(tmp_path)
    path.rename(tmp_path / "network.py")
    assert len({first, edited, package_digest(tmp_path)}) == 3
    assert package_digest() == package_digest(pathlib.Path(rf_limits.__file__).parent)


def test_entries_of_the_package_and_of_known_libraries_add_nothing():
    alone = program.program({})
    assert program.program({"EXPERIMENTS": EXPERIMENTS}) == alone
    entries = {"silu": jax.nn.silu, "part": functools.partial(jax.nn.gelu, approximate=False)}
    assert program.program({"ACTIVATIONS": {**entries, "sin": np.sin}}) == alone


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes a user's two files and loads them; the digest of what they put into TARGETS."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def loaded(text=OWN, helper=HELPER):
        (tmp_path / "own.py").write_text(text)
        (tmp_path / "own_helper.py").write_text(helper)
        sys.modules.pop("own_helper", None)
        importlib.invalidate_caches()
        load_entries(str(tmp_path / "own.py"))
        return program.program({"TARGETS": TARGETS})

    yield loaded
    TARGETS.pop("own", None)
    sys.modules.pop("own_helper", None)


def test_what_a_user_adds_counts_with_what_it_calls(own):
    first = own()
    assert first != program.program({})
    assert own() == first
    assert own(OWN.replace("SIZE = 1.0", "SIZE = 2.0")) != first
    assert own(helper=HELPER.replace("1.0", "-1.0")) != first
    assert own() == first


def own_study(function):
    """A study of the user's own that computes its theory with a function."""

    class Own(Study):
        theory = function

    with mock.patch.dict(EXPERIMENTS):
        return experiment("own")(Own)


WAYS = {
    "jit": jax.jit,
    "partial": functools.partial,
    "study": own_study,
    "method": lambda f: types.MethodType(f, "itself"),
    "closure": lambda f: lambda *a: f(*a),
    "wrapped": lambda f: functools.wraps(f)(lambda *a: 0),
    "object": lambda f: type("Own", (), {"__call__": f})(),
    "namespace": lambda f: types.SimpleNamespace(prepare=f),
}


@pytest.mark.parametrize("way", WAYS)
def test_functions_are_found_wherever_they_are(own, way):
    own()
    held = {"EXPERIMENTS": {"own": WAYS[way](TARGETS["own"])}}
    first = program.program(held)
    own(helper=HELPER.replace("1.0", "-1.0"))
    assert program.program({"EXPERIMENTS": {"own": WAYS[way](TARGETS["own"])}}) != first


def test_functions_without_a_file(tmp_path):
    """As in a notebook or an interactive session."""

    def digest(text):
        space = {"__name__": "__main__"}
        exec(compile(text, "<stdin>", "exec"), space)
        return program.program({"EXTRA": {"own": space["f"]}})

    text = "def g(x):\n    return x + 1\ndef f(x):\n    return g(x)\ndef h(x):\n    return 3\n"
    assert digest(text) == digest(text) == digest(text.replace("return 3", "return 4"))
    assert digest(text) != digest(text.replace("x + 1", "x + 2"))


ENTRY = """
from rf_limits.config import option
from rf_limits.studies import EXPERIMENTS, Study, experiment


def f(x):
    return x in {'a', 'b', 'c', 'd', 'e'}


@experiment("own")
class Own(Study):
    noises: tuple[float, ...] = option((0.0,), "noise")

    def members(self):
        return [noise for noise in self.noises if f(noise)]
"""


def test_every_process_finds_the_same(tmp_path):
    """The order of sets is another in each."""
    (tmp_path / "own_entry.py").write_text(ENTRY)
    line = "import own_entry; from rf_limits.runs.program import program; "
    line += "from rf_limits.problem.targets import TARGETS; "
    line += "assert program({'TARGETS': TARGETS}) == program({}); "  # no type checks around them
    line += "print(program({'EXTRA': {'own': own_entry.f}, 'EXPERIMENTS': own_entry.EXPERIMENTS}))"
    root = str(pathlib.Path(rf_limits.__file__).parents[1])
    found = set()
    for seed in ("1", "2"):
        path = os.pathsep.join((root, str(tmp_path)))
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", line]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


SAME = {"program": "a", "git_revision": None, "versions": {}, "device": {}, "options": {}}


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({}, True),
        ({"program": "b"}, False),
        ({"git_revision": "of another commit with the same code"}, True),
        ({"versions": {"jax": "0"}}, False),
    ],
)
def test_the_program_decides_not_the_revision(tmp_path, changed, kept):
    store = RunStore(tmp_path)
    store.begin({"seeds": 1}, SAME, resume=True)
    store.write_part("one", pd.DataFrame({"risk": [0.5]}))
    state = store.written.add(store.states / "two.0.state")
    state.parent.mkdir()
    state.write_bytes(b"")
    assert store.begin({"seeds": 1}, {**SAME, **changed}, resume=True) is not kept
    assert (store.parts(), state.exists()) == ((["one"], True) if kept else ([], False))


def _interrupted_at_its_first_part(config, path):
    def tell(event, **fields):
        if event == "saved" and fields["what"] == "part":
            raise KeyboardInterrupt

    assert run(config, path, tell=tell)[0] == 130
    assert RunStore(path).parts() == ["width-4"]


def test_parts_of_a_target_that_was_edited_are_not_kept(own, tmp_path):
    """They were put together with those of the target as it is now."""
    own()
    config = tiny_config()
    config.problem.target, config.predictors.methods = "own", ("network",)
    _interrupted_at_its_first_part(config, tmp_path / "run")
    own(helper=HELPER.replace("1.0", "-1.0"))
    code, text = run(config, tmp_path / "run")
    assert code == 0
    assert "Parts of another program, device or options were there" in text
    assert run(config, tmp_path / "whole")[0] == 0
    tables = [RunStore(tmp_path / name).read_metrics() for name in ("run", "whole")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_parts_of_an_edited_package_are_not_kept(tmp_path, monkeypatch):
    """The revision was "+changes" of the same commit, or none, before the edit and after."""
    config = tiny_config()
    config.predictors.methods = ("network",)
    monkeypatch.setattr("rf_limits.runs.provenance.git_revision", lambda: None)
    _interrupted_at_its_first_part(config, tmp_path / "run")
    monkeypatch.setattr(program, "_PACKAGE", "edited")
    code, text = run(config, tmp_path / "run")
    assert code == 0
    assert "Parts of another program, device or options were there" in text
    assert "resumed_parts" not in RunStore(tmp_path / "run").read_json("run.json")
