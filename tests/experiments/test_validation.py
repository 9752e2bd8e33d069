"""Impossible configs are refused in one line that names the field and the value."""

import contextlib

import pytest

from rf_limits.config import frozen
from rf_limits.errors import RequirementError
from rf_limits.training.validation import validate
from tests.experiments.conftest import changed, small_config

BAD = {
    "problem.dim": [0, -3],
    "problem.target": ["neuron"],
    "problem.norm": [0.0, -1.0, float("nan")],
    "problem.bias": [float("inf")],
    "problem.noise": [-0.1],
    "problem.neurons": [0],
    "problem.degree": [-1],
    "problem.polynomial": ["cubic"],
    "problem.terms": [(), ((1, 1),), (((1, -1), 1.0),), 3],
    "problem.inputs": ["uniform"],
    "data.kind": ["fresh"],
    "data.num_train": [0],
    "data.num_test": [1],
    "data.seed": [-1],
    "model.widths": [(), (0,), (16, 16), (8, 2.5)],
    "model.activation": ["rellu"],
    "model.parameterization": ["ntkk"],
    "model.output_init": ["normal"],
    "model.lazy_scales": [(), (0.0,), (-1.0,), ("x",), (1.0, 1.0)],
    "model.centring": ["yes"],
    "model.trainable": ["first"],
    "model.kernel_supplier": ["jax", ""],
    "training.optimizer": ["sgdd", "sgd(nu=1)"],
    "training.learning_rate": ["fast", "-1", "0", "1,2,3", "1e-46", "1e39"],
    "training.steps": [0],
    "training.batch_size": [0, 41],
    "training.log_points": [1],
    "training.ensemble": ["loop"],
    "predictors.methods": [(), ("rf",), ("ntk", "ntk")],
    "predictors.ridge": [-1.0],
    "measure.num_probe": [0],
    "measure.max_degree": [-2],
    "measure.eigenvalues": [-1, 3],
    "measure.extra": [("norm",), ("risk",)],
    "mesh.seeds": [0],
    "mesh.data": [-1],
    "mesh.width": [True],
    "precision": ["float16"],
    "seeds": [0],
}

AS_RATES = {"1,2,3": "(1.0, 2.0, 3.0)", "1e39": "1e+39"}
"""What texts of learning rates are read as."""


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, vs in BAD.items() for v in vs])
def test_refusal_names_field_and_value(field, value):
    config = small_config()
    with pytest.raises(RequirementError) as caught:
        validate(changed(config, {field: value}))
    message = str(caught.value)
    assert message.startswith(field)
    assert "\n" not in message
    shown = value[-1] if isinstance(value, tuple) and value else value
    shown = AS_RATES.get(shown, shown) if isinstance(shown, str) else shown
    assert str(shown).strip("'") in message


def test_combinations():
    config = small_config()
    config.data.kind = "stream"
    with pytest.raises(RequirementError, match="training.batch_size must be given"):
        validate(config)
    config = small_config()
    config.training.optimizer = "adam"
    with pytest.raises(RequirementError, match="training.learning_rate must be a number for adam"):
        validate(config)
    config = small_config()
    config.measure.kernels, config.measure.eigenvalues = True, 17
    with pytest.raises(RequirementError, match="measure.eigenvalues must be at most 16"):
        validate(config)
    config = small_config()
    config.measure.alignment, config.problem.target = True, "teacher"
    with pytest.raises(RequirementError, match="measure.alignment must be False unless"):
        validate(config)
    config = small_config()
    config.measure.infinite_width, config.training.optimizer = True, "sgd(momentum=0.9)"
    with pytest.raises(RequirementError, match="measure.infinite_width must be False unless"):
        validate(config)
    config = small_config()
    config.measure.exact, config.data.kind, config.precision = False, "population", "float64"
    with pytest.raises(RequirementError, match="measure.exact must be True"):
        validate(config)
    config = small_config()
    config.problem.target, config.problem.bias = "polynomial", 1.0
    with pytest.raises(RequirementError, match="problem.bias must be 0 for a polynomial"):
        validate(config)
    config = small_config()
    config.model.centring, config.model.widths = "antisymmetric", (7,)
    with pytest.raises(RequirementError, match="model.widths must be even"):
        validate(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [("data.num_train", 10**6), ("data.num_test", 10**10), ("model.widths", (10**6,))],
)
def test_what_cannot_fit_in_memory(field, value):
    config = small_config()
    with pytest.raises(RequirementError, match=f"^{field} must fit in memory.* would fit"):
        validate(changed(config, {field: value}))


def flatdict(tree, prefix=""):
    """Dotted names of the leaves of nested dictionaries."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flatdict(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_every_field_is_checked():
    """No default can be broken without a test above noticing: the lists agree."""
    config = small_config()
    leaves = {field.name for field in frozen(config).options()}
    typed = {f"measure.{name}" for name in ("exact", "kernels", "alignment", "test_loss")}
    typed |= {"model.bias", "measure.infinite_width"}  # True or False
    assert leaves - set(BAD) == {"experiment", "problem.seed", *typed}


@pytest.mark.parametrize(
    ("rate", "precision", "good"),
    [
        ("1e-46", "float32", False),  # nothing would move
        ("1e39", "float32", False),  # infinite in float32
        ("1e37", "float32", False),  # after 50 steps
        ("1e36", "float32", True),
        ("1e39", "float64", True),
        ("1e-46", "float64", True),
        ("1e308", "float64", False),
        ("1e-320", "float64", False),
    ],
)
def test_rates_that_precision_cannot_hold(rate, precision, good):
    config = small_config()
    config.training.optimizer, config.training.learning_rate = "adam", rate
    config.precision = precision
    with contextlib.nullcontext() if good else pytest.raises(RequirementError, match="must lie"):
        validate(config)
