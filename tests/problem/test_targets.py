"""Targets: exact moments against simulation, formulas, refusals."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.problem import SingleNeuron, Teacher, make_target
from rf_limits.theory.risks.relu_moments import ReluSum
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

DIM = 6

CASES = {
    "neuron": {"kind": "single_neuron", "norm": 1.5},
    "biased neuron": {"kind": "single_neuron", "norm": 1.5, "bias": -0.4},
    "teacher": {"kind": "teacher", "neurons": 3},
    "biased teacher": {"kind": "teacher", "neurons": 3, "bias": 0.5},
    "constant": {"kind": "polynomial", "degree": 0},
    "line": {"kind": "polynomial", "degree": 1, "norm": 2.0},
    "quadratic": {"kind": "polynomial", "degree": 2},
    "quartic": {"kind": "polynomial", "degree": 4, "norm": 0.5},
    "monomial": {"kind": "polynomial", "degree": 3, "norm": 2.0, "polynomial": "monomial"},
    "harmonic": {"kind": "polynomial", "degree": 3, "polynomial": "harmonic"},
    "product": {"kind": "polynomial", "degree": 4, "polynomial": "hermite_product"},
    "zonal": {"kind": "polynomial", "degree": 4, "polynomial": "gegenbauer"},
}


def target_of(key, case):
    """One of CASES."""
    options = dict(CASES[case])
    return make_target(key, options.pop("kind"), dim=DIM, **options)


@pytest.fixture(scope="module")
def draws():
    """Inputs of either distribution."""
    x = np.random.default_rng(0).normal(size=(400_000, DIM))
    return {"gaussian": x, "sphere": x * DIM**0.5 / np.linalg.norm(x, axis=1, keepdims=True)}


def mean_of(function, x):
    """Mean of a function over the rows of x, its standard error, and what rounding may add."""

    @jax.jit
    def moments(x):
        values = function(x)
        return jnp.mean(values), jnp.std(values) / len(x) ** 0.5, jnp.mean(jnp.abs(values))

    mean, error, size = map(float, moments(x))
    return mean, error, rounding(len(x)) * size


def pairs(*default):
    """Input distributions and cases, all but those given marked slow."""
    every = itertools.product(("gaussian", "sphere"), CASES)
    return [
        pytest.param(*pair, marks=() if pair in default else pytest.mark.slow) for pair in every
    ]


@pytest.mark.parametrize(
    ("inputs", "case"),
    pairs(
        ("gaussian", "biased teacher"),
        ("gaussian", "monomial"),
        ("gaussian", "harmonic"),
        ("gaussian", "product"),
        ("gaussian", "zonal"),
        ("sphere", "biased teacher"),
        ("sphere", "constant"),
        ("sphere", "quartic"),
        ("sphere", "zonal"),
    ),
)
def test_second_moment_matches_simulation(key, draws, inputs, case):
    target = target_of(key, case)
    mean, error, rounded = mean_of(lambda x: target(x) ** 2, draws[inputs])
    # 6 standard errors: false alarm below 1e-8 per case
    assert abs(mean - target.second_moment(inputs)) < 6 * error + rounded


@pytest.mark.parametrize(
    "case", kept(CASES, ["biased teacher", "constant", "line", "quartic", "zonal"])
)
@pytest.mark.parametrize("sloped", kept([False, True], [True]))
def test_product_matches_simulation(key, draws, case, sloped):
    target = target_of(key, case)
    rng = np.random.default_rng(1)
    drawn = ReluSum(*(jnp.asarray(rng.normal(size=size)) for size in ((4, DIM), 4, 4, (4, DIM), 4)))
    f = drawn if sloped else drawn._replace(slopes=None, offsets=None)
    mean, error, _ = mean_of(lambda x: f(x) * target(x), draws["gaussian"])
    # 6 standard errors: false alarm below 1e-8 per case
    assert abs(mean - float(jax.jit(target.product)(f))) < 6 * error


def test_known_moments(key):
    neuron = make_target(key, "single_neuron", dim=7, norm=3.0)
    # a direction is divided by its length, multiplied by the norm, and its square summed again
    length = rounding(2 * 7 + 4)
    np.testing.assert_allclose(neuron.norm, [3.0], rtol=length)
    moment = neuron.second_moment("gaussian")
    np.testing.assert_allclose(moment, 4.5, rtol=2 * length + rounding(2 * LIBRARY))
    assert neuron.second_moment("sphere") == moment
    assert make_target(key, "polynomial", dim=7, degree=3).second_moment("gaussian") == 1.0


def test_formulas(key):
    neuron = make_target(key, "single_neuron", dim=7, norm=3.0, bias=-0.5)
    assert neuron.formula() == "relu(<w*, x> - 0.5), |w*| = 3, d = 7"
    assert "he_4" in make_target(key, "polynomial", dim=7, degree=4).formula()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "single_neurone"}, "Did you mean 'single_neuron'"),
        ({"kind": "single_neuron", "dim": 0}, "problem.dim must be at least 1"),
        ({"kind": "single_neuron", "norm": 0.0}, "problem.norm must be positive"),
        ({"kind": "polynomial", "bias": 1.0}, "problem.bias must be 0"),
        ({"kind": "teacher", "neurons": 0}, "problem.neurons must be at least 1"),
    ],
)
def test_refusals(key, options, message):
    options = {"dim": 4, **options}
    with pytest.raises(RequirementError, match=message):
        make_target(key, options.pop("kind"), **options)


def teacher(directions, biases, coefficients):
    return Teacher(*(jnp.asarray(a, jnp.float64) for a in (directions, biases, coefficients)))


@pytest.mark.parametrize("bias", [0.7, 0.0, -0.7])
def test_a_zero_neuron_is_a_constant(bias):
    """relu(b) times its coefficient is added: its square, and twice the mean of the other."""
    zero = teacher([[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]], [bias, 0.5], [2.0, -1.0])
    other = teacher([[1.0, 2.0, 2.0]], [0.5], [-1.0])
    constant = 2.0 * max(bias, 0.0)
    # E relu(3 z + 1/2), and on the sphere of radius sqrt(3), where the coordinate is uniform
    gaussian = 0.5 * math.erfc(-1.0 / 6.0 / math.sqrt(2.0)) * 0.5
    gaussian += 3.0 * math.exp(-1.0 / 72.0) / math.sqrt(2.0 * math.pi)
    reach = 3.0 * math.sqrt(3.0)
    means = {"gaussian": -gaussian, "sphere": -((reach + 0.5) ** 2) / (4.0 * reach)}
    for inputs, mean in means.items():
        added = zero.second_moment(inputs) - other.second_moment(inputs)
        assert abs(added - (constant**2 + 2.0 * constant * mean)) < 1e-11
    np.testing.assert_array_equal(zero.degree_tails(4), other.degree_tails(4))


@pytest.mark.parametrize("length", [1e-99, 1e-50, 1e50, 1e99])
def test_second_moments_of_any_length(length):
    """The square of the length is the factor, on the sphere too."""
    shape = [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], [0.4, -0.3], [1.0, 2.0]
    one = teacher(*shape)
    long = teacher(length * np.array(shape[0]), length * np.array(shape[1]), shape[2])
    for inputs in ("gaussian", "sphere"):
        ratio = long.second_moment(inputs) / length / length / one.second_moment(inputs)
        assert abs(ratio - 1.0) < 1e-11
    np.testing.assert_allclose(long.degree_tails(3) / length, one.degree_tails(3), rtol=1e-11)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: teacher([[1e200, 0.0]], [0.0], [1.0]), "directions must be 0 or of a size from"),
        (lambda: teacher([[1e-200, 0.0]], [0.0], [1.0]), "directions must be 0 or of a size from"),
        (lambda: teacher([[math.nan, 0.0]], [0.0], [1.0]), "directions must be 0 or of a size"),
        (lambda: teacher([[1.0, 0.0]], [math.inf], [1.0]), "biases must be of a size up to 1e100"),
        (lambda: teacher([[1.0, 0.0]], [0.0], [1e101]), "coefficients must be of a size up to"),
        (lambda: SingleNeuron.create(jnp.zeros(3), 1.0, 0.0), "direction must not be 0, but"),
        (lambda: SingleNeuron.create(jnp.full(3, 1e200), 1.0, 0.0), "direction must be 0 or of"),
        (lambda: SingleNeuron.create(jnp.ones(3), 1e200, 0.0), "directions must be 0 or of a size"),
        (lambda: SingleNeuron.create(jnp.ones(3), math.inf, 0.0), "directions must be 0 or of a"),
    ],
)
def test_lengths_beyond_float64_are_refused(make, message):
    with pytest.raises(RequirementError) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
