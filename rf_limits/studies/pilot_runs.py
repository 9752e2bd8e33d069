"""Pilot runs: how long a training run will take, from short runs of the same program.

The config is run for the narrowest and the widest network alone, with one seed and few steps, and
twice: the second time nothing is compiled, and the time of every measurement is noted. The time of
each part at widths in between is interpolated as a power of the width. Beyond :data:`MOST_WIDTH` it
is extrapolated by the power between half that width and it, beyond :data:`MOST_SAMPLES` by counts
of operations, because pilot runs of that size would take too long. Nothing is written.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rf_limits.config import accepts_builder
from rf_limits.config.training import MeshFields, TrainingConfig
from rf_limits.methods import METHODS, Kind, keys_of
from rf_limits.optimization.trainer import log_points
from rf_limits.training.checkpointing import NO_KEEP, Keep
from rf_limits.training.run import INFINITE_WIDTH, prepare

MOST_WIDTH = 1024
"""Largest width of a pilot run."""
MOST_SAMPLES = 1024
"""Largest training set of a pilot run."""
_OPERATIONS = 2e10
"""Floating-point operations spent on timing steps, which take some tenths of a second."""
_MOST = (0.0, 2.0, 1.0, 2.0, 0.0)  # powers of the width in the operations of each part


class WidthSeconds(NamedTuple):
    """Seconds that the parts of a run take for one width and one seed.

    Attributes:
      compiling: compiling programs, once for all seeds.
      fits: drawing, decomposing and fitting.
      step: one step of the networks of all lazy scales.
      log_point: one measurement of the networks of all lazy scales.
      kernels: fitting and measuring kernel methods.
    """

    compiling: float
    fits: float
    step: float
    log_point: float
    kernels: float


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Seconds that a run is expected to take.

    Attributes:
      compiling: seconds of compiling, where no compiled program is kept from earlier runs.
      computing: seconds of all else.
      tried: which pilot runs were timed, in words.
    """

    compiling: float
    computing: float
    tried: str

    @property
    def seconds(self) -> float:
        """Returns the seconds of the whole run."""
        return self.compiling + self.computing


class _Times(Keep):
    """Notes the time, in seconds, at which rows are measured.

    Attributes:
      fitted: time of the rows of fitted methods.
      points: times of the log points.
      kernels: time of the rows of kernel methods.
    """

    def __init__(self) -> None:
        self.points: list[float] = []
        self.fitted: float | None = None
        self.kernels: float | None = None

    def measured(
        self, name: str, rows: Sequence[Mapping[str, Any]], *, again: bool = False
    ) -> None:
        """Notes the time of new rows."""
        now = time.monotonic()
        if name == INFINITE_WIDTH:
            self.kernels = now
        elif rows and "step" in rows[0]:
            self.points.append(now)
        else:
            self.fitted = now


def _small(config: TrainingConfig, width: int, *, kernels: bool) -> TrainingConfig:
    """Returns the config of a pilot run: one width, seed and device, few steps and samples."""
    num = min(config.data.num_train, MOST_SAMPLES)
    left_out = () if kernels else keys_of(METHODS.of(Kind.KERNEL))
    batch = config.training.batch_size
    small = config.replace(
        {
            "model.widths": (width,),
            "seeds": 1,
            "predictors.methods": tuple(
                key for key in config.predictors.methods if key not in left_out
            ),
            "data.num_train": num,
            "data.num_test": min(config.data.num_test, 4 * MOST_SAMPLES),
            "training.batch_size": None if batch is None else min(batch, num),
            "training.log_points": 4,  # 0, 1, the root of the last, and the last
            "measure.eigenvalues": min(config.measure.eigenvalues, num),
            "mesh": MeshFields(),
        }
    )
    return small.replace({"training.steps": min(config.training.steps, _pilot_steps(small))})


def _pilot_steps(small: TrainingConfig) -> int:
    """Returns the number of steps that take about :data:`_OPERATIONS`; at least 8."""
    (width,), rows = small.model.widths, small.training.batch_size or small.data.num_train
    rows = max(rows, width) if small.data.kind == "population" else rows
    each = 12.0 * rows * width * small.problem.dim * len(small.model.lazy_scales)
    return max(8, int(_OPERATIONS / each))


