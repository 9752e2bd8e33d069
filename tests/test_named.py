"""Entries of one's own that are put in again under the same name, as in a notebook."""

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits import train
from rf_limits.measure.extra import EXTRA
from rf_limits.models.network import ACTIVATIONS
from rf_limits.problem import SampledTarget
from rf_limits.problem.targets import TARGETS
from tests.experiments.conftest import small_config


def _table(**fields):
    config = small_config()
    config.model.widths, config.seeds, config.predictors.methods = (8,), 1, ("network", "ntk")
    config.measure.exact, config.training.steps = False, 8
    config.update({k.replace("__", "."): v for k, v in fields.items()})
    return train(config).metrics


def _columns(table):
    names = ["train_loss", "risk", "kernel_drift", "weight_movement"]
    return table[names].to_numpy(float)


def test_another_activation_under_the_same_name(monkeypatch):
    """Programs that were compiled for the first one answered for the second."""
    tables = []
    for function in (jnp.sin, jnp.tanh, jnp.sin):
        monkeypatch.setitem(ACTIVATIONS, "own", function)
        tables.append(_columns(_table(model__activation="own")))
    np.testing.assert_array_equal(tables[2], tables[0])
    known = _columns(_table(model__activation="tanh"))
    np.testing.assert_allclose(tables[1], known, rtol=1e-3)
    assert np.nanmax(np.abs(tables[1] - tables[0])) > 0.01


def test_another_target_or_measurement_under_the_same_name(monkeypatch):
    """The first target was kept in memory, and drawn for every later run."""
    found = []
    for factor in (1.0, 2.0):

        def draw(key, fields, factor=factor):
            return SampledTarget(fields["dim"], lambda x: factor * x[..., 0], "a coordinate")

        monkeypatch.setitem(TARGETS, "own", draw)
        monkeypatch.setitem(EXTRA, "own", lambda seen, factor=factor: jnp.float64(factor))
        table = _table(problem__target="own", measure__extra=("own",))
        first = table[(table["method"] == "network") & (table["step"] == 0)].iloc[0]
        assert first["own"] == factor
        found.append(first["train_loss"])
    np.testing.assert_allclose(found[1] / found[0], 4.0, rtol=1e-6)


def test_the_same_entry_again_forgets_nothing(monkeypatch):
    program = jax.jit(lambda x: x + 1.0)
    program(1.0)
    ACTIVATIONS["tanh"] = ACTIVATIONS["tanh"]
    assert program._cache_size() == 1
