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
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.layout import batch_rows, stay
from rf_limits.errors import check
from rf_limits.measure.risk import ExactRisks, Risk
from rf_limits.models.network import OneHiddenLayer, Params
from rf_limits.models.scaled_network import ScaledNetwork, moved
from rf_limits.optimization.cells import Cell, TrainState, own_streams
from rf_limits.optimization.ensemble import over_cells
from rf_limits.optimization.flow import Tolerances, gradient_flow
from rf_limits.optimization.optimizers import OptimizerSpec, make_optimizer, trainable_mask
from rf_limits.optimization.rounding import floats_to, nudged, share_lost, to_float64

Loss = Callable[[Params], Array]


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A compiled training loop for one architecture.

    Attributes:
      network: the architecture.
      optimizer: which optax optimizer.
      trainable: layers that move.
      batch_size: None for full batch; otherwise rows per step.
      sample: None to draw minibatches from the training set, epoch by epoch without
        replacement; otherwise ``sample(key, batch_size) -> (x, y)`` draws fresh data, seen
        once (one-pass).
      linearized: whether the linearized network is trained alongside, on the same batches.
      population: exact risks to train on in place of data (infinite data, no sampling noise).
      at_once: networks stepped at once, None for all
        (:func:`~rf_limits.optimization.ensemble.networks_at_once`).
      mesh: over which the ensemble is spread (:mod:`rf_limits.devices.layout`), or None.
    """

    network: OneHiddenLayer
    optimizer: OptimizerSpec
    trainable: str = "both"
    batch_size: int | None = None
    sample: Callable[[Array, int], tuple[Array, Array]] | None = None
    linearized: bool = False
    population: ExactRisks | None = None
    at_once: int | None = 1
    mesh: Mesh | None = None

    def __post_init__(self) -> None:
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

    @partial(jit_quickly, static_argnums=0)
    def start(self, cells: Cell) -> TrainState:
        """Returns the state of every cell before the first step."""

        def start_cell(cell: Cell) -> TrainState:
            state = None
            if not self.optimizer.is_gradient_flow:
                optimizer = make_optimizer(self.optimizer, cell.learning_rate, self.trainable)
                state = own_streams(optimizer.init(cell.init), cell)
            still = jax.tree.map(jnp.zeros_like, cell.init)
            order = jnp.arange(cell.x.shape[0]) if self._minibatch else None
            begun = TrainState(still, state, None, None, order, jnp.zeros((), jnp.int64))
            if not self.linearized:
                return begun
            return begun._replace(linear_change=still, linear_optimizer=state)

        return stay(self.mesh, jax.vmap(start_cell)(cells))

    def advance(self, state: TrainState, cells: Cell, num_steps: int) -> TrainState:
        """Takes ``num_steps`` optimizer steps in every cell, in one compiled call.

        ``state`` is donated: it must not be used afterwards.
        """
        return self._advance(state, cells, np.asarray(num_steps))

    @partial(jax.jit, static_argnums=0, donate_argnums=1)
    def _advance(self, state: TrainState, cells: Cell, num_steps: Array) -> TrainState:
        def advance_cell(num_steps: Array, state: TrainState, cell: Cell) -> TrainState:
            if self.optimizer.is_gradient_flow:
                return self._flow(state, cell, num_steps)
            return jax.lax.fori_loop(0, num_steps, lambda _, s: self._step(s, cell), state)

        after = over_cells(advance_cell, self.at_once, self.mesh)(num_steps, state, cells)
        return stay(self.mesh, after)

    def rounding_error(self, state: TrainState, cells: Cell) -> Float[Array, "*s"]:
        """Returns the share of the next step of every cell that is lost to rounding.

        A change that is stored apart from the initialization takes up any update that is not
        tiny beside the change itself. What remains is the rounding of an output that does not
        start at zero: alpha 2^-24 or 2^-53 of g_0 (docs/theory.md, section 9).

        Returns:
          |delta' - delta| / |delta|. delta' is by how much the stored change grows; delta is the
          same optimizer's update by the gradient in float64, of initial weights that differ by
          one rounding in the precision of training. 1 where delta is zero: nothing moves. NaN
          for gradient flow and population training, which take no such steps.
        """
        if self.optimizer.is_gradient_flow or self.population is not None:
            return jnp.full(cells.alpha.shape, jnp.nan)
        return self._rounding_error(state, cells)

    @partial(jit_quickly, static_argnums=0)
    def _rounding_error(self, state: TrainState, cells: Cell) -> Array:
        def error_of_cell(_: None, state: TrainState, cell: Cell) -> Array:
            dtype = cell.x.dtype

            def update(state: TrainState, cell: Cell) -> Params:
                x, y, _ = self._batch(state, cell)
                grads = jax.grad(self._losses(cell, x, y)[0])(state.change)
                return floats_to(dtype, grads)

            rounded = update(state, cell)
            wide = floats_to(jnp.float64, (state, cell))
            exact = update(wide[0], wide[1]._replace(init=nudged(wide[1].init, dtype)))
            return share_lost(
                state.change,
                *(
                    self._update(grads, state.change, state.optimizer, cell)[0]
                    for grads in (rounded, exact)
                ),
            )

        return over_cells(error_of_cell, 1, self.mesh)(None, state, cells)

    def _batch(self, state: TrainState, cell: Cell) -> tuple[Array, Array, Array | None]:
        """Returns inputs and labels of the next step, and the permutation in force."""
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
        """Returns losses of the network and of its linearization, functions of the parameters."""
        f = ScaledNetwork(self.network, cell.init, cell.alpha)

        def on_population(risk: Callable[[ScaledNetwork, Params], Risk]) -> Loss:
            wide = to_float64(f)
            return lambda change: 0.5 * risk(wide, to_float64(change)).risk / wide.alpha**2

        def on_batch(predict: Callable[[Params, Array], Array]) -> Loss:
            def loss(change: Params) -> Array:
                error = predict(change, x) - y
                return 0.5 * jnp.mean((error / cell.alpha) ** 2)

            return loss

        if self.population is not None:
            risks = (self.population.network, self.population.linearized)
            return on_population(risks[0]), on_population(risks[1])
        return on_batch(f.after), on_batch(f.linearized_after)

    def _update(self, grads: Params, change: Params, memory: Any, cell: Cell) -> tuple[Params, Any]:
        """Returns the optimizer's update of a change, and its next state."""
        optimizer = make_optimizer(self.optimizer, cell.learning_rate, self.trainable)
        return optimizer.update(grads, memory, moved(cell.init, change))

    def _step(self, state: TrainState, cell: Cell) -> TrainState:
        x, y, order = self._batch(state, cell)

        def step(loss: Loss, change: Params, memory: Any) -> tuple[Params, Any]:
            updates, memory = self._update(jax.grad(loss)(change), change, memory, cell)
            return jax.tree.map(jnp.add, change, updates), memory

        losses = self._losses(cell, x, y)
        change, memory = step(losses[0], state.change, state.optimizer)
        after = TrainState(change, memory, None, None, order, state.step + 1)
        if state.linear_change is None:
            return after
        change, memory = step(losses[1], state.linear_change, state.linear_optimizer)
        return after._replace(linear_change=change, linear_optimizer=memory)

    def _flow(self, state: TrainState, cell: Cell, num_steps: Array) -> TrainState:
        wide = floats_to(jnp.float64, cell)
        moving = trainable_mask(cell.init, self.trainable)
        # weights move by 1/alpha where alpha is large: the solver's tolerances are those of the
        # change times alpha, which is what outputs are made of
        size = jnp.maximum(wide.alpha, 1.0)

        def follow(loss: Loss, change: Params) -> Params:
            moved_change = gradient_flow(
                lambda scaled: size**2 * loss(jax.tree.map(lambda leaf: leaf / size, scaled)),
                jax.tree.map(lambda leaf: size * leaf, to_float64(change)),
                wide.learning_rate * num_steps,
                moving=moving,
                tolerances=Tolerances(**self.optimizer.arguments),
            )
            return jax.tree.map(lambda a, b: (a / size).astype(b.dtype), moved_change, change)

        losses = self._losses(wide, wide.x, wide.y)
        change, linear = follow(losses[0], state.change), state.linear_change
        linear = None if linear is None else follow(losses[1], linear)
        return TrainState(change, None, linear, None, None, state.step + num_steps)


def log_points(steps: int, count: int) -> list[int]:
    """Returns about ``count`` steps from 0 to ``steps``, evenly spaced in log scale from 1."""
    check(steps >= 1, "training.steps", "be at least 1", steps)
    check(count >= 2, "training.log_points", "be at least 2", count)
    if count == 2:
        return [0, steps]
    if count - 2 > steps * (1.0 + math.log(steps)):  # no step is left out
        return list(range(steps + 1))
    ratio = steps ** (1.0 / (count - 2))
    return sorted({0, *(round(ratio**k) for k in range(count - 2)), steps})
