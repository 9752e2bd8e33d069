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
from rf_limits.devices.layout import everywhere, lead, place
from rf_limits.experiments.setting import Setting
from rf_limits.learning.ensemble import over_cells
from rf_limits.learning.infinite_width import InfiniteWidth, predicted_change
from rf_limits.learning.rounding import to_float64
from rf_limits.learning.training import Cell
from rf_limits.measure.alignment import alignment
from rf_limits.measure.extra import Measurement, Seen
from rf_limits.measure.kernel import (
    effective_rank,
    eigen,
    eigenspace_rotation,
    kernel_alignment,
    kernel_cosine,
    kernel_drift,
)
from rf_limits.measure.movement import activation_flips, movement
from rf_limits.measure.neuron_risk import Exact
from rf_limits.measure.risk import SampledRisk
from rf_limits.models import (
    HiddenState,
    Params,
    ScaledOutput,
    hidden_state,
    kernel_from_states,
    moved,
)
from rf_limits.problem import Dataset, Target

Columns = dict[str, Array]

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


class Trained(NamedTuple):
    """By how much the parameters of every cell, or of one, have changed at one moment.

    Attributes:
      change: of the networks.
      linear_change: of their linearizations, or None.
      rf_change: of the random features trained by the same steps, or None.
    """

    change: Params
    linear_change: Params | None = None
    rf_change: Params | None = None


class _View(NamedTuple):
    """One cell at one moment, in float64."""

    trained: Trained
    init: Params
    alpha: Array
    learning_rate: Array
    data: Dataset
    target: Array
    limit: InfiniteWidth | None


class Known(NamedTuple):
    """What is known of every seed; leaves carry a leading axis of seeds.

    Attributes:
      data: training and test sets.
      targets: (seeds, n) noise-free target at the training inputs.
      limits: infinite-width kernels, or None.
    """

    data: Dataset
    targets: Array
    limits: InfiniteWidth | None


@partial(jit_quickly, static_argnums=0)
def _values(target: Target, x: Array) -> Array:
    """f* at the inputs of every seed."""
    return target(x.reshape(-1, x.shape[-1])).reshape(x.shape[:-1])


def of_seed(tree: Any, i: Array) -> Any:
    """What seed ``i`` has in a tree of arrays by seed, of all seeds or of one part's.

    On a mesh that cuts seeds into equal parts, the seeds of a part are its own, in order.
    """
    return jax.tree.map(lambda leaf: leaf[i % leaf.shape[0]], tree)


