"""All seeds and lazy scales of one width as an ensemble that is trained in one compiled call."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.devices.layout import place
from rf_limits.devices.processes import on_host
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.optimization.ensemble import networks_at_once
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.trainer import Cell, Trainer
from rf_limits.problem.seeds import streams
from rf_limits.training.networks import Networks


@dataclasses.dataclass(frozen=True, eq=False)
class Ensemble:
    """The networks of one width, each at every lazy scale.

    Attributes:
      networks: before training, with the data of every seed.
      learning_rates: (seeds, scales).
    """

    networks: Networks
    learning_rates: np.ndarray

    def at_once(self, together: int | None = None) -> int | None:
        """Returns how many networks are stepped at once, None for all.

        Args:
          together: networks of all runs that train in one call, if there are others.
        """
        config, width, mesh = self.networks.config, self.networks.network.width, self.networks.mesh
        spread = {} if mesh is None else dict(mesh.shape)
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
        """Returns a cell per seed and lazy scale (scales vary fastest), and each cell's seed index.

        Both lie on the mesh, if there is one.
        """
        config, seeded = self.networks.config, self.networks.seeded
        scales, seeds = config.model.lazy_scales, seeded.seeds
        which = np.repeat(np.arange(len(seeds)), len(scales))
        batch_keys = jnp.stack([streams(seed).batches for seed in seeds])
        dtype = jnp.dtype(config.precision)
        inits, data = on_host((self.networks.inits, seeded.data))  # nothing to compile
        numbers = (
            jax.tree.map(lambda leaf: leaf[which], inits),
            np.tile(scales, len(seeds)),
            self.learning_rates.reshape(-1),
            data.x_train[which],
            data.y_train[which],
        )
        numbers = jax.tree.map(lambda leaf: leaf.astype(dtype), numbers)
        (init, alpha, rate, x, y), which = jax.device_put((numbers, which))
        cells = Cell(init, alpha, rate, x, y, batch_keys[which])
        return place(self.networks.mesh, (cells, which))

    def trainer(self, *, linearized: bool, together: int | None = None) -> Trainer:
        """Returns what trains the networks.

        Args:
          linearized: whether their linearizations are trained alongside.
          together: networks of all runs that train in one call, if there are others.
        """
        config, problem = self.networks.config, self.networks.seeded.problem
        network, sample, population = self.networks.network, None, None
        if config.data.kind == "stream":
            sample = problem.draw_samples
        if config.data.kind == "population":  # of all degrees at once
            population = exact_risk(network, problem)
        return Trainer(
            network,
            parse_optimizer(config.training.optimizer),
            config.model.trainable,
            config.training.batch_size,
            sample,
            linearized=linearized,
            population=population,
            at_once=self.at_once(together),
            mesh=self.networks.mesh,
        )
