"""Every measurement of an ensemble at one log point, in one compiled call."""

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array

from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.layout import everywhere, lead
from rf_limits.measure.alignment import alignment
from rf_limits.measure.extra import EXTRA, Measurement, Seen
from rf_limits.measure.kernel import (
    effective_rank,
    eigen,
    eigenspace_rotation,
    kernel_alignment,
    kernel_cosine,
    kernel_drift,
)
from rf_limits.measure.movement import activation_flips, movement
from rf_limits.measure.risk import Columns, ExactRisks, Risks, SampledRisk
from rf_limits.methods import NETWORK, Changes, TrainedMethod
from rf_limits.models import (
    HiddenState,
    OneHiddenLayer,
    Params,
    ScaledNetwork,
    hidden_state,
    kernel_from_states,
    moved,
)
from rf_limits.optimization.ensemble import over_cells
from rf_limits.optimization.infinite_width import InfiniteWidth, predicted_change
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.rounding import to_float64
from rf_limits.optimization.trainer import Cell
from rf_limits.problem import Dataset
from rf_limits.problem.neurons import Teacher
from rf_limits.training.networks import Networks
from rf_limits.training.seed_data import SeedData, of_seed

_FEW_PAIRS = 2**24
"""Of neurons, in all that is measured: below, optimizing takes longer than it saves."""


class Options(NamedTuple):
    """What to measure beside risks, movement and drift: the fields of ``config.measure``.

    Attributes:
      num_probe: training inputs on which kernels and flips are measured.
      kernels: whether the NTK's spectrum and rotation are.
      eigenvalues: how many eigenvalues are recorded, with ``kernels``.
      infinite_width: whether distances to the infinite-width NTK and its predictions are.
      alignment: whether angles between neurons and the target's are.
      test_loss: whether the mean squared error on the test set is.
      extra: names and functions of further measurements.
    """

    num_probe: int
    kernels: bool = False
    eigenvalues: int = 0
    infinite_width: bool = False
    alignment: bool = False
    test_loss: bool = False
    extra: tuple[tuple[str, Measurement], ...] = ()


class _View(NamedTuple):
    """One cell at one moment, in float64."""

    changes: Changes
    f: ScaledNetwork
    learning_rate: Array
    data: Dataset
    target: Array
    limit: InfiniteWidth | None


