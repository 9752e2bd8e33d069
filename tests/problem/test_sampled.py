"""Targets known by values alone: sampled where others are exact, refused where that fails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.measure.risk import risk_is_exact
from rf_limits.models import make_network
from rf_limits.problem import (
    Problem,
    SampledTarget,
    Target,
    make_target,
    moment_words,
)
from rf_limits.problem.targets import TARGETS
from rf_limits.training.run import prepare
from tests.experiments.conftest import remarks, small_config


def coordinate(dim=3):
    """x_1, of which everything is known."""
    return SampledTarget(dim, lambda x: x[:, 0], "x_1")


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
def test_second_moment_is_sampled(inputs):
    # 2^18 draws: a standard deviation of 0.0028 at most, so 0.02 is seven of them
    assert abs(coordinate().second_moment(inputs) - 1.0) < 0.02


@pytest.mark.parametrize(
    ("values", "moment", "error"),
    [
        (lambda x: x[:, 0], 1.0, 2.0**0.5),  # E x^4 - 1
        (lambda x: (x[:, 0] ** 3 - 3.0 * x[:, 0]) / 6.0**0.5, 1.0, 92.0**0.5),  # E he_3^4 = 93
        (lambda x: 2.0 + 0.0 * x[:, 0], 4.0, 0.0),
    ],
)
def test_sampled_moments_have_their_standard_error(values, moment, error):
    found = SampledTarget(3, values, "own").sampled_moment("gaussian")
    assert abs(found.mean - moment) <= 5.0 * found.standard_error
    # he_3^4 has a heavy tail: its mean over 2^18 draws is known to some 10%
    np.testing.assert_allclose(found.standard_error, error / 2.0**9, rtol=0.25, atol=1e-15)
    exact = make_target(jax.random.key(0), "single_neuron", dim=3)
    assert Problem(exact).second_moment_error == 0.0


def test_words():
    assert moment_words(1.008, 0.0094) == "E f*^2 = 1.008 \N{PLUS-MINUS SIGN} 0.009 (sampled)"
    assert moment_words(0.5, 0.0) == "E f*^2 = 0.5"


def test_a_run_prints_the_moment_with_its_error(monkeypatch):
    monkeypatch.setitem(TARGETS, "own", lambda key, fields: coordinate(fields["dim"]))
    config = small_config()
    config.problem.target, config.model.widths = "own", (8,)
    config.predictors.methods, config.measure.max_degree = ("network",), -1
    config.training.steps, config.seeds = 2, 2
    result = prepare(config).run()
    found = coordinate(config.problem.dim).sampled_moment("gaussian")
    assert result.choices["target_second_moment"] == found.mean
    assert result.choices["target_second_moment_se"] == found.standard_error
    line = remarks(result)[0]
    assert moment_words(*found) in line
    assert "\N{PLUS-MINUS SIGN} 0.003 (sampled)" in line


def test_it_is_a_target_without_exact_risks():
    assert isinstance(coordinate(), Target)
    assert not risk_is_exact(make_network(4), Problem(coordinate()))
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
