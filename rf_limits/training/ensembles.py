"""All seeds and lazy scales of one width as an ensemble that is trained in one compiled call."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rf_limits.config.training import TrainingConfig
from rf_limits.devices.layout import place
from rf_limits.devices.processes import on_host
from rf_limits.measure.risk import ExactRisks
from rf_limits.models import OneHiddenLayer, Params
from rf_limits.optimization.ensemble import networks_at_once
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.trainer import Cell, Trainer
from rf_limits.problem.seeds import streams
from rf_limits.training.seeded_problem import SeededProblem


@dataclasses.dataclass(frozen=True, eq=False)
class Ensemble:
    """The networks of one width.

    Attributes:
      config: a training config.
      seeded: its problem, with the data of every seed.
      network: the architecture.
      inits: initial parameters of every seed.
      learning_rates: (seeds, scales).
      exact: exact risks, for ``data.kind = "population"``.
      mesh: over which networks are spread, or None.
    """

    config: TrainingConfig
    seeded: SeededProblem
    network: OneHiddenLayer
    inits: Params
    learning_rates: np.ndarray
    exact: ExactRisks | None
    mesh: Mesh | None

    def at_once(self, together: int | None = None) -> int | None:
        """How many networks are stepped at once, None for all.

        Args:
          together: networks of all runs that train in one call, if there are others.
        """
        config, width = self.config, self.network.width
        spread = {} if self.mesh is None else dict(self.mesh.shape)
        cells = config.seeds * len(config.model.lazy_scales) // spread.get("seeds", 1)
        rows = config.training.batch_size or config.data.num_train
        flow = parse_optimizer(config.training.optimizer).is_gradient_flow
        size = float((8 if flow else jnp.dtype(config.precision).itemsize) * width * rows)
        if config.data.kind == "population":
            size = 8.0 * width * width
        size /= spread.get("data", 1) * spread.get("width", 1)
        mode = config.training.ensemble
        # In gradient flow every network takes its own number of steps.
        return networks_at_once(mode, cells, size, together=together, in_step=not flow)

    def cells(self) -> tuple[Cell, jax.Array]:
        """One cell per seed and lazy scale (scales vary fastest), and each cell's seed index.

        Both lie on the mesh, if there is one.
        """
        scales, seeds = self.config.model.lazy_scales, self.seeded.seeds
        which = np.repeat(np.arange(len(seeds)), len(scales))
        batch_keys = jnp.stack([streams(seed).batches for seed in seeds])
        dtype = jnp.dtype(self.config.precision)
        inits, data = on_host((self.inits, self.seeded.data))  # nothing to compile
        cells = (
            jax.tree.map(lambda leaf: leaf[which], inits),
            np.tile(scales, len(seeds)),
            self.learning_rates.reshape(-1),
            data.x_train[which],
            data.y_train[which],
        )
        cells, which = jax.device_put((jax.tree.map(lambda leaf: leaf.astype(dtype), cells), which))
        return place(self.mesh, (Cell(*cells, batch_keys[which]), which))

    def trainer(self, *, linearized: bool, together: int | None = None) -> Trainer:
        """What trains the networks.

        Args:
          linearized: whether their linearizations are trained alongside.
          together: networks of all runs that train in one call, if there are others.
        """
        config, sample, population = self.config, None, None
        if config.data.kind == "stream":
            sample = self.seeded.problem.draw_samples
        if config.data.kind == "population":  # of all degrees at once
            population = dataclasses.replace(self.exact, max_degree=-1)
        return Trainer(
            self.network,
            parse_optimizer(config.training.optimizer),
            config.model.trainable,
            config.training.batch_size,
            sample,
            linearized=linearized,
            population=population,
            at_once=self.at_once(together),
            mesh=self.mesh,
        )
