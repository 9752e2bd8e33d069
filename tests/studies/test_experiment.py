"""What @experiment and the base classes give an experiment of one's own."""

import contextlib
import dataclasses
import io
import json

import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from rf_limits import default_config
from rf_limits.config import frozen, option
from rf_limits.config.kinds import NonNegative, Several
from rf_limits.config.training import TrainingConfig
from rf_limits.errors import RequirementError
from rf_limits.report.page import report
from rf_limits.runs.session import run_in_workdir
from rf_limits.runs.store import RunStore
from rf_limits.studies import (
    EXPERIMENTS,
    Experiment,
    Study,
    config_from_json,
    experiment,
    prepare,
)
from rf_limits.table import Cell, Table
from rf_limits.training.result import Result


@contextlib.contextmanager
def entries_forgotten():
    """Experiments that are defined inside are not known afterwards."""
    before = set(EXPERIMENTS)
    try:
        yield
    finally:
        for name in set(EXPERIMENTS) - before:
            del EXPERIMENTS[name]


@pytest.fixture
def own():
    """A study of the user's own with no more than a study must have."""
    with entries_forgotten():

        @experiment("own_noise")
        class OwnNoise(Study):
            """What noise of the labels costs.

            More of it follows here.
            """

            noises: Several[NonNegative] = option((0.0, 0.5), "noise of labels to compare")
            labels = ("noise",)

            def members(self):
                """Returns a training run for every noise."""
                sources = {"problem.noise": "noises"}
                return [
                    self.member({"noise": noise}, {"problem.noise": noise}, sources)
                    for noise in self.noises
                ]

        yield OwnNoise


def small(name="own_noise"):
    """Seconds instead of minutes."""
    config = default_config(name)
    config.problem.dim, config.seeds = 3, 2
    config.data.num_train, config.data.num_test = 8, 20
    config.model.widths, config.model.lazy_scales = (4,), (1.0,)
    config.training.steps, config.training.log_points = 4, 2
    config.measure.num_probe, config.measure.max_degree = 4, -1
    config.predictors.methods = ("network", "random_features")
    return config


def carried_out(config, path):
    """What a run in a work directory prints."""
    console = Console(file=io.StringIO(), width=200)
    assert run_in_workdir(config, path, console=console) == 0
    return console.file.getvalue()


def test_an_experiment_is_a_frozen_class_under_its_name(own):
    assert EXPERIMENTS["own_noise"] is own
    config = own()
    assert config.experiment == "own_noise"
    assert own.script == "own_noise"
    assert own.about() == "What noise of the labels costs."
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.noises = (1.0,)
    names = [field.name for field in dataclasses.fields(own)]
    inherited = [field.name for field in dataclasses.fields(TrainingConfig)]
    assert names == [*inherited, "noises"]
    assert config_from_json(json.loads(json.dumps(config.to_json()))) == config
    assert type(frozen(default_config("own_noise"))) is own


def defined(name="own_refused", **attributes):
    """Defines an experiment with some attributes."""
    annotations = {key: int for key in attributes if key == "seeds"}
    body = {"__annotations__": annotations, "__module__": __name__, **attributes}
    return experiment(name)(type("Refused", (Study,), body))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": "two words"}, "name of an experiment must be a word.*'two words'"),
        ({"name": "a/b"}, "name of an experiment must be a word.*'a/b'"),
        ({"defaults": {"sedes": 3}}, "^defaults must name fields .*'sedes'. Did you mean seeds"),
        (
            {"defaults": {"problem.nois": 0.1}},
            "problem.nois must be a field.*Did you mean problem.noise",
        ),
        ({"defaults": {"seeds": 0}}, "seeds must be"),
        ({"quick": {"sedes": 3}}, "sedes must be a field.*Did you mean seeds"),
        (
            {"quick": {"data.num_trian": 3}},
            "num_trian must be a field.*Did you mean data.num_train",
        ),
        ({"full": {"seeds": -1}}, "seeds must be"),
        ({"seeds": 3}, "field of Refused must have another name.*'seeds'"),
    ],
)
def test_what_the_class_says_wrongly_is_refused_where_it_is_defined(attributes, message):
    with entries_forgotten():
        before = dict(EXPERIMENTS)
        with pytest.raises(RequirementError, match=message) as found:
            defined(**attributes)
        assert dict(EXPERIMENTS) == before
    assert "\n" not in str(found.value)


def test_an_experiment_without_a_docstring_has_a_first_line():
    with entries_forgotten():
        assert defined("own_silent").about() == "The experiment own_silent."


