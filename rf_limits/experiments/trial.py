"""How long a training run will take, from short runs of the same program on this machine.

Of the narrowest and the widest network the same config is run with one seed and one step, twice:
the second time nothing is compiled. More steps, then more log points, give the seconds of each by
differences. In between, in width, every part is interpolated as a power; beyond
:data:`MOST_WIDTH` and :data:`MOST_SAMPLES`, where trying takes too long itself, it is extrapolated
by operation counts. No step is taken that the run does not take; nothing is written.
"""

import copy
import dataclasses
import time
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from rf_limits.experiments.training import prepare
from rf_limits.learning.training import log_points

MOST_WIDTH = 1024
"""Networks wider than this are not tried."""
MOST_SAMPLES = 512
"""Training sets larger than this are not tried."""
_LEAST_SECONDS = 0.25  # of steps that are timed
_GROWTH = 8
_POINTS = 6
_KERNELS = ("nngp", "ntk")


class WidthSeconds(NamedTuple):
    """What the parts of a run take for one width and one seed, in seconds.

    Attributes:
      compiling: programs, once for all seeds.
      fits: drawing, decomposing and fitting.
      step: of all lazy scales.
      log_point: measuring all lazy scales.
    """

    compiling: float
    fits: float
    step: float
    log_point: float


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


def _small(config: ConfigDict, width: int, methods: list[str]) -> ConfigDict:
    """The config with one width, one seed, one device, and samples as far as they are tried."""
    small = copy.deepcopy(config)
    num = min(config.data.num_train, MOST_SAMPLES)
    with small.unlocked():
        small.model.widths, small.seeds = (width,), 1
        small.predictors.methods = tuple(methods)
        small.data.num_train = num
        small.data.num_test = min(config.data.num_test, 8 * MOST_SAMPLES)
        if config.training.batch_size is not None:
            small.training.batch_size = min(config.training.batch_size, num)
        small.mesh.seeds = small.mesh.data = small.mesh.width = 1
    return small


def _seconds(config: ConfigDict, steps: int, points: int) -> float:
    """Of a run with so many steps and log points."""
    config.training.steps, config.training.log_points = steps, points
    started = time.monotonic()
    prepare(config).run()
    return time.monotonic() - started


def _try_width(config: ConfigDict) -> WidthSeconds:
    """Times one width; the config is changed."""
    wanted, log = config.training.steps, config.training.log_points
    first, base = (_seconds(config, 1, 2) for _ in range(2))
    steps, spent = 1, base
    while steps < wanted and spent - base < _LEAST_SECONDS:
        steps = min(wanted, _GROWTH * steps)
        spent = _seconds(config, steps, 2)
    step = max(spent - base, 0.0) / max(steps - 1, 1)
    count = min(_POINTS, max(log, 2))
    more = len(log_points(steps, count)) - 2
    point = 0.0
    if more > 0:
        point = max(_seconds(config, steps, count) - spent, 0.0) / more
    fits = max(base - 2.0 * point - step, 0.0)
    return WidthSeconds(max(first - base, 0.0), fits, step, point)


def _extrapolated(found: WidthSeconds, wider: float, samples: float) -> WidthSeconds:
    """The same for a network ``wider`` times as wide on ``samples`` times the samples."""
    return WidthSeconds(
        found.compiling,
        found.fits * wider**2 * samples**3,
        found.step * wider * samples,
        found.log_point * wider**2 * samples,
    )


def _between(known: dict[int, WidthSeconds], width: int) -> WidthSeconds:
    """Each part as a power of the width through those that were tried."""
    widths = sorted(known)
    parts = np.log(np.maximum([known[one] for one in widths], 1e-9))
    at = np.log(width)
    return WidthSeconds(*(float(np.exp(np.interp(at, np.log(widths), p))) for p in parts.T))


def estimate_seconds(config: ConfigDict) -> Estimate:
    """Tries a training config and says how long it will take.

    Args:
      config: that can be run (:func:`rf_limits.experiments.validation.validate`).

    Raises:
      RequirementError: a step size at which training must diverge.
    """
    methods = [m for m in config.predictors.methods if m not in _KERNELS]
    kernels = [m for m in config.predictors.methods if m in _KERNELS]
    samples = max(config.data.num_train / MOST_SAMPLES, 1.0)
    widths = sorted(config.model.widths)
    tried = sorted({min(width, MOST_WIDTH) for width in (widths[0], widths[-1])})
    known = {}
    compiling = computing = 0.0
    for width in tried if methods else ():
        known[width] = _try_width(_small(config, width, methods))
    points = len(log_points(config.training.steps, config.training.log_points))
    for width in widths if methods else ():
        one = _between(known, min(width, MOST_WIDTH))
        one = _extrapolated(one, max(width / MOST_WIDTH, 1.0), samples)
        compiling += one.compiling
        each = one.fits + config.training.steps * one.step + points * one.log_point
        computing += config.seeds * each
    if kernels:
        small = _small(config, tried[0], config.predictors.methods)
        first, again = (_seconds(small, 1, 2) for _ in range(2))
        without = 0.0
        if methods:
            without = known[tried[0]].fits + known[tried[0]].step + 2 * known[tried[0]].log_point
        compiling += max(first - again, 0.0)
        computing += config.seeds * max(again - without, 0.0) * samples**3
    at = f"n = {min(config.data.num_train, MOST_SAMPLES)}, one seed"
    names = " and ".join(f"N = {width}" for width in tried)
    return Estimate(compiling, computing, f"from short runs at {names}, {at}")
