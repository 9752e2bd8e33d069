"""A run from config to files: complete, repeated, replaced, interrupted, failed."""

import contextlib
import io
import json
import shutil

import pandas as pd
import pytest
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.runs.session import run_in_workdir
from rf_limits.runs.store import RunStore
from rf_limits.studies.training import Training
from rf_limits.table import Table
from rf_limits.training import run as training
from tests.experiments.conftest import small_config
from tests.runs.one_figure import one_figure
from tests.variants import kept


def tiny_config():
    """The least that goes through every step."""
    config = small_config()
    config.model.widths = (4, 8)
    config.model.lazy_scales = (1.0,)
    config.seeds = 1
    config.training.steps = 4
    # risks on a test set: what is exact takes seconds to compile
    config.problem.inputs, config.model.bias = "sphere", True
    config.measure.max_degree = -1
    return config


def run(config, path, *, all_figures=False, **options):
    """Exit code and what was printed."""
    text = io.StringIO()
    console = Console(file=text, width=100)
    with contextlib.nullcontext() if all_figures else one_figure():
        code = run_in_workdir(config, path, console=console, **options)
    return code, text.getvalue()


def contents(path):
    """Every file of a directory."""
    return {p.name: p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and what it printed."""
    path = tmp_path_factory.mktemp("session") / "run"
    code, text = run(tiny_config(), path, all_figures=True)
    assert code == 0
    return path, text


def test_files_and_facts(finished):
    path, text = finished
    assert {
        "config.json",
        "run.json",
        "metrics.parquet",
        "summary.json",
        "risk_against_width.png",
        "risk_against_width.svg",
        "risk_against_width.pdf",
        "risk_against_time.pdf",
    } <= set(contents(path))
    facts = json.loads((path / "run.json").read_text())
    assert facts["status"] == "complete"
    assert facts["wall_time_s"] > 0
    assert facts["device"]["platform"] == "cpu"
    assert facts["versions"]["neural-tangents"] == "0.6.5"
    assert facts["choices"]["linearization"] == "closed form"
    config = json.loads((path / "config.json").read_text())
    assert config["model"]["widths"] == [4, 8]
    metrics = RunStore(path).read_metrics()
    assert str(metrics["width"].dtype) == "Int64"
    summary = json.loads((path / "summary.json").read_text())
    final = metrics[(metrics["method"] == "network") & (metrics["step"] == 4)]
    means = {r["width"]: r["risk"] for r in summary["final"] if r["method"] == "network"}
    assert means == {4: final["risk"].iloc[0], 8: final["risk"].iloc[1]}
    assert text.rstrip().splitlines()[-1].startswith("Figure to look at:")
    assert "width 8" in text
    assert "NTK" in text


def test_repeating_does_nothing_and_says_so(finished):
    path, _ = finished
    before = contents(path)
    code, text = run(tiny_config(), path)
    assert code == 0
    assert "nothing to do" in text
    assert contents(path) == before


def test_another_config_is_refused_and_overwrite_replaces(finished, tmp_path):
    path, _ = finished
    before = contents(path)
    other = tiny_config()
    other.problem.seed = 3
    with pytest.raises(RequirementError, match=r"differing in problem\.seed"):
        run(other, path)
    assert contents(path) == before
    target = tmp_path / "copy"
    shutil.copytree(path, target)
    code, _ = run(other, target, overwrite=True)
    assert code == 0
    assert json.loads((target / "config.json").read_text())["problem"]["seed"] == 3


def test_refusals_touch_nothing(finished, tmp_path):
    path, _ = finished
    before = contents(path)
    for field, value in [("learning_rate", 1e9), ("batch_size", 10**6)]:
        bad = tiny_config()
        setattr(bad.training, field, value)
        with pytest.raises(RequirementError, match=f"training.{field}"):
            run(bad, path, overwrite=True)
        with pytest.raises(RequirementError, match=f"training.{field}"):
            run(bad, tmp_path / "new")
    assert contents(path) == before
    assert not (tmp_path / "new").exists()


def test_unknown_experiment():
    config = tiny_config()
    config.experiment = "trainig"
    with pytest.raises(RequirementError, match="Did you mean 'training'"):
        run(config, "unused")


@pytest.mark.parametrize(
    "case", kept([(KeyboardInterrupt, "interrupted"), (OSError, "failed")], [(OSError, "failed")])
)
def test_run_json_says_how_a_run_ended(tmp_path, monkeypatch, case):
    error, status = case

    def stop(self, report, keep):
        raise error("now")

    monkeypatch.setattr(training.TrainingRun, "run", stop)
    if error is KeyboardInterrupt:
        assert run(tiny_config(), tmp_path / "run")[0] == 130
    else:
        with pytest.raises(error):
            run(tiny_config(), tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["status"] == status
    monkeypatch.undo()
    code, _ = run(tiny_config(), tmp_path / "run")
    assert code == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "complete"


def test_finished_parts_are_kept(tmp_path, monkeypatch):
    """Interrupted after the first width: the second start computes the rest, same numbers."""
    run(tiny_config(), tmp_path / "whole")
    compute, widths = training.descend, []

    def descend(runs, keeps, report):
        widths.append(runs[0].network.width)
        if len(widths) == 2:
            raise KeyboardInterrupt
        return compute(runs, keeps, report)

    monkeypatch.setattr(training, "descend", descend)
    code, text = run(tiny_config(), tmp_path / "run")
    assert code == 130
    assert "goes on" in text
    assert RunStore(tmp_path / "run").parts() == ["width-4"]
    code, text = run(tiny_config(), tmp_path / "run")
    assert code == 0
    assert "Resuming: 1 finished part kept." in text
    assert widths == [4, 8, 8]
    tables = [RunStore(tmp_path / name).read_metrics() for name in ("whole", "run")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert RunStore(tmp_path / "run").parts() == []
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["resumed_parts"] == ["width-4"]


def test_interrupted_before_the_directory_is_claimed(finished, monkeypatch):
    """Ctrl-C while preparing to overwrite: the earlier run keeps every byte, run.json too."""
    path, _ = finished
    before = contents(path)

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "prepare", stop)
    assert run(tiny_config(), path, overwrite=True)[0] == 130
    assert contents(path) == before


def test_a_refusal_in_the_middle_is_a_failed_run(tmp_path, monkeypatch):
    def refuse(self, report, keep):
        raise RequirementError("ridge must be larger")

    monkeypatch.setattr(training.TrainingRun, "run", refuse)
    with pytest.raises(RequirementError, match="ridge must be larger"):
        run(tiny_config(), tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["status"] == "failed"
    assert "ridge must be larger" in facts["error"]


def test_divergence_is_a_status_and_an_exit_code(tmp_path):
    config = tiny_config()
    config.training.optimizer, config.training.learning_rate = "adam", "1e30"
    config.predictors.methods, config.model.widths = ("network",), (4,)
    code, text = run(config, tmp_path / "run")
    assert code == 1
    assert "DIVERGED" in text
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "diverged"
    assert isinstance(RunStore(tmp_path / "run").read_metrics(), pd.DataFrame)


def test_files_of_the_user_beside_a_run_stay(tmp_path):
    """With --overwrite twice: kept, named where they are in the way, and none of the run's."""
    config, path = tiny_config(), tmp_path / "run"
    config.predictors.methods = ("random_features",)
    own = {"figures/own.png": b"drawn by hand", "metrics.parquet": b"measured elsewhere"}
    for name, data in own.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    for noise in (0.0, 0.1):
        config.problem.noise = noise
        code, text = run(config, path, overwrite=True)
        assert code == 0
        moved = f"{path}/metrics.parquet was not of this run; it is kept as "
        assert (moved in text) == (noise == 0.0)
        assert "own.png" not in text
    assert (path / "figures" / "own.png").read_bytes() == own["figures/own.png"]
    assert (path / "metrics.parquet~").read_bytes() == own["metrics.parquet"]
    assert "own.png" not in run(config, path)[1]
    assert sorted(p.name for p in path.iterdir() if p.name.startswith((".", "w"))) == []


@pytest.mark.parametrize("name", ["parts", "states", "figures", "metrics.parquet"])
def test_a_file_where_the_run_needs_a_folder_is_kept_beside_it(tmp_path, name):
    """It was found after training, and again by every command that went on."""
    (tmp_path / name).write_text("mine")
    code, text = run(tiny_config(), tmp_path, overwrite=True, save_every=0.0)
    assert code == 0
    assert (tmp_path / f"{name}~").read_text() == "mine"
    assert f"{tmp_path / name} was not of this run; it is kept as" in text
    assert (tmp_path / "figures").is_dir()


def test_names_that_look_like_markup_are_printed_as_they_are(tmp_path, monkeypatch):
    """A closing tag ended a finished run in a MarkupError; "x[i]" was printed as "x"."""
    table = Table("x[i] [/foo]", ["[red]d", ":smile:"], [["[/b]", "1"]])
    monkeypatch.setattr(Training, "printed", lambda self, result, summary: table)
    path = tmp_path / "run[0]" / "[/foo]"
    code, text = run(tiny_config(), path)
    assert code == 0
    for shown in ("x[i] [/foo]", "[red]d", ":smile:", "[/b]", f"Results in {path} ("):
        assert shown in text
