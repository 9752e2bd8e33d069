"""Training an ensemble of networks, and their linearizations, in compiled chunks.

One *cell* is one network: its initialization, lazy scale, learning rate and data. A trainer
advances all cells of an ensemble by any number of steps in one compiled call; the number of
steps, the scales and the learning rates are arguments, so nothing recompiles when they
change. The loss is the mean of half squared errors over the batch, divided by alpha^2
(Chizat, Oyallon and Bach 2019), so that time = learning rate x steps means the same at
every scale.
"""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key

from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.layout import batch_rows, stay
from rf_limits.errors import check
from rf_limits.learning.ensemble import over_cells
from rf_limits.learning.flow import gradient_flow
from rf_limits.learning.optimizers import OptimizerSpec, make_optimizer, trainable_mask
from rf_limits.models.network import Params, ScaledOutput

_EPSILON_RATIO = float(jnp.finfo(jnp.float64).eps / jnp.finfo(jnp.float32).eps)
Loss = Callable[[Params], Array]


@runtime_checkable
class PopulationRisks(Protocol):
    """Exact risks as functions of parameters; rf_limits.measure.risk.ExactRisk is one."""

    def network(self, params: Params, init: Params, alpha: Array) -> Any:
        """Something with the network's ``risk``."""

    def linearized(self, params: Params, init: Params, alpha: Array) -> Any:
        """Something with the linearization's ``risk``."""


def to_float64(tree: Any) -> Any:
    """The same tree with all leaves in float64."""
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), tree)


def _floats_to(dtype: Any, tree: Any) -> Any:
    """The same tree with floating leaves in ``dtype``, whole numbers and keys as they are."""

    def convert(leaf):
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(convert, tree)


def _own_streams(state: Any, cell: "Cell") -> Any:
    """An optimizer's state whose random keys differ from seed to seed and from scale to scale."""
    scale = jax.lax.bitcast_convert_type(cell.alpha.astype(jnp.float32), jnp.uint32)

    def convert(leaf: Any) -> Any:
        if not jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
            return leaf
        for number in (*jnp.ravel(jax.random.key_data(cell.key)), scale):
            leaf = jax.random.fold_in(leaf, number)
        return leaf

    return jax.tree.map(convert, state)


class Cell(NamedTuple):
    """What one network is trained on; leaves carry a leading axis for an ensemble.

    Attributes:
      init: parameters at initialization, in the dtype of training.
      alpha: lazy scale.
      learning_rate: step size.
      x: (n, d) training inputs.
      y: (n,) labels.
      key: stream of batches.
    """

    init: Params
    alpha: Float[Array, "*s"]
    learning_rate: Float[Array, "*s"]
    x: Float[Array, "*s n d"]
    y: Float[Array, "*s n"]
    key: Key[Array, "*s"]


