"""What all pieces share: measured peaks, timing, rows of shares and comparisons, failures."""

import dataclasses
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from benchmarks.device.sizes import Sizes
from benchmarks.device.trace import profiled
from benchmarks.rows import Row
from benchmarks.timing import REPEATS, Work, seconds

UNITS = {"float32": "TFLOP/s", "float64": "TFLOP/s", "copy": "TB/s"}
PEAKS = {
    "float32": "the float32 product of this process",
    "float64": "the float64 product of this process",
    "copy": "the copy of this process, bytes read and written",
}
_STARTED = time.monotonic()


def say(text: str) -> None:
    """A line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


class Timed(NamedTuple):
    """Seconds of the first call, compiling included, and the median of later ones."""

    first: float
    median: float


def timed(work: Work, repeats: int = REPEATS) -> Timed:
    """Calls ``work`` once to compile and warm up, and ``repeats`` times more."""
    first = seconds(work)
    return Timed(first, statistics.median(seconds(work) for _ in range(repeats)))


def attempt(job: str, against: str, make: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    """The rows of ``make``, up to where it fails; then one that says why."""
    try:
        yield from make()
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        say(f"{job}: {type(error).__name__}: {lines[0]}")
        yield Row(job, against, math.nan, note=f"{type(error).__name__}: {lines[0][:200]}")


def compared(job: str, against: str, ours: float, other: float, note: str = "") -> Row:
    """How many times as fast as another way of doing the same."""
    return Row(job, against, other / ours, None, True, ours, other, note)


@dataclasses.dataclass
class Bench:
    """One run of the job.

    Attributes:
      sizes: of everything.
      profile: where traces go, or None for no profiles.
      peaks: FLOP/s of products by precision, and bytes/s of ``"copy"``.
      training: seconds of the package's trainer by the title of the ensemble.
    """

    sizes: Sizes
    profile: Path | None = None
    peaks: dict[str, float] = dataclasses.field(default_factory=dict)
    training: dict[str, float] = dataclasses.field(default_factory=dict)

    def share(self, job: str, peak: str, amount: float, took: Timed | float, note: str = "") -> Row:
        """Row of a share of a measured peak.

        Args:
          job: what was done.
          peak: a name in :data:`PEAKS`.
          amount: operations, or bytes.
          took: what it took.
          note: beside the rate reached.
        """
        spent, texts = took, [note] if note else []
        if isinstance(took, Timed):
            spent = took.median
            texts.append(f"first call {took.first:.3g} s")
        known = self.peaks.get(peak, math.nan)
        rate = amount / spent
        texts.insert(0, f"{rate / 1e12:.3g} {UNITS[peak]}")
        ratio = rate / known
        return Row(
            job,
            f"share of {PEAKS[peak]}",
            ratio,
            None,
            True,
            spent,
            amount / known,
            "; ".join(texts),
        )

    def profiled(self, name: str, work: Work) -> None:
        """Records a trace of one call, where profiles are asked for, and prints its kernels."""
        if self.profile is None:
            return
        try:
            text = profiled(work, name, self.profile)
        except Exception as error:  # a profile is worth no row
            text = f"{name}: no profile, {type(error).__name__}: {error}"
        with (self.profile / "profile.txt").open("a") as file:
            file.write(text + "\n")
        print(text, file=sys.stderr, flush=True)


def ceilings(bench: Bench) -> Iterator[Row]:
    """Measures the peaks."""

    def product(dtype: str) -> Iterator[Row]:
        side = bench.sizes.product
        a, b = (jax.random.normal(jax.random.key(i), (side, side), dtype) for i in range(2))
        took = timed(_applied(jnp.matmul, a, b))
        bench.peaks[dtype] = 2.0 * side**3 / took.median
        job = f"peak: a product of side {side}, {dtype}, TFLOP/s"
        yield Row(job, "nothing", bench.peaks[dtype] / 1e12, ours=took.median)

    def copy() -> Iterator[Row]:
        x = jax.random.normal(jax.random.key(0), (bench.sizes.copy // 4,), jnp.float32)
        works = {"a copy": _applied(jnp.copy, x), "a sign changed": _applied(jnp.negative, x)}
        for name, work in works.items():
            took = timed(work)
            rate = 2.0 * x.nbytes / took.median
            bench.peaks["copy"] = max(rate, bench.peaks.get("copy", 0.0))
            job = f"peak: {name}, {x.nbytes / 2**30:.3g} GiB read and written, TB/s"
            yield Row(job, "nothing", rate / 1e12, ours=took.median)

    for dtype in ("float32", "float64"):
        yield from attempt(f"peak: {dtype}", "nothing", lambda dtype=dtype: product(dtype))
    yield from attempt("peak: copy", "nothing", copy)


def _applied(function: Callable, *arguments: jax.Array) -> Work:
    compiled = jax.jit(function)
    return lambda: compiled(*arguments)
