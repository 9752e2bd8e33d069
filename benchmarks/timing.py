"""Medians of repeats after warm-up, functions in turn."""

import time
from collections.abc import Callable, Mapping

import jax
import numpy as np

REPEATS = 5
Work = Callable[[], object]


def seconds(work: Work) -> float:
    """How long one call takes, until everything it returns is there."""
    started = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - started


class Times:
    """Seconds of several functions called in turn, so that each meets the same machine."""

    def __init__(self, measured: Mapping[str, list[float]], first: Mapping[str, float]):
        self.first = dict(first)
        """Seconds of the first call of each, compiling included."""
        self._measured = {name: np.array(values) for name, values in measured.items()}

    def median(self, name: str) -> float:
        """Median seconds of one function."""
        return float(np.median(self._measured[name]))

    def ratio(self, over: str, under: str) -> float:
        """Median over rounds of the time of one function over that of another."""
        return float(np.median(self._measured[over] / self._measured[under]))

    def fastest(self, names: list[str]) -> str:
        """The one with the least median."""
        return min(names, key=self.median)


def in_turn(repeats: int = REPEATS, **works: Work) -> Times:
    """Calls every function once to compile and warm up, then all in turn ``repeats`` times."""
    first = {name: seconds(work) for name, work in works.items()}
    measured: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            measured[name].append(seconds(work))
    return Times(measured, first)
