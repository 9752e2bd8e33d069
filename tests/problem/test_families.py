"""Families of rotated targets: closed forms against degrees, and estimates below what is exact."""

import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.problem.neurons import SingleNeuron, Teacher
from rf_limits.problem.polynomial_kinds import make_polynomial
from rf_limits.problem.sampled import SampledTarget
from rf_limits.theory import features_for_risk, lazy_limit
from rf_limits.theory.bounds.neuron_family import NeuronFamily
from rf_limits.theory.bounds.rotated_family import family_of, family_of_degrees

COUNTS = (0, 1, 4, 30, 300)


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
@pytest.mark.parametrize("dim", [2, 3, 20])
def test_one_neuron_without_bias_is_the_neuron_of_closed_forms(dim, inputs):
    neuron = SingleNeuron.create(np.arange(1.0, dim + 1.0), 2.0, 0.0)
    family = family_of(neuron, inputs)
    assert isinstance(family, NeuronFamily)
    found = lazy_limit(COUNTS, target=neuron, inputs=inputs)
    np.testing.assert_allclose(found, lazy_limit(COUNTS, dim, norm=2.0), rtol=1e-12)
    expected = features_for_risk(0.01, dim, norm=2.0)
    assert features_for_risk(0.01, target=neuron, inputs=inputs) == expected


@pytest.mark.parametrize(("dim", "ratio"), [(2, 0.7), (3, -1.0), (5, 0.5), (20, 0.5)])
def test_teachers_of_one_ratio_agree_with_their_degrees(dim, ratio):
    rng = np.random.default_rng(dim)
    directions = rng.standard_normal((3, dim))
    biases = ratio * np.linalg.norm(directions, axis=1)
    teacher = Teacher(directions, biases, np.array([1.0, -1.0, 0.5]))
    closed, degrees = family_of(teacher), family_of_degrees(teacher)
    total = closed.limit(0)
    for p in COUNTS:
        # degrees are lowered by their quadrature error, 6e-7 of E f*^2 at d = 2
        assert degrees.limit(p) <= closed.limit(p) + 3e-11 * total
        assert degrees.limit(p) >= closed.limit(p) - 4e-6 * total


def test_a_sum_of_equal_neurons_is_one_neuron():
    direction = np.array([[0.6, 0.8, 0.0], [1.2, 1.6, 0.0]])
    teacher = Teacher(direction, np.array([0.5, 1.0]), np.array([1.0, 2.0]))
    expected = lazy_limit(COUNTS, 3, norm=5.0, bias=2.5)  # relu(2 h) = 2 relu(h)
    found = lazy_limit(COUNTS, target=teacher)
    # lowered by the error of the neuron's spectrum, 1e-11
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-11 * expected[0])


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
@pytest.mark.parametrize("dim", [3, 20])
def test_estimates_lie_below_the_limit_and_near_it(dim, inputs):
    exact = make_polynomial(jnp.eye(1, dim), "single_index", 2)
    sampled = SampledTarget(dim, exact.__call__, "he_2(x_1)")
    known, estimated = family_of(exact, inputs), family_of(sampled, inputs)
    for p in (0, 1, dim):
        assert estimated.limit(p) <= known.limit(p)
        assert estimated.limit(p) >= 0.8 * known.limit(p)
    assert estimated.features(0.1 * known.limit(0)) <= known.features(0.1 * known.limit(0))


def test_estimates_of_a_neuron_are_below_its_limit():
    neuron = SingleNeuron.create(np.eye(5)[0], 1.0, 0.3)
    sampled = SampledTarget(5, neuron.__call__, "relu(x_1 + 0.3)")
    for p in (0, 1, 6):
        assert 0.0 < lazy_limit(p, target=sampled) < lazy_limit(p, 5, bias=0.3)
    assert lazy_limit(1, target=sampled) > 0.9 * lazy_limit(1, 5, bias=0.3)


def test_a_dimension_or_a_target_but_not_both():
    neuron = SingleNeuron.create(np.eye(3)[0], 1.0, 0.0)
    with pytest.raises(RequirementError, match="dim must be left out with a target"):
        lazy_limit(3, 3, target=neuron)
    with pytest.raises(RequirementError, match="dim must be left out with a target"):
        lazy_limit(3, target=neuron, norm=2.0)
    with pytest.raises(RequirementError, match="dim must be given where there is no target"):
        lazy_limit(3)
    with pytest.raises(RequirementError, match="inputs must be gaussian where there is no target"):
        lazy_limit(3, 3, inputs="sphere")
    with pytest.raises(RequirementError, match="problem.dim must be at least 2"):
        lazy_limit(3, target=SingleNeuron.create([1.0], 1.0, 0.0))
