"""What a training run ends with, as functions of inputs: every method, one seed at a time.

Trained networks and their linearizations are the parameters that were measured last; fitted
predictors and kernels are fitted again, by the programs that made their rows.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.devices.processes import on_host
from rf_limits.errors import check, check_choice
from rf_limits.methods import (
    METHODS,
    Changes,
    FittedMethod,
    KernelMethod,
    KernelProblem,
    TrainedMethod,
    keys_of,
)
from rf_limits.models import Params, ScaledNetwork, moved
from rf_limits.optimization.rounding import to_float64
from rf_limits.problem import Dataset
from rf_limits.training.checkpointing import Keep
from rf_limits.training.run import TrainingRun
from rf_limits.training.width import WidthRun

Inputs = Float[Array, "m d"] | Float[np.ndarray, "m d"]
Predictor = Callable[[Inputs], Float[Array, "m"]]
"""Inputs (m, d) to predictions (m,), float64."""


class KeepTrained(Keep):
    """Keeps in memory what every part's networks end with.

    Attributes:
      changes: by name of the part, changes of the parameters of all its networks.
    """

    def __init__(self) -> None:
        self.changes: dict[str, Changes] = {}

    def trained(self, name: str, trained: Changes) -> None:
        """Takes the changes to this process's memory."""
        self.changes[name] = on_host(trained)


class Predictors:
    """The predictors of a training run that is done.

    Args:
      training: that was run.
      trained: by width, changes of its networks in the order of ``Ensemble.cells``.
    """

    def __init__(self, training: TrainingRun, trained: Mapping[int, Changes]):
        self.training, self.trained = training, trained
        self._problems: dict[int, KernelProblem] = {}

    def data(self, seed: int = 0) -> Dataset:
        """Returns the training and test set of one seed."""
        i = self._seed(seed)
        return jax.tree.map(lambda leaf: leaf[i], self.training.seeded.data)

    def params(
        self, method: str, width: int | None, lazy_scale: float | None, seed: int = 0
    ) -> tuple[Params, Params]:
        """Returns the trained parameters of a method's network, and those at initialization.

        All are float64.

        Raises:
          RequirementError: there is no such network.
        """
        check_choice(method, keys_of(self._run(width).trained), "method")
        change, init = self.change(method, width, lazy_scale, seed)
        return moved(init, change), init

    def change(
        self, method: str, width: int | None, lazy_scale: float | None, seed: int
    ) -> tuple[Params, Params]:
        """Returns by how much the parameters changed, and what they were at initialization."""
        run, cell = self._run(width), self._cell(lazy_scale, seed)
        end = self.trained[run.network.width][method]
        change = to_float64(jax.tree.map(lambda leaf: jnp.asarray(leaf[cell]), end))
        return change, self._init(run, seed)

    def __call__(
        self, method: str, width: int | None, lazy_scale: float | None, seed: int
    ) -> Predictor:
        """Returns the predictor of one method, seed, and where they matter width and lazy scale.

        Raises:
          RequirementError: there is no such predictor, or its fit was refused.
        """
        f, dim = self._function(method, width, lazy_scale, seed), self.training.problem.dim

        def predict(x: Inputs) -> Float[Array, "m"]:
            x = jnp.asarray(x, float)
            check(x.ndim == 2 and x.shape[1] == dim, "x", f"have shape (m, {dim})", x.shape)
            return f(x)

        return predict

    def _function(
        self, method: str, width: int | None, lazy_scale: float | None, seed: int
    ) -> Callable[[Array], Array]:
        check_choice(method, self.training.config.predictors.methods, "method")
        entry = METHODS[method]
        if isinstance(entry, KernelMethod):
            return self._kernel(entry, seed)
        run = self._run(width)
        if isinstance(entry, FittedMethod):
            init = self._init(run, seed)
            fit = run.fitted(entry, *on_host((init, self.data(seed))))
            fit.check_solved(method)
            return entry.predictor(ScaledNetwork(run.network, init), fit.solution)
        assert isinstance(entry, TrainedMethod)
        change, init = self.change(method, width, lazy_scale, seed)
        f = ScaledNetwork(run.network, init, jnp.asarray(self._scale(lazy_scale)))
        return partial(entry.predict, f, change)

    def _kernel(self, method: KernelMethod, seed: int) -> Callable[[Array], Array]:
        """Returns kernel regression at convergence."""
        training, data = self.training, self.data(seed)
        limit = training.widths[-1].infinite
        if seed not in self._problems:
            self._problems[seed] = KernelProblem(on_host(data), limit, training.exact_kernels)
        fit = method.fit(self._problems[seed], training.config.predictors.ridge)
        fit.check_solved(method.key)
        assert not isinstance(fit.solution, Mapping)  # coefficients of kernel sections
        return method.predictor(limit, data.x_train, fit.solution)

    def _seed(self, seed: int) -> int:
        seeds = self.training.seeded.seeds
        check(seed in seeds, "seed", f"be from 0 to {len(seeds) - 1}", seed)
        return seeds.index(seed)

    def _run(self, width: int | None) -> WidthRun:
        runs = {run.network.width: run for run in self.training.widths}
        return runs[_one_of(width, list(runs), "width")]

    def _scale(self, lazy_scale: float | None) -> float:
        return float(_one_of(lazy_scale, self.training.config.model.lazy_scales, "lazy_scale"))

    def _cell(self, lazy_scale: float | None, seed: int) -> int:
        scales = [float(scale) for scale in self.training.config.model.lazy_scales]
        return self._seed(seed) * len(scales) + scales.index(self._scale(lazy_scale))

    def _init(self, run: WidthRun, seed: int) -> Params:
        i = self._seed(seed)
        return jax.tree.map(lambda leaf: leaf[i], run.networks.inits)


def _one_of(value: Any, values: Any, name: str) -> Any:
    """Returns ``value`` if the run has it; None stands for a single one that the run has."""
    choices = tuple(values)
    if value is None and len(choices) == 1:
        return choices[0]
    check(value in choices, name, f"be one of {', '.join(f'{v:g}' for v in choices)}", value)
    return value
