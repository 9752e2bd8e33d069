"""The label-linear limit against simulated kriging, and against kernels that are not optimal."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rf_limits.errors import RequirementError
from rf_limits.problem.hermite_sums import HermiteSum
from rf_limits.problem.neurons import SingleNeuron, Teacher
from rf_limits.problem.polynomial_kinds import make_polynomial
from rf_limits.theory import lazy_limit, relu_gram
from rf_limits.theory.bounds.label_linear import label_linear_limit
from rf_limits.theory.bounds.rotated_family import family_of
from rf_limits.theory.spectra.rotated_kernel import rotated_moments
from tests.rounding import rounding

BATCHES, DRAWS = 16, 60


def target_of(name, dim):
    rng = np.random.default_rng(dim)
    if name == "neuron":
        return SingleNeuron.create(rng.standard_normal(dim), 1.0, 0.0)
    if name == "biased":
        return SingleNeuron.create(rng.standard_normal(dim), 1.0, 0.7)
    if name == "teacher":
        return Teacher(rng.standard_normal((3, dim)), np.zeros(3), np.array([1.0, -0.7, 0.4]))
    if name == "mixed":
        directions = rng.standard_normal((3, dim)) * np.array([[0.5], [1.0], [2.0]])
        return Teacher(directions, np.array([0.6, -0.4, 0.0]), np.array([1.0, -0.7, 0.4]))
    if name == "cubic":
        return make_polynomial(jnp.eye(1, dim), "single_index", 3)
    return HermiteSum(np.eye(2, dim), ((0, 0), (1, 0), (2, 1)), [0.5, 1.0, 0.7])


def inputs_of(rng, inputs, num, dim):
    x = rng.standard_normal((num, dim))
    if inputs == "sphere":
        x *= np.sqrt(dim) / np.linalg.norm(x, axis=1, keepdims=True)
    return x


def simulated(target, x, noise, inputs, affine, rng):
    """Returns the mean risk of kriging over rotations, and its standard error."""
    dim, n, total = target.dim, len(x), target.second_moment(inputs)
    means = []
    for _ in range(BATCHES):
        both = np.concatenate([x, inputs_of(rng, inputs, DRAWS, dim)])
        kernel = rotated_moments(target, both, total, inputs, 96, centred=affine).kernel
        weights = np.linalg.solve(kernel[:n, :n] + noise**2 * np.eye(n), kernel[:n, n:])
        turns = stats.ortho_group.rvs(dim, size=DRAWS, random_state=rng)
        turned = np.einsum("ni,mji->mnj", both, turns).reshape(-1, dim)
        values = np.asarray(target(jnp.asarray(turned))).reshape(DRAWS, -1)
        if affine:  # the part that no rotation changes is known
            values = values - invariant_part(target, both)
        labels = values[:, :n] + noise * rng.standard_normal((DRAWS, n))
        means.append(np.mean((labels @ weights - values[:, n:]) ** 2))
    return float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(BATCHES))


def invariant_part(target, x):
    """Returns E_O f(O x), by the mean over many points of the sphere of each length."""
    rng = np.random.default_rng(9)
    unit = rng.standard_normal((40_000, x.shape[1]))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    unit = np.concatenate([unit, -unit])
    return np.array(
        [float(jnp.mean(target(jnp.asarray(r * unit)))) for r in np.linalg.norm(x, axis=1)]
    )


SETTINGS = [
    ("neuron", 2, 5, 0.1, "gaussian", False),
    ("neuron", 3, 20, 0.0, "gaussian", False),
    ("neuron", 3, 20, 0.3, "sphere", False),
    ("neuron", 10, 60, 0.2, "gaussian", False),
    ("neuron", 5, 3, 0.0, "gaussian", True),
    ("biased", 3, 20, 0.2, "gaussian", False),
    ("biased", 3, 20, 0.2, "gaussian", True),
    ("biased", 5, 40, 0.1, "sphere", False),
    ("biased", 10, 30, 0.5, "gaussian", False),
    ("teacher", 2, 8, 0.2, "gaussian", False),
    ("teacher", 3, 20, 0.0, "gaussian", False),
    ("teacher", 5, 50, 0.3, "sphere", False),
    ("teacher", 10, 50, 0.1, "gaussian", False),
    ("mixed", 3, 15, 0.1, "gaussian", False),
    ("mixed", 3, 15, 0.1, "gaussian", True),
    ("mixed", 5, 40, 0.3, "sphere", False),
    ("mixed", 8, 40, 0.0, "gaussian", False),
    ("cubic", 3, 10, 0.2, "gaussian", False),
    ("cubic", 5, 25, 0.0, "sphere", False),
    ("sum", 4, 20, 0.3, "gaussian", False),
]


@pytest.mark.parametrize(("name", "dim", "n", "noise", "inputs", "affine"), SETTINGS)
def test_simulated_kriging_attains_the_limit(name, dim, n, noise, inputs, affine):
    rng = np.random.default_rng(17)
    target, x = target_of(name, dim), inputs_of(rng, inputs, n, dim)
    limit = label_linear_limit(x, target=target, noise=noise, inputs=inputs, affine=affine)
    mean, error = simulated(target, x, noise, inputs, affine, rng)
    assert abs(mean - float(limit)) < 3.0 * error + limit.error
    assert limit.error < 1e-3 * limit.value


@pytest.mark.parametrize(("dim", "affine", "expected"), [(3, False, 0.38665), (20, True, 0.3275)])
def test_reference_values_of_one_sample(dim, affine, expected):
    """../shared values of one neuron without bias, relative to nothing: E f*^2 = 1/2."""
    x = np.random.default_rng(0).standard_normal((1, dim))
    limit = label_linear_limit(x, target=target_of("neuron", dim), affine=affine)
    assert round(float(limit), len(str(expected)) - 2) == expected


@pytest.mark.parametrize("name", ["neuron", "teacher", "mixed", "sum"])
def test_it_lies_above_the_limit_of_as_many_functions(name):
    rng = np.random.default_rng(3)
    target = target_of(name, 6)
    family = family_of(target)
    for n in (1, 5, 30):
        x = rng.standard_normal((n, 6))
        linear = label_linear_limit(x, target=target)
        assert float(linear) >= family.limit(n) - linear.error
        affine = label_linear_limit(x, target=target, affine=True)
        assert float(linear) + linear.error >= float(affine) >= family.limit(n + 1) - affine.error
        noisy = label_linear_limit(x, target=target, noise=0.5)
        assert float(linear) < float(noisy) < target.second_moment("gaussian")


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_one_neuron_is_learned_best_by_its_own_kernel(noise):
    """K_T of a neuron without bias is the arc-cosine kernel over d, exactly."""
    rng = np.random.default_rng(5)
    dim, x = 4, rng.standard_normal((25, 4))
    moments = rotated_moments(target_of("neuron", dim), x, 0.5, "gaussian", 40)
    expected = np.asarray(relu_gram(x, None, x, None)) / dim
    tolerance = rounding(4 * 41 + 20) * np.max(expected)  # 41 degrees that are taken off and added
    np.testing.assert_allclose(moments.kernel, expected, rtol=0, atol=tolerance)
    test = rng.standard_normal((200_000, dim))
    sections = np.asarray(relu_gram(x, None, test, None)) / dim
    sampled = sections @ sections.T / len(test)
    spread = np.sqrt(2.0 * np.outer(np.diag(sampled), np.diag(sampled)) * 3.0 / len(test))
    assert np.all(np.abs(moments.square - sampled) < 6.0 * spread)


def test_a_polynomial_of_fewer_functions_than_samples_is_learned():
    rng = np.random.default_rng(6)
    square = make_polynomial(jnp.eye(1, 4), "single_index", 2)  # 1 + 9 functions
    assert float(label_linear_limit(rng.standard_normal((30, 4)), target=square)) < 1e-8
    assert float(label_linear_limit(rng.standard_normal((9, 4)), target=square)) > 1e-3


def test_limit_of_no_use_is_refused_or_said():
    rng = np.random.default_rng(7)
    target = target_of("neuron", 4)
    with pytest.raises(RequirementError, match="x_train must have 4 columns"):
        label_linear_limit(rng.standard_normal((5, 3)), target=target)
    with pytest.raises(RequirementError, match="x_train must have no row of 0"):
        label_linear_limit(np.zeros((2, 4)), target=target)
    with pytest.raises(RequirementError, match="noise must be at least 0"):
        label_linear_limit(np.ones((2, 4)), target=target, noise=-1.0)
    with pytest.raises(RequirementError, match="inputs must be one of"):
        label_linear_limit(np.ones((2, 4)), target=target, inputs="uniform")


def test_parallel_training_inputs_count_once_without_noise():
    rng = np.random.default_rng(8)
    target, x = target_of("neuron", 4), rng.standard_normal((6, 4))
    once = label_linear_limit(x, target=target)
    twice = label_linear_limit(np.concatenate([x, 2.0 * x[:3]]), target=target)
    assert float(twice) == pytest.approx(float(once), abs=1e-7)
    assert float(once) > lazy_limit(6, 4)
