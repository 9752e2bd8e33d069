"""The cost of one ReLU neuron for fixed features, in the paper's setting.

Target relu(<w*, x> + b*), |w*| = d^2, absolute risk 1/50 (Yehudai and Shamir 2019, section 4):
features needed and measured, sizes of weights needed and measured, the paper's wave, and
gradient descent on one neuron and a few, for every dimension.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.analysis.tables import records
from rf_limits.errors import check
from rf_limits.methods import NETWORK
from rf_limits.studies.cost import Cost, cost_of_gram
from rf_limits.studies.experiment import Drawing, Experiment, Summary, experiment
from rf_limits.studies.hardness.config import HardnessConfig
from rf_limits.studies.hardness.figure import hardness
from rf_limits.studies.hardness.growth import (
    failure_remarks,
    failures,
    growth,
    growth_remarks,
    needed_law,
    unresolved_remarks,
)
from rf_limits.studies.hardness.neuron_bias import biases_and_limits
from rf_limits.studies.hardness.overview import overview, printed_table
from rf_limits.studies.hardness.rows import (
    DimensionRows,
    Target,
    descent_rows,
    hardness_table,
)
from rf_limits.studies.pilot_runs import Estimate
from rf_limits.studies.timed import estimate_from_part
from rf_limits.table import Table
from rf_limits.theory.bounds.growth_law import GrowthLaw
from rf_limits.theory.spectra.hermite import second_moment
from rf_limits.training.checkpointing import Keep
from rf_limits.training.memory import check_array_memory, check_gram_memory
from rf_limits.training.result import Report, Result

_REACHABLE = 1e-12  # of E f*^2: below this rounding decides


@experiment("hardness")
class Hardness(HardnessConfig, Experiment):
    """What does one ReLU neuron cost?"""

    script = "limits"
    quick = {
        "dims": (2, 3, 6),
        "biases": ("zero",),
        "max_features": 64,
        "frontier.widths": (16,),
        "descent.widths": (1,),
        "wave.biases": (0.0,),
        "wave.draws": 50,
        "seeds": 1,
    }

    def check(self) -> None:
        """Checks what concerns several fields, and sizes."""
        self._check_threshold()
        check(
            self.descent.learning_rate < 2.0,
            "descent.learning_rate",
            "be below 2, the inverse of half the largest possible curvature",
            self.descent.learning_rate,
        )
        check_gram_memory(self.max_features, "max_features")
        check_gram_memory(max(self.frontier.widths), "frontier.widths")
        check_gram_memory(max(self.descent.widths), "descent.widths")
        check_array_memory(self.wave.draws * max(self.dims), "wave.draws", self.wave.draws)

    def _check_threshold(self) -> None:
        largest_norm = self.norm_exponent * math.log10(max(self.dims))
        requirement = "give lengths d^norm_exponent below 1e99, whose powers float64 holds"
        check(largest_norm < 99.0, "norm_exponent", requirement, self.norm_exponent)
        largest = 10.0 ** (2.0 * largest_norm)
        requirement = (
            f"be at least {_REACHABLE * largest:.1e} to be resolved in float64 at |w*|^2 = "
            f"{largest:g} (dims up to {max(self.dims)})"
        )
        check(self.threshold >= _REACHABLE * largest, "threshold", requirement, self.threshold)
        smallest = (float(min(self.dims)) ** self.norm_exponent) ** 2 * second_moment(1, 0.0)
        requirement = (
            f"be below {smallest:g}, the smallest E f*^2 of the dims (b* = 0, d = "
            f"{min(self.dims)}): there 0 has that risk already"
        )
        check(self.threshold < smallest, "threshold", requirement, self.threshold)

    def cost(self) -> Cost:
        """Returns the size of the largest Gram matrix, and its memory."""
        return cost_of_gram(max(self.max_features, *self.frontier.widths), self.seeds)

    def estimate(self) -> Estimate:
        """Estimates the seconds from one dimension in the middle, without descent.

        What more is measured at small dimensions takes about as long as what fewer limits take at
        large ones.
        """
        small = dataclasses.replace(
            self,
            dims=(sorted(self.dims)[len(self.dims) // 2],),
            methods=tuple(m for m in self.methods if m != "descent") or self.methods,
        )
        return estimate_from_part(self, small, float(len(self.dims)))

    def compute(self, report: Report, keep: Keep) -> Result:
        """Computes everything, a part for each dimension; trains neurons of all at the end."""
        rows: list[dict[str, Any]] = []
        targets: list[Target] = []
        dims = sorted(self.dims)
        for i, dim in enumerate(dims):
            report(f"d = {dim}", 0.9 * i / len(dims))
            norm = float(dim) ** self.norm_exponent
            biases = biases_and_limits(self.biases, self.threshold, dim, norm)
            of_dim = [Target(dim, norm, kind, bias, count) for kind, bias, count in biases]
            targets += of_dim
            part = DimensionRows(self, dim, norm, of_dim)
            rows += keep.part(f"d-{dim}", part.table).to_dict("records")
        if "descent" in self.methods:
            report("gradient descent", 0.95)
            trained = keep.part("descent", lambda: pd.DataFrame(descent_rows(self, targets)))
            rows += trained.to_dict("records")
        table = hardness_table(rows, self.norm_exponent)
        trained = table[table["method"].isin(["neuron", NETWORK.key])]
        finite = np.isfinite(trained["risk"].astype("float64"))
        choices = {
            "target": f"relu(<w*, x> + b*), |w*| = d^{self.norm_exponent:g}",
            "threshold": self.threshold,
            "norm_exponent": self.norm_exponent,
        }
        return Result(table, choices, diverged=not bool(finite.all()))

    def _law(self) -> GrowthLaw | None:
        return needed_law(self.threshold, self.norm_exponent)

    def analyse(self, result: Result) -> Summary:
        """Computes the overview, how things grow with d, and where networks failed."""
        return {
            "choices": result.choices,
            "overview": records(overview(result.metrics)),
            "growth": growth(result.metrics, self._law()),
            "failures": records(failures(result.metrics)),
        }

    def printed(self, result: Result, summary: Summary) -> Table:
        """Returns features needed and measured, sizes of weights, and steps, by dimension."""
        return printed_table(pd.DataFrame(summary["overview"]))

    def remarks(self, result: Result, summary: Summary) -> list[str]:
        """Returns the setting, how fast things grow, and where networks failed."""
        return [
            f"Target {result.choices['target']}, absolute risk {self.threshold:g}. All exact. p: "
            "features any method needs, by b*; RF, grid: measured with random and lattice "
            "features; r|u|: r max|u_i| needed, and measured; steps, |w|: gradient descent on one "
            "neuron.",
            *unresolved_remarks(result.metrics),
            *growth_remarks(summary["growth"], self._law()),
            *failure_remarks(summary["failures"]),
        ]

    def drawings(self, metrics: pd.DataFrame) -> dict[str, Drawing]:
        """Returns features, weights and correlations against the dimension."""
        return {"hardness": hardness}
