"""Runs and sweeps side by side: one table, the fields that differ, figures, what is left out."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.figures.compare import arranged, distances, draw
from rf_limits.report.page import report
from rf_limits.runs.files import TEMPORARY, StorageError
from rf_limits.runs.store import RunStore
from rf_limits.sweeps.compare import gather
from rf_limits.sweeps.compare_runs import compare
from tests.sweeps.cells import four_cells


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Four cells of networks with their NTK and NNGP; one of them not run."""
    path = tmp_path_factory.mktemp("compare") / "sweep"
    store = four_cells(path)
    last = store.run(store.cells()[-1].name)
    facts = last.read_json("run.json")
    last.write_json("run.json", {**facts, "status": "failed", "error": "Boom: a reason"})
    return path


def test_one_table_with_the_fields_that_differ(workdir):
    found = gather([workdir])
    assert found.differing == ("model.lazy_scales", "problem.noise")
    assert found.table["cell"].nunique() == 3
    assert set(found.table["problem.noise"]) == {0.0, 0.3}
    assert set(found.table["model.lazy_scales"]) == {"0.5", "4.0"}
    (line,) = found.left_out
    assert line.endswith("failed, Boom: a reason")
    for name, rows in found.table.groupby("cell"):
        own = RunStore(workdir / "cells" / name).read_metrics()
        assert len(own) == len(rows)
        np.testing.assert_array_equal(own["risk"], rows["risk"])


def test_runs_of_one_name_are_kept_apart(workdir, tmp_path):
    cells = sorted((workdir / "cells").iterdir())[:2]
    runs = [tmp_path / place / "run" for place in ("one", "two")]
    for cell, run in zip(cells, runs, strict=True):
        shutil.copytree(cell, run)
    found = gather(runs)
    assert list(found.configs) == ["run", str(runs[1])] == list(found.table["cell"].unique())
    for run, (_, rows) in zip(runs, found.table.groupby("cell", sort=False), strict=True):
        np.testing.assert_array_equal(RunStore(run).read_metrics()["risk"], rows["risk"])


def test_the_same_config_counts_once(workdir, tmp_path):
    assert len(gather([workdir, workdir]).table) == len(gather([workdir]).table)
    copies = [tmp_path / "copy", tmp_path / "other"]
    for copy in copies:
        shutil.copytree(min((workdir / "cells").iterdir()), copy)
    table = RunStore(copies[1]).read_metrics()
    RunStore(copies[1]).write_metrics(table.assign(risk=2.0 * table["risk"]))
    same, other = gather([workdir, *copies]).left_out[-2:]
    assert same.startswith(f"{copies[0]}: done, of the same config as {workdir}")
    assert same.endswith("with the same numbers")
    assert "with OTHER NUMBERS (run.json says of each how it was made)" in other
    single = min((workdir / "cells").iterdir())
    found = gather([single])
    assert found.differing == ()
    assert set(found.table["cell"]) == {single.name}
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequirementError, match="--workdirs must name directories of runs"):
        gather([tmp_path / "empty"])


def test_distances_are_those_of_the_tables(workdir):
    gathered = gather([workdir])
    table = gathered.table
    found = distances(arranged(table, gathered.differing))
    assert len(found) == 3 * 2 * 2  # cells, widths, seeds
    row = found.iloc[0]
    own = table[(table["cell"] == row["cell"]) & (table["seed"] == row["seed"])]
    network = own[(own["method"] == "network") & (own["width"] == row["width"])]
    flow = own[(own["method"] == "ntk") & np.isfinite(own["time"])]
    end, limit = (t.sort_values("time")["relative_risk"].iloc[-1] for t in (network, flow))
    assert row["distance"] == abs(end - limit)


def test_figures_have_a_panel_for_every_problem(workdir):
    found = gather([workdir])
    figures = draw(found.table, found.differing)
    assert set(figures) == {
        "risk_against_width",
        "risk_against_time",
        "distance_to_infinite_width",
    }
    for name, figure in figures.items():
        shown = [axis for axis in figure.axes if axis.get_visible()]
        titles = [axis.get_title() for axis in shown]
        if name == "distance_to_infinite_width":  # above the legend of the panel
            titles = [axis.get_legend().get_title().get_text() for axis in shown]
        assert titles == ["noise = 0", "noise = 0.3"]
    lines = figures["risk_against_width"].axes[0].lines
    expected = found.table[
        (found.table["method"] == "ntk")
        & (found.table["time"] == np.inf)
        & (found.table["problem.noise"] == 0.0)
    ]["relative_risk"].mean()
    assert any(np.allclose(line.get_ydata(), expected) for line in lines)


