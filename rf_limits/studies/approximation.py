"""How well can fixed features do? Best population risks beside the lazy limit; no training.

For every dimension and seed, features are drawn once for the largest width and every smaller
width uses the first of them, so that risks fall along a seed's curve.
"""

import dataclasses
from functools import partial
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pandas as pd
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rf_limits.analysis.seeds import over_seeds, words_of_seeds
from rf_limits.analysis.verdict import verdict_of_features
from rf_limits.config import Config, option, section
from rf_limits.config.kinds import NonNegative, Positive, Seeds, Several, Sized, Whole, among
from rf_limits.errors import check
from rf_limits.figures.legends import shared_legend
from rf_limits.figures.style import Look, new_figure
from rf_limits.methods import LAZY_LIMIT, METHODS, RANDOM_FEATURES, TANGENT_FEATURES, keys_of
from rf_limits.studies.cost import Cost, cost_of_gram
from rf_limits.studies.experiment import Drawing, Experiment, Summary, experiment
from rf_limits.studies.pilot_runs import Estimate
from rf_limits.studies.timed import estimate_from_part
from rf_limits.table import Cell, Table
from rf_limits.theory.bounds.best_features import best_risks, tangent_correlations, tangent_gram
from rf_limits.theory.bounds.lazy_limit import lazy_limit
from rf_limits.theory.expectations.fourier_moments import fourier_gram, fourier_relu_correlations
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from rf_limits.theory.numerics.blocks import symmetric_matrix
from rf_limits.theory.spectra.harmonics import multiplicity
from rf_limits.training.checkpointing import Keep
from rf_limits.training.memory import check_array_memory, check_gram_memory
from rf_limits.training.result import Report, Result

KINDS = keys_of((RANDOM_FEATURES, TANGENT_FEATURES, LAZY_LIMIT))
FEATURES = ("relu", "erf", "fourier")
WEIGHTS = ("gaussian", "sphere")
# compiled once per shape, not once per draw
_gram = jax.jit(gaussian_gram, static_argnums=(4, 5))
_tangent_gram = jax.jit(tangent_gram)
KEYS = ("method", "dim", "width", "num_features", "seed")
MEASUREMENTS = ("risk", "relative_risk", "max_weight", "size_times_weight", "condition_number")
_LIMIT_POINTS = 121
_TRIED = 2048  # most features of the run from which the time is estimated
Moments = tuple[np.ndarray, np.ndarray]
"""Gram matrix of features, and their products with the target."""


@dataclasses.dataclass(frozen=True)
class FeatureFields(Config):
    """The random features."""

    path: ClassVar[str] = "features"
    activation: Annotated[str, among(FEATURES)] = option("relu", "activation of random features")
    weights: Annotated[str, among(WEIGHTS)] = option(
        "gaussian", "law of their weights: N(0, 1/d) entries, or uniform on the unit sphere"
    )
    scale: Positive = option(1.0, "times that; matters for erf, fourier and with biases")
    bias: bool = option(False, "whether they have biases, N(0, 1)")


