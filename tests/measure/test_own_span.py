"""The best risk in a network's own tangent span against least squares on many samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.measure.own_span import MOST_FEATURES, num_span_functions, own_span
from rf_limits.models.features import tangent_features
from rf_limits.models.network import init_params, make_network
from rf_limits.problem.problem import Problem, make_problem
from rf_limits.problem.sampled import SampledTarget

SAMPLES = 60_000


def sampled_span(network, init, problem, layers):
    """Returns the mean residual of least squares on the features, and its standard error."""
    x = problem.draw_inputs(jax.random.key(7), SAMPLES)
    rows = np.asarray(tangent_features(network, init, x))
    hidden = network.width * (problem.dim + network.use_bias)
    rows = {"hidden": rows[:, :hidden], "output": rows[:, hidden:], "both": rows}[layers]
    if not network.centred:
        rows = np.concatenate([rows, np.asarray(network.value(init, x))[:, None]], axis=1)
    labels = np.asarray(problem.target(x))
    fit, _, rank, _ = np.linalg.lstsq(rows, labels, rcond=1e-9)
    squares = (labels - rows @ fit) ** 2
    mean = float(np.sum(squares)) / (SAMPLES - rank)
    return mean, float(np.std(squares)) / np.sqrt(SAMPLES), rank


FORMS = [
    {},
    {"use_bias": True},
    {"output_init": "zero"},
    {"centring": "antisymmetric"},
    {"centring": "subtract", "use_bias": True, "parameterization": "mup"},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
@pytest.mark.parametrize("layers", ["hidden", "output", "both"])
@pytest.mark.parametrize("activation", ["relu", "erf", "gelu"])
def test_span_risk_is_that_of_least_squares(activation, layers, form):
    problem = make_problem(target="teacher", dim=3, bias=0.3)
    network = make_network(4, activation=activation, **form)
    init = init_params(network, jax.random.key(1), 3)
    best = own_span(network, init, problem, layers)
    mean, error, rank = sampled_span(network, init, problem, layers)
    assert best.num_features == rank
    assert abs(best.risk - mean) < 5.0 * error
    assert best.num_features <= num_span_functions(network, 3, layers) + network.width


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "single_neuron"},
        {"target": "polynomial", "degree": 2},
        {"target": "polynomial", "polynomial": "gegenbauer", "degree": 2},
    ],
)
def test_span_risk_is_exact_for_every_target(fields):
    problem = make_problem(dim=3, **fields)
    network = make_network(4)
    init = init_params(network, jax.random.key(2), 3)
    best = own_span(network, init, problem)
    mean, error, _ = sampled_span(network, init, problem, "both")
    assert abs(best.risk - mean) < 5.0 * error


def test_sphere_and_gaussian_agree_without_biases():
    network = make_network(8)
    init = init_params(network, jax.random.key(3), 5)
    gaussian = make_problem(target="single_neuron", dim=5)
    sphere = Problem(gaussian.target, "sphere")
    risk = own_span(network, init, gaussian).risk
    assert own_span(network, init, sphere).risk == pytest.approx(risk, rel=1e-12)
    mean, error, _ = sampled_span(network, init, sphere, "both")
    assert abs(risk - mean) < 5.0 * error


def test_linearized_training_never_beats_the_span():
    problem = make_problem(target="single_neuron", dim=4)
    network = make_network(6)
    init = init_params(network, jax.random.key(4), 4)
    least = own_span(network, init, problem).risk
    x = problem.draw_inputs(jax.random.key(5), 4000)
    rows = np.asarray(tangent_features(network, init, x))
    fit, *_ = np.linalg.lstsq(rows, np.asarray(problem.target(x)), rcond=1e-9)
    fresh = problem.draw_inputs(jax.random.key(6), 200_000)
    errors = np.asarray(tangent_features(network, init, fresh)) @ fit - problem.target(fresh)
    assert float(jnp.mean(jnp.asarray(errors) ** 2)) > least


def test_risks_that_are_not_exact_have_no_span():
    target = SampledTarget(3, lambda x: jnp.tanh(x[:, 0]), "tanh(x_1)")
    network = make_network(4)
    init = init_params(network, jax.random.key(8), 3)
    assert own_span(network, init, Problem(target)) is None


def test_too_many_features_are_refused_with_the_largest_width():
    network = make_network(400)
    init = init_params(network, jax.random.key(9), 20)
    with pytest.raises(RequirementError, match="model.widths must be at most 300 for the tangent"):
        own_span(network, init, make_problem(target="single_neuron", dim=20))
    assert 300 * 20 <= MOST_FEATURES < 301 * 20
