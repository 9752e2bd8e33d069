"""Training on the exact risk and gradient flow, against closed forms and many samples."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.measure.risk import ExactRisk
from rf_limits.models import ScaledNetwork, make_network, tangent_features, tangent_kernel
from rf_limits.optimization.flow import Tolerances, gradient_flow
from rf_limits.optimization.linearized import linearized_change, spectrum
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.step_size import population_sharpness
from rf_limits.optimization.trainer import Cell, Trainer
from rf_limits.problem import Problem, make_target
from tests.models.drawn import drawn_params
from tests.variants import kept

DIM = 3


@functools.cache
def population(use_bias=False):
    """Exact risks of a small network against one neuron, and its initialization."""
    network = make_network(6, use_bias=use_bias, centring="subtract")
    target = make_target(jax.random.key(1), "single_neuron", dim=DIM)
    exact = ExactRisk(Problem(target))
    return exact, network, drawn_params(network, DIM)


def one_cell(exact, init, x, rate, alpha=1.0):
    """An ensemble of one."""
    arrays = (
        init,
        np.float64(alpha),
        np.float64(rate),
        x,
        np.asarray(exact.problem.target(jnp.asarray(x))),
    )
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[None]), arrays)
    return Cell(*batch, jax.random.key(0)[None])


def flat(tree):
    """All leaves of an ensemble of one in one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def points(num, seed=2):
    """Gaussian inputs."""
    return np.random.default_rng(seed).normal(size=(num, DIM))


def test_flow_of_a_quadratic():
    """And flow of no duration, and where the slope is no number."""
    rates, start = np.array([0.1, 1.0, 50.0]), {"a": np.ones(3), "b": np.ones(())}

    @jax.jit
    def flow(duration, factor):
        return gradient_flow(
            lambda p: factor * (0.5 * jnp.sum(rates * p["a"] ** 2) + p["b"]),
            jax.tree.map(jnp.asarray, start),
            duration,
            moving={"a": True, "b": False},
            tolerances=Tolerances(1e-9, 1e-12),
        )

    found = flow(2.0, 1.0)
    np.testing.assert_allclose(found["a"], np.exp(-2.0 * rates), rtol=1e-7, atol=1e-10)
    assert found["b"] == 1.0
    jax.tree.map(np.testing.assert_array_equal, flow(0.0, 1.0), start)
    assert np.all(np.isnan(flow(1.0, np.nan)["a"]))


@pytest.mark.parametrize("use_bias", kept([False, True], [False]))
def test_population_gradient_is_the_limit_of_sample_gradients(use_bias):
    """One step on the exact risk against one step on many samples."""
    exact, network, init = population(use_bias)
    rng, spec = np.random.default_rng(5), parse_optimizer("sgd")
    directions = rng.normal(size=(4, flat(init).size))

    def move(trainer, cells):
        """Steps of network and linearization, along a few random directions."""
        state = trainer.advance(trainer.start(cells), cells, 1)
        both = state.change, state.linear_change
        return np.stack([directions @ flat(tree) for tree in both])

    on_data = Trainer(network, spec, linearized=True)
    on_risk = Trainer(network, spec, linearized=True, population=exact)
    expected = move(on_risk, one_cell(exact, init, points(5), 0.1, 2.0))
    samples = (one_cell(exact, init, points(20_000, seed), 0.1, 2.0) for seed in range(20))
    steps = np.stack([move(on_data, cells) for cells in samples])
    error = np.std(steps, axis=0, ddof=1) / np.sqrt(20)
    # t with 19 degrees of freedom beyond 9 has probability below 3e-8 per direction
    assert np.all(np.abs(np.mean(steps, axis=0) - expected) < 9 * error)


@pytest.mark.slow
def test_descent_tends_to_flow():
    """Halving the step halves the distance between descent and flow."""
    exact, network, init = population()
    flow = Trainer(
        network, parse_optimizer("gradient_flow(rtol=1e-9, atol=1e-11)"), population=exact
    )
    cells = one_cell(exact, init, points(5), 1.0)
    end = flat(flow.advance(flow.start(cells), cells, 4).change)
    gaps = []
    for parts in (20, 40):
        cells = one_cell(exact, init, points(5), 1.0 / parts)
        descent = Trainer(network, parse_optimizer("sgd"), linearized=True, population=exact)
        found = flat(descent.advance(descent.start(cells), cells, 4 * parts).change)
        gaps.append(np.linalg.norm(end - found))
    assert 1.8 < gaps[0] / gaps[1] < 2.2


def test_linearized_flow_matches_closed_form():
    """Full batch: integrated flow of the linearization against one eigendecomposition."""
    exact, network, init = population(use_bias=True)
    x = points(10)
    cells = one_cell(exact, init, x, 0.5, alpha=3.0)
    spec = parse_optimizer("gradient_flow(rtol=1e-9, atol=1e-12)")
    trainer = Trainer(network, spec, linearized=True)
    state = trainer.advance(trainer.start(cells), cells, 20)

    @jax.jit
    def closed_form(init, x):
        kernel = spectrum(tangent_kernel(network, init, x))
        f, residual = ScaledNetwork(network, init, 3.0), -exact.problem.target(x)
        options = {"learning_rate": 0.5, "steps": 20, "flow": True}
        return linearized_change(f, x, residual, kernel, **options)

    expected = closed_form(init, x)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-6, atol=1e-8),
        state.linear_change,
        expected,
    )


@pytest.mark.parametrize("trainable", kept(["both", "hidden", "output"], ["both"]))
def test_population_sharpness(trainable):
    """Power iteration against the eigenvalue of the features of many samples."""
    exact, network, init = population(use_bias=True)

    @jax.jit
    def top(init):
        slope_square = functools.partial(exact.slope_square, ScaledNetwork(network, init))
        return population_sharpness(slope_square, init, trainable)

    found = float(top(init))
    # columns by name: biases, hidden weights, output weights
    columns = {"both": slice(None), "hidden": slice(None, 24), "output": slice(24, None)}[trainable]
    features, num = jax.jit(lambda at, x: tangent_features(network, at, x)), 20_000

    def of_sample(seed):
        phi = np.asarray(features(init, points(num, seed)))[:, columns]
        return np.linalg.eigvalsh(phi.T @ phi)[-1] / num

    draws = [of_sample(seed) for seed in range(8)]
    error = np.std(draws, ddof=1) / np.sqrt(8)
    # t with 7 degrees of freedom beyond 20 has probability below 3e-7; the largest
    # eigenvalue of a sample is biased upwards by about (p/n) of itself
    assert abs(np.mean(draws) - found) < 20 * error + found * 30 / num
