"""Rows of the table of hardness: limits, measured features and weights, the wave, descent."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rf_limits.methods import LAZY_LIMIT, NETWORK
from rf_limits.studies.hardness.config import MEASURED, HardnessConfig
from rf_limits.studies.hardness.measured_features import (
    least_measured,
    measured_frontier,
    sphere_directions,
)
from rf_limits.studies.hardness.neuron_descent import train_neurons
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
_LN10 = math.log(10.0)
_MAGNITUDES = {
    "magnitude_limit": log_magnitude_limit,
    "rms_magnitude_limit": log_rms_magnitude_limit,
}

Row = dict[str, Any]


class Target(NamedTuple):
    """A target neuron relu(<w*, x> + b*).

    Attributes:
      dim: d.
      norm: |w*|.
      kind: of the bias, a name.
      bias: b*.
      needed: number of features that the lazy limit asks for; None where float64 does not resolve
        it.
    """

    dim: int
    norm: float
    kind: str
    bias: float
    needed: int | None

    def row(self, method: str) -> Row:
        """Returns the keys of a row of the table."""
        return {
            "method": method,
            "dim": self.dim,
            "target_bias": self.kind,
            "bias": self.bias,
        }


@dataclasses.dataclass(frozen=True)
class DimensionRows:
    """The rows that are computed and measured at one dimension.

    Attributes:
      config: of the experiment.
      dim: d.
      norm: |w*|.
      targets: at this dimension.
    """

    config: HardnessConfig
    dim: int
    norm: float
    targets: Sequence[Target]

    def table(self) -> pd.DataFrame:
        """Computes all rows."""
        parts = [self._limits(), self._measured(), self._magnitudes(), self._frontier()]
        parts += [self._wave()] if "wave" in self.config.methods else []
        return pd.DataFrame(list(itertools.chain(*parts)))

    def _limits(self) -> Iterator[Row]:
        if LAZY_LIMIT.key not in self.config.methods:
            return
        for target in self.targets:
            count = target.needed
            exact = count is not None and count < _EXACT_INTEGERS
            yield target.row(LAZY_LIMIT.key) | {
                "risk": self.config.threshold,
                "num_features": count if exact else None,
                "log10_features": math.nan if count is None else math.log10(count),
            }

    def _measured(self) -> Iterator[Row]:
        """Measures least numbers of features, wherever the limit leaves room."""
        config = self.config
        for family in (method for method in MEASURED if method in config.methods):
            for target in self.targets:
                if target.needed is None or target.needed > config.max_features:
                    continue
                for seed in range(config.seeds):
                    best = least_measured(
                        family,
                        seed,
                        self.dim,
                        target.bias / self.norm,
                        config.threshold / self.norm**2,
                        least=target.needed,
                        max_features=config.max_features,
                    )
                    yield target.row(family) | {"seed": seed, **_scaled(best, self.norm)}

    def _plain(self) -> Row:
        """Returns the keys of rows about b* = 0 and the threshold."""
        return {
            "dim": self.dim,
            "target_bias": "zero",
            "bias": 0.0,
            "risk": self.config.threshold,
        }

    def _magnitudes(self) -> Iterator[Row]:
        """Computes the limits of r max|u_i| and r rms(u_i); b* = 0."""
        if "magnitude_limit" not in self.config.methods:
            return
        for name, function in _MAGNITUDES.items():
            try:
                log = function(self.config.threshold, self.dim, norm=self.norm) / _LN10
            except UnresolvedRiskError:  # a line under the table says so
                log = math.nan
            yield {"method": name, **self._plain(), "log10_size_times_weight": log}

    def _frontier(self) -> Iterator[Row]:
        """Measures the least weights with which features of several numbers do; b* = 0."""
        config = self.config
        if "frontier" not in config.methods:
            return
        least = features_for_risk(config.threshold, self.dim, norm=self.norm)
        widths = sorted(width for width in config.frontier.widths if width >= least)
        for width, seed in itertools.product(widths, range(config.seeds)):
            bound = measured_frontier(seed, self.dim, width, config.threshold / self.norm**2)
            if math.isfinite(bound):
                row = {"method": "frontier", **self._plain(), "seed": seed}
                yield row | {"num_features": width, "max_weight": bound * self.norm}

    def _wave(self) -> Iterator[Row]:
        """Computes correlations of the paper's wave with ReLU features of unit length."""
        config, wave = self.config, paper_wave(self.dim)
        log_wave = 0.5 * math.log(wave_second_moment(wave))
        for bias in config.wave.biases:
            size = log_wave + 0.5 * math.log(second_moment(1, bias))
            common = {"dim": self.dim, "bias": bias}
            log = log_rms_wave_correlation(wave, self.dim, bias=bias)
            yield {"method": "wave", **common, "log10_correlation": (log - size) / _LN10}
            for seed in range(config.seeds):
                cosines = np.asarray(sphere_directions(seed, self.dim, config.wave.draws)[:, 0])
                largest = float(log_wave_correlation(wave, cosines, bias=bias)[1].max())
                row = {"method": "wave_draws", **common, "seed": seed}
                row["num_features"] = config.wave.draws
                yield row | {"log10_correlation": (largest - size) / _LN10}