@dataclasses.dataclass(frozen=True)
class Watcher:
    """Measures networks and their linearizations, in float64 whatever the training dtype.

    Attributes:
      output: the trained function f.
      exact: exact risks, or None to use the test set.
      trainable: layers whose tangent kernel is followed.
      options: what else to measure.
      methods: which of "network", "linearized" and "rf_descent" to report.
      weights: (d,) w* of a single neuron, for ``options.alignment``; a tuple, to be hashed.
      flow: whether training is by gradient flow.
      mesh: over which the ensemble is spread, or None.
      calls: how often it will be called, about.
    """

    output: ScaledOutput
    exact: Exact | None
    trainable: str
    options: Options
    methods: frozenset[str]
    weights: tuple[float, ...] = ()
    flow: bool = False
    mesh: Mesh | None = None
    calls: int = dataclasses.field(default=1, compare=False)

    def known(self, setting: Setting, limits: InfiniteWidth | None = None) -> Known:
        """What measuring takes of every seed, on the mesh.

        Args:
          setting: target and data by seed.
          limits: infinite-width kernels by seed, for ``options.infinite_width`` and the
            distances among ``options.kernels``.
        """
        targets = _values(setting.target, setting.data.x_train)
        return place(self.mesh, Known(setting.data, targets, limits))

    def __call__(
        self, trained: Trained, cells: Cell, known: Known, which: Array, steps: float = 0.0
    ) -> dict[str, Columns]:
        """Measures all cells.

        Args:
          trained: changes of every cell.
          cells: the ensemble.
          known: from :meth:`known`.
          which: (cells,) index of each cell's seed.
          steps: taken so far.

        Returns:
          By method, by column of the results table, an array over cells.
        """
        trees = (trained, cells.init, cells.alpha, cells.learning_rate)
        pairs = self.calls * which.size * self.output.network.width**2
        measure = _measure_quickly if pairs <= _FEW_PAIRS else _measure
        return measure(self, trees, which, known, np.asarray(steps))

    def over(self, trees: Any, which: Array, known: Known, steps: Array) -> dict[str, Columns]:
        """Maps :meth:`_one` over cells, in sequence: each already fills the machine."""

        def one(shared, mine, i):
            known, steps = shared
            return self._one(_View(*to_float64(mine), *of_seed(known, i)), steps)

        specs = (lead(self.mesh, known.targets.shape[0]), PartitionSpec())
        found = over_cells(one, 1, self.mesh, specs)((known, steps), trees, which)
        return everywhere(self.mesh, found)

    def _one(self, view: _View, steps: Array) -> dict[str, Columns]:
        """All measurements of one cell."""
        risks = self.exact or SampledRisk(self.output, view.data.x_test, view.data.y_test)
        found = {}
        if "network" in self.methods:
            found["network"] = self._network(view, risks, steps)
        trained = view.trained
        alongside = {
            "linearized": (trained.linear_change, "linearization_gap"),
            "rf_descent": (trained.rf_change, "rf_gap"),  # its own linearization
        }
        for method, (change, gap) in alongside.items():
            if method not in self.methods:
                continue
            found[method] = self._alongside(method, view, change, risks)
            if "network" in found:
                distance = risks.gap(trained.change, change, view.init, view.alpha)
                found["network"][gap] = distance
        return found

    def _network(self, view: _View, risks: Any, steps: Array) -> Columns:
        data, change = view.data, view.trained.change
        f = partial(self.output.after, change, view.init, view.alpha)
        risk = risks.network(change, view.init, view.alpha)
        columns = {
            "train_loss": jnp.mean((f(data.x_train) - data.y_train) ** 2),
            **risk.columns(),
            **movement(change, view.init)._asdict(),
            **self._kernels(view),
        }
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
            columns |= alignment(
                self.output.network,
                change,
                view.init,
                view.alpha,
                jnp.asarray(self.weights),
                centred=self.output.centred,
            )._asdict()
        return columns | self._extra(view)

    def _extra(self, view: _View) -> Columns:
        """Measurements of the user's own."""
        x, y = (a[: self.options.num_probe] for a in (view.data.x_train, view.target))
        seen = Seen(self.output, moved(view.init, view.trained.change), view.init, view.alpha, x, y)
        return {name: measure(seen) for name, measure in self.options.extra}

    def _predicted(self, view: _View, steps: Array) -> Array:
        """The infinite-width NTK's prediction on the test set, from this network's start."""
        start = partial(self.output, view.init, view.init, view.alpha)
        residual = start(view.data.x_train) - view.data.y_train
        change = predicted_change(view.limit, residual, view.learning_rate, steps, flow=self.flow)
        return start(view.data.x_test) + change

    def _kernels(self, view: _View) -> Columns:
        x = view.data.x_train[: self.options.num_probe]
        y = view.target[: self.options.num_probe]
        network, params = self.output.network, moved(view.init, view.trained.change)
        before, now = (hidden_state(network, p, x) for p in (view.init, params))

        def kernel(state: HiddenState, layers: str = self.trainable) -> Array:
            return kernel_from_states(network, state, state, x, x, layers)

        first, last = kernel(before), kernel(now)
        columns = {
            "kernel_drift": kernel_drift(last, first),
            "kernel_alignment": kernel_alignment(last, y),
            "activation_flips": activation_flips(now, before),
        }
        if not self.options.kernels:
            return columns
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

    def _alongside(self, method: str, view: _View, change: Params, risks: Any) -> Columns:
        """Measurements of the linearization, or of the network that only trained its output."""
        x, y, f, of = view.data.x_train, view.data.y_train, self.output.after, risks.network
        if method == "linearized":
            f, of = self.output.linearized_after, risks.linearized
        error = f(change, view.init, view.alpha, x) - y
        risk = of(change, view.init, view.alpha)
        return {
            "train_loss": jnp.mean(error**2),
            **risk.columns(),
            **movement(change, view.init)._asdict(),
        }


_measure = jax.jit(Watcher.over, static_argnums=0)
_measure_quickly = jit_quickly(Watcher.over, static_argnums=0)
