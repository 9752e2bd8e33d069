"""Configs and their builders: checked at each assignment, frozen, hashable, the same from JSON."""

import copy
import dataclasses
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from rf_limits import default_config
from rf_limits.config import Builder, builder_of, frozen
from rf_limits.config.training import ProblemFields, TrainingConfig
from rf_limits.errors import RequirementError
from rf_limits.studies import EXPERIMENTS, config_from_json


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_configs_are_hashable_and_the_same_from_json(experiment):
    config = EXPERIMENTS[experiment]()
    again = config_from_json(json.loads(json.dumps(config.to_json())))
    assert again == config
    assert hash(again) == hash(config)
    assert {again: 1}[config] == 1
    assert frozen(builder_of(config)) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.experiment = "other"


MISTAKES = {
    "seeds": (2.0, "seeds must be a whole number of at least 1, but received 2.0."),
    "model.widths": (
        256,
        'model.widths must be a non-empty tuple, as in "(32, 128)", but received 256.',
    ),
    "predictors.methods": (
        3,
        "predictors.methods must be a non-empty tuple, as in \"('linearized', 'network')\", but "
        "received 3.",
    ),
    "model.lazy_scales": (
        (1.0, -2.0),
        "model.lazy_scales must be finite and above 0, but received -2.0.",
    ),
    "data.seed": (
        "three",
        "data.seed must be None or a whole number from 0 to 2^63 - 1, but received 'three'.",
    ),
    "training.learning_rate": (
        "fast",
        'training.learning_rate must be a positive number, a tuple of them by lazy scale, "auto" '
        "or \"auto_ntk\", but received 'fast'.",
    ),
    "problem.target": (
        "single_neuro",
        "problem.target must be one of hermite, polynomial, single_neuron, teacher, but received "
        "'single_neuro'. Did you mean 'single_neuron'?",
    ),
    "problem.dimm": (
        5,
        "problem.dimm must be a field of the config, but there is none of that name. Did you mean "
        "problem.dim?",
    ),
    "problem": (
        "hard",
        "problem must be a section, whose fields are given one by one, but received 'hard'.",
    ),
}


@pytest.mark.parametrize("field", MISTAKES)
def test_a_mistake_is_one_line_where_it_is_made_and_changes_nothing(field):
    value, line = MISTAKES[field]
    config = default_config()
    config.data.num_train, config.problem.noise = 77, 0.3
    before = frozen(config)
    section, _, name = field.rpartition(".")
    with pytest.raises(RequirementError) as caught:
        setattr(getattr(config, section) if section else config, name, value)
    assert str(caught.value) == line
    assert frozen(config) == before


def test_an_update_assigns_all_of_its_fields_or_none():
    config = default_config()
    config.data.num_train = 77
    before = frozen(config)
    for fields in ({"problem.dim": 5, "problem.norm": -1.0}, {"seeds": 3, "sedes": 3}):
        with pytest.raises(RequirementError):
            config.update(fields)
        assert frozen(config) == before
    config.update({"problem.dim": 5, "problem.norm": 2.0})
    assert (config.problem.dim, config.problem.norm, config.data.num_train) == (5, 2.0, 77)


@pytest.mark.parametrize(
    "rates", ["0.1,-1,1", "0.1,auto,1", (1.0, -1.0, 2.0), (1.0, float("nan"), 2.0), (1.0, 0.0)]
)
def test_every_learning_rate_by_scale_is_a_positive_number(rates):
    config = default_config()
    with pytest.raises(RequirementError, match="^training.learning_rate must be"):
        config.training.learning_rate = rates
    assert frozen(config) == frozen(default_config())


def test_what_is_of_the_type_in_another_form_is_taken():
    config = default_config()
    config.model.widths = [8, 16]
    config.problem.dim, config.problem.norm = np.int64(7), np.float32(0.5)
    config.problem.noise, config.problem.bias = 1, -0.0
    assert (config.model.widths, config.problem.dim) == ((8, 16), 7)
    assert type(config.problem.dim) is int
    assert (
        str([config.problem.norm, config.problem.noise, config.problem.bias]) == "[0.5, 1.0, 0.0]"
    )


@pytest.mark.parametrize(
    ("value", "rate"),
    [("0.01", 0.01), ("0.1,1,10", (0.1, 1.0, 10.0)), (0.5, 0.5), ([1, 2], (1.0, 2.0))],
)
def test_learning_rates_that_earlier_files_hold_as_text(value, rate):
    config = default_config()
    config.training.learning_rate = value
    assert config.training.learning_rate == rate


def test_sections_are_assigned_as_a_whole_or_field_by_field():
    config = default_config()
    config.problem = ProblemFields(dim=4)
    config.problem.norm = 2.0
    other = default_config()
    other.problem = config.problem
    config.problem.norm = 3.0
    assert (other.problem.dim, other.problem.norm) == (4, 2.0)
    assert frozen(other).replace({"problem.dim": 6}).problem == ProblemFields(dim=6, norm=2.0)


def test_a_frozen_config_does_not_follow_its_builder():
    config = default_config()
    before = frozen(config)
    config.problem.dim = 3
    assert before.problem.dim == 20
    assert frozen(before) is before


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_their_own(copied):
    config = default_config()
    config.problem.dim = 4
    other = copied(config)
    assert other == config
    other.problem.dim = 5
    assert config.problem.dim == 4


def test_fields_cannot_be_deleted_or_added():
    config = default_config()
    with pytest.raises(RequirementError, match="seeds must be a field, and cannot be deleted"):
        del config.seeds
    with pytest.raises(AttributeError, match=r"problem\.dimm"):
        _ = config.problem.dimm
    assert not hasattr(config, "measures")
    assert "problem" in dir(config)
    assert "dim=20" in repr(config)


@pytest.mark.parametrize("changed", [{"seeds": ...}, {"seeds": 2, "sedes": 3}])
def test_json_of_another_form_is_refused(changed):
    values = TrainingConfig().to_json()
    del values["seeds"]
    with pytest.raises(RequirementError, match="seeds must be a|sedes must be a field"):
        config_from_json(values | {n: v for n, v in changed.items() if v is not ...})


_REFUSED = """
from rf_limits import RequirementError, train
from rf_limits.config.training import TrainingConfig
for config in ({}, None, 3, "training", TrainingConfig):
    try:
        train(config)
    except RequirementError as error:
        print(error)
"""


def test_training_takes_configs_alone():
    """In a process of its own: types of arguments are not checked there, as for users."""
    command = [sys.executable, "-c", _REFUSED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("config must be made by default_config") for line in lines)


def test_builders_take_defaults_of_their_class_and_values():
    config = Builder(TrainingConfig, {"seeds": 7})
    assert (config.seeds, config.problem.dim) == (7, 20)