def _copies(workdir, fields, times=(1.0, 1.0)):
    """One run's table twice, as if runs differed in ``fields``, the second's risks thrice those."""
    whole = gather([workdir]).table
    own = whole[whole["cell"] == whole["cell"].iloc[0]]
    own = own.drop(columns=["model.lazy_scales", "problem.noise"])
    tables = []
    for i, (factor, time) in enumerate(zip((1.0, 3.0), times, strict=True)):
        values = {name: pair[i] for name, pair in fields.items()}
        trained = own["method"] == "network"
        table = own.assign(cell=f"cell{i}", time=own["time"] * time, **values)
        table.loc[trained, "relative_risk"] *= factor
        tables.append(table)
    return own, pd.concat(tables, ignore_index=True)


def _heights(figure, panel=0):
    """Drawn heights by label."""
    lines = figure.axes[panel].lines
    return {line.get_label(): np.asarray(line.get_ydata(), float) for line in lines}


@pytest.mark.parametrize(
    ("field", "values", "words"),
    [
        ("training.learning_rate", ("0.5", "1.0"), "learning_rate = {}"),
        ("model.widths", ("8,32", "32,8"), "widths = {}"),
        ("model.lazy_scales", ("0.5,1", "1,0.5"), "lazy_scales = {}"),
    ],
)
def test_runs_of_one_panel_are_lines_of_their_own(workdir, field, values, words):
    """The mean of runs that differ was drawn as if they were seeds."""
    own, table = _copies(workdir, {field: values}, times=(1.0, 2.0))
    figures = draw(table, (field,))
    ends = own[(own["method"] == "network") & (own["step"] == own["step"].max())]
    expected = ends.groupby("width")["relative_risk"].mean().to_numpy(float)
    drawn = _heights(figures["risk_against_width"])
    for factor, value in zip((1.0, 3.0), values, strict=True):
        (label,) = (one for one in drawn if one.endswith(words.format(value)))
        np.testing.assert_allclose(drawn[label], factor * expected, rtol=1e-12)
    curves = figures["risk_against_time"].axes[0]
    late = [line for line in curves.lines if words.format(values[1]) in line.get_label()]
    assert len(late) == ends["width"].nunique()
    steps = own[(own["method"] == "network") & (own["step"] > 0)]
    for line, (_, part) in zip(late, steps.groupby("width"), strict=True):
        times = 2.0 * part.groupby("step")["time"].mean().to_numpy(float)
        np.testing.assert_allclose(line.get_xdata(), times, rtol=1e-12)


def test_runs_of_one_width_each_make_one_axis(workdir):
    own, table = _copies(workdir, {"model.widths": ("8", "32")})
    widths = sorted(own["width"].dropna().unique())
    trained = table["method"] == "network"
    own_width = table["width"] == table["cell"].map(
        dict(zip(("cell0", "cell1"), widths, strict=True))
    )
    figures = draw(table[~trained | own_width], ("model.widths",))
    assert len(figures["risk_against_width"].axes) == 1
    drawn = _heights(figures["risk_against_width"])
    (label,) = (one for one in drawn if "alpha" in one)
    ends = own[(own["method"] == "network") & (own["step"] == own["step"].max())]
    expected = ends.groupby("width")["relative_risk"].mean().to_numpy(float)
    np.testing.assert_allclose(drawn[label], expected * [1.0, 3.0], rtol=1e-12)


@pytest.fixture
def kernels(workdir, tmp_path):
    """Two runs of kernels alone, and one with networks."""
    cells = sorted((workdir / "cells").iterdir())[:3]
    runs = [tmp_path / f"run{i}" for i in range(3)]
    for cell, run in zip(cells, runs, strict=True):
        shutil.copytree(cell, run)
    for run in runs[:2]:
        store = RunStore(run)
        table = store.read_metrics()
        store.write_metrics(table[table["method"].isin(["ntk", "nngp"])])
    return runs


def test_runs_without_networks(kernels, tmp_path):
    """No column of widths is left of their tables; report and comparison do without."""
    text = io.StringIO()
    console = Console(file=text, width=200)
    assert compare(kernels[:2], tmp_path / "out", console=console) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"compared.parquet", "compared_final.csv", "written.txt"}
    table = pd.read_parquet(tmp_path / "out" / "compared.parquet")
    assert table["width"].isna().all()
    assert str(table["width"].dtype) == "Int64"
    final = pd.read_csv(tmp_path / "out" / "compared_final.csv")
    assert sorted(set(final["method"])) == ["nngp", "ntk"]
    assert report(kernels[:2], tmp_path / "page.html", console=console) == 0


