"""What one ReLU neuron costs fixed features, in the paper's own setting.

Target relu(<w*, x> + b*), |w*| = d^2, absolute risk 1/50 (Yehudai and Shamir 2019, section 4):
features needed and measured, sizes of weights needed and measured, the paper's wave, and
gradient descent on one neuron and a few, for every dimension.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from rf_limits.config import Builder, Config, accepts_builder, option, section
from rf_limits.config.kinds import (
    NonNegative,
    Number,
    Positive,
    Seeds,
    Several,
    Sized,
    Whole,
    among,
)
from rf_limits.errors import check
from rf_limits.experiments.hardness_growth import (
    failure_remarks,
    failures,
    growth,
    growth_remarks,
    needed_law,
    unresolved_remarks,
)
from rf_limits.experiments.hardness_tables import MEASURED, overview, printed_table
from rf_limits.experiments.keep import NO_KEEP, Keep
from rf_limits.experiments.measured_features import (
    least_measured,
    measured_frontier,
    sphere_directions,
)
from rf_limits.experiments.memory import check_array_memory, check_gram_memory
from rf_limits.experiments.neuron_bias import TARGET_BIASES, biases_and_limits
from rf_limits.experiments.neuron_descent import train_neurons
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.methods import LATTICE_FEATURES, LAZY_LIMIT, NETWORK, RANDOM_FEATURES, keys_of
from rf_limits.theory.bounds.best_features import BestRisk
from rf_limits.theory.bounds.lazy_limit import features_for_risk
from rf_limits.theory.bounds.magnitude_limit import (
    UnresolvedRiskError,
    log_magnitude_limit,
    log_rms_magnitude_limit,
)
from rf_limits.theory.bounds.triangle_wave import paper_wave, wave_second_moment
from rf_limits.theory.bounds.wave_correlation import log_rms_wave_correlation, log_wave_correlation
from rf_limits.theory.spectra.hermite import second_moment

__all__ = ["prepare", "printed_table", "remarks", "summary", "validate"]

METHODS = (*MEASURED, LAZY_LIMIT.key, "magnitude_limit", "frontier", "descent", "wave")
KEYS = ("method", "dim", "target_bias", "seed", "num_features")
MEASUREMENTS = (
    "bias",
    "log10_features",
    "reached",
    "risk",
    "relative_risk",
    "max_weight",
    "size_times_weight",
    "log10_size_times_weight",
    "condition_number",
    "steps",
    "log10_correlation",
)
_EXACT_INTEGERS = 2**53
_REACHABLE = 1e-12  # of E f*^2: below this rounding decides
_LN10 = math.log(10.0)

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class FrontierFields(Config):
    """Risks at sizes of weights."""

    path: ClassVar[str] = "frontier"
    widths: Several[Whole] = option(
        (16, 64, 256), "r; those smaller than can reach the threshold are left out"
    )


@dataclasses.dataclass(frozen=True)
class DescentFields(Config):
    """Gradient descent on neurons."""

    path: ClassVar[str] = "descent"
    widths: Several[Whole] = option((1, 8), "neurons trained by gradient descent")
    learning_rate: Positive = option(0.8, "of half the risk; the curvature is at most 1")
    max_steps: Whole = option(20_000, "steps after which a run ends")


@dataclasses.dataclass(frozen=True)
class WaveFields(Config):
    """The paper's wave."""

    path: ClassVar[str] = "wave"
    biases: Several[Number] = option((0.0, 1.0), "of the features the wave is correlated with")
    draws: Whole = option(1000, "features drawn per seed")


