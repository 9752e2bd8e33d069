"""All seeds and lazy scales of one width: initialized, fitted, trained, measured."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.layout import lead, place
from rf_limits.devices.mesh import make_mesh
from rf_limits.devices.processes import agree_arrays, on_host
from rf_limits.errors import check
from rf_limits.experiments.config import TrainingConfig
from rf_limits.experiments.defaults import TRAINED
from rf_limits.experiments.fitted import (
    FittedRow,
    fit_random_features,
    fit_tangent_features,
    fitted_values,
)
from rf_limits.experiments.setting import Setting, streams
from rf_limits.experiments.step_sizes import curvatures_at_start, step_sizes
from rf_limits.experiments.validation import (
    infinite_network,
    needs_kernels,
    network_from_config,
)
from rf_limits.experiments.watch import Options, Watcher, of_seed
from rf_limits.learning.ensemble import networks_at_once, over_cells
from rf_limits.learning.flow import Tolerances
from rf_limits.learning.infinite_width import InfiniteWidth, infinite_width
from rf_limits.learning.linearized import Spectrum, linearized_change, spectrum
from rf_limits.learning.optimizers import parse_optimizer
from rf_limits.learning.training import Cell, Trainer
from rf_limits.measure.extra import EXTRA
from rf_limits.measure.movement import count_parameters
from rf_limits.measure.neuron_risk import Exact, exact_risk
from rf_limits.measure.risk import largest_exact_scale
from rf_limits.models import (
    InfiniteNetwork,
    OneHiddenLayer,
    Params,
    ScaledOutput,
    init_params,
    tangent_kernel,
)
from rf_limits.problem import Dataset, sample_inputs
from rf_limits.problem.data import noisy_labels
from rf_limits.types import Scalar

Row = dict[str, Any]
FITS = {"random_features": fit_random_features, "tangent_features": fit_tangent_features}
"""Predictors that are fitted for every width."""

# Beyond this many training points an eigendecomposition costs more than training alongside.
_CLOSED_FORM_LIMIT = 4096


class Start(NamedTuple):
    """What is known of every seed before training.

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


# Compiled once for all runs of a process that share their shapes.
_exact_risk = functools.lru_cache(maxsize=64)(exact_risk)


@functools.partial(jit_quickly, static_argnames=("network", "dim", "dtype"))
def _draw_inits(keys: jax.Array, network: OneHiddenLayer, dim: int, dtype: Any) -> Params:
    """Initial parameters of every seed; every method sees those that training sees."""

    def one(key: jax.Array) -> Params:
        init = init_params(network, jax.random.fold_in(key, network.width), dim)
        return jax.tree.map(lambda leaf: leaf.astype(dtype).astype(jnp.float64), init)

    return jax.lax.map(one, keys)


@functools.partial(jit_quickly, static_argnames="network")
def _outputs(inits: Params, x: jax.Array, network: OneHiddenLayer) -> jax.Array:
    """(seeds, n) outputs g_0 of every seed's network on its training inputs."""
    return jax.lax.map(lambda one: network.apply(*one), (inits, x))


@functools.partial(jit_quickly, static_argnames=("network", "layers", "mesh"))
def _spectra(
    inits: Params, x: jax.Array, network: OneHiddenLayer, layers: str, mesh: Mesh | None
) -> Spectrum:
    def one(_: None, init: Params, x: jax.Array) -> Spectrum:
        return spectrum(tangent_kernel(network, init, x, layers=layers))

    return over_cells(one, 1, mesh)(None, inits, x)


@functools.partial(jit_quickly, static_argnames=("output", "trainable", "flow", "mesh"))
def _closed_form(
    start: Start,
    which: jax.Array,
    alphas: jax.Array,
    rates: jax.Array,
    steps: Scalar,
    output: ScaledOutput,
    trainable: str,
    flow: bool,
    mesh: Mesh | None,
) -> Params:
    def one(shared, i, alpha, rate):
        start, steps = shared
        init, x, y, kernel = of_seed(start, i)
        return linearized_change(
            output.network,
            init,
            x,
            output(init, init, alpha, x) - y,
            kernel,
            alpha=alpha,
            learning_rate=rate,
            steps=steps,
            trainable=trainable,
            flow=flow,
        )

    wide = (which, alphas.astype(jnp.float64), rates.astype(jnp.float64))
    specs = (lead(mesh, start.x_train.shape[0]), PartitionSpec())
    return over_cells(one, 1, mesh, specs)((start, steps), *wide)


@functools.partial(jit_quickly, static_argnames=("limit", "num_probe"))
def _limits(
    x_train: jax.Array, x_test: jax.Array, limit: InfiniteNetwork, num_probe: int
) -> InfiniteWidth:
    def one(pair):
        return infinite_width(limit, *pair, num_probe)

    return jax.lax.map(one, (x_train, x_test))


