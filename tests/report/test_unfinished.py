"""Pages of runs that are not finished, and of directories of several runs."""

import shutil

import numpy as np
import pytest

from rf_limits.report.sources import find
from rf_limits.runs.keep import FinishedParts
from rf_limits.runs.recipes import RECIPES
from rf_limits.runs.store import RunStore
from rf_limits.training.run import prepare
from tests.report.conftest import REFERENCE, written
from tests.runs.test_session import run, tiny_config


def interrupted(config, path):
    """Runs a config until its first part is saved."""

    def tell(event, **fields):
        if event == "saved" and fields["what"] == "part":
            raise KeyboardInterrupt

    assert run(config, path, tell=tell)[0] == 130
    assert len(RunStore(path).parts()) == 1


def files(path):
    return {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_a_page_of_what_is_finished(tmp_path):
    config = tiny_config()
    config.predictors.methods = ("network",)
    interrupted(config, tmp_path / "run")
    before = files(tmp_path / "run")
    text = written([tmp_path / "run"], tmp_path / "page.html")[0].read_text()
    assert "UNFINISHED: this run is interrupted; the tables are what it has finished." in text
    assert files(tmp_path / "run") == before
    (source,) = find([tmp_path / "run"])
    found = source.read().metrics
    whole = prepare(config).run().metrics
    expected = whole[whole["width"] == 4].reset_index(drop=True)
    assert len(found) == len(expected) > 0
    assert found["width"].eq(4).all()
    np.testing.assert_array_equal(found["risk"], expected["risk"])
    np.testing.assert_array_equal(found["relative_risk"], expected["relative_risk"])


def test_parts_that_cannot_be_read_are_left_where_they_are(tmp_path):
    interrupted(tiny_config(), tmp_path / "run")
    (part,) = (tmp_path / "run" / "parts").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:100])
    keep = FinishedParts(RunStore(tmp_path / "run"))
    assert keep.get(part.stem) is None
    assert keep.part(part.stem, lambda: pytest.fail("computed")).empty
    assert part.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", [one.name for one in RECIPES])
def test_every_experiment_has_one(name, tmp_path):
    recipe = {one.name: one for one in RECIPES}[name]
    interrupted(recipe.config("quick"), tmp_path / name)
    text = written([tmp_path / name], tmp_path / "page.html")[0].read_text()
    assert "UNFINISHED" in text
    assert "<table" in text
    assert ("<svg" in text) == ("TOO EARLY: its figures" not in text)


def test_a_directory_of_runs_is_all_of_them(tmp_path):
    for name in ("approximation", "quickstart"):
        shutil.copytree(REFERENCE / name, tmp_path / "all" / name)
    (tmp_path / "all" / "notes").mkdir()
    found = find([tmp_path / "all"])
    assert [source.name for source in found] == ["approximation", "quickstart"]
    assert [source.experiment for source in found] == ["approximation", "training"]


@pytest.mark.slow
def test_runs_without_a_lazy_limit(tmp_path):
    """One dimension: the column is not there where several runs are put together."""
    for noise in (0.0, 0.5):
        config = tiny_config()
        config.problem.dim, config.problem.noise = 1, noise
        config.predictors.methods, config.model.widths = ("network",), (4,)
        assert run(config, tmp_path / "runs" / str(noise))[0] == 0
    text = written([tmp_path / "runs"], tmp_path / "page.html")[0].read_text()
    assert "No lazy limit R* bounds these means" in text