def descent_rows(config: HardnessConfig, targets: Iterable[Target]) -> Iterator[Row]:
    """Trains neurons on all targets whose bias is known; yields a row for each and seed."""
    resolved = [target for target in targets if math.isfinite(target.bias)]
    for width, kind in itertools.product(sorted(config.descent.widths), config.biases):
        of_kind = [target for target in resolved if target.kind == kind]
        if not of_kind:
            continue
        runs = train_neurons(
            [(target.dim, target.norm, target.bias) for target in of_kind],
            width,
            config.seeds,
            threshold=config.threshold,
            learning_rate=config.descent.learning_rate,
            max_steps=config.descent.max_steps,
        )
        method = "neuron" if width == 1 else NETWORK.key
        for target, seeds in zip(of_kind, runs, strict=True):
            for seed, end in enumerate(seeds):
                yield target.row(method) | {"seed": seed, "num_features": width, **end}


def _scaled(best: BestRisk | None, norm: float) -> Row:
    """Returns a best risk, if there is one, for a target of length ``norm`` instead of 1."""
    if best is None:
        return {"reached": 0.0}
    return {
        "reached": 1.0,
        "num_features": best.num_features,
        "risk": best.risk * norm**2,
        "max_weight": best.max_weight * norm,
        "condition_number": best.condition_number,
    }


def hardness_table(rows: Iterable[Row], norm_exponent: float) -> pd.DataFrame:
    """Returns the documented table: logarithms and relative risks filled in."""
    table = pd.DataFrame(rows).reindex(columns=[*KEYS, *MEASUREMENTS])
    counts = table["num_features"].astype("float64")
    sizes = table["size_times_weight"].astype("float64")
    table["size_times_weight"] = sizes.fillna(counts * table["max_weight"].astype("float64"))
    logs = {"log10_features": counts, "log10_size_times_weight": table["size_times_weight"]}
    for name, values in logs.items():
        with np.errstate(divide="ignore"):
            table[name] = table[name].astype("float64").fillna(np.log10(values))
    norms = table["dim"].astype("float64") ** norm_exponent
    moments = [
        norm**2 * second_moment(1, bias / norm) if np.isfinite(bias) else np.nan
        for norm, bias in zip(norms, table["bias"].astype("float64"), strict=True)
    ]
    table["relative_risk"] = table["risk"].astype("float64") / np.array(moments)
    types = dict.fromkeys(("dim", "seed", "num_features", "steps"), "Int64")
    types |= dict.fromkeys(set(MEASUREMENTS) - {"steps"}, "float64")
    return table.astype(types | dict.fromkeys(("method", "target_bias"), "string"))
