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
from rf_limits.errors import RequirementError, check, check_choice
from rf_limits.experiments.defaults import TRAINED
from rf_limits.experiments.fitted import FittedRow, data_kernels, fit_kernels, limit_kernels
from rf_limits.experiments.keep import Keep
from rf_limits.experiments.training import Training
from rf_limits.experiments.watch import Trained
from rf_limits.experiments.width import FITS, WidthRun
from rf_limits.learning.rounding import to_float64
from rf_limits.models import Params, moved, random_features
from rf_limits.problem import Dataset

Inputs = Float[Array, "m d"] | Float[np.ndarray, "m d"]
Predictor = Callable[[Inputs], Float[Array, "m"]]
"""Inputs (m, d) to predictions (m,), float64."""
_OF = {"network": "change", "linearized": "linear_change", "rf_descent": "rf_change"}


class KeepTrained(Keep):
    """Keeps in memory what every part's networks end with.

    Attributes:
      found: by name of the part, changes of the parameters of all its networks.
    """

    def __init__(self):
        self.found: dict[str, Trained] = {}

    def trained(self, name: str, trained: Trained) -> None:
        """Takes them to this process's memory."""
        self.found[name] = on_host(trained)


class Predictors:
    """The predictors of a training run that is done.

    Args:
      training: that was run.
      trained: by width, changes of its networks in the order of ``WidthRun.cells``.
    """

    def __init__(self, training: Training, trained: Mapping[int, Trained]):
        self.training, self.trained = training, trained
        self._kernel_fits: dict[int, dict[str, FittedRow]] = {}

    def data(self, seed: int = 0) -> Dataset:
        """Training and test set of one seed."""
        i = self._seed(seed)
        return jax.tree.map(lambda leaf: leaf[i], self.training.setting.data)

    def params(
        self, method: str, width: int | None, lazy_scale: float | None, seed: int = 0
    ) -> tuple[Params, Params]:
        """Trained parameters of a method's network and its parameters at initialization, float64.

        Raises:
          RequirementError: there is no such network.
        """
        check_choice(method, set(TRAINED) & self._run(width).methods, "method")
        change, init = self._change(method, width, lazy_scale, seed)
        return moved(init, change), init

    def _change(
        self, method: str, width: int | None, lazy_scale: float | None, seed: int
    ) -> tuple[Params, Params]:
        """By how much the parameters changed, and what they were at initialization."""
        run, cell = self._run(width), self._cell(lazy_scale, seed)
        end = getattr(self.trained[run.network.width], _OF[method])
        change = to_float64(jax.tree.map(lambda leaf: jnp.asarray(leaf[cell]), end))
        return change, self._init(run, seed)

    def __call__(
        self, method: str, width: int | None, lazy_scale: float | None, seed: int
    ) -> Predictor:
        """The predictor of one method, seed, and where they matter width and lazy scale.

        Raises:
          RequirementError: there is no such predictor, or its fit was refused.
        """
        f, dim = self._function(method, width, lazy_scale, seed), self.training.setting.target.dim

        def predict(x: Inputs) -> Float[Array, "m"]:
            x = jnp.asarray(x, float)
            check(x.ndim == 2 and x.shape[1] == dim, "x", f"have shape (m, {dim})", x.shape)
            return f(x)

        return predict

    def _function(
        self, method: str, width: int | None, lazy_scale: float | None, seed: int
    ) -> Predictor:
        check_choice(method, self.training.config.predictors.methods, "method")
        if method in TRAINED:
            given = self._change(method, width, lazy_scale, seed)
            output, alpha = self._run(width).output, jnp.asarray(self._scale(lazy_scale))
            f = output.linearized_after if method == "linearized" else output.after
            return partial(f, *given, alpha)
        if method in FITS:
            return self._fitted(method, self._run(width), seed)
        return self._kernel(method, seed)

    def _fitted(self, method: str, run: WidthRun, seed: int) -> Predictor:
        init, network = self._init(run, seed), run.network
        fit = run.fitted(method, *on_host((init, self.data(seed))))
        _check_solved(method, fit)
        if method == "random_features":
            return lambda x: random_features(network, init, x) @ fit.solution
        return lambda x: jax.jvp(lambda p: network.apply(p, x), (init,), (fit.solution,))[1]

    def _kernel(self, method: str, seed: int) -> Predictor:
        """Kernel regression at convergence."""
        one, data = self.training, self.data(seed)
        limit = one.widths[-1].infinite
        if seed not in self._kernel_fits:
            held, exact = on_host(data), one.exact_kernels
            kernels = data_kernels(limit, held, exact)
            ridge = one.config.predictors.ridge
            self._kernel_fits[seed] = fit_kernels(kernels, held, ridge, exact)
        fit = self._kernel_fits[seed][method]
        _check_solved(method, fit)

        def predict(x: Array) -> Array:
            return getattr(limit_kernels(limit, x, data.x_train), method) @ fit.solution

        return predict

    def _seed(self, seed: int) -> int:
        seeds = self.training.setting.seeds
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
        return jax.tree.map(lambda leaf: leaf[i], run.inits)


def _one_of(value: Any, values: Any, name: str) -> Any:
    """``value`` if the run has it; where it has one only, None stands for it."""
    known = tuple(values)
    if value is None and len(known) == 1:
        return known[0]
    check(value in known, name, f"be one of {', '.join(f'{v:g}' for v in known)}", value)
    return value


def _check_solved(method: str, fit: FittedRow) -> None:
    needed = float(fit.ridge_needed)
    if needed > 0.0:
        raise RequirementError(
            f"predictors.ridge must be above {needed:.2g} for {method}, whose fit was refused as "
            "too ill-conditioned; its metrics say so."
        )
