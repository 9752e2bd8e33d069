"""The compiled trainer against plain Optax loops, closed forms, and itself alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rf_limits.errors import RequirementError
from rf_limits.models import ScaledNetwork, change_of, make_network, moved, tangent_kernel
from rf_limits.optimization import ensemble
from rf_limits.optimization.ensemble import CACHE_BYTES, DEVICE_SHARE, LIVE, networks_at_once
from rf_limits.optimization.linearized import linearized_change, spectrum
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.trainer import Cell, Trainer, log_points
from tests.models.drawn import drawn_params
from tests.rounding import rounding
from tests.variants import kept

DIM, NUM, WIDTH = 4, 12, 16


def cells(key, network, count=3, dtype=jnp.float64, rate=0.05):
    """An ensemble with different initializations, scales, rates and data."""
    x = np.random.default_rng(0).normal(size=(count, NUM, DIM))
    drawn = [drawn_params(network, DIM, seed) for seed in range(count)]
    inits = jax.tree.map(lambda *leaves: np.stack(leaves), *drawn)
    numbers = (np.linspace(0.5, 2.0, count), np.linspace(rate, 2 * rate, count))
    arrays = (inits, *numbers, x, np.maximum(x[..., 0], 0.0))
    return Cell(
        *jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), arrays), jax.random.split(key, count)
    )


def one_cell(batch, i):
    """Member i of an ensemble, of NumPy's arrays but for its key."""
    keys = isinstance(batch, Cell)
    arrays = batch._replace(key=None) if keys else batch
    found = jax.tree.map(lambda leaf: np.asarray(leaf)[i], arrays)
    return found._replace(key=batch.key[i]) if keys else found


def assert_close(a, b, steps):
    """Compares two trees of parameters after steps that were computed in two ways.

    A step sums over points, neurons and coordinates, forth and back; below the limit of
    stability it does not enlarge the error of the parameters before it.
    """
    error = rounding(steps * 4 * (NUM + WIDTH + DIM))
    size = max(np.max(np.abs(leaf)) for leaf in jax.tree.leaves(b))
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, rtol=0, atol=error * size), a, b)


@pytest.mark.parametrize(
    "text",
    kept(
        ["sgd", "sgd(momentum=0.9)", "adam", "adamw(weight_decay=0.01)"],
        ["sgd(momentum=0.9)", "adamw(weight_decay=0.01)"],
    ),
)
def test_full_batch_equals_plain_optax_loop(key, text):
    network = make_network(WIDTH, activation="gelu", use_bias=True, centring="subtract")
    batch = cells(key, network, 1)
    trainer = Trainer(network, parse_optimizer(text), linearized=True)
    state = trainer.advance(trainer.start(batch), batch, 25)
    cell, spec = one_cell(batch, 0), parse_optimizer(text)
    optimizer = getattr(optax, spec.name)(float(cell.learning_rate), **spec.arguments)

    @jax.jit
    def step(both, cell):
        f = ScaledNetwork(network, cell.init, cell.alpha)

        def after(function, params, memory):
            def loss(p):
                error = function(p, cell.x) - cell.y
                return jnp.mean(error**2) / (2 * cell.alpha**2)

            updates, memory = optimizer.update(jax.grad(loss)(params), memory, params)
            return optax.apply_updates(params, updates), memory

        def linearized(params, x):
            return f.linearized_after(change_of(params, f.init), x)

        return [after(one, *state) for one, state in zip((f, linearized), both, strict=True)]

    both = 2 * [(cell.init, jax.tree.map(np.asarray, optimizer.init(cell.init)))]
    for _ in range(25):
        both = step(both, cell)
    for change, (expected, _) in zip((state.change, state.linear_change), both, strict=True):
        found = moved(batch.init, change)
        # Adam divides a slope, known to 1e-16, by its size and 1e-8
        jax.tree.map(
            lambda u, v: np.testing.assert_allclose(u[0], v, rtol=1e-9, atol=1e-9), found, expected
        )
    assert int(state.step[0]) == 25


