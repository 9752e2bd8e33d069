"""The test whether networks are below the lazy limits, and what is said of it.

How sure it is, the test of :mod:`rf_limits.measure.bounded_mean` says, under the premises that runs
are independent and that none can have a risk above E f*^2, which predicting zero has. A mean is no
statement on a single run.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.analysis.limits import (
    LIMITS,
    SECOND_MOMENT,
    Limit,
    add_limits,
    lazy_family,
)
from rf_limits.analysis.seeds import cells_over_seeds
from rf_limits.config.training import TrainingConfig
from rf_limits.measure.bounded_mean import holm, mean_p_value, runs_needed, runs_planned
from rf_limits.methods import NETWORK
from rf_limits.problem import make_problem
from rf_limits.remarks import Remark

LEVEL = 1e-3
"""Level of all certificates of one table together."""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What the risks of the networks of one cell say of one limit.

    Attributes:
      cell: names and values that tell it from other cells.
      limit: which.
      least: R*, of this cell.
      mean: risk, mean over runs.
      runs: independent runs.
      tests: that are looked at together.
      p_value: of the hypothesis that the expected risk is at least R*, corrected by Holm's method
        for all of them; 1 where a run breaks the premise.
      broken: runs without a finite risk, or with one above E f*^2, which the test does not allow.
      needed: how many runs would do if each had risk ``mean``; infinite above the limit, and where
        a run breaks the premise.
      planned: how many to plan if risks spread by half of their mean
        (:func:`~rf_limits.measure.bounded_mean.runs_planned`).
    """

    cell: Mapping[str, Any]
    limit: Limit
    least: float
    mean: float
    runs: int
    tests: int
    p_value: float
    broken: int
    needed: float | int
    planned: float | int

    @property
    def below(self) -> bool:
        """Returns whether the mean is below the limit."""
        return self.mean < self.least

    @property
    def holds(self) -> bool:
        """Returns whether the networks are certified to be below the limit on average."""
        return self.below and self.p_value <= LEVEL

    def columns(self) -> dict[str, Any]:
        """Returns columns of a row of summary.json, with null for an infinite number of runs."""
        name = self.limit.functions
        return {
            f"{name}_p_value": self.p_value,
            f"{name}_certified": self.holds,
            f"{name}_runs_needed": self.needed if math.isfinite(self.needed) else None,
        }


_ROUNDING = 1e-12
"""Relative, by which the risk of predicting zero may exceed E f*^2."""


def _test_alone(
    cell: Mapping[str, Any], limit: Limit, least: float, risks: np.ndarray, bound: float
) -> Certificate:
    """Returns the certificate of one test alone."""
    mean, runs = float(np.mean(risks)), len(risks)
    with np.errstate(invalid="ignore"):
        allowed = np.isfinite(risks) & (risks <= bound * (1.0 + _ROUNDING))
    broken = runs - int(np.sum(allowed))
    p_value = 1.0
    if not broken and 0.0 < least < bound:
        p_value = mean_p_value(np.minimum(risks, bound), least, bound)
    return Certificate(cell, limit, least, mean, runs, 1, p_value, broken, math.inf, math.inf)


def _corrected(tested: Sequence[Certificate], bounds: Sequence[float]) -> list[Certificate]:
    """Returns the certificates, corrected for being looked at together."""
    p_values, tests = holm([test.p_value for test in tested]), len(tested)
    corrected = []
    for test, p_value, bound in zip(tested, p_values, bounds, strict=True):
        test = dataclasses.replace(test, p_value=float(p_value), tests=tests)
        if test.below and not test.broken and test.least < bound:
            size = (test.mean, test.least, bound, LEVEL / tests)
            needed, planned = runs_needed(*size), runs_planned(*size)
            test = dataclasses.replace(test, needed=needed, planned=planned)
        corrected.append(test)
    return corrected


def certificates(final: pd.DataFrame, labels: Sequence[str] = ()) -> list[Certificate]:
    """Tests every network of a table against every limit that is known.

    Args:
      final: of :func:`rf_limits.analysis.tables.final_rows`; one row for each run.
      labels: columns that tell cells apart beside width and lazy scale.
    """
    keys = [*labels, "width", "lazy_scale"]
    networks = NETWORK.rows(final)
    tested, bounds = [], []
    for cell, group in cells_over_seeds(networks, keys):
        # E f*^2, the risk of predicting zero
        risks, bound = group["risk"].to_numpy(np.float64), float(group[SECOND_MOMENT].iloc[0])
        for limit in (limit for limit in LIMITS if limit.column in group):
            least = group[limit.column].to_numpy(np.float64)
            if np.all(np.isfinite(least)):
                tested.append(_test_alone(cell, limit, float(least.min()), risks, bound))
                bounds.append(bound)
    return _corrected(tested, bounds)


