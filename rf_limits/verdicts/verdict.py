"""What one network has done that lazy methods cannot: its risk beside every limit."""

import dataclasses
import math

from rf_limits.figures.style import Figure, new_figure, style
from rf_limits.table import Cell, Table, short_number
from rf_limits.verdicts.risks import RiskEstimate
from rf_limits.verdicts.span import SpanRisk


@dataclasses.dataclass(frozen=True)
class Worth:
    """What a lazy method would need for a risk, on average over the target's direction.

    Attributes:
      functions: least number p' with R*(p') at most the risk: a bound. Infinite where none has it.
      functions_low, functions_high: the same for the ends of the risk's interval.
      samples: number n' at which the label-linear limit, by an estimate, is the risk; infinite
        where it cannot be resolved.
      samples_low, samples_high: the same for the ends of the interval.
    """

    functions: float
    functions_low: float
    functions_high: float
    samples: float
    samples_low: float
    samples_high: float

    def sentence(self) -> str:
        """Returns what a reader remembers."""
        if self.functions_high == 0:
            return "The risk is that of predicting zero, or above: it is worth nothing."
        functions = _between(self.functions_low, self.functions_high)
        samples = _between(self.samples_low, self.samples_high)
        return (
            f"To reach this risk on average over directions, a lazy method needs at least "
            f"{functions} functions, and one in the span of its samples at least {functions} "
            f"samples; one that is linear in the labels needs about "
            f"{samples} samples (an estimate)."
        )


def _count(number: float) -> str:
    if not math.isfinite(number):
        return "more than 1e300"
    return (
        f"{number:.0f}"
        if number < 9.5e5
        else f"{number:.1e}".replace("e+0", "e").replace("e+", "e")
    )


def _between(low: float, high: float) -> str:
    first, last = _count(low), _count(high)
    return first if first == last else f"{first} to {last}"


@dataclasses.dataclass(frozen=True)
class Reference:
    """A limit of one network: a mean over directions, which proves nothing on a single run.

    Attributes:
      symbol: as it is printed.
      value: absolute risk.
      error: of the value, numerical, or the standard error of an estimate.
      meaning: whose mean it bounds.
    """

    symbol: str
    value: float
    error: float
    meaning: str

    def __float__(self) -> float:
        """Returns the value."""
        return self.value


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The risk of one network beside the limits of lazy methods.

    Attributes:
      risk: over the population.
      second_moment: E f*^2, the risk of predicting zero.
      degrees: E (f_k - f*_k)^2 for k = 0 ... 4; None where they are not known, and of several
        runs together.
      own_span: best risk in the span of its own initial tangent features; None without ``initial``.
      limit_functions: R*(P), P the number of parameters; None where it is not known.
      limit_samples: R*(n); None without a number of samples.
      label_linear: L*(X), or its estimate; the same.
      worth: what a lazy method would need.
      reasons: why something is missing.
    """

    risk: RiskEstimate
    second_moment: float
    degrees: tuple[float, ...] | None
    own_span: SpanRisk | None
    limit_functions: Reference | None
    limit_samples: Reference | None
    label_linear: Reference | None
    worth: Worth | None
    reasons: tuple[str, ...] = ()

    @property
    def below_own_span(self) -> bool:
        """Returns whether the risk is below the best in the network's own tangent span, surely.

        Exactly where both are exact; else with the upper end of the risk's interval below the
        lower end of the span's, at the level of the interval.
        """
        return self.own_span is not None and self.risk.high < self.own_span.low

    @property
    def references(self) -> tuple[Reference, ...]:
        """Returns the limits that are known."""
        every = (self.limit_functions, self.limit_samples, self.label_linear)
        return tuple(limit for limit in every if limit is not None)

    @property
    def verdict(self) -> str:
        """Returns what is proved of this run, and what it excludes."""
        if self.own_span is None:
            return (
                "Nothing is proved of this run: that needs its weights before training (initial). "
                "The limits are means over directions, reference lines for one run."
            )
        sure = self.risk.exact and self.own_span.exact
        level = "exact" if sure else f"at level {self.risk.level:g}, by the normal approximation"
        span = short_number(self.own_span.value)
        if self.below_own_span:
            return (
                f"Below the best risk in the span of its own initial tangent features, {span} "
                f"({level}): no linear combination of this network's own initial tangent features "
                "and its initial output reaches it, by whatever algorithm. Methods on other "
                "features are not excluded."
            )
        return (
            f"Not below the best risk in the span of its own initial tangent features, {span} "
            f"({level}): nothing is excluded."
        )

    def table(self) -> Table:
        """Returns the risk and every limit, absolute and relative to E f*^2, and what they are."""
        rows = [self._row("risk", self.risk.value, self._of_risk())]
        if self.own_span is not None:
            how = "exact" if self.own_span.exact else "estimated from below"
            meaning = f"own initial tangent features, P = {self.own_span.num_features} ({how})"
            rows.append(self._row("own span", self.own_span.value, meaning))
        rows += [self._row(limit.symbol, limit.value, limit.meaning) for limit in self.references]
        return Table("Population risk beside limits", ["", "risk", "relative", "of what"], rows)

    def _of_risk(self) -> str:
        if self.risk.exact:
            return "this network, exact"
        low, high = short_number(self.risk.low), short_number(self.risk.high)
        level = f"{self.risk.level:g}, by the normal approximation"
        return f"this network, {low} to {high} at level {level}"

    def _row(self, name: str, value: float, meaning: str) -> list[str]:
        return [name, Cell.of(value), Cell.of(value / self.second_moment), meaning]

    def __str__(self) -> str:
        """Returns the table, the verdict, what the risk is worth, and what is missing, in lines."""
        table = self.table()
        cells = [table.columns, *table.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        return "\n".join([*lines, *self.sentences()])

    def sentences(self) -> list[str]:
        """Returns the verdict, what the risk is worth, and what is missing."""
        worth = [] if self.worth is None else [self.worth.sentence()]
        return [self.verdict, *worth, *self.reasons]

    def figure(self) -> Figure:
        """Draws the risk with its interval, and the limits, on one logarithmic axis."""
        points = [("this network", self.risk.value, self.risk.low, self.risk.high)]
        if self.own_span is not None:
            points.append(("own span", self.own_span.value, self.own_span.low, self.own_span.value))
        points += [
            (limit.symbol, limit.value, limit.value, limit.value) for limit in self.references
        ]
        points = [point for point in points if point[1] > 0.0]
        with style():
            figure, (axis,) = new_figure(1, height=0.6 + 0.35 * len(points), width=4.0)
            for height, (_, value, low, high) in enumerate(reversed(points)):
                mine = height == len(points) - 1
                axis.plot(value, height, "o" if mine else "|", color="#EE7733" if mine else "0.2")
                axis.plot(
                    [max(low, 1e-3 * value), high], [height, height], "-", color="0.5", lw=0.8
                )
            axis.axvline(self.second_moment, color="0.6", ls=":", label=r"$E f^{*2}$")
            axis.set_xscale("log")
            axis.set_yticks(range(len(points)), [point[0] for point in reversed(points)])
            axis.set_ylim(-0.6, len(points) - 0.4)
            axis.set_xlabel(r"population risk $E(f-f^*)^2$")
            axis.legend()
        return figure
