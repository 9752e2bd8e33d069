"""One comparison of the table: a ratio, what it should be, and what it was."""

import dataclasses
import json
import math
import sys
from collections.abc import Iterable

MOST_LOST = 0.2
"""Share by which a ratio may be worse than the committed one."""


@dataclasses.dataclass(frozen=True)
class Row:
    """Outcome of one comparison.

    Attributes:
      job: what was done.
      against: what it is compared with.
      ratio: how many times as fast, or how many times the time, as ``larger_is_better`` says;
        NaN where the comparison failed.
      goal: what it should reach; None: it is reported only.
      larger_is_better: True for "times as fast", False for "times the time".
      ours: median seconds of the package, None where the ratio is no ratio of times.
      other: median seconds of the other.
      note: what the reader should know.
    """

    job: str
    against: str
    ratio: float
    goal: float | None = None
    larger_is_better: bool = True
    ours: float | None = None
    other: float | None = None
    note: str = ""

    @property
    def name(self) -> tuple[str, str]:
        """What identifies the row from one run to the next."""
        return self.job, self.against

    @property
    def meets_goal(self) -> bool | None:
        """Whether the goal is met, None without one."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.larger_is_better else self.ratio <= self.goal

    @property
    def failed(self) -> bool:
        """Whether there is no ratio: the note says why."""
        return math.isnan(self.ratio)

    @property
    def verdict(self) -> str:
        """The same in a word."""
        if self.failed:
            return "FAILED"
        return {None: "", True: "met", False: "MISSED"}[self.meets_goal]

    def lost(self, before: "Row") -> float:
        """Share by which the ratio is worse than it was; negative where it is better."""
        if before.ratio == 0.0:
            return 0.0 if self.ratio == 0.0 else float("inf")
        gained = self.ratio / before.ratio
        return 1.0 - gained if self.larger_is_better else gained - 1.0

    def change(self, before: "Row | None") -> str:
        """In words, beside what the ratio was."""
        if before is None:
            return "new"
        lost = self.lost(before)
        text = f"was {before.ratio:.2f}"
        return f"REGRESSION, {text}" if lost > MOST_LOST else text


def to_json(rows: Iterable[Row]) -> str:
    """Rows as text."""
    return json.dumps([dataclasses.asdict(row) for row in rows], indent=1)


def from_json(text: str) -> list[Row]:
    """The same back."""
    return [Row(**fields) for fields in json.loads(text)]


def hand_over(rows: Iterable[Row]) -> None:
    """What a job prints last, for the process that started it to read."""
    sys.stdout.write("\n" + json.dumps(json.loads(to_json(rows))) + "\n")