def seeds_for_half(config: TrainingConfig) -> dict[str, list[tuple[float | int, float | int]]]:
    """Returns how many seeds certify networks whose risk is half of a limit.

    The numbers are known before anything is run. :data:`LEVEL` is that of all widths, scales and
    limits together. E f*^2 is the limit of no function at all.

    Args:
      config: of a training run.

    Returns:
      By symbol of every limit that bounds a mean over seeds, for each width how many seeds it
      takes if risks are constant, and how many to plan if they spread by half of their mean.
    """
    model, problem = config.model, config.problem
    widths = sorted(model.widths)
    if lazy_family(config) is None or NETWORK.key not in config.predictors.methods:
        return {}
    # of shared data exact risks are needed, which are known for sure for relu
    exact = config.measure.exact and model.activation == "relu"
    rows = pd.DataFrame(
        {
            "method": NETWORK.key,
            "width": widths,
            "parameters": [*map(config.count_parameters, widths)],
            "step": config.training.steps,
            "risk_standard_error": 0.0 if exact else 1.0,
        }
    )
    table = add_limits(rows, config)
    finite = [limit for limit in LIMITS if table[limit.column].notna().all()]
    level = LEVEL / max(1, len(widths) * len(model.lazy_scales) * len(finite))
    bound = make_problem(**vars(problem)).second_moment
    return {
        limit.symbol: [
            (
                runs_needed(0.5 * least, least, bound, level),
                runs_planned(0.5 * least, least, bound, level),
            )
            for least in table[limit.column]
        ]
        for limit in finite
    }


def _named(test: Certificate) -> str:
    """Returns a cell in words."""
    return f"N = {test.cell['width']}, scale {test.cell['lazy_scale']:g}"


def counted_seeds(tested: Sequence[Certificate]) -> str:
    """Returns how many runs each cell has, in words."""
    least, most = min(test.runs for test in tested), max(test.runs for test in tested)
    number = str(most) if least == most else f"{least} to {most}"
    return f"{number} {'seed' if most == 1 else 'seeds'}"


def _number(runs: float | int) -> str:
    """Returns runs in words: as many digits as a mean of few seeds is worth."""
    return f"{runs:.0f}" if runs < 9.5e3 else f"{runs:.1e}".replace("e+0", "e").replace("e+", "e")


def _sure_line(tested: Sequence[Certificate]) -> Remark:
    limit, tests = tested[0].limit, tested[0].tests
    cells = "; ".join(
        f"{_named(test)} (p = {test.p_value:.1g}, {test.runs} runs)" for test in tested
    )
    which = "one test" if tests == 1 else f"all {tests} tests of the table together"
    text = (
        f"expected risk below {limit.symbol} at level {LEVEL:g} for {which} (premises: "
        f"runs are independent, and none can have a risk above E f*^2): {cells}. Excluded, on "
        f"average: {limit.excludes}."
    )
    return Remark(text, "CERTIFIED")


def _sentences(tested: Sequence[Certificate]) -> list[str]:
    """Returns the sentences about the certificates against one limit."""
    limit = tested[0].limit
    lines: list[str] = []
    sure = [test for test in tested if test.holds]
    if sure:
        lines.append(_sure_line(sure))
    unsure = [test for test in tested if test.below and not test.holds and not test.broken]
    if unsure:
        cells = "; ".join(
            f"{_number(test.needed)} ({_number(test.planned)}) at {_named(test)}" for test in unsure
        )
        lines.append(
            f"Below {limit.symbol}, {counted_seeds(unsure)}: no certificate; if the expected risk "
            f"is that mean it would take about {cells}."
        )
    for test in (test for test in tested if test.below and test.broken):
        lines.append(
            f"Below {limit.symbol}, no certificate at {_named(test)}: {test.broken} of "
            f"{test.runs} runs have a risk above E f*^2, which the test does not allow."
        )
    return lines


def certificate_lines(tested: Sequence[Certificate]) -> list[str]:
    """Returns the lines about certificates: those that hold, and what others would take.

    Args:
      tested: the certificates of one run.
    """
    lines = []
    for limit in LIMITS:
        against = [test for test in tested if test.limit is limit]
        lines += _sentences(against) if against else []
    if any("would take" in line for line in lines):
        lines.append(
            "The first number of seeds is for constant risks, the one in brackets to plan with if "
            "risks spread by half of their mean."
        )
    return lines