class WidthRun:
    """All seeds and lazy scales of one width."""

    def __init__(self, config: TrainingConfig, setting: Setting, width: int):
        self.config, self.setting, self.mesh = config, setting, make_mesh(vars(config.mesh))
        self.network: OneHiddenLayer = network_from_config(config, width)
        self.infinite = infinite_network(config, self.network)
        self.output = ScaledOutput(self.network, config.model.centring == "subtract")
        self.methods = frozenset(config.predictors.methods)
        self.spec = parse_optimizer(config.training.optimizer)
        self.trains = bool(self.methods & set(TRAINED))
        if needs_kernels(config):
            self.infinite.check()
        # Harmonics need two dimensions.
        degrees = config.measure.max_degree if setting.target.dim >= 2 else -1
        known = (self.output, setting.target, setting.second_moment, setting.inputs)
        self.exact = _exact_risk(*known, max_degree=degrees) if config.measure.exact else None
        if self.exact is not None and self.trains:
            self._check_scales()
        self.on_population = config.data.kind == "population"
        known = self.exact is not None or not self.on_population
        requirement = "have exact risks for data.kind = 'population'"
        check(known, "problem.target", requirement, config.problem.target)
        self.closed_form = (
            (self.spec.is_gradient_descent or self.spec.is_gradient_flow)
            and not self.on_population
            and config.training.batch_size is None
            and config.data.num_train <= _CLOSED_FORM_LIMIT
        )
        self.at_once = self._at_once()
        self._prepare()

    def _check_scales(self) -> None:
        """Refuses lazy scales at which exact risks of networks would be rounding."""
        sizes = self.network, self.config.problem.dim, self.setting.second_moment
        most = largest_exact_scale(*sizes)
        requirement = f"be at most {most:.2g} here for exact risks, which are rounded beyond"
        requirement += " (--config.measure.exact=False measures on a test set)"
        for scale in self.config.model.lazy_scales:
            check(scale <= most, "model.lazy_scales", requirement, scale)

    @property
    def solver(self) -> dict[str, float] | None:
        """The tolerances that gradient flow is integrated to, or None for other optimizers."""
        if not self.trains or not self.spec.is_gradient_flow:
            return None
        return Tolerances(**self.spec.arguments)._asdict()

    @functools.cached_property
    def output_start(self) -> float:
        """The largest root mean square of f_0 on a training set; 0 where f starts at zero."""
        if not self.trains or self.output.centred or self.network.starts_at_zero:
            return 0.0
        outputs = on_host(_outputs(self.inits, self.setting.data.x_train, self.network))
        size = float(np.max(np.sqrt(np.mean(outputs**2, axis=1))))
        return max(self.config.model.lazy_scales) * size

    @property
    def output_rounding(self) -> float:
        """To what outputs of networks and linearizations are rounded: a unit of f_0."""
        return 0.5 * float(jnp.finfo(self.config.precision).eps) * self.output_start

    def _prepare(self) -> None:
        """Draws initializations and resolves learning rates, seed by seed."""
        config, x = self.config, self.setting.data.x_train
        keys = jnp.stack([streams(seed).init for seed in self.setting.seeds])
        dtype = jnp.dtype(config.precision)

        self.inits = _draw_inits(keys, self.network, config.problem.dim, dtype)
        self.spectra: Spectrum | None = None
        if not self.trains:
            shape = (len(self.setting.seeds), len(config.model.lazy_scales))
            self.learning_rates = np.full(shape, math.nan)
            return
        if self.closed_form:
            self.spectra = self._spectra(x)
        curvatures = curvatures_at_start(
            config, self.infinite, self.setting, self.inits, self.exact, self.spectra
        )
        rates = step_sizes(config, self.network, self.setting, curvatures)
        self.learning_rates = agree_arrays(rates)

    def _at_once(self, together: int | None = None) -> int | None:
        """How many networks are stepped at once, None for all; ``together``: of all runs."""
        config, width = self.config, self.network.width
        spread = {} if self.mesh is None else dict(self.mesh.shape)
        cells = config.seeds * len(config.model.lazy_scales) // spread.get("seeds", 1)
        rows = config.training.batch_size or config.data.num_train
        flow = self.spec.is_gradient_flow
        held = float((8 if flow else jnp.dtype(config.precision).itemsize) * width * rows)
        if self.on_population:
            held = 8.0 * width * width
        held /= spread.get("data", 1) * spread.get("width", 1)
        how = config.training.ensemble, cells, held
        # In gradient flow every network takes its own number of steps.
        return networks_at_once(*how, together=together, in_step=not flow)

    def _spectra(self, x: jax.Array) -> Spectrum:
        """Spectra of every seed's tangent kernel; seeds spread on the mesh if it divides them."""
        how = (self.network, self.config.model.trainable)
        if lead(self.mesh, len(self.setting.seeds)) == PartitionSpec():
            return place(self.mesh, _spectra(self.inits, x, *how, None))
        placed = place(self.mesh, Start(self.inits, x))
        return _spectra(placed.init, placed.x_train, *how, self.mesh)

    def _row(self, method: str, seed: int, values: dict[str, Any]) -> Row:
        return {
            "method": method,
            "width": self.network.width,
            "parameters": count_parameters(self.network, self.config.problem.dim),
            "seed": seed,
            **values,
        }

    def fitted_rows(self) -> list[Row]:
        """Rows of the RF and NT predictors of every seed."""
        rows = []
        held = on_host((self.inits, self.setting.data))
        for method in sorted(self.methods & FITS.keys()):
            for i, seed in enumerate(self.setting.seeds):
                init, data = jax.tree.map(lambda leaf, i=i: leaf[i], held)
                fit = self.fitted(method, init, data)
                rows.append(self._row(method, seed, fitted_values(fit)))
        return rows

    def fitted(self, method: str, init: Params, data: Dataset) -> FittedRow:
        """The fit of one of :data:`FITS` to one seed's initialization and data."""
        ridge = self.config.predictors.ridge
        return FITS[method](self.network, init, data, ridge, self.exact)

    def cells(self) -> tuple[Cell, jax.Array]:
        """One cell per seed and lazy scale (scales vary fastest), and each cell's seed index.

        Both lie on the mesh, if there is one.
        """
        scales, count = self.config.model.lazy_scales, len(self.setting.seeds)
        which = np.repeat(np.arange(count), len(scales))
        batch_keys = jnp.stack([streams(seed).batches for seed in self.setting.seeds])
        dtype = jnp.dtype(self.config.precision)
        inits, data = on_host((self.inits, self.setting.data))  # nothing to compile
        alphas, rates = np.tile(scales, count), self.learning_rates.reshape(-1)
        cells = (
            jax.tree.map(lambda leaf: leaf[which], inits),
            alphas,
            rates,
            data.x_train[which],
            data.y_train[which],
        )
        cells, which = jax.device_put((jax.tree.map(lambda leaf: leaf.astype(dtype), cells), which))
        return place(self.mesh, (Cell(*cells, batch_keys[which]), which))

    def trainer(self, together: int | None = None) -> Trainer:
        """What trains the networks of this width.

        Args:
          together: networks of all runs that train in one call, if there are others.
        """
        config, setting = self.config, self.setting
        sample = None
        if config.data.kind == "stream":

            def sample(key, size):
                x_key, noise_key = jax.random.split(key)
                x = sample_inputs(x_key, setting.inputs, size, setting.target.dim)
                return x, noisy_labels(noise_key, setting.target, x, setting.noise)

        return Trainer(
            self.output,
            self.spec,
            config.model.trainable,
            config.training.batch_size,
            sample,
            linearized="linearized" in self.methods and not self.closed_form,
            population=self._training_risk(),
            at_once=self.at_once if together is None else self._at_once(together),
            mesh=self.mesh,
        )

    def _training_risk(self) -> Exact | None:
        """The risk that is trained on, of all degrees at once."""
        return dataclasses.replace(self.exact, max_degree=-1) if self.on_population else None

    def start(self) -> Start:
        """What the closed form takes of every seed, on the mesh."""
        data = self.setting.data
        placed = place(self.mesh, Start(self.inits, data.x_train, data.y_train))
        return placed._replace(spectra=self.spectra)

    def closed_form_change(self, start: Start, cells: Cell, which: jax.Array, steps: int) -> Params:
        """By how much every linearization's parameters change in ``steps``, float64."""
        how = (self.output, self.config.model.trainable, self.spec.is_gradient_flow, self.mesh)
        given = (which, cells.alpha, cells.learning_rate, np.asarray(float(steps)))
        return _closed_form(start, *given, *how)

    def watcher(self) -> Watcher:
        """What measures them."""
        config, target = self.config, self.setting.target
        fields = {name: getattr(config.measure, name) for name in Options._fields}
        fields["extra"] = tuple((name, EXTRA[name]) for name in config.measure.extra)
        options = Options(**fields)
        weights = ()
        if options.alignment:
            weights = tuple(np.asarray(target.directions[0]).tolist())
        trainable, flow = config.model.trainable, self.spec.is_gradient_flow
        measured = (self.output, self.exact, trainable, options, self.methods, weights, flow)
        return Watcher(*measured, self.mesh, config.training.log_points)

    def limits(self) -> InfiniteWidth | None:
        """The infinite-width NTK on every seed's data, where a measurement asks for it."""
        measure, data = self.config.measure, self.setting.data
        if not (measure.kernels or measure.infinite_width):
            return None
        return _limits(data.x_train, data.x_test, self.infinite, measure.num_probe)

    def measured_rows(self, values, cells: Cell, which, step: int) -> list[Row]:
        """Rows of what the watcher measured at a step."""
        rows = []
        values, rates, which = on_host((values, cells.learning_rate, which))
        for method, columns in values.items():
            for i in range(which.size):
                row = {name: float(column[i]) for name, column in columns.items()}
                row |= {
                    "lazy_scale": self.config.model.lazy_scales[
                        i % len(self.config.model.lazy_scales)
                    ],
                    "step": step,
                    "time": step * float(rates[i]),
                }
                rows.append(self._row(method, self.setting.seeds[int(which[i])], row))
        return rows
