"""Medians of repeats after warm-up, two commands in turn."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np


class Ratio(NamedTuple):
    """Outcome of timing two functions in turn.

    Attributes:
      ours: median seconds of the first.
      theirs: median seconds of the second.
      ratio: median over pairs of theirs over ours: how many times as fast ours is.
    """

    ours: float
    theirs: float
    ratio: float


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - started


def compare(ours: Callable[[], object], theirs: Callable[[], object], repeats: int = 7) -> Ratio:
    """Times ``ours`` and ``theirs`` in turn, after one warm-up of each (compilation)."""
    _seconds(ours), _seconds(theirs)
    pairs = np.array([(_seconds(ours), _seconds(theirs)) for _ in range(repeats)])
    medians = np.median(pairs, axis=0)
    return Ratio(*medians.tolist(), float(np.median(pairs[:, 1] / pairs[:, 0])))
