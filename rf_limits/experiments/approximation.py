"""How well can fixed features do? Best population risks beside the lazy limit; no training.

For every dimension and seed, features are drawn once for the largest width and every smaller
width uses the first of them, so that risks fall along a seed's curve.
"""

import dataclasses
import functools
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from rf_limits.config import Builder, Config, accepts_builder, option, section
from rf_limits.config.kinds import (
    NonNegative,
    Positive,
    Seeds,
    Several,
    Sized,
    Whole,
    among,
)
from rf_limits.errors import check
from rf_limits.experiments.keep import NO_KEEP, Keep
from rf_limits.experiments.memory import check_array_memory, check_gram_memory
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.seeds import over_seeds, words_of_seeds
from rf_limits.experiments.tables import short_number
from rf_limits.methods import LAZY_LIMIT, RANDOM_FEATURES, TANGENT_FEATURES, entry_of, keys_of
from rf_limits.theory.bounds.best_features import (
    BestRisk,
    best_risks,
    tangent_correlations,
    tangent_gram,
)
from rf_limits.theory.bounds.lazy_limit import lazy_limit
from rf_limits.theory.expectations.fourier_moments import fourier_gram, fourier_relu_correlations
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from rf_limits.theory.numerics.blocks import symmetric_matrix

METHODS = keys_of((RANDOM_FEATURES, TANGENT_FEATURES, LAZY_LIMIT))
FEATURES = ("relu", "erf", "fourier")
WEIGHTS = ("gaussian", "sphere")
# compiled once per shape, not once per draw
_gram = jax.jit(gaussian_gram, static_argnums=(4, 5))
_tangent_gram = jax.jit(tangent_gram)
KEYS = ("method", "dim", "width", "num_features", "seed")
MEASUREMENTS = ("risk", "relative_risk", "max_weight", "size_times_weight", "condition_number")
_LIMIT_POINTS = 121
_TRIED = 2048  # features, where it is found out how long a run will take


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


@dataclasses.dataclass(frozen=True)
class ApproximationConfig(Config):
    """How well can fixed features do?"""

    experiment: str = option("approximation", "what is run")
    dims: Several[Sized] = option((5, 10, 20, 40), "d, dimensions to compare")
    widths: Several[Whole] = option(
        (16, 32, 64, 128, 256, 512, 1024, 2048, 4096), "N, numbers of neurons"
    )
    methods: Several[Annotated[str, among(METHODS)]] = option(METHODS, "methods to compare")
    seeds: Seeds = option(3, "draws of random features")
    tangent_seeds: Seeds = option(1, "draws of tangent features, whose matrices are the largest")
    max_tangent_features: Whole = option(10_000, "largest N d; wider networks are left out")
    features: FeatureFields = section(FeatureFields)
    ridge: NonNegative = option(0.0, "added to the diagonal of Gram matrices")


def approximation_config() -> Builder[ApproximationConfig]:
    """Returns a fresh :class:`ApproximationConfig`."""
    return Builder(ApproximationConfig)