class TrainState(NamedTuple):
    """Where training stands.

    Attributes:
      params: parameters of the network.
      optimizer: its optimizer state.
      linear_params: parameters of the linearized network, or None if not trained alongside.
      linear_optimizer: its optimizer state, or None.
      order: (n,) current permutation of the training set (minibatches), or None.
      step: steps taken.
    """

    params: Params
    optimizer: Any
    linear_params: Params | None
    linear_optimizer: Any
    order: Int[Array, "*s n"] | None
    step: Int[Array, "*s"]


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A compiled training loop for one architecture.

    Attributes:
      output: the trained function f.
      optimizer: which optax optimizer.
      trainable: layers that move.
      batch_size: None for full batch; otherwise rows per step.
      sample: None to draw minibatches from the training set, epoch by epoch without
        replacement; otherwise ``sample(key, batch_size) -> (x, y)`` draws fresh data, seen
        once (one-pass).
      linearized: whether the linearized network is trained alongside, on the same batches.
      population: exact risks to train on in place of data (infinite data, no sampling noise).
      at_once: networks stepped at once, None for all
        (:func:`~rf_limits.learning.ensemble.networks_at_once`).
      mesh: over which the ensemble is spread (:mod:`rf_limits.devices.layout`), or None.
    """

    output: ScaledOutput
    optimizer: OptimizerSpec
    trainable: str = "both"
    batch_size: int | None = None
    sample: Callable[[Array, int], tuple[Array, Array]] | None = None
    linearized: bool = False
    population: PopulationRisks | None = None
    at_once: int | None = 1
    mesh: Mesh | None = None

    def __post_init__(self):
        check(
            self.sample is None or self.batch_size is not None,
            "training.batch_size",
            "be given for one-pass data",
            self.batch_size,
        )
        check(
            not self.optimizer.is_gradient_flow or self.batch_size is None,
            "training.batch_size",
            "be None for gradient flow",
            self.batch_size,
        )

    @property
    def _minibatch(self) -> bool:
        return self.batch_size is not None and self.sample is None

    def start(self, cells: Cell) -> TrainState:
        """State of every cell before the first step."""
        return self._start(cells)

    @partial(jit_quickly, static_argnums=0)
    def _start(self, cells: Cell) -> TrainState:
        def one(cell: Cell) -> TrainState:
            state = None
            if not self.optimizer.is_gradient_flow:
                optimizer = make_optimizer(self.optimizer, cell.learning_rate, self.trainable)
                state = _own_streams(optimizer.init(cell.init), cell)
            linear = (cell.init, state) if self.linearized else (None, None)
            order = jnp.arange(cell.x.shape[0]) if self._minibatch else None
            return TrainState(cell.init, state, *linear, order, jnp.zeros((), jnp.int64))

        return stay(self.mesh, jax.vmap(one)(cells))

    def advance(self, state: TrainState, cells: Cell, num_steps: int) -> TrainState:
        """Takes ``num_steps`` optimizer steps in every cell, in one compiled call.

        ``state`` is donated: it must not be used afterwards.
        """
        return self._advance(state, cells, np.asarray(num_steps))

    @partial(jax.jit, static_argnums=0, donate_argnums=1)
    def _advance(self, state: TrainState, cells: Cell, num_steps: Array) -> TrainState:
        def one(num_steps: Array, state: TrainState, cell: Cell) -> TrainState:
            if self.optimizer.is_gradient_flow:
                return self._flow(state, cell, num_steps)
            return jax.lax.fori_loop(0, num_steps, lambda _, s: self._step(s, cell), state)

        after = over_cells(one, self.at_once, self.mesh)(num_steps, state, cells)
        return stay(self.mesh, after)

    def rounding_error(self, state: TrainState, cells: Cell) -> Float[Array, "*s"]:
        """How much of the next step of every cell is lost to rounding.

        At large lazy scales an update is tiny beside the weight it is added to, and float32
        rounds it away: training stands still, which can look like an improvement
        (docs/theory.md, section 9).

        Returns:
          |delta' - delta| / |delta|, with delta the change of the network's parameters in
          one step and delta' the same in the precision of training; for float64 the error in
          float32 times 2^-29. NaN for gradient flow and population training, which take no
          such steps.
        """
        if self.optimizer.is_gradient_flow or self.population is not None:
            return jnp.full(cells.alpha.shape, jnp.nan)
        return self._rounding_error(state, cells)

    @partial(jit_quickly, static_argnums=0)
    def _rounding_error(self, state: TrainState, cells: Cell) -> Array:
        def change(dtype, state: TrainState, cell: Cell) -> Array:
            state, cell = _floats_to(dtype, (state, cell))
            after = dataclasses.replace(self, linearized=False)._step(state, cell)
            steps = jax.tree.map(
                lambda a, b: jnp.ravel(to_float64(a) - to_float64(b)), after.params, state.params
            )
            return jnp.concatenate(jax.tree.leaves(steps))

        def one(_: None, state: TrainState, cell: Cell) -> Array:
            rounded, exact = (change(dtype, state, cell) for dtype in (jnp.float32, jnp.float64))
            size = jnp.linalg.norm(exact)
            error = jnp.linalg.norm(rounded - exact) / jnp.where(size > 0.0, size, 1.0)
            return error * (1.0 if cell.x.dtype == jnp.float32 else _EPSILON_RATIO)

        return over_cells(one, 1, self.mesh)(None, state, cells)

    def _batch(self, state: TrainState, cell: Cell) -> tuple[Array, Array, Array | None]:
        """Inputs and labels of the next step, and the permutation in force."""
        if self.batch_size is None:
            return cell.x, cell.y, None
        key = jax.random.fold_in(cell.key, state.step)
        if self.sample is not None:
            x, y = batch_rows(self.mesh, self.sample(key, self.batch_size))
            return x.astype(cell.x.dtype), y.astype(cell.y.dtype), None
        per_epoch = cell.x.shape[0] // self.batch_size
        position = state.step % per_epoch
        order = jax.lax.cond(
            position == 0, lambda o: jax.random.permutation(key, o), lambda o: o, state.order
        )
        rows = jax.lax.dynamic_slice(order, (position * self.batch_size,), (self.batch_size,))
        return *batch_rows(self.mesh, (cell.x[rows], cell.y[rows])), order

    def _losses(self, cell: Cell, x: Array, y: Array) -> tuple[Loss, Loss]:
        """Losses of the network and of its linearization, functions of the parameters."""

        def on_population(risk: Callable) -> Loss:
            init, alpha = to_float64((cell.init, cell.alpha))
            return lambda p: 0.5 * risk(to_float64(p), init, alpha).risk / alpha**2

        def on_batch(predict: Callable) -> Loss:
            def loss(p):
                error = predict(p, cell.init, cell.alpha, x) - y
                return 0.5 * jnp.mean(error**2) / cell.alpha**2

            return loss

        if self.population is not None:
            risks = (self.population.network, self.population.linearized)
            return on_population(risks[0]), on_population(risks[1])
        return on_batch(self.output), on_batch(self.output.linearized)

    def _step(self, state: TrainState, cell: Cell) -> TrainState:
        x, y, order = self._batch(state, cell)
        optimizer = make_optimizer(self.optimizer, cell.learning_rate, self.trainable)

        def step(loss, params, memory):
            updates, memory = optimizer.update(jax.grad(loss)(params), memory, params)
            return jax.tree.map(jnp.add, params, updates), memory

        losses = self._losses(cell, x, y)
        network = step(losses[0], state.params, state.optimizer)
        linear = (None, None)
        if self.linearized:
            linear = step(losses[1], state.linear_params, state.linear_optimizer)
        return TrainState(*network, *linear, order, state.step + 1)

    def _flow(self, state: TrainState, cell: Cell, num_steps: Array) -> TrainState:
        duration = to_float64(cell.learning_rate) * num_steps
        moving = trainable_mask(cell.init, self.trainable)

        # weights move by 1/alpha where alpha is large: the solver's tolerances are those of the
        # change times alpha, which is what outputs are made of
        start, size = to_float64(cell.init), jnp.maximum(to_float64(cell.alpha), 1.0)

        def moved(change):
            return jax.tree.map(lambda leaf, by: leaf + by / size, start, change)

        def follow(loss, params):
            change = jax.tree.map(lambda a, b: size * (a - b), to_float64(params), start)
            found = gradient_flow(
                lambda by: size**2 * loss(moved(by)),
                change,
                duration,
                moving=moving,
                **self.optimizer.arguments,
            )
            return jax.tree.map(lambda a, b: a.astype(b.dtype), moved(found), params)

        losses = self._losses(cell, cell.x, cell.y)
        params = follow(losses[0], state.params)
        linear = follow(losses[1], state.linear_params) if self.linearized else None
        return TrainState(params, None, linear, None, None, state.step + num_steps)


def log_points(steps: int, count: int) -> list[int]:
    """About ``count`` step numbers from 0 to ``steps``, evenly spaced in log scale from 1."""
    check(steps >= 1, "training.steps", "be at least 1", steps)
    check(count >= 2, "training.log_points", "be at least 2", count)
    if count == 2:
        return [0, steps]
    if count - 2 > steps * (1.0 + math.log(steps)):  # no step is left out
        return list(range(steps + 1))
    ratio = steps ** (1.0 / (count - 2))
    return sorted({0, *(round(ratio**k) for k in range(count - 2)), steps})
