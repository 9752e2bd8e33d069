"""Exact risks of networks that are not relu: against simulation, and against relu's own route."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.measure.neuron_risk import ExactNeuronRisk, exact_risk
from rf_limits.measure.risk import ExactRisk
from rf_limits.models import ScaledNetwork, change_of, make_network
from rf_limits.problem import Problem, Teacher, make_target

DIM, WIDTH, ALPHA, DRAWS = 3, 6, jnp.asarray(1.7), 400_000


def setting(rng, activation, use_bias, centred):
    """A network at its initialization, a target, and changes of the parameters."""
    centring = "subtract" if centred else "none"
    network = make_network(WIDTH, activation=activation, use_bias=use_bias, centring=centring)
    directions = jnp.asarray(rng.normal(size=(2, DIM)))
    target = Teacher(directions, jnp.array([0.4, -0.3]), jnp.array([1.0, -0.5]))
    sizes = {"hidden_kernel": (DIM, WIDTH), "output_kernel": WIDTH}
    sizes |= {"hidden_bias": WIDTH} if use_bias else {}
    init = {"params": {name: rng.normal(size=size) for name, size in sizes.items()}}
    moved, other = (
        jax.tree.map(lambda p: p + 0.4 * rng.normal(size=p.shape), init) for _ in range(2)
    )
    changes = change_of(moved, init), change_of(other, init)
    return ScaledNetwork(network, init, ALPHA), target, *changes


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
    trained, target, by, change = setting(rng, activation, use_bias, centred)
    network, exact = trained.network, exact_risk(trained.network, Problem(target))
    assert isinstance(exact, ExactNeuronRisk)
    u = np.arange(1.0, WIDTH + 1)

    @jax.jit
    def risks(trained, by, change, u, x):
        y, init = target(x), trained.init
        f, g = trained.after(by, x), trained.linearized_after(change, x)
        slope = jax.jvp(lambda p: network.apply(p, x), (init,), (change,))[1]
        refitted = {"params": {**init["params"], "output_kernel": u}}
        differences = (f - y, g - y, f - g, slope - y, network.apply(refitted, x) - y)
        found = (
            exact.network(trained, by).risk,
            exact.linearized(trained, change).risk,
            exact.gap(trained, by, change) ** 2,
            exact.tangent_features(trained, change).risk,
            exact.random_features(trained, u).risk,
        )
        squares = jnp.stack(differences) ** 2
        return jnp.stack(found), squares.mean(axis=1), squares.std(axis=1)

    found, mean, std = map(np.asarray, risks(trained, by, change, u, rng.normal(size=(DRAWS, DIM))))
    # 6 standard errors: false alarm below 1e-8
    assert np.all(np.abs(mean - found) < 6 * std / DRAWS**0.5)


@pytest.mark.slow
def test_agrees_with_the_route_of_relu():
    """Derivatives of Gram matrices against truncated moments of two gates."""
    rng = np.random.default_rng(0)
    trained, target, by, change = setting(rng, "relu", True, False)
    problem = Problem(target)
    one, two = ExactNeuronRisk(problem), ExactRisk(problem)

    @jax.jit
    def both(f, by, change):
        return [
            (
                exact.network(f, by).risk,
                exact.linearized(f, change).risk,
                exact.gap(f, by, change) ** 2,
                exact.slope_square(f, change),
                exact.tangent_features(f, change).risk,
            )
            for exact in (one, two)
        ]

    # sums of WIDTH^2 terms that cancel to a tenth of their sizes or more
    np.testing.assert_allclose(*both(trained, by, change), rtol=1e-11)


def test_where_it_is_known(key):
    erf, tanh = (make_network(4, activation=name) for name in ("erf", "tanh"))
    teacher = make_target(key, "single_neuron", dim=3, bias=0.2)
    polynomial = make_target(key, "polynomial", dim=3, degree=2)
    assert isinstance(exact_risk(erf, Problem(teacher)), ExactNeuronRisk)
    assert exact_risk(erf, Problem(teacher, "sphere")) is None
    assert exact_risk(erf, Problem(polynomial)) is None
    assert exact_risk(tanh, Problem(teacher)) is None
    assert isinstance(exact_risk(make_network(4), Problem(polynomial)), ExactRisk)
