"""Every measurement of an ensemble at one log point, in one compiled call."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array

from rf_limits.experiments.setting import Setting
from rf_limits.learning.training import Cell, to_float64
from rf_limits.measure.kernel import kernel_alignment, kernel_drift
from rf_limits.measure.movement import activation_flips, movement
from rf_limits.measure.neuron_risk import Exact
from rf_limits.measure.risk import SampledRisk
from rf_limits.models import Params, ScaledOutput, hidden_state, kernel_from_states
from rf_limits.problem import Dataset


@dataclasses.dataclass(frozen=True)
class Watcher:
    """Measures networks and their linearizations, in float64 whatever the training dtype.

    Attributes:
      output: the trained function f.
      exact: exact risks, or None to use the test set.
      trainable: layers whose tangent kernel is followed.
      num_probe: training inputs on which kernels and flips are measured.
      methods: which of "network" and "linearized" to report.
    """

    output: ScaledOutput
    exact: Exact | None
    trainable: str
    num_probe: int
    methods: frozenset[str]

    def __call__(
        self,
        params: Params,
        linear_params: Params | None,
        cells: Cell,
        setting: Setting,
        which: Array,
    ) -> dict[str, dict[str, Array]]:
        """Measures all cells.

        Args:
          params: parameters of every cell.
          linear_params: those of the linearized networks, or None.
          cells: the ensemble.
          setting: target and data by seed.
          which: (cells,) index of each cell's seed.

        Returns:
          By method, by column of the results table, an array over cells.
        """
        x = setting.data.x_train
        targets = setting.target(x.reshape(-1, x.shape[-1])).reshape(x.shape[:-1])
        trees = (params, linear_params, cells.init, cells.alpha)
        return self._over(*trees, which, setting.data, targets)

    @partial(jax.jit, static_argnums=0)
    def _over(self, params, linear_params, inits, alphas, which, data: Dataset, targets):
        """Maps :meth:`_one` over cells, in sequence: each already fills the machine."""

        def one(arguments):
            params, linear_params, init, alpha, i = arguments
            mine = jax.tree.map(lambda leaf: leaf[i], (data, targets))
            return self._one(
                *(to_float64(tree) for tree in (params, linear_params, init, alpha)), *mine
            )

        return jax.lax.map(one, (params, linear_params, inits, alphas, which))

    def _one(self, params, linear_params, init, alpha, data: Dataset, target):
        """All measurements of one cell."""
        risks = self.exact or SampledRisk(self.output, data.x_test, data.y_test)
        found = {}
        if "network" in self.methods:
            found["network"] = self._network(params, init, alpha, data, target, risks)
        if "linearized" in self.methods:
            found["linearized"] = self._linearized(linear_params, init, alpha, data, risks)
        if len(found) == 2:
            gap = risks.gap(params, linear_params, init, alpha)
            found["network"]["linearization_gap"] = gap
        return found

    def _network(self, params, init, alpha, data, target, risks):
        x, y = data.x_train[: self.num_probe], target[: self.num_probe]
        before = hidden_state(self.output.network, init, x)
        now = hidden_state(self.output.network, params, x)
        kernels = [
            kernel_from_states(self.output.network, s, s, x, x, self.trainable)
            for s in (before, now)
        ]
        error = self.output(params, init, alpha, data.x_train) - data.y_train
        risk = risks.network(params, init, alpha)
        return {
            "train_loss": jnp.mean(error**2),
            **risk.columns(),
            **movement(params, init)._asdict(),
            "kernel_drift": kernel_drift(kernels[1], kernels[0]),
            "kernel_alignment": kernel_alignment(kernels[1], y),
            "activation_flips": activation_flips(now, before),
        }

    def _linearized(self, linear_params, init, alpha, data, risks):
        error = self.output.linearized(linear_params, init, alpha, data.x_train) - data.y_train
        risk = risks.linearized(linear_params, init, alpha)
        return {
            "train_loss": jnp.mean(error**2),
            **risk.columns(),
            **movement(linear_params, init)._asdict(),
        }
