"""What is compiled before and in training: draws, step sizes, steps, population descent."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rf_limits.models import (
    ScaledNetwork,
    infinite_width_kernels,
    tangent_kernel,
)
from rf_limits.optimization.descent import descend_until
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.step_size import population_sharpness, sharpness
from rf_limits.optimization.trainer import Cell, Trainer
from rf_limits.problem import Problem, SampledTarget, sample_inputs
from rf_limits.studies.hardness.neuron_descent import _risk
from rf_limits.theory.risks.degree_risks import degree_products
from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_product
from rf_limits.theory.spectra.zonal import radial_rule
from rf_limits.training import networks, seed_data, seeded_problem
from tests.devices.steps import (
    BIASED,
    CENTRED,
    DEGREE,
    DIM,
    DOUBLED,
    ERF,
    LINEAR,
    MANY_NEURONS,
    NEURON,
    NUM,
    PROBLEM,
    RELU,
    SEEDS,
    TANH,
    TEACHER,
    TEST,
    add,
    cells,
    exact,
    floats,
    keys,
    mesh,
    params,
    scaled,
    whole,
)

add(
    "draw: data sets",
    seeded_problem._draw,
    lambda: (keys(SEEDS), Problem(NEURON, "sphere"), NUM, TEST, 0.1),
)
add("draw: parameters", networks._draw_inits, lambda: (keys(SEEDS), BIASED, DIM, jnp.float32))
add("targets: values", seed_data._values, lambda: (NEURON, floats(SEEDS, NUM, DIM)))


def _degrees(inputs: str) -> Callable:
    return jax.jit(lambda: degree_products(NEURON, NEURON, DEGREE, inputs=inputs))


add("targets: degrees under Gaussian inputs", _degrees("gaussian"), tuple)
add("targets: degrees on the sphere", _degrees("sphere"), tuple)
add(
    "targets: degrees without biases",
    jax.jit(lambda: TEACHER.zonal_sum(DEGREE, radial_rule(DIM, True))),
    tuple,
)
add(
    "targets: second moment",
    jax.jit(relu_sum_product),
    lambda: (ReluSum(floats(2, DIM), floats(2), floats(2)),) * 2,
)


def _sampled_moment(key):
    target = SampledTarget(DIM, lambda x: jnp.sin(x[:, 0]), "sin(x_1)")
    return target(sample_inputs(key, "sphere", 2**14, DIM)) ** 2


add(
    "targets: sampled second moment",
    jax.jit(lambda k: jax.lax.map(_sampled_moment, k)),
    lambda: (keys(16),),
)
add(
    "step sizes: infinite-width kernel",
    jax.jit(lambda x: sharpness(infinite_width_kernels(BIASED, x, trainable="both").ntk)),
    lambda: (floats(NUM, DIM),),
)


def _sharpness(f: ScaledNetwork, layers: str) -> jax.Array:
    slope_square = partial(exact(f.network).slope_square, f)
    return population_sharpness(slope_square, f.init, layers)


add(
    "step sizes: population",
    jax.jit(partial(_sharpness, layers="hidden")),
    lambda: (scaled(BIASED),),
)
add(
    "step sizes: population of linear neurons",
    jax.jit(partial(_sharpness, layers="both")),
    lambda: (scaled(LINEAR),),
)
add(
    "step sizes: tangent kernel",
    jax.jit(lambda init, x: sharpness(tangent_kernel(BIASED, init, x, layers="both"))),
    lambda: (params(BIASED), floats(NUM, DIM)),
)
add("speed of a product", jax.jit(jnp.matmul), lambda: (floats(NUM, NUM),) * 2)

# Training


def _trainer(network, optimizer: str, **options: Any) -> Trainer:
    """A trainer that steps all networks at once, as accelerators do."""
    given = {"at_once": None, **options}
    return Trainer(network, parse_optimizer(optimizer), **given)


def _state(trainer: Trainer, ensemble: Cell):
    start = jax.eval_shape(partial(Trainer.start.__wrapped__, trainer), ensemble)
    return start, ensemble


def _training(name: str, trainer: Callable[[], Trainer], dtype: Any = jnp.float64) -> None:
    def arguments() -> tuple:
        one = trainer()
        return one, *_state(one, cells(one.network, dtype)), whole()

    add(f"training: {name}", Trainer._advance, arguments)


def _starting(name: str, step: Callable, trainer: Callable[[], Trainer], dtype: Any) -> None:
    def arguments() -> tuple:
        one = trainer()
        ensemble = cells(one.network, dtype)
        state = (ensemble,) if step is Trainer.start else _state(one, ensemble)
        return one, *state

    add(f"training: {name}", step, arguments)


_training("full batches of SGD, float32", partial(_trainer, RELU, "sgd"), jnp.float32)
_training(
    "momentum, beside the linearization, some at a time",
    partial(_trainer, BIASED, "sgd(momentum=0.9)", linearized=True, at_once=2),
)
_training(
    "minibatches of Adam, one after the other, float32",
    partial(_trainer, DOUBLED, "adam", batch_size=2, linearized=True, at_once=1),
    jnp.float32,
)
_training("minibatches, all at once", partial(_trainer, ERF, "sgd", batch_size=2))
_training(
    "one pass over a stream, hidden layer",
    partial(
        _trainer,
        TANH,
        "adamw(weight_decay=0.01)",
        trainable="hidden",
        batch_size=2,
        sample=PROBLEM.draw_samples,
    ),
    jnp.float32,
)
_training(
    "on a mesh",
    lambda: _trainer(RELU, "sgd", batch_size=2, linearized=True, mesh=mesh(), at_once=1),
)
_training(
    "population risk, float32",
    lambda: _trainer(RELU, "sgd", population=exact(RELU, -1)),
    jnp.float32,
)
_training(
    "population risk, beside the linearization, one after the other",
    lambda: _trainer(CENTRED, "sgd", linearized=True, population=exact(CENTRED, -1), at_once=1),
)
_training(
    "population risk of many neurons, one after the other",
    lambda: _trainer(MANY_NEURONS, "sgd", population=exact(MANY_NEURONS, -1), at_once=1),
)
_training(
    "population risk of linear neurons, one after the other",
    lambda: _trainer(LINEAR, "sgd", linearized=True, population=exact(LINEAR), at_once=1),
)
_training(
    "gradient flow, all at once, float32", partial(_trainer, RELU, "gradient_flow"), jnp.float32
)
_training(
    "gradient flow of the output layer, one after the other",
    partial(_trainer, BIASED, "gradient_flow", trainable="output", at_once=1),
)
_starting(
    "start",
    Trainer.start,
    partial(_trainer, BIASED, "adam", batch_size=2, linearized=True),
    jnp.float32,
)
_starting("start on a mesh", Trainer.start, lambda: _trainer(RELU, "sgd", mesh=mesh()), float)
_starting("rounding", Trainer._rounding_error, partial(_trainer, BIASED, "adam"), jnp.float32)


add(
    "population descent",
    descend_until,
    lambda: (
        _risk,
        {"weights": floats(2, DIM)},
        {"weights": floats(1, DIM), "signs": floats(2), "biases": floats(1)},
    ),
    learning_rate=0.1,
    threshold=0.01,
    max_steps=100,
)
