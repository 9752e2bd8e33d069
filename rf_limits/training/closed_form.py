"""Linearized networks after any number of steps, from the spectra of their tangent kernels."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from rf_limits.config.training import TrainingConfig
from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.layout import lead, place
from rf_limits.models import OneHiddenLayer, Params, ScaledNetwork, tangent_kernel
from rf_limits.optimization.ensemble import over_cells
from rf_limits.optimization.linearized import Spectrum, linearized_change, spectrum
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.trainer import Cell
from rf_limits.training.networks import Networks
from rf_limits.training.seed_data import of_seed
from rf_limits.types import Scalar

# Beyond this many training points an eigendecomposition costs more than training alongside.
_MOST_SAMPLES = 4096


class Start(NamedTuple):
    """Every seed before training.

    Attributes:
      init: parameters at initialization.
      x_train: (seeds, n, d) inputs.
      y_train: (seeds, n) labels.
      spectra: of the tangent kernels.
    """

    init: Params
    x_train: jax.Array
    y_train: jax.Array | None = None
    spectra: Spectrum | None = None


def has_closed_form(config: TrainingConfig) -> bool:
    """Returns whether steps are full-batch descent or flow on few samples: none need be taken."""
    spec, training = parse_optimizer(config.training.optimizer), config.training
    plain = spec.is_gradient_descent or spec.is_gradient_flow
    all_samples = training.batch_size is None and config.data.kind != "population"
    return plain and all_samples and config.data.num_train <= _MOST_SAMPLES


@functools.partial(jit_quickly, static_argnames=("network", "layers", "mesh"))
def _spectra(
    inits: Params, x: jax.Array, network: OneHiddenLayer, layers: str, mesh: Mesh | None
) -> Spectrum:
    def decompose(_: None, init: Params, x: jax.Array) -> Spectrum:
        return spectrum(tangent_kernel(network, init, x, layers=layers))

    return over_cells(decompose, 1, mesh)(None, inits, x)


@functools.partial(jit_quickly, static_argnames=("network", "trainable", "flow", "mesh"))
def _closed_form(
    start: Start,
    which: jax.Array,
    alphas: jax.Array,
    rates: jax.Array,
    steps: Scalar | np.ndarray,
    network: OneHiddenLayer,
    trainable: str,
    flow: bool,
    mesh: Mesh | None,
) -> Params:
    def change(
        shared: tuple[Start, Scalar], i: jax.Array, alpha: jax.Array, rate: jax.Array
    ) -> Params:
        start, steps = shared
        init, x, y, kernel = of_seed(start, i)
        f = ScaledNetwork(network, init, alpha)
        return linearized_change(
            f,
            x,
            f(init, x) - y,
            kernel,
            learning_rate=rate,
            steps=steps,
            trainable=trainable,
            flow=flow,
        )

    numbers = (which, alphas.astype(jnp.float64), rates.astype(jnp.float64))
    specs = (lead(mesh, start.x_train.shape[0]), PartitionSpec())
    return over_cells(change, 1, mesh, specs)((start, steps), *numbers)


@dataclasses.dataclass(frozen=True, eq=False)
class ClosedForm:
    """The linearizations of every seed's network.

    Attributes:
      networks: before training, with the training set of every seed.
    """

    networks: Networks

    @functools.cached_property
    def spectra(self) -> Spectrum:
        """Returns spectra of the tangent kernels; seeds spread on the mesh if it divides them."""
        network, inits, mesh = self.networks.network, self.networks.inits, self.networks.mesh
        x, layers = self.networks.seeded.data.x_train, self.networks.config.model.trainable
        if lead(mesh, len(x)) == PartitionSpec():
            return place(mesh, _spectra(inits, x, network, layers, None))
        placed = place(mesh, Start(inits, x))
        return _spectra(placed.init, placed.x_train, network, layers, mesh)

    @functools.cached_property
    def _start(self) -> Start:
        data = self.networks.seeded.data
        placed = place(self.networks.mesh, Start(self.networks.inits, data.x_train, data.y_train))
        return placed._replace(spectra=self.spectra)

    def change(self, cells: Cell, which: jax.Array, steps: int) -> Params:
        """Returns by how much the parameters of every cell change in ``steps``, float64.

        Args:
          cells: lazy scales and learning rates.
          which: (cells,) index of each cell's seed.
          steps: taken since initialization.
        """
        config = self.networks.config
        return _closed_form(
            self._start,
            which,
            cells.alpha,
            cells.learning_rate,
            np.asarray(float(steps)),
            network=self.networks.network,
            trainable=config.model.trainable,
            flow=parse_optimizer(config.training.optimizer).is_gradient_flow,
            mesh=self.networks.mesh,
        )
