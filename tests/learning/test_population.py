"""Training on the exact risk and gradient flow, against closed forms and many samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from rf_limits.learning.flow import gradient_flow
from rf_limits.learning.linearized import linearized_params, spectrum
from rf_limits.learning.optimizers import parse_optimizer
from rf_limits.learning.step_size import population_sharpness, sharpness
from rf_limits.learning.training import Cell, Trainer
from rf_limits.measure.risk import ExactRisk
from rf_limits.models import ScaledOutput, init_params, make_network, tangent_kernel
from rf_limits.problem import make_target
from tests.variants import kept

DIM = 3


def population(key, width=6, use_bias=False):
    """Exact risks of a small network against one neuron, and its initialization."""
    network = make_network(width, use_bias=use_bias)
    target = make_target(key, "single_neuron", dim=DIM)
    exact = ExactRisk(ScaledOutput(network, True), target, target.second_moment("gaussian"))
    return exact, init_params(network, jax.random.fold_in(key, 1), DIM)


def one_cell(exact, init, x, rate, alpha=1.0):
    """An ensemble of one."""
    batch = lambda tree: jax.tree.map(lambda leaf: leaf[None], tree)
    one = jnp.ones(1)
    key = jax.random.key(0)[None]
    return Cell(batch(init), alpha * one, rate * one, x[None], exact.target(x)[None], key)


def test_flow_of_a_quadratic():
    rates = jnp.array([0.1, 1.0, 50.0])
    found = gradient_flow(
        lambda p: 0.5 * jnp.sum(rates * p["a"] ** 2) + p["b"],
        {"a": jnp.ones(3), "b": jnp.ones(())},
        2.0,
        moving={"a": True, "b": False},
        rtol=1e-9,
        atol=1e-12,
    )
    np.testing.assert_allclose(found["a"], jnp.exp(-2.0 * rates), rtol=1e-7, atol=1e-10)
    assert found["b"] == 1.0


def test_flow_of_no_duration_and_of_nan():
    start = jnp.ones(2)
    still = gradient_flow(lambda p: jnp.sum(p**2), start, 0.0, moving=True)
    np.testing.assert_array_equal(still, start)
    lost = gradient_flow(lambda p: jnp.sum(p) * jnp.nan, start, 1.0, moving=True)
    assert np.all(np.isnan(lost))


@pytest.mark.parametrize("use_bias", kept([False, True], [False]))
def test_population_gradient_is_the_limit_of_sample_gradients(key, use_bias):
    """One step on the exact risk against one step on many samples."""
    exact, init = population(key, use_bias=use_bias)
    x = jax.random.normal(jax.random.fold_in(key, 2), (20, 20_000, DIM))
    spec = parse_optimizer("sgd")

    def move(trainer, cells):
        """Steps of network and linearization, along a few random directions."""
        state = trainer.advance(trainer.start(cells), cells, 1)
        moved = []
        for tree in (state.params, state.linear_params):
            flat = ravel_pytree(jax.tree.map(jnp.subtract, tree, cells.init))[0]
            directions = jax.random.normal(jax.random.key(5), (4, flat.size))
            moved.append(directions @ flat)
        return jnp.stack(moved)

    on_data = Trainer(exact.output, spec, linearized=True)
    on_risk = Trainer(exact.output, spec, linearized=True, population=exact)
    expected = move(on_risk, one_cell(exact, init, x[0], 0.1, 2.0))
    steps = jnp.stack([move(on_data, one_cell(exact, init, xs, 0.1, 2.0)) for xs in x])
    error = jnp.std(steps, axis=0, ddof=1) / jnp.sqrt(20)
    # t with 19 degrees of freedom beyond 9 has probability below 3e-8 per direction
    assert np.all(np.abs(jnp.mean(steps, axis=0) - expected) < 9 * error)


def test_descent_tends_to_flow(key):
    """Halving the step halves the distance between descent and flow."""
    exact, init = population(key)
    x = jax.random.normal(jax.random.fold_in(key, 2), (5, DIM))
    flow = Trainer(
        exact.output, parse_optimizer("gradient_flow(rtol=1e-9, atol=1e-11)"), population=exact
    )
    cells = one_cell(exact, init, x, 1.0)
    end = ravel_pytree(flow.advance(flow.start(cells), cells, 4).params)[0]
    gaps = []
    for parts in (20, 40):
        cells = one_cell(exact, init, x, 1.0 / parts)
        descent = Trainer(exact.output, parse_optimizer("sgd"), population=exact)
        found = ravel_pytree(descent.advance(descent.start(cells), cells, 4 * parts).params)[0]
        gaps.append(float(jnp.linalg.norm(end - found)))
    assert 1.8 < gaps[0] / gaps[1] < 2.2


def test_linearized_flow_matches_closed_form(key):
    """Full batch: integrated flow of the linearization against one eigendecomposition."""
    exact, init = population(key, use_bias=True)
    x = jax.random.normal(jax.random.fold_in(key, 2), (10, DIM))
    cells = one_cell(exact, init, x, 0.5, alpha=3.0)
    spec = parse_optimizer("gradient_flow(rtol=1e-9, atol=1e-12)")
    trainer = Trainer(exact.output, spec, linearized=True)
    state = trainer.advance(trainer.start(cells), cells, 20)
    network = exact.output.network
    expected = linearized_params(
        network,
        init,
        x,
        -exact.target(x),
        spectrum(tangent_kernel(network, init, x)),
        alpha=3.0,
        learning_rate=0.5,
        steps=20,
        flow=True,
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-6, atol=1e-8),
        state.linear_params,
        expected,
    )


@pytest.mark.parametrize("trainable", ["both", "hidden", "output"])
def test_population_sharpness(key, trainable):
    """Power iteration against the eigenvalue of the Gram matrix of many samples."""
    exact, init = population(key, use_bias=True)
    network = exact.output.network
    found = float(jax.jit(lambda at: population_sharpness(exact.slope_square, at, trainable))(init))
    x = jax.random.normal(jax.random.fold_in(key, 2), (8, 400, DIM))
    draws = [float(sharpness(tangent_kernel(network, init, xs, layers=trainable))) for xs in x]
    error = np.std(draws, ddof=1) / np.sqrt(8)
    # t with 7 degrees of freedom beyond 20 has probability below 3e-7; the largest
    # eigenvalue of a sample is biased upwards by about (p/n) of itself
    assert abs(np.mean(draws) - found) < 20 * error + found * 30 / 400
