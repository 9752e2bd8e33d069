"""Examples of what rf_limits compiles: steps, with arguments for which they can be lowered.

Arguments are shapes (``jax.ShapeDtypeStruct``) wherever the package takes arrays, so that nothing
is computed and sizes cost nothing: :data:`MANY` gates, rows or points are enough for the loops
over blocks that accelerators have only where a problem is large.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rf_limits.devices.mesh import AXES
from rf_limits.measure.kernel_risk import ExactKernelRisk
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.models import (
    ScaledNetwork,
    init_params,
    make_network,
)
from rf_limits.optimization.infinite_width import InfiniteWidth
from rf_limits.optimization.linearized import Spectrum
from rf_limits.optimization.trainer import Cell
from rf_limits.problem import Dataset, Problem, SingleNeuron, Teacher
from rf_limits.theory.risks.kernel_predictors import KernelSeries

DIM, WIDTH, NUM, TEST, SEEDS, CELLS, PROBE, DEGREE = 3, 4, 6, 5, 2, 4, 4, 4
MANY = 5000
"""More than one block or tile of an accelerator (:mod:`rf_limits.theory.numerics.blocks`)."""


class Example(NamedTuple):
    """A step and what it is lowered for.

    Attributes:
      step: from ``jax.jit`` or ``jit_quickly``.
      arguments: what gives its arguments, when they are needed.
      named: arguments by name.
    """

    step: Callable
    arguments: Callable[[], tuple]
    named: Mapping[str, Any] = MappingProxyType({})


COMPILED: dict[str, Example] = {}
"""By name of what is lowered."""


def add(name: str, step: Callable, arguments: Callable[[], tuple], **named: Any) -> None:
    """Adds a step to :data:`COMPILED`."""
    assert name not in COMPILED, name
    COMPILED[name] = Example(step, arguments, named)


def floats(*shape: int, dtype: Any = jnp.float64) -> jax.ShapeDtypeStruct:
    """An array of which the shape is known."""
    return jax.ShapeDtypeStruct(shape, dtype)


def whole(*shape: int) -> jax.ShapeDtypeStruct:
    """The same of whole numbers."""
    return floats(*shape, dtype=jnp.int64)


def keys(*shape: int) -> jax.ShapeDtypeStruct:
    """The same of random keys."""
    return floats(*shape, dtype=jax.eval_shape(jax.random.key, 0).dtype)


def params(network, *lead: int, dtype: Any = jnp.float64):
    """Parameters of a network, or of an array of networks."""
    one = jax.eval_shape(lambda key: init_params(network, key, DIM), keys())
    return jax.tree.map(lambda leaf: floats(*lead, *leaf.shape, dtype=dtype), one)


def data(*lead: int, num: int = NUM) -> Dataset:
    """A data set, or an array of them."""
    sizes = ((num, DIM), (num,), (TEST, DIM), (TEST,))
    return Dataset(*(floats(*lead, *shape) for shape in sizes))


def cells(network, dtype: Any = jnp.float64) -> Cell:
    """An ensemble."""
    numbers = ((), (), (NUM, DIM), (NUM,))
    arrays = (floats(CELLS, *shape, dtype=dtype) for shape in numbers)
    return Cell(params(network, CELLS, dtype=dtype), *arrays, keys(CELLS))


RELU = make_network(WIDTH)
CENTRED = make_network(WIDTH, centring="subtract")
BIASED = make_network(WIDTH, use_bias=True)
ERF = make_network(WIDTH, activation="erf", use_bias=True)
TANH = make_network(WIDTH, activation="tanh")
LINEAR = make_network(WIDTH, activation="linear")
MANY_NEURONS = make_network(MANY)
DOUBLED = make_network(WIDTH, activation="gelu", centring="antisymmetric")

# Real arrays, made here: directions of targets are constants of what is compiled.
NEURON = SingleNeuron(jnp.asarray(np.eye(1, DIM)), jnp.asarray([0.5]), jnp.asarray([1.0]))
PROBLEM = Problem(NEURON, noise=0.1)
TEACHER = Teacher(jnp.asarray(np.eye(2, DIM)), jnp.asarray([0.0, 0.0]), jnp.asarray([1.0, -1.0]))


def scaled(network) -> ScaledNetwork:
    """The trained function."""
    return jax.eval_shape(partial(ScaledNetwork, network), params(network), floats())


@cache
def exact(network, max_degree: int = DEGREE):
    """Exact risks of a network; tracing takes twice as long where it is centred."""
    return exact_risk(network, PROBLEM, max_degree)


@cache
def exact_kernels() -> ExactKernelRisk:
    """Exact risks of kernels; the numbers of the series do not matter here."""
    one = KernelSeries(*[np.ones(6)] * 2, np.ones((6, 1)), np.eye(1, DIM), 0.0, 0.0)
    degrees = np.ones(DEGREE + 1)
    both = ({"nngp": one, "ntk": one}, {"nngp": degrees, "ntk": degrees})
    return ExactKernelRisk(*both, PROBLEM, DEGREE)


@cache
def mesh() -> Mesh:
    """One device as a mesh: the program has the constraints of many, and no exchange between."""
    return Mesh(np.asarray(jax.devices()[:1]).reshape((1,) * len(AXES)), AXES)


def spectrum(*lead: int) -> Spectrum:
    """A decomposed kernel, or an array of them."""
    return Spectrum(floats(*lead, NUM), floats(*lead, NUM, NUM))


def limits() -> InfiniteWidth:
    """What is known of infinite width."""
    kernels = (floats(SEEDS, PROBE, PROBE), spectrum(SEEDS), floats(SEEDS, TEST, NUM))
    return InfiniteWidth(*kernels)


def pair(num: int, others: int = 1) -> tuple:
    """Weights and biases of two sets of neurons."""
    return floats(num, DIM), floats(num), floats(others, DIM), floats(others)