@dataclasses.dataclass(frozen=True)
class HardnessConfig(Config):
    """What does one ReLU neuron cost?"""

    experiment: str = option("hardness", "what is run")
    dims: Several[Sized] = option((2, 3, 4, 5, 6, 8, 10, 15, 20, 30), "d, dimensions to compare")
    threshold: Positive = option(0.02, "absolute risk to reach: the paper's 1/50")
    norm_exponent: NonNegative = option(2.0, "|w*| = d^norm_exponent")
    biases: Several[Annotated[str, among(TARGET_BIASES)]] = option(
        ("zero", "paper", "hardest", "d_cubed"),
        "b*: 0; the hardest among the neurons of the paper's wave; the hardest of all; d^3",
    )
    methods: Several[Annotated[str, among(METHODS)]] = option(
        (
            *keys_of((LAZY_LIMIT, RANDOM_FEATURES, LATTICE_FEATURES)),
            "magnitude_limit",
            "frontier",
            "descent",
            "wave",
        ),
        "what is computed and measured",
    )
    seeds: Seeds = option(3, "draws of features, initializations, directions")
    max_features: Whole = option(4096, "up to which features are measured")
    frontier: FrontierFields = section(FrontierFields)
    descent: DescentFields = section(DescentFields)
    wave: WaveFields = section(WaveFields)


def hardness_config() -> Builder[HardnessConfig]:
    """Returns a fresh :class:`HardnessConfig`."""
    return Builder(HardnessConfig)


