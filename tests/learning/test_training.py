"""The compiled trainer against plain Optax loops, closed forms, and itself alone."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rf_limits.errors import RequirementError
from rf_limits.learning import ensemble
from rf_limits.learning.ensemble import CACHE_BYTES, DEVICE_SHARE, LIVE, networks_at_once
from rf_limits.learning.linearized import linearized_params, spectrum
from rf_limits.learning.optimizers import parse_optimizer
from rf_limits.learning.training import Cell, Trainer, log_points
from rf_limits.models import ScaledOutput, init_params, make_network, tangent_kernel
from tests.variants import kept

DIM, NUM, WIDTH = 4, 12, 16


def cells(key, network, count=3, dtype=jnp.float64, rate=0.05):
    """An ensemble with different initializations, scales, rates and data."""
    keys = jax.random.split(key, count)
    x = jax.random.normal(jax.random.fold_in(key, 1), (count, NUM, DIM), dtype)
    inits = jax.vmap(lambda k: init_params(network, k, DIM))(keys)
    return Cell(
        jax.tree.map(lambda leaf: leaf.astype(dtype), inits),
        jnp.linspace(0.5, 2.0, count).astype(dtype),
        jnp.linspace(rate, 2 * rate, count).astype(dtype),
        x,
        jnp.maximum(x[..., 0], 0.0),
        keys,
    )


def one_cell(batch, i):
    """Member i of an ensemble."""
    return jax.tree.map(lambda leaf: leaf[i], batch)


def assert_close(a, b, rtol=1e-12, atol=1e-13):
    """Compares two trees of arrays."""
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, rtol=rtol, atol=atol), a, b)


@pytest.mark.parametrize("text", ["sgd", "sgd(momentum=0.9)", "adam", "adamw(weight_decay=0.01)"])
@pytest.mark.parametrize("linear", [False, True])
def test_full_batch_equals_plain_optax_loop(key, text, linear):
    network = make_network(WIDTH, activation="gelu", use_bias=True)
    output = ScaledOutput(network, centred=True)
    batch = cells(key, network, 1)
    trainer = Trainer(output, parse_optimizer(text), linearized=True)
    state = trainer.advance(trainer.start(batch), batch, 25)
    cell = one_cell(batch, 0)
    spec = parse_optimizer(text)
    optimizer = getattr(optax, spec.name)(float(cell.learning_rate), **spec.arguments)
    params, memory = cell.init, optimizer.init(cell.init)
    function = output.linearized if linear else output

    @jax.jit
    def step(params, memory):
        def loss(p):
            error = function(p, cell.init, cell.alpha, cell.x) - cell.y
            return jnp.mean(error**2) / (2 * cell.alpha**2)

        updates, memory = optimizer.update(jax.grad(loss)(params), memory, params)
        return optax.apply_updates(params, updates), memory

    for _ in range(25):
        params, memory = step(params, memory)
    found = one_cell(state.linear_params if linear else state.params, 0)
    assert_close(found, params, rtol=1e-9, atol=1e-11)
    assert int(state.step[0]) == 25


@pytest.mark.parametrize("trainable", ["both", "hidden", "output"])
@pytest.mark.parametrize("centred", kept([True, False], [False]))
@pytest.mark.parametrize("share", [0.3, 1.7])
def test_linearized_training_matches_closed_form(key, trainable, centred, share):
    """Iterated gradient descent on the linearization against one eigendecomposition."""
    network = make_network(WIDTH, use_bias=True)
    output = ScaledOutput(network, centred)
    batch = cells(key, network)
    grams = [
        tangent_kernel(network, one_cell(batch, i).init, batch.x[i], layers=trainable)
        for i in range(3)
    ]
    rates = [share * NUM / float(jnp.linalg.eigvalsh(gram)[-1]) for gram in grams]
    batch = batch._replace(learning_rate=jnp.asarray(rates))
    trainer = Trainer(output, parse_optimizer("sgd"), trainable, linearized=True)
    state, before = trainer.start(batch), 0
    for steps in (0, 1, 2, 7, 300):
        state = trainer.advance(state, batch, steps - before)
        before = steps
        for i, gram in enumerate(grams):
            cell = one_cell(batch, i)
            residual = output(cell.init, cell.init, cell.alpha, cell.x) - cell.y
            expected = linearized_params(
                network,
                cell.init,
                cell.x,
                residual,
                spectrum(gram),
                alpha=cell.alpha,
                learning_rate=cell.learning_rate,
                steps=float(steps),
                trainable=trainable,
            )
            assert_close(one_cell(state.linear_params, i), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_ensemble_equals_members_alone(key, at_once, batch_size):
    network = make_network(WIDTH)
    options = {"batch_size": batch_size, "linearized": True}
    trainer = Trainer(
        ScaledOutput(network, True), parse_optimizer("sgd"), at_once=at_once, **options
    )
    batch = cells(key, network)
    together = trainer.advance(trainer.start(batch), batch, 40)
    for i in range(3):
        alone = jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], batch)
        state = trainer.advance(trainer.start(alone), alone, 40)
        assert_close(one_cell(together.params, i), one_cell(state.params, 0))
        assert_close(one_cell(together.linear_params, i), one_cell(state.linear_params, 0))


@pytest.mark.parametrize("batch_size", [None, 4])
def test_chunks_do_not_matter(key, batch_size):
    network = make_network(WIDTH)
    trainer = Trainer(
        ScaledOutput(network, True), parse_optimizer("sgd(momentum=0.5)"), batch_size=batch_size
    )
    batch = cells(key, network)
    whole = trainer.advance(trainer.start(batch), batch, 30)
    state = trainer.start(batch)
    for steps in (1, 4, 11, 14):
        state = trainer.advance(state, batch, steps)
    jax.tree.map(np.testing.assert_array_equal, whole.params, state.params)


def test_minibatches_cover_every_epoch(key):
    """The rows of one epoch are a permutation of the training set, new for each epoch."""
    network = make_network(4)
    trainer = Trainer(ScaledOutput(network, True), parse_optimizer("sgd"), batch_size=4)
    batch = cells(key, network, 1)
    cell = one_cell(batch, 0)._replace(y=jnp.arange(NUM, dtype=jnp.float64))
    state = one_cell(trainer.start(batch), 0)
    epochs = []
    for _ in range(2):
        rows = []
        for _ in range(3):
            _, y, order = trainer._batch(state, cell)
            rows += [int(v) for v in y]
            state = state._replace(order=order, step=state.step + 1)
        assert sorted(rows) == list(range(NUM))
        epochs.append(rows)
    assert epochs[0] != epochs[1]


def test_one_pass_data_is_fresh_at_every_step(key):
    network = make_network(4)

    def sample(key, size):
        x = jax.random.normal(key, (size, DIM))
        return x, x[:, 0]

    trainer = Trainer(
        ScaledOutput(network, True), parse_optimizer("sgd"), batch_size=5, sample=sample
    )
    batch = cells(key, network, 1)
    state, cell = one_cell(trainer.start(batch), 0), one_cell(batch, 0)
    first, _, _ = trainer._batch(state, cell)
    second, _, _ = trainer._batch(state._replace(step=state.step + 1), cell)
    assert first.shape == (5, DIM)
    assert not np.any(np.asarray(first) == np.asarray(second))
    with pytest.raises(RequirementError, match="training.batch_size must be given"):
        Trainer(ScaledOutput(network, True), parse_optimizer("sgd"), sample=sample)


def test_new_rates_and_scales_do_not_recompile(key):
    network = make_network(8)
    trainer = Trainer(ScaledOutput(network, True), parse_optimizer("sgd"))
    batch = cells(key, network)
    trainer.advance(trainer.start(batch), batch, 3)
    before = trainer._advance._cache_size()
    other = batch._replace(learning_rate=2 * batch.learning_rate, alpha=3 * batch.alpha)
    trainer.advance(trainer.start(other), other, 5)
    assert trainer._advance._cache_size() == before


def test_training_dtype_is_explicit(key):
    network = make_network(8)
    trainer = Trainer(ScaledOutput(network, True), parse_optimizer("adam"), linearized=True)
    batch = cells(key, network, dtype=jnp.float32)
    state = trainer.advance(trainer.start(batch), batch, 3)
    dtypes = {leaf.dtype for leaf in jax.tree.leaves((state.params, state.linear_params))}
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
    at_once = partial(networks_at_once, "auto", backend="gpu")
    assert at_once(64, each, memory=60.0 * 2**30) == 8  # fifteen would fit
    assert at_once(64, each, memory=4.0 * 2**30) == 1
    assert at_once(64, each, memory=2.0**30) == 1  # not even one would: there is no less
    assert at_once(8, 4.0 * 1024 * 512, memory=60.0 * 2**30) is None
    assert at_once(8, each, memory=60.0 * 2**30, in_step=False) is None
    assert at_once(8, each, memory=60.0 * 2**30, together=24) == 12
    assert at_once(9, np.inf, memory=60.0 * 2**30) == 1
    monkeypatch.setattr(ensemble, "device_memory", lambda: 60.0 * 2**30)
    assert at_once(64, each) == 8
    monkeypatch.setattr(ensemble, "device_memory", lambda: None)
    assert at_once(64, each) is None
    held = LIVE * each * at_once(64, each, memory=80e9)
    assert held <= DEVICE_SHARE * 80e9
