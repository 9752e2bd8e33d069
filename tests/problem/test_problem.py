"""Problems: equal fields give equal problems, and what they know agrees with their samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.config.training import ProblemFields
from rf_limits.errors import RequirementError
from rf_limits.measure.kernel_risk import exact_kernel_risk
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.models import make_network
from rf_limits.problem import Problem, SampledTarget, SingleNeuron, make_problem
from rf_limits.problem.targets import TARGETS
from rf_limits.training.seeded_problem import _draw
from tests.rounding import rounding

FIELDS = {"target": "teacher", "dim": 4, "bias": 0.3}


def test_a_section_of_a_config_gives_its_problem():
    fields = ProblemFields(**FIELDS, inputs="sphere", noise=0.2, seed=3)
    problem = make_problem(**vars(fields))
    assert (problem.dim, problem.inputs, problem.noise) == (4, "sphere", 0.2)
    assert not problem.target.is_homogeneous


def test_equal_fields_give_equal_problems_with_one_target(monkeypatch):
    first, again = make_problem(**FIELDS, noise=0.1), make_problem(**FIELDS, noise=0.1)
    assert first.target is again.target
    assert (first, hash(first)) == (again, hash(again))
    assert first.noiseless == make_problem(**FIELDS)
    others = (make_problem(**FIELDS, seed=1), make_problem(**FIELDS, inputs="sphere"))
    assert first.noiseless not in others
    monkeypatch.setitem(TARGETS, "teacher", TARGETS["single_neuron"])
    assert make_problem(**FIELDS).target is not first.target


def test_a_program_serves_equal_problems_and_every_noise():
    traced = []

    def values(x):
        traced.append(x.shape)
        return x[:, 0]

    target, keys = SampledTarget(3, values, "x_1"), jax.random.split(jax.random.key(0), 3)
    for noise in (0.0, 0.1, 0.2):
        problem = Problem(target, noise=noise)
        drawn = _draw(keys, problem.noiseless, 5, 6, problem.noise)
        assert traced == [(5, 3), (6, 3)]  # traced once
        alone = Problem(SingleNeuron.create(np.eye(3)[0], 1.0, 0.0), noise=noise).draw(
            keys[1], 5, 6
        )
        np.testing.assert_array_equal(drawn.x_train[1], alone.x_train)
        noise_of = drawn.y_train[1] - drawn.x_train[1, :, 0]
        expected = alone.y_train - np.maximum(alone.x_train[:, 0], 0.0)
        np.testing.assert_allclose(noise_of, expected, rtol=0, atol=rounding(8))


def test_exact_risks_are_the_same_for_every_noise():
    network = make_network(4)
    plain, noisy = (make_problem(target="teacher", dim=4, noise=noise) for noise in (0.0, 0.1))
    assert exact_kernel_risk(network, plain) is exact_kernel_risk(network, noisy)
    assert exact_risk(network, plain) == exact_risk(network, noisy)


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
def test_second_moment_agrees_with_samples(key, inputs):
    problem = make_problem(**FIELDS, inputs=inputs)
    x, y = problem.draw_samples(key, 200_000)
    np.testing.assert_array_equal(y, problem.target(x))  # there is no noise
    squares = np.asarray(y) ** 2
    # 6 standard errors: false alarm below 1e-8
    error = 6 * np.std(squares) / len(squares) ** 0.5
    assert abs(np.mean(squares) - problem.second_moment) < error
    assert problem.second_moment_error == 0.0
    beyond = problem.second_moment - np.sum(problem.degrees(3))
    # a sum of four degrees of products of neurons, each rounded
    assert -rounding(100) < beyond <= problem.degree_tails(3)[3] ** 2 + rounding(100)


def test_degrees_on_the_sphere_agree_with_samples(key):
    """Degree 0 is the mean m, degree 1 is <E f* x, x>: their squares are m^2 and |E f* x|^2."""
    problem = make_problem(**FIELDS, inputs="sphere")
    x, y = problem.draw_samples(key, 200_000)
    for found, samples in zip(problem.degrees(1), (y[:, None], y[:, None] * x), strict=True):
        mean, std = np.mean(samples, axis=0), np.std(samples, axis=0)
        # 6 standard errors in every coordinate: false alarm below 1e-8
        error = 6 * np.linalg.norm(std) / len(samples) ** 0.5
        assert abs(np.linalg.norm(mean) - found**0.5) < error
    weights = problem.by_degree(1).weights
    np.testing.assert_allclose(weights, problem.degrees(1), rtol=rounding(200))


def test_second_moment_is_a_number_where_a_program_is_traced():
    target = SampledTarget(2, lambda x: x[:, 0] - 0.5, "x_1 - 1/2")  # not asked for before
    problem = Problem(target, "sphere")
    traced = jax.jit(lambda scale: scale * problem.second_moment)(jnp.ones(()))
    assert float(traced) == problem.second_moment
    assert problem.second_moment_error == target.sampled_moment("sphere").standard_error


def test_unknown_inputs_are_refused():
    with pytest.raises(RequirementError, match="Did you mean 'gaussian'"):
        make_problem(**FIELDS, inputs="gausian")
