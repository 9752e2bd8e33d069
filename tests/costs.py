"""What tests cost: CPU seconds and compiled programs by folder, told at the end of every run."""

import collections
import time
from typing import NamedTuple

import psutil

from rf_limits.runs.compiled import compiling

PROPERTY = "cost"
"""Name under which a report carries what its test cost, from the worker that ran it."""


class Cost(NamedTuple):
    """What something took.

    Attributes:
      tests: number of tests.
      seconds: of CPU time, those of processes that tests start among them.
      programs: number of programs that JAX compiled or read from its cache, in the tests' process.
      compiling: seconds spent on them.
    """

    tests: int = 0
    seconds: float = 0.0
    programs: int = 0
    compiling: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))

    def since(self, before: "Cost") -> "Cost":
        """What one test has added to ``before``."""
        return Cost(1, *(a - b for a, b in zip(self[1:], before[1:], strict=True)))


def _seconds() -> float:
    """CPU seconds of this process and of all that it has started."""
    own = time.process_time()
    times = psutil.Process().cpu_times()
    total = own + times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            total += sum(child.cpu_times()[:4])
        except psutil.Error:  # it has ended meanwhile
            continue
    return total


def cost_so_far() -> Cost:
    """What this process has cost since it began."""
    found = compiling()
    return Cost(0, _seconds(), found.programs, found.seconds)


def by_folder(costs: dict[str, Cost]) -> list[tuple[str, Cost]]:
    """Sums of the costs of tests by the folder of their file, dearest first, the total last.

    Args:
      costs: by the node name of the test, ``tests/theory/test_angles.py::test_right_angle``.
    """
    sums: dict[str, Cost] = collections.defaultdict(Cost)
    for name, cost in costs.items():
        sums[name.partition("::")[0].rpartition("/")[0]] += cost
    rows = sorted(sums.items(), key=lambda row: -row[1].seconds)
    return [*rows, ("total", sum(sums.values(), Cost()))]


def dearest(costs: dict[str, Cost], number: int) -> list[tuple[str, Cost]]:
    """The tests that took most CPU time."""
    return sorted(costs.items(), key=lambda row: -row[1].seconds)[:number]


def lines(rows: list[tuple[str, Cost]]) -> list[str]:
    """A table of costs."""
    width = max(len(name) for name, _ in rows)
    head = f"{'':{width}}  tests  CPU s  programs  of it compiling s"
    return [
        head,
        *(
            f"{name:{width}}  {c.tests:5}  {c.seconds:5.0f}  {c.programs:8}  {c.compiling:17.0f}"
            for name, c in rows
        ),
    ]
