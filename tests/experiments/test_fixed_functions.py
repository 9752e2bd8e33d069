"""How many fixed functions span what each method learns (ranks: tests/learning/test_spans.py)."""

import math

import pytest

from rf_limits.config import frozen
from rf_limits.methods import METHODS
from tests.experiments.conftest import small_config


def row(method, width=8, parameters=48, step=10):
    """A row of the metrics table."""
    return {"method": method, "width": width, "parameters": parameters, "step": step}


def counted(method, **fields):
    """Of the small config (40 samples, 48 parameters) with some fields changed."""
    config = small_config()
    config.update({k.replace("__", "."): v for k, v in fields.items()})
    return METHODS[method].fixed_functions(frozen(config), row(method))


def test_features_and_samples():
    assert counted("network") == (48, 40)
    assert counted("linearized") == (48, 40)
    assert counted("tangent_features") == (48, 40)
    assert counted("random_features") == (8, 40)
    assert counted("ntk") == counted("nngp") == (math.inf, 40)


def test_the_output_layer_alone_has_as_many_features_as_neurons():
    assert counted("rf_descent") == (8, 40)
    assert counted("rf_descent", model__centring="none") == (8, 41)
    assert counted("rf_descent", training__optimizer="adam") == (8, math.inf)
    stream = {"data__kind": "stream", "training__batch_size": 3}
    assert counted("rf_descent", **stream) == (8, 30)
    assert counted("rf_descent", data__kind="population") == (8, math.inf)


def test_samples_seen():
    stream = {"data__kind": "stream", "training__batch_size": 3}
    assert counted("network", **stream) == (48, 30)
    assert counted("tangent_features", **stream) == (48, 40)
    assert counted("network", data__kind="population") == (48, math.inf)
    assert counted("ntk", data__kind="population") == (math.inf, 40)


@pytest.mark.parametrize("optimizer", ["adam", "adamw(weight_decay=0.1)", "lion"])
def test_adaptive_steps_are_bounded_by_their_features_alone(optimizer):
    assert counted("linearized", training__optimizer=optimizer) == (48, math.inf)
    # the methods that a network is compared with stay what they are
    assert counted("network", training__optimizer=optimizer) == (48, 40)


def test_blocks_with_rates_of_their_own():
    lars = {"training__optimizer": "lars(weight_decay=0.1)"}
    assert counted("linearized", **lars).samples == 2 * 41
    assert counted("linearized", model__bias=True, **lars).samples == 3 * 41
    assert counted("linearized", model__trainable="output", **lars).samples == 41
    assert counted("rf_descent", **lars).samples == 41


def test_an_output_that_is_not_centred_is_a_function_of_its_own():
    """Unless it is in the tangent span: by linearity in u, or where neurons are homogeneous."""
    alone = {"model__centring": "none"}
    assert counted("network", **alone) == counted("linearized", **alone) == (48, 41)
    assert counted("tangent_features", **alone) == (48, 40)
    erf = alone | {"model__activation": "erf"}
    assert counted("linearized", **erf) == (48, 41)
    assert counted("linearized", model__trainable="hidden", **erf) == (49, 41)
    assert counted("linearized", model__trainable="hidden", **alone) == (48, 41)
    assert counted("linearized", model__trainable="hidden", model__activation="erf") == (48, 40)
