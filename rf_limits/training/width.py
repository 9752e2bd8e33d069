"""All seeds and lazy scales of one width, from initialization to rows of the results table."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.config.training import TrainingConfig
from rf_limits.devices.processes import agree_arrays, on_host
from rf_limits.measure.risk import Columns
from rf_limits.methods import LINEARIZED, METHODS, FeatureProblem, FittedMethod, Regression
from rf_limits.models import Params, ScaledNetwork
from rf_limits.optimization.flow import Tolerances
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.trainer import Cell, Trainer
from rf_limits.problem import Dataset
from rf_limits.training.closed_form import ClosedForm, has_closed_form
from rf_limits.training.ensembles import Ensemble
from rf_limits.training.measurements import Measurements, measurements_of
from rf_limits.training.networks import draw_networks
from rf_limits.training.seed_data import SeedData, seed_data
from rf_limits.training.seeded_problem import SeededProblem
from rf_limits.training.step_sizes import curvatures_at_start, step_sizes
from rf_limits.training.validation import infinite_network, needs_kernels

Row = dict[str, Any]


class WidthRun:
    """The methods of one width, prepared: nothing is left that could be refused.

    Args:
      config: a training config.
      seeded: its problem, with the data of every seed.
      width: N.

    Raises:
      RequirementError: the config cannot be run with these risks, kernels or step sizes.
    """

    def __init__(self, config: TrainingConfig, seeded: SeededProblem, width: int):
        self.config, self.seeded = config, seeded
        self.networks = draw_networks(config, seeded, width)
        self.network = self.networks.network
        self.infinite = infinite_network(config, self.network)
        self.trained = METHODS.trained(config.predictors.methods)
        self.trains = bool(self.trained)
        if needs_kernels(config):
            self.infinite.check()
        self.exact = self.networks.exact_risks(trains=self.trains)
        self.closed_form = ClosedForm(self.networks) if has_closed_form(config) else None
        self.learning_rates = self._learning_rates()
        self.ensemble = Ensemble(self.networks, self.learning_rates)
        self.at_once = self.ensemble.at_once()

    def _learning_rates(self) -> np.ndarray:
        """Returns (seeds, scales) step sizes; NaN where nothing is trained."""
        if not self.trains:
            shape = (self.config.seeds, len(self.config.model.lazy_scales))
            return np.full(shape, math.nan)
        spectra = self.closed_form.spectra if self.closed_form else None
        curvatures = curvatures_at_start(self.networks, self.infinite, self.exact, spectra)
        return agree_arrays(step_sizes(self.networks, curvatures))

    @property
    def solver(self) -> dict[str, float] | None:
        """Returns the tolerances of gradient flow, or None for other optimizers."""
        spec = parse_optimizer(self.config.training.optimizer)
        if not self.trains or not spec.is_gradient_flow:
            return None
        return Tolerances(**spec.arguments)._asdict()

    @functools.cached_property
    def output_start(self) -> float:
        """Returns the largest root mean square of f_0 on a training set; 0 for a start at zero."""
        if not self.trains or self.network.centred or self.network.starts_at_zero:
            return 0.0
        return max(self.config.model.lazy_scales) * self.networks.largest_output()

    @property
    def output_rounding(self) -> float:
        """Returns to what outputs of networks and linearizations are rounded: a unit of f_0."""
        return 0.5 * float(jnp.finfo(self.config.precision).eps) * self.output_start

    def trainer(self, together: int | None = None) -> Trainer:
        """Returns what trains networks, and linearizations where these have no closed form."""
        alongside = LINEARIZED in self.trained and self.closed_form is None
        return self.ensemble.trainer(linearized=alongside, together=together)

    def measurements(self) -> Measurements:
        """Returns what measures the trained methods."""
        return measurements_of(self.networks, self.exact, self.trained)

    def seed_data(self) -> SeedData:
        """Returns what measuring takes of every seed."""
        return seed_data(self.networks, self.infinite)

    def fitted(self, method: FittedMethod, init: Params, data: Dataset) -> Regression:
        """Returns the fit of a method to one seed's initialization and data."""
        ridge = self.config.predictors.ridge
        f = ScaledNetwork(self.network, init)
        return method.fit(FeatureProblem(f, data, ridge, self.exact))

    def fitted_rows(self) -> list[Row]:
        """Returns the rows of the fitted methods of every seed."""
        rows = []
        inits, sets = on_host((self.networks.inits, self.seeded.data))
        for method in METHODS.fitted(self.config.predictors.methods):
            for i, seed in enumerate(self.seeded.seeds):
                init, data = jax.tree.map(lambda leaf, i=i: leaf[i], (inits, sets))
                rows.append(self._row(method.key, seed, self.fitted(method, init, data).columns()))
        return rows

    def measured_rows(
        self, values: Mapping[str, Columns], cells: Cell, which: jax.Array, step: int
    ) -> list[Row]:
        """Returns the rows of what was measured of trained methods at a step.

        Args:
          values: by method and column, arrays over cells.
          cells: the ensemble.
          which: (cells,) index of each cell's seed.
          step: taken so far.
        """
        rows, scales = [], self.config.model.lazy_scales
        values, rates, which = on_host((values, cells.learning_rate, which))
        for key, columns in values.items():
            for i in range(which.size):
                row = {name: float(column[i]) for name, column in columns.items()}
                row |= {
                    "lazy_scale": scales[i % len(scales)],
                    "step": step,
                    "time": step * float(rates[i]),
                }
                rows.append(self._row(key, self.seeded.seeds[int(which[i])], row))
        return rows

    def _row(self, key: str, seed: int, values: dict[str, Any]) -> Row:
        return {
            "method": key,
            "width": self.network.width,
            "parameters": self.config.count_parameters(self.network.width),
            "seed": seed,
            **values,
        }
