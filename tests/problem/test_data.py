"""Inputs and data sets: distributions, and keys that mean what they say."""

import jax
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.problem import make_problem, sample_inputs
from tests.rounding import rounding


@pytest.mark.parametrize("kind", ["gaussian", "sphere"])
def test_identity_covariance(key, kind):
    x = np.asarray(sample_inputs(key, kind, 200_000, 4))
    # entries of the covariance have standard error at most sqrt(2/n): 6 of them
    np.testing.assert_allclose(x.T @ x / len(x), np.eye(4), atol=6 * np.sqrt(2 / 200_000))
    if kind == "sphere":
        # entries over the root of a sum of 4 squares, and that sum again
        np.testing.assert_allclose(np.sum(x**2, axis=1), 4.0, rtol=rounding(4 * 4 + 8))


def test_unknown_inputs(key):
    with pytest.raises(RequirementError, match="Did you mean 'gaussian'"):
        sample_inputs(key, "gausian", 3, 2)


def test_streams_do_not_interfere(key):
    problem = make_problem(target="single_neuron", dim=5, noise=0.1)
    target = problem.target
    small = problem.draw(key, 10, 10)
    large = problem.noiseless.draw(key, 20, 10)
    np.testing.assert_array_equal(small.x_test, large.x_test)
    np.testing.assert_array_equal(small.y_test, target(small.x_test))
    noise = np.asarray(small.y_train) - np.asarray(target(small.x_train))
    assert 0.01 < np.std(noise) < 0.5
    again = problem.draw(key, 10, 10)
    jax.tree.map(np.testing.assert_array_equal, small, again)