@pytest.mark.parametrize(
    ("labels", "members", "message"),
    [
        ("noise", [{"noise": 0.1}], "labels must be a tuple of names, but received 'noise'"),
        (("risk",), [{"risk": 0.1}], "must have names that no other column has.*'risk'"),
        (("width",), [{"width": 4}], "must have names that no other column has.*'width'"),
        (("noise",), [{"nois": 0.1}], "members must have the labels noise, .*'nois'"),
        (("noise",), [{}], "members must have the labels noise, "),
        ((), [{"noise": 0.1}], "members must have the labels none, "),
        (("kind",), [{"kind": "a/b"}], "members must have labels without a slash.*a/b"),
        (("noise",), [], "members must be at least one training run"),
        (("noise",), None, "members must be at least one training run"),
    ],
)
def test_labels_that_no_table_can_hold_are_refused(own, monkeypatch, labels, members, message):
    made = members and [own().member(labels) for labels in members]
    monkeypatch.setattr(own, "labels", labels)
    monkeypatch.setattr(own, "members", lambda self: made)
    for refused in (own().check, own().prepare):
        with pytest.raises(RequirementError, match=message):
            refused()


def test_every_member_is_validated_once(own, monkeypatch):
    config, validated = frozen(small()), []
    for place in ("studies.study", "training.run"):
        monkeypatch.setattr(f"rf_limits.{place}.validate", validated.append)
    config.prepare()
    assert validated == [member.config for member in config.members()]


def test_constants_that_are_columns_are_refused(own, monkeypatch):
    monkeypatch.setattr(own, "constants", lambda self: {"noise_floor": 0.0, "risk": 1.0})
    with pytest.raises(RequirementError, match=r"labels and constants .*\['risk'\]"):
        own().check()


@pytest.mark.parametrize("table", [None, pd.DataFrame({"method": ["theory"], "seed": [0]})])
def test_theory_that_is_no_table_of_theory_is_an_error(own, monkeypatch, table):
    monkeypatch.setattr(own, "theory", lambda self, member, run: table)
    with pytest.raises(TypeError, match="theory must return a DataFrame without seeds"):
        prepare(small()).run()


def test_a_drawing_that_returns_no_figure_is_an_error(own, monkeypatch):
    monkeypatch.setattr(own, "drawings", lambda self, metrics: {"risk": lambda metrics: None})
    with pytest.raises(TypeError, match="figure 'risk' must be a matplotlib Figure, not None"):
        own().figures(pd.DataFrame())


def test_a_drawing_that_raises_costs_its_figure_alone(own, monkeypatch, tmp_path):
    def broken(metrics):
        raise KeyError("no such\ncolumn")

    def plain(metrics):
        return Figure()

    drawings = {"first": broken, "second": plain, "third": lambda metrics: None}
    monkeypatch.setattr(own, "drawings", lambda self, metrics: drawings)
    printed = carried_out(small(), tmp_path)
    lines = [line for line in printed.splitlines() if line.startswith("NOT DRAWN")]
    assert len(lines) == 2
    assert lines[0].startswith("NOT DRAWN: figure first: KeyError: ")
    assert "must be a matplotlib Figure" in lines[1]
    assert "Risk at the end" in printed
    store = RunStore(tmp_path)
    record = store.read_json("run.json")
    assert (record["status"], record["figures"]) == ("complete", ["second"])
    assert store.read_json("summary.json")["final"]
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"second"}
    assert "nothing to do" in carried_out(small(), tmp_path)


def test_a_script_may_have_another_name():
    with entries_forgotten():

        @experiment("own_other")
        class Other(Study):
            """Of the script of the dynamics."""

            script = "dynamics"

        assert Other.script == "dynamics"
        assert Other.labels == ()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_known_by_its_default(name):
    kind = EXPERIMENTS[name]
    assert kind().experiment == name
    assert issubclass(kind, Experiment)
    assert dataclasses.fields(kind)[0].name == "experiment"
    assert kind.about().endswith((".", "?"))
    assert "\n" not in kind.about()
    kind().check()
    default = default_config(name)
    default.update(kind.quick)
    frozen(default).check()
    default = default_config(name)
    default.update(kind.full)
    frozen(default).check()


@pytest.mark.parametrize(
    "make", [default_config, lambda name: config_from_json({"experiment": name})]
)
def test_unknown_experiments_are_refused_in_a_line(make):
    with pytest.raises(RequirementError, match="^experiment must be one of .*'lazy_wdth'") as found:
        make("lazy_wdth")
    assert "Did you mean 'lazy_width'?" in str(found.value)
    assert "\n" not in str(found.value)


def test_members_with_the_same_labels_are_refused(own, monkeypatch):
    same = [own().member({"noise": 1})] * 2
    monkeypatch.setattr(own, "members", lambda self: same)
    for refused in (own().check, own().prepare, lambda: prepare(own())):
        with pytest.raises(RequirementError, match="members must differ in their labels"):
            refused()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"problem.noise": -1.0}, "^noises must be finite and at least 0"),
        ({"data.num_train": 10**9}, "^nums must fit in memory"),
        ({"seeds": 0}, "^seeds must be"),
    ],
)
def test_refusals_of_a_member_name_the_field_of_the_study(own, fields, message):
    sources = {"problem.noise": "noises", "data.num_train": "nums"}
    with pytest.raises(RequirementError, match=message):
        own().member({"noise": 1}, fields, sources).check()


