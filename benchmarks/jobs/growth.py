"""Exponents of time and memory over two decades of N, n, d and seeds, beside operation counts."""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.rows import Row, hand_over
from benchmarks.timing import seconds
from rf_limits.models import init_params, make_network, tangent_kernel
from rf_limits.optimization.ensemble import networks_at_once
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.trainer import Cell, Trainer
from rf_limits.regression.dense import DECOMPOSED, kernel_regression
from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_product

SIZES = np.unique(np.geomspace(64, 6400, 7).round().astype(int))
SMALL = np.unique(np.geomspace(4, 400, 7).round().astype(int))
COUNTS = np.unique(np.geomspace(1, 100, 7).round().astype(int))
MORE = {"time": 0.15, "memory": 0.05}
"""By how much a fitted exponent may exceed the count."""
LEAST = 0.02
"""Seconds a timed call takes at least, by repeating."""


class Sample(NamedTuple):
    """One size: what is called, and bytes of what it holds at once."""

    call: Callable[[], object]
    memory: float


def _compiled(function: Callable, *arguments) -> Sample:
    program = jax.jit(function).lower(*arguments).compile()
    held = program.memory_analysis()
    size = held.temp_size_in_bytes + held.argument_size_in_bytes + held.output_size_in_bytes
    return Sample(lambda: program(*arguments), float(size))


def step(*, width: int = 256, num: int = 256, dim: int = 20, seeds: int = 4) -> Sample:
    """Ten steps of an ensemble, float32."""
    network = make_network(width)
    keys = jax.random.split(jax.random.key(0), seeds)
    inits = jax.vmap(lambda key: init_params(network, key, dim))(keys)
    inits = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), inits)
    x = jax.random.normal(jax.random.key(1), (seeds, num, dim), jnp.float32)
    ones = jnp.ones(seeds, jnp.float32)
    cells = Cell(inits, ones, 1e-3 * ones, x, x[..., 0], keys)
    at_once = networks_at_once("auto", seeds, 4.0 * width * num)
    trainer = Trainer(network, parse_optimizer("sgd"), at_once=at_once)
    lowered = Trainer._advance.lower(trainer, trainer.start(cells), cells, np.asarray(10))
    held = lowered.compile().memory_analysis()
    size = held.temp_size_in_bytes + held.argument_size_in_bytes
    return Sample(lambda: trainer.advance(trainer.start(cells), cells, 10).change, float(size))


def _sum(width: int, dim: int) -> ReluSum:
    w = jax.random.normal(jax.random.key(0), (width, dim))
    return ReluSum(w, None, jnp.ones(width) / width)


def exact_square(*, width: int = 256, dim: int = 20) -> Sample:
    """E f^2 of a network."""
    return _compiled(lambda f: relu_sum_product(f, f), _sum(width, dim))


def exact_gradient(*, width: int = 256, dim: int = 20) -> Sample:
    """Its gradient."""
    return _compiled(jax.grad(lambda f: relu_sum_product(f, f)), _sum(width, dim))


def empirical_ntk(*, width: int = 256, num: int = 256, dim: int = 20) -> Sample:
    """The empirical NTK."""
    network = make_network(width)
    params = init_params(network, jax.random.key(0), dim)
    x = jax.random.normal(jax.random.key(1), (num, dim))
    return _compiled(functools.partial(tangent_kernel, network), params, x)


def regression(*, num: int) -> Sample:
    """Kernel regression."""
    x = jax.random.normal(jax.random.key(0), (num, 20))
    gram = jnp.exp(-0.05 * jnp.sum((x[:, None] - x[None, :]) ** 2, axis=-1))
    return _compiled(kernel_regression, gram, x[:, 0], 1.0)


def exponent(sizes: np.ndarray, values: np.ndarray, change: float | None) -> float:
    """Of values that grow as a power of sizes, with a constant of its own beyond ``change``."""
    x, y = np.log(sizes), np.log(values)
    beyond = np.zeros(len(x), bool) if change is None else sizes > change
    for side in filter(np.any, (beyond, ~beyond)):
        x[side], y[side] = x[side] - x[side].mean(), y[side] - y[side].mean()
    return float(x @ y / (x @ x))


# what, its argument, sizes, exponents counted of time and memory
CASES = (
    ("a training step", step, "width", SIZES, 1.0, 1.0),
    ("a training step", step, "num", SIZES, 1.0, 1.0),
    ("a training step", step, "dim", SMALL, 1.0, 1.0),
    ("a training step", step, "seeds", COUNTS, 1.0, 1.0),
    ("E f^2", exact_square, "width", SIZES, 2.0, 1.0),
    ("E f^2", exact_square, "dim", SMALL, 1.0, 1.0),
    ("the gradient of E f^2", exact_gradient, "width", SIZES, 2.0, 1.0),
    ("the empirical NTK", empirical_ntk, "width", SIZES, 1.0, 1.0),
    ("the empirical NTK", empirical_ntk, "num", SIZES, 2.0, 2.0),
    ("kernel regression", regression, "num", SIZES, 3.0, 2.0),
)
NAMES = {"width": "N", "num": "n", "dim": "d", "seeds": "seeds"}


def _time(call: Callable[[], object]) -> float:
    first = [seconds(call) for _ in range(2)][-1]
    repeats = max(1, min(50, int(LEAST / max(first, 1e-6))))
    return min(seconds(lambda: [call() for _ in range(repeats)]) for _ in range(3)) / repeats


def rows() -> Iterator[Row]:
    """Rows of the table."""
    for what, make, name, sizes, time_count, memory_count in CASES:
        samples = [make(**{name: int(size)}) for size in sizes]
        measured = {
            "time": (np.array([_time(one.call) for one in samples]), time_count),
            "memory": (np.array([one.memory for one in samples]), memory_count),
        }
        for kind, (values, count) in measured.items():
            change = DECOMPOSED if make is regression and kind == "memory" else None
            last = np.log(values[-1] / values[-3]) / np.log(sizes[-1] / sizes[-3])
            yield Row(
                f"growth: {kind} of {what} with {NAMES[name]}, {sizes[0]} to {sizes[-1]}",
                f"operation count, exponent {count:g}",
                exponent(sizes, values, change),
                count + MORE[kind],
                False,
                note=f"over the last third {last:.2f}",
            )


if __name__ == "__main__":
    hand_over(list(rows()))
