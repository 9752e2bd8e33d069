"""Documents do not rot: examples run, columns and commands are the real ones."""

import contextlib
import pathlib
import re
from unittest import mock

import pytest

from rf_limits.experiments import approximation, hardness
from rf_limits.experiments.defaults import METHODS, OPTIONAL_METHODS, default_config
from rf_limits.experiments.tables import KEYS, MEASUREMENTS, optional_columns
from rf_limits.measure.extra import EXTRA
from rf_limits.models.network import ACTIVATIONS
from rf_limits.problem.targets import TARGETS
from rf_limits.runs.run import EXPERIMENTS

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_examples_run(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S)
    namespace = {}
    with contextlib.ExitStack() as stack:
        for table in (TARGETS, ACTIVATIONS, EXTRA, EXPERIMENTS):  # what examples add does not stay
            stack.enter_context(mock.patch.dict(table))
        for block in blocks:
            exec(compile(block, str(path), "exec"), namespace)


def test_every_column_is_documented():
    text = (ROOT / "docs" / "results.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \|", text, re.M)
    config = default_config()
    for name in ("kernels", "infinite_width", "alignment", "test_loss"):
        config.measure[name] = True
    config.measure.eigenvalues = 2
    config.predictors.methods = (*METHODS, *OPTIONAL_METHODS)
    names = optional_columns(config)
    generated = {re.sub(r"(_degree|_eigenvalue)_\d+", r"\1_k", name) for name in names}
    assert set(documented) == {*KEYS, *MEASUREMENTS, *generated}


@pytest.mark.parametrize("experiment", [approximation, hardness])
def test_every_column_of_limits_is_documented(experiment):
    text = (ROOT / "docs" / "results.md").read_text()
    section = text.split("## metrics.parquet of scripts/limits.py")[1].split("\n## ")[0]
    part = section.split(f"**`configs/{experiment.__name__.split('.')[-1]}.py`.**")[1]
    for name in (*experiment.KEYS, *experiment.MEASUREMENTS):
        assert f"`{name}`" in part.split("**`configs/")[0], name


def test_readme_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test", "lint", "bench", "results", "results-quick", "docs"):
        assert re.search(rf"^{target}:", makefile, re.M)


def test_requirements_hold_no_address_and_no_tensorflow():
    for path in ROOT.glob("requirements*.txt"):
        text = "\n".join(line for line in path.read_text().splitlines() if line[:1] != "#")
        assert "://" not in text
        assert not re.search(r"^(tensorflow|tf2jax)", text, re.M)
        if not re.search("bench|docs", path.name):  # those come on top, or apart
            assert re.search(r"^neural-tangents==0\.6\.5", text, re.M)
