"""Documents do not rot: examples run, columns and commands are the real ones."""

import contextlib
import pathlib
import re
from unittest import mock

import pytest

import rf_limits
from rf_limits import default_config
from rf_limits.analysis.tables import KEYS, MEASUREMENTS, optional_columns
from rf_limits.config import frozen
from rf_limits.measure.extra import EXTRA
from rf_limits.methods import METHODS
from rf_limits.models.network import ACTIVATIONS
from rf_limits.problem.targets import TARGETS
from rf_limits.runs.field_reference import reference
from rf_limits.studies import EXPERIMENTS, approximation
from rf_limits.studies.hardness import rows as hardness

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])


LONG = {
    "extending.md": (2, 3),
    "faq.md": (4, 5, 7, 9),
    "getting-started.md": (1,),
    "theory.md": (2,),  # magnitudes that weights need, to d = 100
}
"""By document, examples left to ``make test-all``, counted from 0; no other needs them."""


def examples(path):
    """The blocks of Python of a document."""
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S)


def run(path, blocks):
    """Runs examples one after the other; entries that they add to tables do not stay."""
    namespace = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(ROOT))
        for table in (TARGETS, ACTIVATIONS, EXTRA, METHODS, EXPERIMENTS):
            stack.enter_context(mock.patch.dict(table))
        for block in blocks:
            exec(compile(block, str(path), "exec"), namespace)


def few_samples(experiment="training"):
    """The default config on a small training and test set."""
    config = default_config(experiment)
    config.data.num_train, config.data.num_test, config.measure.max_degree = 40, 100, -1
    return config


def test_documents_have_examples():
    numbers = {path.name: len(examples(path)) for path in DOCUMENTS}
    assert sum(numbers.values()) > 30
    assert all(set(long) < set(range(numbers[name])) for name, long in LONG.items())


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if examples(p)], ids=lambda p: p.name)
def test_examples_run(path, monkeypatch):
    """Those that take long apart; what starts from ``rf_limits.default_config`` on few samples."""
    monkeypatch.setattr(rf_limits, "default_config", few_samples, raising=False)
    long = LONG.get(path.name, ())
    run(path, [block for i, block in enumerate(examples(path)) if i not in long])


CUT_SHORT = [p for p in DOCUMENTS if p.name in LONG or "train(config)" in p.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize("path", CUT_SHORT, ids=lambda p: p.name)
def test_all_examples_run_as_they_are(path):
    run(path, examples(path))


def test_every_column_is_documented():
    text = (ROOT / "docs" / "results.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \|", text, re.M)
    config = default_config()
    for name in ("kernels", "infinite_width", "alignment", "test_loss"):
        setattr(config.measure, name, True)
    config.measure.eigenvalues = 2
    config.predictors.methods = tuple(METHODS)
    names = optional_columns(frozen(config))
    generated = {re.sub(r"(_degree|_eigenvalue)_\d+", r"\1_k", name) for name in names}
    assert set(documented) == {*KEYS, *MEASUREMENTS, *generated}


@pytest.mark.parametrize(
    ("name", "module"), [("approximation", approximation), ("hardness", hardness)]
)
def test_every_column_of_limits_is_documented(name, module):
    text = (ROOT / "docs" / "results.md").read_text()
    section = text.split("## metrics.parquet of scripts/limits.py")[1].split("\n## ")[0]
    part = section.split(f"**`configs/{name}.py`.**")[1]
    for column in (*module.KEYS, *module.MEASUREMENTS):
        assert f"`{column}`" in part.split("**`configs/")[0], column


def test_the_field_reference_is_that_of_the_definitions():
    assert (ROOT / "docs" / "fields.md").read_text() == reference()


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
