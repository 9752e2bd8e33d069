"""Every field of every config: what it may not be is refused where it is assigned."""

import jax
import pytest

from rf_limits.config import Builder, frozen
from rf_limits.config.training import TrainingConfig
from rf_limits.errors import RequirementError
from rf_limits.models import init_params
from rf_limits.studies import EXPERIMENTS
from rf_limits.training.validation import network_from_config

FIELDS = [
    (experiment, field)
    for experiment in EXPERIMENTS
    for field in EXPERIMENTS[experiment]().options()
]
TUPLES = [(e, f) for e, f in FIELDS if isinstance(f.value, tuple)]


def _ids(values):
    return [f"{experiment}-{field.name}" for experiment, field in values]


@pytest.mark.parametrize("bias", [False, True])
def test_parameter_count(bias):
    config = TrainingConfig().replace({"problem.dim": 5, "model.bias": bias})
    network = network_from_config(config, 7)
    shapes = jax.eval_shape(lambda: init_params(network, jax.random.key(0), 5))
    assert config.count_parameters(7) == sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize(("experiment", "field"), FIELDS, ids=_ids(FIELDS))
def test_another_type_is_refused_and_the_value_stays(experiment, field):
    config = Builder(EXPERIMENTS[experiment])
    wrong = [object(), {}, (field.value, field.value), b"text"]
    wrong += [1.5] if isinstance(field.value, int) else []
    wrong += [3] if isinstance(field.value, (bool, str)) else [True]
    if field.name == "training.learning_rate":  # may be a number, and a tuple of them
        wrong = [object(), {}, b"text", True]
    wrong += [] if "None" in field.values else [None]
    for value in wrong:
        with pytest.raises(RequirementError, match=f"^{field.name} must be"):
            config.update({field.name: value})
    assert frozen(config) == EXPERIMENTS[experiment]()
    config.update({field.name: field.value})


@pytest.mark.parametrize(("experiment", "field"), TUPLES, ids=_ids(TUPLES))
@pytest.mark.parametrize("entry", [True, ("relu",), None, "", float("nan"), -1.5])
def test_entries_of_another_type_are_refused(experiment, field, entry):
    if field.name == "wave.biases" and entry == -1.5:
        return  # a bias may be negative
    if field.name in ("targets", "measure.extra") and entry == "":
        return  # names that are looked up where the config is used
    config = Builder(EXPERIMENTS[experiment])
    with pytest.raises(RequirementError, match=f"^{field.name} must be"):
        config.update({field.name: (*field.value, entry)})