@accepts_builder
def validate(config: HardnessConfig) -> None:
    """Checks what concerns several fields, and sizes.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    largest_norm = config.norm_exponent * math.log10(max(config.dims))
    requirement = "give lengths d^norm_exponent below 1e99, whose powers float64 holds"
    check(largest_norm < 99.0, "norm_exponent", requirement, config.norm_exponent)
    largest = 10.0 ** (2.0 * largest_norm)
    check(
        config.threshold >= _REACHABLE * largest,
        "threshold",
        f"be at least {_REACHABLE * largest:.1e} to be resolved in float64 at |w*|^2 = {largest:g} "
        f"(dims up to {max(config.dims)})",
        config.threshold,
    )
    smallest = (float(min(config.dims)) ** config.norm_exponent) ** 2 * second_moment(1, 0.0)
    requirement = (
        f"be below {smallest:g}, the smallest E f*^2 of the dims (b* = 0, d = {min(config.dims)}): "
        "there 0 has that risk already"
    )
    check(config.threshold < smallest, "threshold", requirement, config.threshold)
    check(
        config.descent.learning_rate < 2.0,
        "descent.learning_rate",
        "be below 2, the inverse of half the largest possible curvature",
        config.descent.learning_rate,
    )
    check_gram_memory(config.max_features, "max_features")
    check_gram_memory(max(config.frontier.widths), "frontier.widths")
    check_gram_memory(max(config.descent.widths), "descent.widths")
    check_array_memory(config.wave.draws * max(config.dims), "wave.draws", config.wave.draws)


@accepts_builder
def prepare(config: HardnessConfig, report: Report = no_report) -> "Hardness":
    """Checks the config; the work is in ``run``."""
    validate(config)
    return Hardness(config)


@accepts_builder
def trial(config: HardnessConfig) -> tuple[HardnessConfig, float]:
    """A config that takes seconds, and about how many times as long the whole computes.

    One dimension in the middle, without descent: what more is measured at small ones is about
    what fewer limits take at large ones.
    """
    small = dataclasses.replace(
        config,
        dims=(sorted(config.dims)[len(config.dims) // 2],),
        methods=tuple(m for m in config.methods if m != "descent") or config.methods,
    )
    return small, float(len(config.dims))


class Hardness:
    """The experiment, checked."""

    def __init__(self, config: HardnessConfig):
        self.config = config

    def run(self, report: Report = no_report, keep: Keep = NO_KEEP) -> Result:
        """Everything, dimension by dimension, a part each; training of all at the end."""
        config, rows = self.config, []
        targets: dict[tuple[str, int], float] = {}
        dims = sorted(config.dims)
        for i, dim in enumerate(dims):
            report(f"d = {dim}", 0.9 * i / len(dims))
            norm, limits = self._norm(dim), {}
            for kind, bias, count in biases_and_limits(config.biases, config.threshold, dim, norm):
                targets[kind, dim], limits[kind] = bias, count

            def compute(dim: int = dim, limits: dict = limits) -> pd.DataFrame:
                found = [*self._limit_rows(dim, targets, limits)]
                found += self._measured_rows(dim, targets, limits)
                found += self._magnitude_rows(dim)
                if "wave" in config.methods:
                    found += self._wave_rows(dim)
                return pd.DataFrame(found)

            rows += keep.part(f"d-{dim}", compute).to_dict("records")
        if "descent" in config.methods:
            report("gradient descent", 0.95)
            trained = keep.part("descent", lambda: pd.DataFrame(self._descent_rows(dims, targets)))
            rows += trained.to_dict("records")
        table = self._table(rows)
        trained = table[table["method"].isin(["neuron", NETWORK.key])]
        finite = np.isfinite(trained["risk"].astype("float64"))
        return Result(table, self._choices(), diverged=not bool(finite.all()))

    def _norm(self, dim: int) -> float:
        return float(dim) ** self.config.norm_exponent

    def _choices(self) -> dict[str, Any]:
        config = self.config
        power = f"d^{config.norm_exponent:g}"
        return {
            "target": f"relu(<w*, x> + b*), |w*| = {power}",
            "threshold": config.threshold,
            "norm_exponent": config.norm_exponent,
        }

    def _table(self, rows: list[Row]) -> pd.DataFrame:
        """The documented table: logarithms and relative risks filled in."""
        table = pd.DataFrame(rows).reindex(columns=[*KEYS, *MEASUREMENTS])
        counts = table["num_features"].astype("float64")
        weights = table["max_weight"].astype("float64")
        table["size_times_weight"] = (
            table["size_times_weight"].astype("float64").fillna(counts * weights)
        )
        for name, values in (
            ("log10_features", counts),
            ("log10_size_times_weight", table["size_times_weight"]),
        ):
            with np.errstate(divide="ignore"):
                table[name] = table[name].astype("float64").fillna(np.log10(values))
        norms = table["dim"].astype("float64") ** self.config.norm_exponent
        moments = [
            norm**2 * second_moment(1, bias / norm) if np.isfinite(bias) else np.nan
            for norm, bias in zip(norms, table["bias"].astype("float64"), strict=True)
        ]
        table["relative_risk"] = table["risk"].astype("float64") / np.array(moments)
        types = dict.fromkeys(("dim", "seed", "num_features", "steps"), "Int64")
        types |= dict.fromkeys(set(MEASUREMENTS) - {"steps"}, "float64")
        return table.astype(types | dict.fromkeys(("method", "target_bias"), "string"))

    def _limit_rows(self, dim: int, targets: dict, limits: dict) -> Iterator[Row]:
        if LAZY_LIMIT.key not in self.config.methods:
            return
        for kind, count in limits.items():
            exact = count is not None and count < _EXACT_INTEGERS
            yield {
                "method": LAZY_LIMIT.key,
                "dim": dim,
                "target_bias": kind,
                "bias": targets[kind, dim],
                "risk": self.config.threshold,
                "num_features": count if exact else None,
                "log10_features": math.nan if count is None else math.log10(count),
            }

    def _measured_rows(self, dim: int, targets: dict, limits: dict) -> Iterator[Row]:
        """Least numbers of features measured, wherever the limit leaves room."""
        config, norm = self.config, self._norm(dim)
        for family in (m for m in MEASURED if m in config.methods):
            for kind, count in limits.items():
                if count is None or count > config.max_features:
                    continue
                for seed in range(config.seeds):
                    bias = targets[kind, dim]
                    best = least_measured(
                        family,
                        seed,
                        dim,
                        bias / norm,
                        config.threshold / norm**2,
                        least=count,
                        max_features=config.max_features,
                    )
                    yield {
                        "method": family,
                        "dim": dim,
                        "target_bias": kind,
                        "bias": bias,
                        "seed": seed,
                        **_scaled(best, norm),
                    }

    def _magnitude_rows(self, dim: int) -> Iterator[Row]:
        """The limits of r max|u_i| and r rms(u_i), and the frontier measured; b* = 0."""
        config, norm = self.config, self._norm(dim)
        common = {"dim": dim, "target_bias": "zero", "bias": 0.0, "risk": config.threshold}
        if "magnitude_limit" in config.methods:
            limits = {
                "magnitude_limit": log_magnitude_limit,
                "rms_magnitude_limit": log_rms_magnitude_limit,
            }
            for name, function in limits.items():
                try:
                    log = function(config.threshold, dim, norm=norm) / _LN10
                except UnresolvedRiskError:  # a line under the table says so
                    log = math.nan
                yield {"method": name, **common, "log10_size_times_weight": log}
        if "frontier" not in config.methods:
            return
        least = features_for_risk(config.threshold, dim, norm=norm)
        for width in sorted(w for w in config.frontier.widths if w >= least):
            for seed in range(config.seeds):
                bound = measured_frontier(seed, dim, width, config.threshold / norm**2)
                if math.isfinite(bound):
                    yield {
                        "method": "frontier",
                        **common,
                        "seed": seed,
                        "num_features": width,
                        "max_weight": bound * norm,
                    }

    def _wave_rows(self, dim: int) -> Iterator[Row]:
        """Correlation coefficients of the paper's wave with ReLU features of unit length."""
        wave = paper_wave(dim)
        log_wave = 0.5 * math.log(wave_second_moment(wave))
        for bias in self.config.wave.biases:
            size = log_wave + 0.5 * math.log(second_moment(1, bias))
            common = {"dim": dim, "bias": bias}
            log = log_rms_wave_correlation(wave, dim, bias=bias)
            yield {"method": "wave", **common, "log10_correlation": (log - size) / _LN10}
            for seed in range(self.config.seeds):
                cosines = np.asarray(sphere_directions(seed, dim, self.config.wave.draws)[:, 0])
                largest = float(log_wave_correlation(wave, cosines, bias=bias)[1].max())
                yield {
                    "method": "wave_draws",
                    **common,
                    "seed": seed,
                    "num_features": self.config.wave.draws,
                    "log10_correlation": (largest - size) / _LN10,
                }

    def _descent_rows(self, dims: list[int], targets: dict) -> Iterator[Row]:
        config, options = self.config, self.config.descent
        for width in sorted(options.widths):
            for kind in config.biases:
                known = [d for d in dims if math.isfinite(targets[kind, d])]
                if not known:
                    continue
                runs = train_neurons(
                    [(d, self._norm(d), targets[kind, d]) for d in known],
                    width,
                    config.seeds,
                    threshold=config.threshold,
                    learning_rate=options.learning_rate,
                    max_steps=options.max_steps,
                )
                for dim, seeds in zip(known, runs, strict=True):
                    for seed, found in enumerate(seeds):
                        yield {
                            "method": "neuron" if width == 1 else NETWORK.key,
                            "dim": dim,
                            "target_bias": kind,
                            "bias": targets[kind, dim],
                            "seed": seed,
                            "num_features": width,
                            **found,
                        }