def test_nothing_is_left_of_an_earlier_comparison(kernels, tmp_path, monkeypatch):
    """All is drawn first; then figures of before go, and files of others stay."""
    output, console = tmp_path / "out", Console(file=io.StringIO(), width=200)
    assert compare(kernels[2:], output, console=console) == 0
    (output / "figures" / "mine.png").write_text("mine")
    (output / "written.txt").unlink()  # an earlier version kept no list
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    for name, error in (("draw", ValueError("no figure")), ("write_table", StorageError("full"))):

        def fail(*_, error=error):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(f"rf_limits.sweeps.compare_runs.{name}", fail)
            for place in (output, tmp_path / "new"):
                with pytest.raises(type(error), match=str(error)):
                    compare(kernels[:2], place, overwrite=True, console=console)
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "new").exists()
    assert compare(kernels[:2], output, overwrite=True, console=console) == 0
    names = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    lists = {"compared.parquet", "compared_final.csv", "written.txt"}
    assert names == {*lists, "figures/mine.png"}
    (output / "figures" / "risk_against_time.svg").write_text("mine too")
    assert compare(kernels[2:], output, overwrite=True, console=console) == 0
    assert (output / "figures" / "risk_against_time.svg~").read_text() == "mine too"
    assert compare(kernels[:2], output, overwrite=True, console=console) == 0
    left = {path.name for path in (output / "figures").iterdir()}
    assert left == {"mine.png", "risk_against_time.svg~"}


def test_files_and_refusals(workdir, tmp_path, monkeypatch):
    output, text = tmp_path / "out", io.StringIO()
    console = Console(file=text, width=200)
    assert compare([workdir], output, console=console) == 0
    assert "left out" in text.getvalue()
    table = pd.read_parquet(output / "compared.parquet")
    assert len(table) == len(gather([workdir]).table)
    assert len(pd.read_csv(output / "compared_final.csv")) < len(table)
    assert len(list((output / "figures").glob("*.svg"))) == 3
    monkeypatch.setattr("rf_limits.sweeps.compare_runs.draw", lambda table, differing: {})
    with pytest.raises(RequirementError, match="--output must be new, or --overwrite be given"):
        compare([workdir], output, console=console)
    assert compare([workdir], output, overwrite=True, console=console) == 0
    with pytest.raises(RequirementError, match="--output must be empty or new"):
        compare([workdir], workdir, overwrite=True, console=console)


def test_a_damaged_table_is_named(workdir, tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    source = min((workdir / "cells").iterdir())
    for name in ("config.json", "run.json"):
        (path / name).write_text(json.dumps(json.loads((source / name).read_text())))
    (path / "metrics.parquet").write_bytes((source / "metrics.parquet").read_bytes()[:-50])
    with pytest.raises(RequirementError, match=r"metrics\.parquet must be readable"):
        gather([path])


def test_of_two_comparisons_at_once_the_second_is_refused(workdir, tmp_path, monkeypatch):
    """Both said that their table was there."""
    output, console = tmp_path / "out", Console(file=io.StringIO(), width=200)
    cells = sorted((workdir / "cells").iterdir())[:2]

    def meanwhile(table, differing):
        monkeypatch.undo()
        compare(cells[:1], output, console=console)
        return {}

    monkeypatch.setattr("rf_limits.sweeps.compare_runs.draw", meanwhile)
    with pytest.raises(RequirementError, match="^--output must be new, or --overwrite be given"):
        compare(cells, output, console=console)
    assert set(pd.read_parquet(output / "compared.parquet")["cell"]) == {cells[0].name}
    with (
        RunStore(output).locked(),
        pytest.raises(RequirementError, match="^--output must be used by one process at a time"),
    ):
        compare(cells, output, overwrite=True, console=console)


def test_what_a_killed_comparison_left_is_removed(workdir, tmp_path):
    """A killed process leaves its stage, and a list without a table if it was putting things."""
    output, console = tmp_path / "out", Console(file=io.StringIO(), width=200)
    (output / f"{TEMPORARY}stage").mkdir(parents=True)
    (output / f"{TEMPORARY}stage" / "compared.parquet").write_text("half")
    assert compare([workdir], output, console=console) == 0
    (output / "compared.parquet").unlink()
    assert compare([workdir], output, overwrite=True, console=console) == 0
    names = {path.name for path in output.iterdir()}
    assert names == {"compared.parquet", "compared_final.csv", "figures", "written.txt"}