@pytest.mark.parametrize("trainable", ["both", "hidden", "output"])
@pytest.mark.parametrize("centring", kept(["subtract", "none"], ["none"]))
def test_linearized_training_matches_closed_form(key, trainable, centring):
    """Iterated gradient descent on the linearization against one eigendecomposition."""
    network = make_network(WIDTH, use_bias=True, centring=centring)
    batch = cells(key, network)
    trainer = Trainer(network, parse_optimizer("sgd"), trainable, linearized=True)
    grams = jax.jit(jax.vmap(lambda init, x: tangent_kernel(network, init, x, layers=trainable)))(
        batch.init, batch.x
    )
    tops = np.linalg.eigvalsh(np.asarray(grams))[:, -1]

    @jax.jit
    def closed_form(cells, grams, steps):
        def one(cell, gram):
            f = ScaledNetwork(network, cell.init, cell.alpha)
            return linearized_change(
                f,
                cell.x,
                f(cell.init, cell.x) - cell.y,
                spectrum(gram),
                learning_rate=cell.learning_rate,
                steps=steps,
                trainable=trainable,
            )

        return jax.vmap(one)(cells, grams)

    for share in (0.3, 1.7):  # of the rate at which the curvature is 1; 2 is unstable
        batch = batch._replace(learning_rate=jnp.asarray(share * NUM / tops))
        state, before = trainer.start(batch), 0
        for steps in (0, 1, 2, 7, 300):
            state = trainer.advance(state, batch, steps - before)
            before = steps
            assert_close(state.linear_change, closed_form(batch, grams, float(steps)), steps + NUM)


@pytest.mark.parametrize(
    ("at_once", "batch_size"),
    [
        (1, 4),
        (3, None),
        pytest.param(1, None, marks=pytest.mark.slow),
        pytest.param(3, 4, marks=pytest.mark.slow),
    ],
)
def test_ensemble_equals_members_alone(key, at_once, batch_size):
    network = make_network(WIDTH, centring="subtract")
    options = {"batch_size": batch_size, "linearized": True}
    trainer = Trainer(network, parse_optimizer("sgd"), at_once=at_once, **options)
    batch = cells(key, network)
    together = trainer.advance(trainer.start(batch), batch, 40)
    for i in range(3):
        alone = jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], batch)
        state = trainer.advance(trainer.start(alone), alone, 40)
        for name in ("change", "linear_change"):
            many, single = (getattr(trained, name) for trained in (together, state))
            assert_close(one_cell(many, i), one_cell(single, 0), 40)


@pytest.mark.parametrize("batch_size", kept([None, 4], [4]))
def test_chunks_do_not_matter(key, batch_size):
    network = make_network(WIDTH, centring="subtract")
    trainer = Trainer(network, parse_optimizer("sgd(momentum=0.5)"), batch_size=batch_size)
    batch = cells(key, network)
    whole = trainer.advance(trainer.start(batch), batch, 30)
    state = trainer.start(batch)
    for steps in (1, 4, 11, 14):
        state = trainer.advance(state, batch, steps)
    jax.tree.map(np.testing.assert_array_equal, whole.change, state.change)


def test_minibatches_cover_every_epoch(key):
    """The rows of one epoch are a permutation of the training set, new for each epoch."""
    network = make_network(4, centring="subtract")
    trainer = Trainer(network, parse_optimizer("sgd"), batch_size=4)
    batch = cells(key, network, 1)
    cell = one_cell(batch, 0)._replace(y=np.arange(NUM, dtype=np.float64))
    state, rows_of = one_cell(trainer.start(batch), 0), jax.jit(trainer._batch)
    epochs = []
    for _ in range(2):
        rows = []
        for _ in range(3):
            _, y, order = rows_of(state, cell)
            rows += [int(v) for v in np.asarray(y)]
            state = state._replace(order=order, step=state.step + 1)
        assert sorted(rows) == list(range(NUM))
        epochs.append(rows)
    assert epochs[0] != epochs[1]


def test_one_pass_data_is_fresh_at_every_step(key):
    network = make_network(4, centring="subtract")

    def sample(key, size):
        x = jax.random.normal(key, (size, DIM))
        return x, x[:, 0]

    trainer = Trainer(network, parse_optimizer("sgd"), batch_size=5, sample=sample)
    batch = cells(key, network, 1)
    state, cell = one_cell(trainer.start(batch), 0), one_cell(batch, 0)
    drawn = jax.jit(trainer._batch)
    first, _, _ = drawn(state, cell)
    second, _, _ = drawn(state._replace(step=state.step + 1), cell)
    assert first.shape == (5, DIM)
    assert not np.any(np.asarray(first) == np.asarray(second))
    with pytest.raises(RequirementError, match="training.batch_size must be given"):
        Trainer(network, parse_optimizer("sgd"), sample=sample)