@experiment("approximation")
class Approximation(Experiment):
    """How well can fixed features do?"""

    dims: Several[Sized] = option((5, 10, 20, 40), "d, dimensions to compare")
    widths: Several[Whole] = option(
        (16, 32, 64, 128, 256, 512, 1024, 2048, 4096), "N, numbers of neurons"
    )
    methods: Several[Annotated[str, among(KINDS)]] = option(KINDS, "methods to compare")
    seeds: Seeds = option(3, "draws of random features")
    tangent_seeds: Seeds = option(1, "draws of tangent features, whose matrices are the largest")
    max_tangent_features: Whole = option(10_000, "largest N d; wider networks are left out")
    features: FeatureFields = section(FeatureFields)
    ridge: NonNegative = option(0.0, "added to the diagonal of Gram matrices")

    script = "limits"
    quick = {
        "dims": (5, 10),
        "widths": (16, 64, 256, 1024),
        "max_tangent_features": 1000,
        "seeds": 2,
    }

    def check(self) -> None:
        """Checks what concerns several fields, and sizes."""
        scale, requirement = self.features.scale, "lie between 1e-99 and 1e99"
        check(1e-99 <= scale <= 1e99, "features.scale", f"{requirement}, for float64", scale)
        check_gram_memory(max(self.widths), "widths")
        check_array_memory(max(self.widths) * max(self.dims), "dims", tuple(self.dims))
        if TANGENT_FEATURES.key in self.methods:
            check_gram_memory(self.max_tangent_features, "max_tangent_features")

    def cost(self) -> Cost:
        """Returns the size of the largest Gram matrix, and its memory."""
        return cost_of_gram(self._most_features(), self.seeds)

    def _most_features(self) -> int:
        tangent = TANGENT_FEATURES.key in self.methods
        return max(*self.widths, self.max_tangent_features if tangent else 0)

    def estimate(self) -> Estimate:
        """Estimates the seconds from one dimension and seed, with at most 2048 features."""
        small = dataclasses.replace(
            self,
            dims=(sorted(self.dims)[len(self.dims) // 2],),
            seeds=1,
            tangent_seeds=1,
            widths=tuple(sorted({min(width, _TRIED) for width in self.widths})),
            max_tangent_features=min(self.max_tangent_features, _TRIED),
        )
        return estimate_from_part(self, small, self._operations() / small._operations())

    def _operations(self) -> float:
        """Returns relative operations: O(p^2 d) for Gram matrices, O(p^3) for factors: p^2.5."""
        random = self.seeds * max(self.widths) ** 2.5
        tangent = self.tangent_seeds * self.max_tangent_features**2.5
        kinds = {RANDOM_FEATURES.key: random, TANGENT_FEATURES.key: tangent}
        return len(self.dims) * max(sum(kinds.get(method, 0.0) for method in self.methods), 1.0)

    def compute(self, report: Report, keep: Keep) -> Result:
        """Computes all best risks and the bound; every dimension and seed is a part."""
        rows: list[dict[str, Any]] = []
        jobs = [(d, s) for d in self.dims for s in range(max(self.seeds, self.tangent_seeds))]
        for i, (dim, seed) in enumerate(jobs):
            report(f"d = {dim}", i / len(jobs))
            measured = keep.part(f"d-{dim}.seed-{seed}", partial(self._measured, dim, seed))
            rows += measured.to_dict("records")
        if LAZY_LIMIT.key in self.methods:
            report("lazy limit", 1.0)
            for dim in self.dims:
                rows += self._limit(dim)
        table = pd.DataFrame(rows).reindex(columns=[*KEYS, *MEASUREMENTS])
        table["relative_risk"] = table["risk"] / 0.5
        types = dict.fromkeys(KEYS[1:], "Int64") | dict.fromkeys(MEASUREMENTS, "float64")
        table = table.astype(types | {"method": "string"})
        return Result(table, {"target": "relu(<w*, x>), |w*| = 1", "second_moment": 0.5})

    def _measured(self, dim: int, seed: int) -> pd.DataFrame:
        largest = self.max_tangent_features // dim
        below = sorted({w for w in self.widths if w < largest} | ({largest} - {0}))
        families = (
            (RANDOM_FEATURES, self.seeds, sorted(self.widths), 1, self._random),
            (TANGENT_FEATURES, self.tangent_seeds, below, dim, self._tangent),
        )
        rows = []
        for method, seeds, widths, per_neuron, moments in families:
            if method.key not in self.methods or seed >= seeds or not widths:
                continue
            sizes = [width * per_neuron for width in widths]
            risks = best_risks(*moments(dim, seed, widths[-1]), 0.5, sizes, self.ridge)
            for width, best in zip(widths, risks, strict=True):
                row = {"method": method.key, "dim": dim, "width": width, "seed": seed}
                row |= {"size_times_weight": best.num_features * best.max_weight}
                names = ("num_features", "risk", "max_weight", "condition_number")
                rows.append(row | {name: getattr(best, name) for name in names})
        return pd.DataFrame(rows)

    def _tangent(self, dim: int, seed: int, width: int) -> Moments:
        weights = self._weights(dim, seed, width)[0]
        products = tangent_correlations(weights, jnp.eye(1, dim)[0])
        return np.array(_tangent_gram(weights)), np.array(products)

    def _weights(
        self, dim: int, seed: int, width: int
    ) -> tuple[Float[Array, "N d"], Float[Array, "N"]]:
        """Draws weights of length about ``features.scale``, and biases N(0, 1)."""
        key = jax.random.fold_in(jax.random.key(seed), dim)
        w_key, b_key = jax.random.split(key)
        w = jax.random.normal(w_key, (width, dim), jnp.float64)
        sphere = self.features.weights == "sphere"
        w = w / (jnp.linalg.norm(w, axis=1, keepdims=True) if sphere else jnp.sqrt(dim))
        return self.features.scale * w, jax.random.normal(b_key, (width,), jnp.float64)

    def _random(self, dim: int, seed: int, width: int) -> Moments:
        features, direction = self.features, jnp.eye(1, dim)
        w, b = self._weights(dim, seed, width)
        if features.activation == "fourier":
            rows, phases = np.asarray(w), np.asarray(b) if features.bias else np.zeros(width)
            products = fourier_relu_correlations(rows, phases, np.asarray(direction[0]), 0.0)
            return fourier_gram(rows, phases, rows, phases), products
        biases, kind = b if features.bias else None, features.activation
        gram = random_features_gram(w, biases, kind)
        return np.array(gram), np.array(_gram(w, biases, direction, None, kind, "relu")[:, 0])

    def _limit(self, dim: int) -> list[dict[str, Any]]:
        """Computes the bound on a fine grid of feature counts, as far as the features go."""
        most = self._most_features()
        counts = np.unique(np.round(np.geomspace(1, most, _LIMIT_POINTS)).astype(int))
        risks = np.asarray(lazy_limit(counts, dim), dtype=float)
        return [
            {"method": LAZY_LIMIT.key, "dim": dim, "num_features": int(p), "risk": float(r)}
            for p, r in zip(counts, risks, strict=True)
        ]

    def analyse(self, result: Result) -> Summary:
        """Computes means over seeds beside the bound."""
        table = means(result.metrics)
        table["std"] = table["std"].astype(object).where(table["std"].notna(), None)
        return {"choices": result.choices, "means": table.to_dict("records")}

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns mean risks beside the lazy limit of as many features."""
        names = ("dim", "width", "num_features", "mean", "lazy_limit")
        rows = [
            [METHODS[row["method"]].short, *(Cell.of(row[name]) for name in names)]
            for row in summary["means"]
        ]
        over = words_of_seeds(result.metrics, "mean over seeds")
        title = f"Best population risk of fixed features, {over}, beside the lazy limit"
        return Table(title, ["method", "d", "N", "features", "risk", "lazy limit"], rows)

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns the target, and what the limit bounds."""
        return [
            f"Target {result.choices['target']}: E f*^2 = 0.5. All risks exact. The lazy limit "
            "bounds their expectation: a mean over few draws may lie below it."
        ]

    def verdict(self, metrics: pd.DataFrame, summary: Summary) -> list[str]:
        """Returns by what factor risks exceed the lazy limit."""
        return verdict_of_features(pd.DataFrame(summary["means"]))

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns risks against the number of features."""
        return {"staircase": staircase}


@partial(jax.jit, static_argnums=2)
def random_features_gram(
    w: Float[Array, "N d"], b: Float[Array, "N"] | None, kind: str
) -> Float[Array, "N N"]:
    """Computes E f_i f_j of the features sigma(<w_i, x> + b_i), compiled once per shape."""
    return symmetric_matrix(lambda f, g: gaussian_gram(*f, *g, kind, kind), (w, b))


def means(metrics: pd.DataFrame) -> pd.DataFrame:
    """Computes mean risks over seeds by method, dimension and number of features, and the bound."""
    measured = metrics[metrics["method"] != LAZY_LIMIT.key]
    groups = over_seeds(measured, ["method", "dim", "width", "num_features"])["risk"]
    columns = {"mean": groups.mean(skipna=False), "std": groups.std(skipna=False)}
    table = pd.DataFrame({**columns, "count": groups.size()}).reset_index()
    pairs = zip(table["dim"], table["num_features"], strict=True)
    return table.assign(lazy_limit=[float(lazy_limit(int(p), int(d))) for d, p in pairs])


_LOOKS = {RANDOM_FEATURES: ("o", "full"), TANGENT_FEATURES: ("^", "none")}
"""Markers and their fill styles."""


def staircase(metrics: pd.DataFrame) -> Figure:
    """Measured best risks (markers) above the lazy limit (lines), one colour per dimension.

    Small numbers mark the degree that is complete where the line passes: all harmonics up to
    degree k cost sum_j B(d, j) features.
    """
    figure, (axis,) = new_figure(1, height=3.6, width=4.8)
    dims = sorted(metrics["dim"].unique())
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(dims)))
    for dim, colour in zip(dims, colours, strict=True):
        part = metrics[metrics["dim"] == dim]
        limit = LAZY_LIMIT.rows(part).sort_values("num_features")
        counts, risks = (limit[c].to_numpy(float) for c in ("num_features", "risk"))
        axis.plot(counts, 2.0 * risks, color=colour, label=f"d = {dim}: lazy limit")
        if len(counts):
            _mark_degrees(axis, int(dim), counts, 2.0 * risks, colour)
        for method, (marker, fill) in _LOOKS.items():
            mean = over_seeds(method.rows(part), "num_features")["relative_risk"].mean(skipna=False)
            places = (mean.index.to_numpy(float), mean.to_numpy(float))
            axis.plot(*places, marker, color=colour, markersize=3.5, fillstyle=fill)
    for method, (marker, fill) in _LOOKS.items():
        if method.is_in(metrics):
            label = f"{method.short}, measured"
            axis.plot([], [], marker, color="0.3", fillstyle=fill, label=label)
    axis.set(xscale="log", yscale="log", xlabel="number of fixed features $p$")
    axis.set_ylabel(r"best relative risk $E(f-f^*)^2 / E f^{*2}$")
    shared_legend(figure, [axis])
    return figure


def _mark_degrees(
    axis: Axes, dim: int, counts: np.ndarray, risks: np.ndarray, colour: np.ndarray
) -> None:
    """Marks the degrees 1, 2, 4, 6, 8 where the bound has just used up their harmonics."""
    used = 0
    for degree in (0, 1, 2, 4, 6, 8):  # odd degrees beyond 1 carry nothing
        used += multiplicity(dim, degree)
        if degree == 0 or not counts[0] <= used <= counts[-1]:
            continue
        height = np.exp(np.interp(np.log(used), np.log(counts), np.log(risks)))
        place: Look = {"textcoords": "offset points", "xytext": (2, 3), "fontsize": 5.5}
        axis.annotate(str(degree), (used, height), color=colour, **place)
