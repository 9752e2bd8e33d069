"""Certificates of means over independent runs, under premises that arrays cannot show.

R*(P), R*(n) and L*(X) are means over the direction of the target. Runs certify them where their
direction was drawn uniformly. With one direction, fresh draws of something else may stand for fresh
directions where their law is invariant under rotations: initial weights for R*(P), training inputs
for R*(n) and L*, which then exclude rotation-invariant kernels only.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from rf_limits.measure.bounded_mean import holm, mean_p_value, runs_needed, runs_planned
from rf_limits.table import Cell, Table, short_number
from rf_limits.verdicts.draws import Draws
from rf_limits.verdicts.premises import BOUNDS, INVARIANT, UNIFORM, Bound, Premises
from rf_limits.verdicts.verdict import Reference, Verdict

_ROUNDING = 1e-12
"""Relative, by which the risk of predicting zero may exceed E f*^2."""


@dataclasses.dataclass(frozen=True)
class AverageCertificate:
    """What the risks of several runs say of one limit.

    Attributes:
      bound: which.
      mean: of the runs' risks over E f*^2 of their targets.
      least: mean of the runs' limits, likewise; nan where there is none.
      reason: why there is no certificate, whatever the risks; empty where there may be one.
      p_value: of the hypothesis that the expected risk is at least the limit, corrected by Holm's
        method for all that are compared; 1 where there is a reason.
      needed: runs that would do if each had the mean risk; infinite above the limit.
      planned: runs to plan if risks spread by half of their mean.
      excluded: what a certificate excludes.
      level: of all certificates together.
    """

    bound: Bound
    mean: float
    least: float
    reason: str
    p_value: float
    needed: float
    planned: float
    excluded: str
    level: float

    @property
    def holds(self) -> bool:
        """Returns whether the expected risk is certified to be below the limit."""
        return not self.reason and self.mean < self.least and self.p_value <= self.level

    def sentence(self) -> str:
        """Returns what is certified, or why nothing is."""
        symbol = self.bound.symbol
        if math.isnan(self.least):
            return f"{symbol}: {self.reason}."
        ratio = f"mean relative risk {short_number(self.mean)}, limit {short_number(self.least)}"
        if self.reason:
            return f"{symbol}: no certificate ({ratio}): {self.reason}."
        if self.holds:
            return (
                f"{symbol}: CERTIFIED at level {self.level:g} ({ratio}, p = {self.p_value:.1g}). "
                f"Excluded, on average: {self.excluded}."
            )
        if self.mean < self.least:
            return (
                f"{symbol}: below the limit ({ratio}), no certificate: p = {self.p_value:.1g}; it "
                f"would take about {self.needed:.0f} runs of this risk, or {self.planned:.0f} if "
                "they spread by half of it."
            )
        return f"{symbol}: not below the limit ({ratio})."


@dataclasses.dataclass(frozen=True)
class Averages:
    """Several runs: what each has done, and what they certify on average.

    Attributes:
      runs: verdict of each.
      certificates: against R*(P), R*(n) and L*(X).
      premises: that were stated.
      level: of all certificates together.
    """

    runs: tuple[Verdict, ...]
    certificates: tuple[AverageCertificate, ...]
    premises: Premises
    level: float

    @property
    def verdict(self) -> str:
        """Returns how many runs are below their own span, and every certificate."""
        spans = [run for run in self.runs if run.own_span is not None]
        below = sum(run.below_own_span for run in spans)
        first = (
            f"{below} of {len(spans)} runs are below the best risk in the span of their own "
            "initial tangent features, each a statement on one run."
            if spans
            else "No statement on single runs: their weights before training are not given."
        )
        stated = [f"{k} = {v!r}" for k, v in dataclasses.asdict(self.premises).items() if v]
        premises = (
            "Premises of the averages: runs are independent, none has a risk above E f*^2, and "
            f"{', '.join(stated)} as stated."
            if stated
            else "No premise of an average is stated."
        )
        lines = [certificate.sentence() for certificate in self.certificates]
        return "\n".join([first, premises, *lines])

    def table(self) -> Table:
        """Returns the certificates, a row for each limit: means, p-value, and whether it holds."""
        rows = [
            [
                one.bound.symbol,
                Cell.of(one.mean),
                Cell.of(one.least),
                Cell.of(None if one.reason else one.p_value),
                "certified" if one.holds else one.reason or "not certified",
            ]
            for one in self.certificates
        ]
        columns = ["limit", "mean relative risk", "mean of limits", "p-value", ""]
        return Table(f"{len(self.runs)} runs beside limits of means", columns, rows)

    def __str__(self) -> str:
        """Returns the verdict."""
        return self.verdict


def _contradiction(bound: Bound, premises: Premises, draws: Draws) -> str:
    """Returns why the premises do not serve a limit, or nothing."""
    if draws.repeated_weights:
        return "two runs have the same weights, so that runs are not independent"
    if premises.direction_law == UNIFORM:
        same = draws.repeated_target
        return "two runs have one target, whose direction is not drawn anew" if same else ""
    if getattr(premises, bound.law) is None:
        return f"it takes direction_law='{UNIFORM}' or {bound.law}='{INVARIANT}' to be stated"
    if not draws.one_target:
        return (
            f"several targets without direction_law='{UNIFORM}': different directions are no "
            "proof of a draw"
        )
    if bound.law == "initial_law" and draws.repeated_initial:
        return "two runs have the same initial weights, which were not drawn afresh"
    if bound.law == "data_law" and draws.shared_inputs:
        return "two runs have training inputs in common, which were not drawn afresh"
    if bound.law == "data_law" and draws.odd_inputs:
        return "training inputs have lengths that are not those of the stated law of inputs"
    return ""


def _reason(bound: Bound, premises: Premises, draws: Draws, runs: Sequence[Verdict]) -> str:
    """Returns why a limit is not compared, whatever the risks are, or nothing."""
    limits = [getattr(run, bound.field) for run in runs]
    if not all(run.risk.exact for run in runs):
        return "risks are means over test inputs, which have no bound: the test takes exact ones"
    if any(limit is None for limit in limits):
        return "the limit is not known for every run"
    if bound.field == "label_linear" and any(math.isnan(r.error) for r in limits if r):
        return "an estimate of the mean of L* is no bound; it takes x_train of every run"
    return _contradiction(bound, premises, draws)


def _share(limit: Reference | None, second_moment: float) -> float:
    """Returns a limit over E f*^2, lowered by its numerical error; nan where there is none."""
    if limit is None:
        return math.nan
    return (limit.value - (0.0 if math.isnan(limit.error) else limit.error)) / second_moment


def _tested(
    bound: Bound, shares: np.ndarray, risks: np.ndarray, reason: str, excluded: str, level: float
) -> AverageCertificate:
    """Returns the certificate of one test alone; ``level`` is its own."""
    broken = int(np.sum(~(risks <= 1.0 + _ROUNDING)))
    if not reason and broken:
        reason = f"{broken} of {len(risks)} runs have a risk above E f*^2"
    if not reason and not np.all((shares > 0.0) & (shares < 1.0)):
        reason = "the limit does not lie between 0 and E f*^2"
    mean, least = float(np.mean(risks)), float(np.mean(shares))
    p_value = 1.0 if reason else mean_p_value(np.minimum(risks, 1.0), shares, 1.0)
    needed = planned = math.inf
    if not reason and mean < least:
        needed, planned = (f(mean, least, 1.0, level) for f in (runs_needed, runs_planned))
    return AverageCertificate(bound, mean, least, reason, p_value, needed, planned, excluded, level)


def averages(runs: Sequence[Verdict], premises: Premises, draws: Draws, level: float) -> Averages:
    """Tests the mean of independent runs against the three limits.

    The tests that premises allow are looked at together, whatever verdict comes of them.

    Args:
      runs: verdict of each.
      premises: that the caller states.
      draws: what is seen of them.
      level: of all tests together.
    """
    risks = np.array([run.risk.value / run.second_moment for run in runs])
    limits = [[getattr(run, bound.field) for run in runs] for bound in BOUNDS]
    reasons = [_reason(bound, premises, draws, runs) for bound in BOUNDS]
    family = max(1, reasons.count(""))
    tested = []
    for bound, found, reason in zip(BOUNDS, limits, reasons, strict=True):
        shares = np.array(
            [_share(one, run.second_moment) for one, run in zip(found, runs, strict=True)]
        )
        drawn = premises.direction_law == UNIFORM
        excluded = bound.excluded if drawn else bound.excluded_by_law
        tested.append(_tested(bound, shares, risks, reason, excluded, level / family))
    compared = [i for i, reason in enumerate(reasons) if not reason]
    for i, p_value in zip(compared, holm([tested[i].p_value for i in compared]), strict=True):
        tested[i] = dataclasses.replace(tested[i], p_value=float(p_value), level=level)
    return Averages(tuple(runs), tuple(tested), premises, level)