def test_new_rates_and_scales_do_not_recompile(key):
    network = make_network(8, centring="subtract")
    trainer = Trainer(network, parse_optimizer("sgd"))
    batch = cells(key, network)
    trainer.advance(trainer.start(batch), batch, 3)
    before = trainer._advance._cache_size()
    other = batch._replace(learning_rate=2 * batch.learning_rate, alpha=3 * batch.alpha)
    trainer.advance(trainer.start(other), other, 5)
    assert trainer._advance._cache_size() == before


def test_training_dtype_is_explicit(key):
    network = make_network(8, centring="subtract")
    trainer = Trainer(network, parse_optimizer("adam"), linearized=True)
    batch = cells(key, network, dtype=jnp.float32)
    state = trainer.advance(trainer.start(batch), batch, 3)
    dtypes = {leaf.dtype for leaf in jax.tree.leaves((state.change, state.linear_change))}
    assert dtypes == {jnp.dtype("float32")}


def test_log_points():
    assert log_points(1000, 12)[:2] == [0, 1]
    assert log_points(1000, 12)[-1] == 1000
    assert log_points(5, 2) == [0, 5]
    assert log_points(1, 10) == [0, 1]
    ratios = np.diff(np.log(log_points(10**6, 14)[1:]))
    np.testing.assert_allclose(ratios, ratios.mean(), rtol=0.2)


def test_networks_stepped_at_once():
    assert networks_at_once("auto", 9, 10.0, "cpu") == 9
    assert networks_at_once("auto", 9, CACHE_BYTES / 4, "cpu") == 3  # four would fit
    assert networks_at_once("auto", 7, CACHE_BYTES / 4, "cpu") == 1
    assert networks_at_once("auto", 9, np.inf, "cpu") == 1
    assert networks_at_once("auto", 9, 10.0, "cpu", in_step=False) == 1
    assert networks_at_once("auto", 9, CACHE_BYTES / 4, "cpu", together=90) == 3
    assert networks_at_once("vmap", 9, np.inf, "cpu") is None
    assert networks_at_once("map", 9, 10.0, "gpu") == 1
    with pytest.raises(RequirementError, match="training.ensemble"):
        networks_at_once("both", 1, 1.0)


def test_networks_stepped_at_once_on_an_accelerator(monkeypatch):
    each = 4.0 * 16384 * 8192

    def at_once(*arguments, memory=60.0 * 2**30, **options):
        monkeypatch.setattr(ensemble, "device_memory", lambda: memory)
        return networks_at_once("auto", *arguments, backend="gpu", **options)

    assert at_once(64, each) == 8  # fifteen would fit
    assert at_once(64, each, memory=4.0 * 2**30) == 1
    assert at_once(64, each, memory=2.0**30) == 1  # not even one would: there is no less
    assert at_once(8, 4.0 * 1024 * 512) is None
    assert at_once(8, each, in_step=False) is None
    assert at_once(8, each, together=24) == 12
    assert at_once(9, np.inf) == 1
    assert at_once(64, each, memory=None) is None
    held = LIVE * each * at_once(64, each, memory=80e9)
    assert held <= DEVICE_SHARE * 80e9


def test_noise_differs_between_seeds_and_scales(key):
    """Added noise is the optimizer's own: its key alone would be the same for every network."""
    network = make_network(WIDTH, centring="subtract")
    trainer = Trainer(network, parse_optimizer("noisy_sgd(key=1)"))
    four = cells(key, network, 4)
    four = four._replace(
        alpha=jnp.array([1.0, 2.0, 1.0, 2.0]), key=four.key[jnp.array([0, 0, 1, 1])]
    )
    state = trainer.start(four)
    (own,) = (
        leaf
        for leaf in jax.tree.leaves(state.optimizer)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    )
    data = np.asarray(jax.random.key_data(own))
    assert len(np.unique(data, axis=0)) == 4
    again = jax.random.key_data(jax.tree.leaves(trainer.start(four).optimizer)[1])
    np.testing.assert_array_equal(again, data)