def _scaled(best: BestRisk | None, norm: float) -> Row:
    """A best risk for a target of length ``norm`` instead of 1; nothing where none was found."""
    if best is None:
        return {"reached": 0.0}
    return {
        "reached": 1.0,
        "num_features": best.num_features,
        "risk": best.risk * norm**2,
        "max_weight": best.max_weight * norm,
        "condition_number": best.condition_number,
    }


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: the overview, how things grow with d, where networks failed."""
    choices = result.choices
    law = needed_law(choices["threshold"], choices["norm_exponent"])
    tables = (overview(result.metrics), failures(result.metrics))
    rows, failed = (t.astype(object).where(t.notna(), None).to_dict("records") for t in tables)
    return {
        "choices": choices,
        "overview": rows,
        "growth": growth(result.metrics, law),
        "failures": failed,
    }


def remarks(result: Result) -> list[str]:
    """Lines under the table: the setting, how fast things grow, and the reverse."""
    choices = result.choices
    lines = [
        f"Target {choices['target']}, absolute risk {choices['threshold']:g}. All exact. p: "
        "features any method needs, by b*; RF, grid: measured with random and lattice features; "
        "r|u|: r max|u_i| needed, and measured; steps, |w|: gradient descent on one neuron."
    ]
    law = needed_law(choices["threshold"], choices["norm_exponent"])
    lines += unresolved_remarks(result.metrics)
    return [*lines, *growth_remarks(result.metrics, law), *failure_remarks(result.metrics)]
