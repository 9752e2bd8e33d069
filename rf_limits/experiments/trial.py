"""How long a training run will take, from short runs of the same program on this machine.

Of the narrowest and the widest network the same config is run with one seed and few steps, twice:
the second time nothing is compiled, and a keep that is told of every measurement takes the times.
In between, in width, every part is interpolated as a power; beyond :data:`MOST_WIDTH` it goes on as
the power between half that width and it, and beyond :data:`MOST_SAMPLES` by operation counts: there
trying takes too long itself.
Nothing is written.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rf_limits.config import accepts_builder
from rf_limits.experiments.config import MeshFields, TrainingConfig
from rf_limits.experiments.keep import NO_KEEP, Keep
from rf_limits.experiments.training import INFINITE_WIDTH, prepare
from rf_limits.methods import METHODS, Kind, keys_of
from rf_limits.training.trainer import log_points

MOST_WIDTH = 1024
"""Networks wider than this are not tried."""
MOST_SAMPLES = 1024
"""Training sets larger than this are not tried."""
_OPERATIONS = 2e10
"""Of the steps that are timed, about: some tenths of a second."""
_MOST = (0.0, 2.0, 1.0, 2.0, 0.0)  # powers of the width in the operations of every part


class WidthSeconds(NamedTuple):
    """What the parts of a run take for one width and one seed, in seconds.

    Attributes:
      compiling: programs, once for all seeds.
      fits: drawing, decomposing and fitting.
      step: of all lazy scales.
      log_point: measuring all lazy scales.
      kernels: fitting and measuring NNGP and NTK.
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
      compiling: of it, where no compiled program is kept from earlier runs.
      computing: of it, all else.
      tried: what was run to find out, in words.
    """

    compiling: float
    computing: float
    tried: str

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.compiling + self.computing


class _Times(Keep):
    """Notes when rows are measured.

    Attributes:
      fitted: when the predictors of the width were.
      points: when each log point was.
      kernels: when infinite width was.
    """

    def __init__(self):
        self.points: list[float] = []
        self.fitted = self.kernels = None

    def measured(
        self, name: str, rows: Sequence[Mapping[str, Any]], *, again: bool = False
    ) -> None:
        """Takes the time."""
        now = time.monotonic()
        if name == INFINITE_WIDTH:
            self.kernels = now
        elif rows and "step" in rows[0]:
            self.points.append(now)
        else:
            self.fitted = now


def _small(config: TrainingConfig, width: int, *, kernels: bool) -> TrainingConfig:
    """The config with one width, one seed, one device, few steps, samples as far as tried."""
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
    return small.replace({"training.steps": min(config.training.steps, _tried_steps(small))})


def _tried_steps(small: TrainingConfig) -> int:
    """Steps of about :data:`_OPERATIONS`; at least 8."""
    (width,), rows = small.model.widths, small.training.batch_size or small.data.num_train
    rows = max(rows, width) if small.data.kind == "population" else rows
    each = 12.0 * rows * width * small.problem.dim * len(small.model.lazy_scales)
    return max(8, int(_OPERATIONS / each))


def _try_width(config: TrainingConfig) -> WidthSeconds:
    """Times a config of one width and one seed."""

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
    """Seconds of a step and of a log point, from when log points were measured.

    The first steps may still be compiled: the last two intervals count, if there are so many.
    """
    if len(times) < 2:
        return 0.0, 0.0
    spent, taken = np.diff(times)[-2:], np.diff(steps)[-2:]
    if len(spent) < 2:
        return float(spent[0] / (taken[0] + 1.0)), float(spent[0] / (taken[0] + 1.0))
    step = max(float(spent[1] - spent[0]) / max(int(taken[1] - taken[0]), 1), 0.0)
    return step, max(float(spent[0]) - float(taken[0]) * step, 0.0)


def _extrapolated(
    found: WidthSeconds, powers: WidthSeconds, wider: float, samples: float
) -> WidthSeconds:
    """The same for a network ``wider`` times as wide on ``samples`` times the samples."""
    in_samples = WidthSeconds(0.0, 3.0, 1.0, 1.0, 3.0)
    return WidthSeconds(
        *(
            part * wider**power * samples**other
            for part, power, other in zip(found, powers, in_samples, strict=True)
        )
    )


def _powers(half: WidthSeconds, whole: WidthSeconds) -> WidthSeconds:
    """With which power of the width every part grows, from two of which one is twice the other.

    Between that of its operations, which it tends to, and half of that.
    """
    least = 1e-9
    found = [np.log2(max(b, least) / max(a, least)) for a, b in zip(half, whole, strict=True)]
    return WidthSeconds(*(float(np.clip(p, 0.5 * m, m)) for p, m in zip(found, _MOST, strict=True)))


def _between(known: dict[int, WidthSeconds], width: int) -> WidthSeconds:
    """Each part as a power of the width through those that were tried."""
    widths = sorted(known)
    parts = np.log(np.maximum([known[one] for one in widths], 1e-9))
    at = np.log(width)
    return WidthSeconds(*(float(np.exp(np.interp(at, np.log(widths), p))) for p in parts.T))


@accepts_builder
def estimate_seconds(config: TrainingConfig) -> Estimate:
    """Tries a training config and says how long it will take.

    Args:
      config: that can be run (:func:`rf_limits.experiments.validation.validate`).

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
    known = {width: _try_width(_small(config, width, kernels=width == tried[0])) for width in tried}
    powers = WidthSeconds(*(0.0,) * 5)
    if MOST_WIDTH // 2 in known and MOST_WIDTH in known:
        powers = _powers(known[MOST_WIDTH // 2], known[MOST_WIDTH])
    points = len(log_points(config.training.steps, config.training.log_points))
    compiling, computing = 0.0, config.seeds * known[tried[0]].kernels * samples**3
    for width in widths:
        one = _between(known, min(width, MOST_WIDTH))
        one = _extrapolated(one, powers, max(width / MOST_WIDTH, 1.0), samples)
        compiling += one.compiling
        each = one.fits + config.training.steps * one.step + points * one.log_point
        computing += config.seeds * each
    at = f"n = {min(config.data.num_train, MOST_SAMPLES)}, one seed"
    names = " and ".join(f"N = {width}" for width in sorted({tried[0], tried[-1]}))
    return Estimate(compiling, computing, f"from short runs at {names}, {at}")