def _try_width(config: TrainingConfig) -> WidthSeconds:
    """Times the pilot run of a config with one width and one seed."""

    def run(keep: Keep) -> float:
        started = time.monotonic()
        prepare(config).run(keep=keep)
        return started

    first = -run(NO_KEEP) + time.monotonic()
    times = _Times()
    started = run(times)
    ended = time.monotonic()
    kernels = 0.0
    if times.kernels is not None:
        kernels = times.kernels - max([*times.points, times.fitted or started])
    step, point = _per_step(
        times.points, log_points(config.training.steps, config.training.log_points)
    )
    spent = config.training.steps * step + len(times.points) * point
    again = 0.0  # compiled for every run anew, where fresh samples are part of the program
    if len(times.points) > 2:
        again = max(times.points[1] - times.points[0] - step - point, 0.0)
    rest = ended - started - kernels - spent - again
    compiling = max(first - (ended - started), 0.0) + again
    return WidthSeconds(compiling, max(rest, 0.0), step, point, kernels)


def _per_step(times: Sequence[float], steps: Sequence[int]) -> tuple[float, float]:
    """Computes the seconds of a step and of a log point from the times of log points.

    Programs may still be compiled in the first steps: the last two intervals count, if there are
    as many.
    """
    if len(times) < 2:
        return 0.0, 0.0
    spent, taken = np.diff(times)[-2:], np.diff(steps)[-2:]
    if len(spent) < 2:
        return float(spent[0] / (taken[0] + 1.0)), float(spent[0] / (taken[0] + 1.0))
    step = max(float(spent[1] - spent[0]) / max(int(taken[1] - taken[0]), 1), 0.0)
    return step, max(float(spent[0]) - float(taken[0]) * step, 0.0)


def _extrapolated(
    seconds: WidthSeconds, powers: WidthSeconds, wider: float, samples: float
) -> WidthSeconds:
    """Returns the seconds at ``wider`` times the width and ``samples`` times the samples."""
    in_samples = WidthSeconds(0.0, 3.0, 1.0, 1.0, 3.0)
    return WidthSeconds(
        *(
            part * wider**power * samples**other
            for part, power, other in zip(seconds, powers, in_samples, strict=True)
        )
    )


def _powers(half: WidthSeconds, whole: WidthSeconds) -> WidthSeconds:
    """Returns the power of the width by which each part grows, from one width and its double.

    It lies between the power of its operations, which it tends to, and half of that.
    """
    least = 1e-9
    rates = [np.log2(max(b, least) / max(a, least)) for a, b in zip(half, whole, strict=True)]
    return WidthSeconds(*(float(np.clip(p, 0.5 * m, m)) for p, m in zip(rates, _MOST, strict=True)))


def _between(by_width: dict[int, WidthSeconds], width: int) -> WidthSeconds:
    """Interpolates each part as a power of the width between pilot runs."""
    widths = sorted(by_width)
    parts = np.log(np.maximum([by_width[n] for n in widths], 1e-9))
    at = np.log(width)
    return WidthSeconds(*(float(np.exp(np.interp(at, np.log(widths), p))) for p in parts.T))


@accepts_builder
def estimate_seconds(config: TrainingConfig) -> Estimate:
    """Estimates by pilot runs how long a training config will take.

    Args:
      config: that can be run (:func:`rf_limits.training.validation.validate`).

    Raises:
      RequirementError: a step size at which training must diverge.
    """
    of_widths = METHODS.named(config.predictors.methods, Kind.TRAINED, Kind.FITTED)
    samples = max(config.data.num_train / MOST_SAMPLES, 1.0)
    widths = sorted(config.model.widths)
    tried = sorted({min(width, MOST_WIDTH) for width in (widths[0], widths[-1])})
    if widths[-1] > MOST_WIDTH:
        tried = sorted({*tried, MOST_WIDTH // 2})
    if not of_widths:
        widths, tried = widths[:1], tried[:1]
    by_width = {n: _try_width(_small(config, n, kernels=n == tried[0])) for n in tried}
    powers = WidthSeconds(*(0.0,) * 5)
    if MOST_WIDTH // 2 in by_width and MOST_WIDTH in by_width:
        powers = _powers(by_width[MOST_WIDTH // 2], by_width[MOST_WIDTH])
    points = len(log_points(config.training.steps, config.training.log_points))
    compiling, computing = 0.0, config.seeds * by_width[tried[0]].kernels * samples**3
    for width in widths:
        seconds = _between(by_width, min(width, MOST_WIDTH))
        seconds = _extrapolated(seconds, powers, max(width / MOST_WIDTH, 1.0), samples)
        compiling += seconds.compiling
        each = seconds.fits + config.training.steps * seconds.step + points * seconds.log_point
        computing += config.seeds * each
    at = f"n = {min(config.data.num_train, MOST_SAMPLES)}, one seed"
    names = " and ".join(f"N = {width}" for width in sorted({tried[0], tried[-1]}))
    return Estimate(compiling, computing, f"from short runs at {names}, {at}")
