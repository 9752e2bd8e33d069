"""Targets known by values alone: sampled where others are exact, refused where that fails."""

import jax.numpy as jnp
import pytest

from rf_limits.errors import RequirementError
from rf_limits.experiments.training import prepare
from rf_limits.measure.risk import risk_is_exact
from rf_limits.models import make_network
from rf_limits.problem import SampledTarget, Target
from rf_limits.problem.targets import TARGETS
from tests.experiments.conftest import small_config


def coordinate(dim=3):
    """x_1, of which everything is known."""
    return SampledTarget(dim, lambda x: x[:, 0], "x_1")


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
def test_second_moment_is_sampled(inputs):
    # 2^18 draws: a standard deviation of 0.0028 at most, so 0.02 is seven of them
    assert abs(coordinate().second_moment(inputs) - 1.0) < 0.02


def test_it_is_a_target_without_exact_risks():
    assert isinstance(coordinate(), Target)
    assert not risk_is_exact(make_network(4), coordinate(), "gaussian")
    with pytest.raises(NotImplementedError, match="x_1"):
        coordinate().degree_tails(3)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, 0.0])
def test_values_that_are_no_numbers_are_refused(bad):
    target = SampledTarget(3, lambda x: jnp.full(len(x), bad), "bad")
    with pytest.raises(RequirementError, match="^problem.target must have a finite, positive"):
        target.second_moment("gaussian")


def test_training_on_the_population_is_refused(monkeypatch):
    monkeypatch.setitem(TARGETS, "own", lambda key, fields: coordinate(fields["dim"]))
    config = small_config()
    config.problem.target, config.data.kind, config.precision = "own", "population", "float64"
    config.model.widths = (8,)
    with pytest.raises(RequirementError, match="^problem.target must have exact risks"):
        prepare(config)