def test_members_have_the_config_of_the_study_but_for_their_fields(own):
    study = frozen(small())
    first, second = study.members()
    assert (first.name, second.name) == ("noise=0.0", "noise=0.5")
    assert second.config == first.config.replace({"problem.noise": 0.5})
    assert isinstance(first.config, TrainingConfig)
    assert first.config.experiment == "training"
    assert first.config.data == study.data
    assert first.sources == {"problem.noise": "noises"}


def test_a_study_runs_with_the_defaults_of_the_base_class(own, tmp_path):
    """Without figures, theory, constants and remarks of its own."""
    text = carried_out(small(), tmp_path / "run")
    assert "Risk at the end, means over seeds" in text
    for head in ("noise", "method", "risk"):
        assert head in text
    store = RunStore(tmp_path / "run")
    metrics, facts = store.read_metrics(), store.read_json("run.json")
    assert next(iter(metrics)) == "noise"
    assert set(metrics["noise"]) == {0.0, 0.5}
    assert metrics["seed"].notna().all()
    assert facts["figures"] == []
    assert set(facts["choices"]) == {"members"}
    final = store.read_json("summary.json")["final"]
    assert {(row["noise"], row["method"]) for row in final} == {
        (noise, method) for noise in (0.0, 0.5) for method in ("network", "random_features")
    }
    assert "nothing to do" in carried_out(small(), tmp_path / "run")

    assert report([tmp_path / "run"], tmp_path / "page.html", console=Console(quiet=True)) == 0
    page = (tmp_path / "page.html").read_text()
    assert "What noise of the labels costs." in page
    assert "Risk at the end, means over seeds" in page
    assert "networks end below the best beside them" in page


def test_a_study_of_its_own_is_estimated_as_those_of_the_package(own, monkeypatch):
    found = []

    def estimated(trainings):
        found.extend(trainings)

    monkeypatch.setattr("rf_limits.studies.study.estimate_trainings", estimated)
    study = frozen(small())
    assert study.cost().sizes["training runs"] == 2
    assert study.estimate() is None
    assert [config.problem.noise for config in found] == [0.0, 0.5]


def test_theory_constants_and_completion_reach_the_table(own, monkeypatch):
    def completed(self, result, study):
        assert [run.config.problem.noise for run in study.runs] == [0.0, 0.5]
        assert study.study is self
        rows = len(result.metrics)
        return dataclasses.replace(result, choices=result.choices | {"rows": rows})

    def theory(self, member, run):
        assert run.config == member.config
        return pd.DataFrame({"method": ["theory"], "risk": [member.labels["noise"]]})

    monkeypatch.setattr(own, "completed", completed)
    monkeypatch.setattr(own, "theory", theory)
    monkeypatch.setattr(own, "constants", lambda self: {"dim": self.problem.dim})
    study = frozen(small())
    result = prepare(study).run()
    assert result.choices["rows"] == len(result.metrics)
    assert result.choices["dim"] == 3
    assert (result.metrics["dim"] == 3).all()
    rows = result.metrics[result.metrics["method"] == "theory"]
    assert list(rows["risk"]) == list(rows["noise"]) == [0.0, 0.5]
    assert rows["seed"].isna().all()
    found = study.findings(result)
    assert {row["method"] for row in found.summary["final"]} == {"network", "random_features"}
    assert len(found.table.rows) == 4
    assert all(len(row) == len(found.table.columns) for row in found.table.rows)


def test_an_experiment_that_has_nothing_to_prepare(tmp_path):
    """It says what it computes, and no more; there are no members."""
    with entries_forgotten():

        @experiment("own_count")
        class Count(Experiment):
            """Counts."""

            most: int = option(3, "how far")

            def check(self):
                """Accepts everything."""

            def cost(self):
                """Returns nothing known."""
                raise NotImplementedError

            def compute(self, report, keep):
                """Counts to the number."""
                table = keep.part("one", lambda: pd.DataFrame({"count": range(self.most)}))
                return Result(table, {})

            def analyse(self, result):
                """Returns the sum."""
                return {"sum": int(result.metrics["count"].sum())}

            def printed(self, result, summary):
                """Returns the sum again."""
                return Table("Sum", ["sum"], [[Cell.of(summary["sum"])]])

        text = carried_out(default_config("own_count"), tmp_path / "run")
        assert "Sum" in text
        assert RunStore(tmp_path / "run").read_json("summary.json") == {"sum": 3}
        assert Count().estimate() is None
        assert report([tmp_path / "run"], tmp_path / "page.html", console=Console(quiet=True)) == 0


def test_what_is_not_computed_cannot_be_made():
    with entries_forgotten():

        @experiment("own_nothing")
        class Nothing(Experiment):
            """Has none of what an experiment must have."""

        with pytest.raises(TypeError, match="abstract"):
            Nothing()
