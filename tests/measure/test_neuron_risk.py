"""Exact risks of networks that are not relu: against simulation, and against relu's own route."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.measure.neuron_risk import ExactNeuronRisk, exact_risk
from rf_limits.measure.risk import ExactRisk
from rf_limits.models import ScaledOutput, change_of, make_network
from rf_limits.problem import Problem, Teacher, make_target

DIM, WIDTH, ALPHA, DRAWS = 3, 6, jnp.asarray(1.7), 400_000


def setting(rng, activation, use_bias, centred):
    """An output, its target, initial and moved parameters."""
    output = ScaledOutput(make_network(WIDTH, activation=activation, use_bias=use_bias), centred)
    directions = jnp.asarray(rng.normal(size=(2, DIM)))
    target = Teacher(directions, jnp.array([0.4, -0.3]), jnp.array([1.0, -0.5]))
    sizes = {"hidden_kernel": (DIM, WIDTH), "output_kernel": WIDTH}
    sizes |= {"hidden_bias": WIDTH} if use_bias else {}
    init = {"params": {name: rng.normal(size=size) for name, size in sizes.items()}}
    moved, other = (
        jax.tree.map(lambda p: p + 0.4 * rng.normal(size=p.shape), init) for _ in range(2)
    )
    return output, target, init, moved, other


@pytest.mark.parametrize(
    ("activation", "use_bias", "centred"),
    [
        pytest.param("erf", True, False, marks=pytest.mark.slow),
        pytest.param("gelu", False, True, marks=pytest.mark.slow),
        ("linear", True, True),
        pytest.param("quadratic", True, True, marks=pytest.mark.slow),
        pytest.param("abs", True, False, marks=pytest.mark.slow),
        pytest.param("relu_squared", False, True, marks=pytest.mark.slow),
    ],
)
def test_against_simulation(activation, use_bias, centred):
    rng = np.random.default_rng(0)
    output, target, init, moved, other = setting(rng, activation, use_bias, centred)
    exact = exact_risk(output, Problem(target))
    assert isinstance(exact, ExactNeuronRisk)
    u = np.arange(1.0, WIDTH + 1)

    @jax.jit
    def risks(init, moved, other, u, x):
        y = target(x)
        f = output(moved, init, ALPHA, x)
        g = output.linearized_after(change_of(other, init), init, ALPHA, x)
        by, change = change_of(moved, init), change_of(other, init)
        slope = jax.jvp(lambda p: output.network.apply(p, x), (init,), (change,))[1]
        refitted = {"params": {**init["params"], "output_kernel": u}}
        differences = (f - y, g - y, f - g, slope - y, output.network.apply(refitted, x) - y)
        found = (
            exact.network(by, init, ALPHA).risk,
            exact.linearized(change, init, ALPHA).risk,
            exact.gap(by, change, init, ALPHA) ** 2,
            exact.tangent_features(init, change).risk,
            exact.random_features(init, u).risk,
        )
        squares = jnp.stack(differences) ** 2
        return jnp.stack(found), squares.mean(axis=1), squares.std(axis=1)

    found, mean, std = map(np.asarray, risks(init, moved, other, u, rng.normal(size=(DRAWS, DIM))))
    # 6 standard errors: false alarm below 1e-8
    assert np.all(np.abs(mean - found) < 6 * std / DRAWS**0.5)


@pytest.mark.slow
def test_agrees_with_the_route_of_relu():
    """Derivatives of Gram matrices against truncated moments of two gates."""
    rng = np.random.default_rng(0)
    output, target, init, moved, other = setting(rng, "relu", True, False)
    problem = Problem(target)
    one, two = ExactNeuronRisk(output, problem), ExactRisk(output, problem)

    @jax.jit
    def both(init, moved, other):
        by, change = change_of(moved, init), change_of(other, init)
        return [
            (
                exact.network(by, init, ALPHA).risk,
                exact.linearized(change, init, ALPHA).risk,
                exact.gap(by, change, init, ALPHA) ** 2,
                exact.slope_square(init, change),
                exact.tangent_features(init, change).risk,
            )
            for exact in (one, two)
        ]

    # sums of WIDTH^2 terms that cancel to a tenth of their sizes or more
    np.testing.assert_allclose(*both(init, moved, other), rtol=1e-11)


def test_where_it_is_known(key):
    network = make_network(4, activation="erf")
    output = ScaledOutput(network, True)
    teacher = make_target(key, "single_neuron", dim=3, bias=0.2)
    polynomial = make_target(key, "polynomial", dim=3, degree=2)
    assert isinstance(exact_risk(output, Problem(teacher)), ExactNeuronRisk)
    assert exact_risk(output, Problem(teacher, "sphere")) is None
    assert exact_risk(output, Problem(polynomial)) is None
    tanh = ScaledOutput(make_network(4, activation="tanh"), True)
    assert exact_risk(tanh, Problem(teacher)) is None
    relu = ScaledOutput(make_network(4), True)
    assert isinstance(exact_risk(relu, Problem(polynomial)), ExactRisk)