@dataclasses.dataclass(frozen=True)
class Measurements:
    """Measures networks and their linearizations, in float64 whatever the training dtype.

    Attributes:
      network: the architecture.
      exact: exact risks, or None to use the test set.
      trainable: layers whose tangent kernel is followed.
      options: what else to measure.
      methods: trained methods to report, the network first.
      weights: (d,) w* of a single neuron, for ``options.alignment``; a tuple, to be hashed.
      flow: whether training is by gradient flow.
      mesh: over which the ensemble is spread, or None.
      calls: how often it will be called, about.
    """

    network: OneHiddenLayer
    exact: ExactRisks | None
    trainable: str
    options: Options
    methods: tuple[TrainedMethod, ...]
    weights: tuple[float, ...] = ()
    flow: bool = False
    mesh: Mesh | None = None
    calls: int = dataclasses.field(default=1, compare=False)

    def __call__(
        self, changes: Changes, cells: Cell, data: SeedData, which: Array, steps: float = 0.0
    ) -> dict[str, Columns]:
        """Measures all cells.

        Args:
          changes: of the parameters of every cell, by method.
          cells: the ensemble.
          data: from :func:`seed_data`.
          which: (cells,) index of each cell's seed.
          steps: taken so far.

        Returns:
          By method, by column of the results table, an array over cells.
        """
        trees = (changes, cells.init, cells.alpha, cells.learning_rate)
        pairs = self.calls * which.size * self.network.width**2
        measure = _measure_quickly if pairs <= _FEW_PAIRS else _measure
        return measure(self, trees, which, data, np.asarray(steps))

    def over(
        self, trees: Any, which: Array, data: SeedData, steps: Array | np.ndarray
    ) -> dict[str, Columns]:
        """Maps :meth:`_cell` over cells, in sequence: each already fills the machine."""

        def measured(shared: tuple[SeedData, Array], tree: Any, i: Array) -> dict[str, Columns]:
            data, steps = shared
            changes, init, alpha, rate = to_float64(tree)
            f = ScaledNetwork(self.network, init, alpha)
            return self._cell(_View(changes, f, rate, *of_seed(data, i)), steps)

        specs = (lead(self.mesh, data.targets.shape[0]), PartitionSpec())
        columns = over_cells(measured, 1, self.mesh, specs)((data, steps), trees, which)
        return everywhere(self.mesh, columns)

    def _cell(self, view: _View, steps: Array) -> dict[str, Columns]:
        """Returns all measurements of one cell, by method."""
        risks: Risks = self.exact or SampledRisk(view.data.x_test, view.data.y_test)
        columns = {method.key: self._ends(method, view, risks) for method in self.methods}
        if NETWORK in self.methods:
            change = view.changes[NETWORK.key]
            columns[NETWORK.key] |= self._network(view, change, steps) | {
                method.gap: risks.gap(view.f, change, view.changes[method.key])
                for method in self.methods
                if method.gap
            }
        return columns

    def _ends(self, method: TrainedMethod, view: _View, risks: Risks) -> Columns:
        """Returns what is measured of every trained method: losses, and how far it moved."""
        change, data = view.changes[method.key], view.data
        error = method.predict(view.f, change, data.x_train)
        return {
            "train_loss": jnp.mean((error - data.y_train) ** 2),
            **method.risk(risks, view.f, change).columns(),
            **movement(change, view.f.init)._asdict(),
        }

    def _network(self, view: _View, change: Params, steps: Array) -> Columns:
        """Returns what is measured of networks alone."""
        data, columns = view.data, self._kernels(view)
        f = partial(view.f.after, change)
        if self.options.test_loss or self.options.infinite_width:
            values = f(data.x_test)
        if self.options.test_loss:
            columns["test_loss"] = jnp.mean((values - data.y_test) ** 2)
        if self.options.infinite_width:
            limit, y = self._predicted(view, steps), data.y_test
            columns["ntk_gap"] = jnp.sqrt(jnp.mean((values - limit) ** 2))
            losses = (jnp.mean((g - y) ** 2) for g in (values, limit))
            columns["ntk_risk_gap"] = jnp.abs(jnp.subtract(*losses))
        if self.options.alignment:
            columns |= alignment(view.f, change, jnp.asarray(self.weights))._asdict()
        return columns | self._extra(view)

    def _extra(self, view: _View) -> Columns:
        """Returns the measurements that users have added."""
        x, y = (a[: self.options.num_probe] for a in (view.data.x_train, view.target))
        seen = Seen(view.f, moved(view.f.init, view.changes[NETWORK.key]), x, y)
        return {name: measure(seen) for name, measure in self.options.extra}

    def _predicted(self, view: _View, steps: Array) -> Array:
        """Returns the infinite-width NTK's prediction on the test set, from the network's start."""
        assert view.limit is not None  # computed for options.infinite_width
        start = partial(view.f, view.f.init)
        residual = start(view.data.x_train) - view.data.y_train
        change = predicted_change(view.limit, residual, view.learning_rate, steps, flow=self.flow)
        return start(view.data.x_test) + change

    def _kernels(self, view: _View) -> Columns:
        x = view.data.x_train[: self.options.num_probe]
        y = view.target[: self.options.num_probe]
        network, init = self.network, view.f.init
        params = moved(init, view.changes[NETWORK.key])
        before, now = (hidden_state(network, p, x) for p in (init, params))

        def kernel(state: HiddenState, layers: str = self.trainable) -> Array:
            return kernel_from_states(network, state, state, x, x, layers)

        first, last = kernel(before), kernel(now)
        columns: Columns = {
            "kernel_drift": kernel_drift(last, first),
            "kernel_alignment": kernel_alignment(last, y),
            "activation_flips": activation_flips(now, before),
        }
        if not self.options.kernels:
            return columns
        assert view.limit is not None  # computed for options.kernels
        count = max(self.options.eigenvalues, 1)
        spectra = eigen(first, count), eigen(last, count)
        columns |= {
            "nngp_drift": kernel_drift(kernel(now, "output"), kernel(before, "output")),
            "kernel_fluctuation": kernel_drift(first, view.limit.probe),
            "infinite_alignment": kernel_cosine(last, view.limit.probe),
            "effective_rank": effective_rank(spectra[1].eigenvalues),
            "eigenspace_rotation": eigenspace_rotation(spectra[1].top, spectra[0].top),
        }
        names = [f"ntk_eigenvalue_{k + 1}" for k in range(self.options.eigenvalues)]
        return columns | dict(zip(names, spectra[1].eigenvalues, strict=False))


_measure = jax.jit(Measurements.over, static_argnums=0)
_measure_quickly = jit_quickly(Measurements.over, static_argnums=0)


def measurements_of(
    networks: Networks, exact: ExactRisks | None, methods: tuple[TrainedMethod, ...]
) -> Measurements:
    """Returns the measurements that a training config asks for.

    Args:
      networks: before training.
      exact: exact risks, or None to use the test set.
      methods: trained methods to report.
    """
    config = networks.config
    measure, training = config.measure, config.training
    fields = {name: getattr(measure, name) for name in Options._fields}
    extra = tuple((name, EXTRA[name]) for name in measure.extra)
    options = Options(**fields | {"extra": extra})
    weights: tuple[float, ...] = ()
    if options.alignment:
        target = networks.seeded.problem.target
        assert isinstance(target, Teacher)  # of a single neuron, else the config is refused
        weights = tuple(np.asarray(target.directions[0]).tolist())
    return Measurements(
        networks.network,
        exact,
        config.model.trainable,
        options,
        methods,
        weights,
        flow=parse_optimizer(training.optimizer).is_gradient_flow,
        mesh=networks.mesh,
        calls=training.log_points,
    )