@accepts_builder
def validate(config: ApproximationConfig) -> None:
    """Checks what concerns several fields, and sizes.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    good = 1e-99 <= config.features.scale <= 1e99
    requirement = "lie between 1e-99 and 1e99, whose powers float64 holds"
    check(good, "features.scale", requirement, config.features.scale)
    check_gram_memory(max(config.widths), "widths")
    check_array_memory(max(config.widths) * max(config.dims), "dims", tuple(config.dims))
    if TANGENT_FEATURES.key in config.methods:
        check_gram_memory(config.max_tangent_features, "max_tangent_features")


@accepts_builder
def prepare(config: ApproximationConfig, report: Report = no_report) -> "Approximation":
    """Checks the config; the work is in ``run``."""
    validate(config)
    return Approximation(config)


@accepts_builder
def trial(config: ApproximationConfig) -> tuple[ApproximationConfig, float]:
    """A config that takes seconds, and about how many times as long the whole computes.

    One dimension and one seed, with at most :data:`_TRIED` features; Gram matrices take O(p^2 d)
    and factors O(p^3) operations, between which p^2.5 lies.
    """
    small = dataclasses.replace(
        config,
        dims=(sorted(config.dims)[len(config.dims) // 2],),
        seeds=1,
        tangent_seeds=1,
        widths=tuple(sorted({min(width, _TRIED) for width in config.widths})),
        max_tangent_features=min(config.max_tangent_features, _TRIED),
    )
    return small, _cost(config) / _cost(small)


def _cost(config: ApproximationConfig) -> float:
    random = config.seeds * max(config.widths) ** 2.5
    tangent = config.tangent_seeds * config.max_tangent_features**2.5
    kinds = {RANDOM_FEATURES.key: random, TANGENT_FEATURES.key: tangent}
    known = [kinds[method] for method in config.methods if method in kinds]
    return len(config.dims) * max(sum(known), 1.0)


@functools.partial(jax.jit, static_argnums=2)
def random_features_gram(w: jax.Array, b: jax.Array | None, kind: str) -> jax.Array:
    """E f_i f_j of the features sigma(<w_i, x> + b_i), compiled once per shape."""
    return symmetric_matrix(lambda f, g: gaussian_gram(*f, *g, kind, kind), (w, b))


class Approximation:
    """The experiment, checked."""

    def __init__(self, config: ApproximationConfig):
        self.config = config

    def run(self, report: Report = no_report, keep: Keep = NO_KEEP) -> Result:
        """Computes all best risks and the bound; every dimension and seed is a part."""
        config, rows = self.config, []
        jobs = [(d, s) for d in config.dims for s in range(max(config.seeds, config.tangent_seeds))]
        for i, (dim, seed) in enumerate(jobs):
            report(f"d = {dim}", i / len(jobs))
            measured = keep.part(
                f"d-{dim}.seed-{seed}", lambda d=dim, s=seed: pd.DataFrame(self._measured(d, s))
            )
            rows += measured.to_dict("records")
        if LAZY_LIMIT.key in config.methods:
            report("lazy limit", 1.0)
            for dim in config.dims:
                rows += self._limit(dim)
        table = pd.DataFrame(rows).reindex(columns=[*KEYS, *MEASUREMENTS])
        table["relative_risk"] = table["risk"] / 0.5
        types = dict.fromkeys(KEYS[1:], "Int64") | dict.fromkeys(MEASUREMENTS, "float64")
        table = table.astype(types | {"method": "string"})
        return Result(table, {"target": "relu(<w*, x>), |w*| = 1", "second_moment": 0.5})

    def _measured(self, dim: int, seed: int) -> list[dict[str, Any]]:
        config, direction = self.config, jnp.eye(1, dim)[0]
        largest = config.max_tangent_features // dim
        below = sorted({w for w in config.widths if w < largest} | ({largest} - {0}))
        families = (
            (RANDOM_FEATURES, config.seeds, sorted(config.widths), 1, self._random),
            (TANGENT_FEATURES, config.tangent_seeds, below, dim, self._tangent),
        )
        rows = []
        for method, seeds, widths, per_neuron, moments in families:
            if method.key not in config.methods or seed >= seeds or not widths:
                continue
            sizes = [width * per_neuron for width in widths]
            found = best_risks(*moments(dim, seed, widths[-1], direction), 0.5, sizes, config.ridge)
            pairs = zip(widths, found, strict=True)
            rows += [_row(method.key, dim, width, seed, best) for width, best in pairs]
        return rows

    def _tangent(self, dim: int, seed: int, width: int, direction) -> tuple[np.ndarray, np.ndarray]:
        """Gram matrix of the tangent features, and their products with the target."""
        weights = self._weights(dim, seed, width)[0]
        products = tangent_correlations(weights, direction)
        return np.array(_tangent_gram(weights)), np.array(products)

    def _weights(self, dim: int, seed: int, width: int):
        """Feature weights of length about ``features.scale``, and biases N(0, 1)."""
        features = self.config.features
        key = jax.random.fold_in(jax.random.key(seed), dim)
        w_key, b_key = jax.random.split(key)
        w = jax.random.normal(w_key, (width, dim), jnp.float64)
        if features.weights == "sphere":
            w = w / jnp.linalg.norm(w, axis=1, keepdims=True)
        else:
            w = w / jnp.sqrt(dim)
        return features.scale * w, jax.random.normal(b_key, (width,), jnp.float64)

    def _random(self, dim: int, seed: int, width: int, direction) -> tuple[np.ndarray, np.ndarray]:
        """Gram matrix of the random features, and their products with the target."""
        features = self.config.features
        w, b = self._weights(dim, seed, width)
        if features.activation == "fourier":
            w, b = np.asarray(w), np.asarray(b) if features.bias else np.zeros(width)
            products = fourier_relu_correlations(w, b, np.asarray(direction), 0.0)
            return fourier_gram(w, b, w, b), products
        biases = b if features.bias else None
        kind = features.activation
        gram = random_features_gram(w, biases, kind)
        products = _gram(w, biases, direction[None, :], None, kind, "relu")
        return np.array(gram), np.array(products[:, 0])

    def _limit(self, dim: int) -> list[dict[str, Any]]:
        """The bound on a fine grid of feature counts, as far as the features go."""
        config = self.config
        most = max(config.widths)
        if TANGENT_FEATURES.key in config.methods:
            most = max(most, config.max_tangent_features)
        counts = np.unique(np.round(np.geomspace(1, most, _LIMIT_POINTS)).astype(int))
        risks = np.asarray(lazy_limit(counts, dim), dtype=float)
        return [
            {"method": LAZY_LIMIT.key, "dim": dim, "num_features": int(p), "risk": float(r)}
            for p, r in zip(counts, risks, strict=True)
        ]


def _row(method: str, dim: int, width: int, seed: int, best: BestRisk) -> dict[str, Any]:
    return {
        "method": method,
        "dim": dim,
        "width": width,
        "num_features": best.num_features,
        "seed": seed,
        "risk": best.risk,
        "max_weight": best.max_weight,
        "size_times_weight": best.num_features * best.max_weight,
        "condition_number": best.condition_number,
    }


def means(metrics: pd.DataFrame) -> pd.DataFrame:
    """Mean risk over seeds by method, dimension and number of features, with the bound beside."""
    measured = metrics[metrics["method"] != LAZY_LIMIT.key]
    keys = ["method", "dim", "width", "num_features"]
    groups = over_seeds(measured, keys)["risk"]
    columns = {"mean": groups.mean(skipna=False), "std": groups.std(skipna=False)}
    table = pd.DataFrame({**columns, "count": groups.size()}).reset_index()
    table["lazy_limit"] = [
        float(lazy_limit(int(p), int(d)))
        for d, p in zip(table["dim"], table["num_features"], strict=True)
    ]
    return table


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: means over seeds beside the bound."""
    table = means(result.metrics)
    table["std"] = table["std"].astype(object).where(table["std"].notna(), None)
    return {"choices": result.choices, "means": table.to_dict("records")}


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and cells of the table a run prints."""
    rows = [
        [
            entry_of(row.method).short,
            str(row.dim),
            str(row.width),
            str(row.num_features),
            short_number(row.mean),
            short_number(row.lazy_limit),
        ]
        for row in means(metrics).itertuples()
    ]
    over = words_of_seeds(metrics, "mean over seeds")
    title = f"Best population risk of fixed features, {over}, beside the lazy limit"
    return title, ["method", "d", "N", "features", "risk", "lazy limit"], rows


def remarks(result: Result) -> list[str]:
    """Lines under the table."""
    return [
        f"Target {result.choices['target']}: E f*^2 = 0.5. All risks exact. The lazy limit bounds "
        "their expectation: a mean over few draws may lie below it."
    ]
