"""Saved configs of an earlier form: read where only they are shown, refused where work goes on."""

import json

import pytest

from rf_limits.config import flat
from rf_limits.errors import RequirementError
from rf_limits.runs.store import RunStore
from rf_limits.studies import config_from_json
from rf_limits.studies.training import Training
from rf_limits.sweeps.compare import runs_in
from rf_limits.sweeps.manifest import SweepStore

CONFIG = Training().replace({"training.learning_rate": 0.5, "model.lazy_scales": (1.0, 2.5)})


def _form_1():
    """The config as earlier versions saved it: numbers as text, whole numbers as such, no form."""
    values = CONFIG.to_json()
    del values["form"]
    values["training"]["learning_rate"] = "0.5"
    values["model"]["lazy_scales"] = [1, 2.5]
    return values


def test_form_1_is_read_and_a_later_one_refused():
    assert config_from_json(_form_1()) == CONFIG
    for form in (4, 0, "2", None):
        with pytest.raises(RequirementError, match="^form must be at most 3"):
            config_from_json(CONFIG.to_json() | {"form": form})


def test_fields_that_came_later_have_their_defaults():
    values = CONFIG.to_json() | {"form": 2}
    del values["problem"]["terms"]
    assert config_from_json(values) == CONFIG
    del values["problem"]["dim"]
    with pytest.raises(RequirementError, match=r"problem\.dim must be a field, but is missing"):
        config_from_json(values)
    values = CONFIG.to_json()
    del values["problem"]["terms"]
    with pytest.raises(RequirementError, match=r"problem\.terms must be a field, but is missing"):
        config_from_json(values)


def test_the_form_is_no_field():
    assert flat(CONFIG.to_json()).keys() == flat(CONFIG).keys()


def test_a_run_of_form_1_is_not_gone_on_with_and_can_be_shown(tmp_path):
    store = RunStore(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(_form_1()))
    (tmp_path / "run.json").write_text(json.dumps({"status": "complete"}))
    with pytest.raises(RequirementError, match=r"config\.json must hold configs of form 3.*form 1"):
        store.open(CONFIG.to_json(), overwrite=False)
    assert store.open(CONFIG.to_json(), overwrite=True) == "new"
    (place,) = runs_in(tmp_path)
    assert place.config == CONFIG.to_json()


def test_a_sweep_of_form_1_is_refused(tmp_path):
    cell = {"name": "run-1", "fields": {}, "config": _form_1()}
    (tmp_path / "sweep.json").write_text(json.dumps({"cells": [cell]}))
    with pytest.raises(RequirementError, match=r"sweep\.json must hold configs of form 3") as error:
        SweepStore(tmp_path).cells()
    assert "\n" not in str(error.value)
