"""In which span training of a linear model stays: ranks measured over many labels.

The model has two arrays of parameters, n training inputs and more test inputs than functions. What
is learned from many label vectors spans exactly as many functions as StepSpan says.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rf_limits.config import frozen
from rf_limits.methods import METHODS
from rf_limits.optimization.optimizers import GRADIENT_FLOW, make_optimizer, parse_optimizer
from tests.experiments.conftest import small_config

N, TEST, LABELS, STEPS = 3, 40, 30, 12
SIZES = {"hidden": 20, "output": 15}
ZERO = 1e-11
"""Singular values over the largest: rounding leaves 1e-15, what is there is above 1e-8."""


def features(num, seed):
    """Of ``num`` inputs, by array of parameters."""
    rng = np.random.default_rng(seed)
    return {name: jnp.asarray(rng.normal(size=(num, p))) for name, p in SIZES.items()}


START = {name: x[0] for name, x in features(1, 2).items()}


def values(rows, params):
    return sum(rows[name] @ params[name] for name in rows)


def learned(optimizer, rate, trainable="both"):
    """(LABELS, TEST) predictions, from START, whose own are taken off."""
    spec = parse_optimizer(optimizer)
    train, test = features(N, 0), features(TEST, 1)

    def one(labels):
        transform = make_optimizer(spec, rate, trainable)

        def loss(params):
            off = jax.tree.map(lambda a, b: a - b, params, START)
            return 0.5 * jnp.mean((values(train, off) - labels) ** 2)

        def step(carry, _):
            params, state = carry
            updates, state = transform.update(jax.grad(loss)(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        (params, _), _ = jax.lax.scan(step, (START, transform.init(START)), length=STEPS)
        return values(test, jax.tree.map(lambda a, b: a - b, params, START))

    labels = np.random.default_rng(3).normal(size=(LABELS, N))
    return np.asarray(jax.jit(jax.vmap(one))(jnp.asarray(labels)))


def rank(predictions):
    singular = np.linalg.svd(predictions, compute_uv=False)
    return int(np.sum(singular > ZERO * singular[0]))


def counted(optimizer, trainable="both", centring="subtract"):
    """What the package says of the linearization of a network without biases."""
    config = small_config()
    config.data.num_train, config.training.optimizer = N, optimizer
    config.model.trainable, config.model.centring = trainable, centring
    row = {"method": "linearized", "width": 5, "parameters": 35, "step": STEPS}
    return METHODS[row["method"]].fixed_functions(frozen(config), row)


SPANS = {
    "sgd": (0.05, N),
    "sgd(momentum=0.9, nesterov=True)": (0.02, N),
    "optimistic_gradient_descent": (0.02, N),
    "noisy_sgd(key=1)": (0.05, N + 1),
    "lars": (1.0, 2 * N),
    "lars(weight_decay=0.1)": (1.0, 2 * (N + 1)),
    "novograd": (0.1, 2 * N),
    "novograd(weight_decay=0.1)": (0.1, 2 * N + 1),
    "fromage": (0.05, 2 * N + 1),
}


@pytest.mark.parametrize("optimizer", SPANS)
def test_rank_of_what_is_learned(optimizer):
    rate, functions = SPANS[optimizer]
    assert rank(learned(optimizer, rate)) == functions
    assert counted(optimizer) == (35, functions)


@pytest.mark.parametrize("optimizer", ["lars(weight_decay=0.1)", "noisy_sgd(key=1)"])
def test_rank_of_what_one_layer_learns(optimizer):
    rate, _ = SPANS[optimizer]
    assert rank(learned(optimizer, rate, "output")) == N + 1
    assert counted(optimizer, "output").samples == N + 1


OUTSIDE = ("adam", "adamw(weight_decay=0.1)", "lion", "sign_sgd", "rmsprop", "adagrad", "adafactor")


@pytest.mark.parametrize("optimizer", OUTSIDE)
def test_adaptive_steps_leave_every_such_span(optimizer):
    """Beyond two functions for every sample and one: only the number of parameters is left."""
    assert rank(learned(optimizer, 0.05)) > 2 * (N + 1)
    assert counted(optimizer) == (35, np.inf)


def test_flow_and_outputs_that_are_not_centred():
    assert counted(GRADIENT_FLOW) == (35, N)
    assert counted("sgd", centring="none") == (35, N + 1)
    assert counted("lars(weight_decay=0.1)", centring="none") == (35, 2 * (N + 1) + 1)
    own = np.asarray(values(features(TEST, 1), START))
    assert rank(learned("sgd", 0.05) + own) == N + 1
