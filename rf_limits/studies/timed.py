"""The time of an experiment, from a small part of it that is run twice."""

import time
from typing import Any

from rf_limits.studies.pilot_runs import Estimate


def estimate_from_part(whole: Any, part: Any, times: float) -> Estimate:
    """Estimates a run that computes ``times`` as long as a part, which is run twice.

    The programs of every dimension are compiled anew.

    Args:
      whole: an experiment with a field ``dims``.
      part: the same with some of the dimensions.
      times: how many times as long the whole takes.
    """
    spent = []
    for _ in range(2):
        started = time.monotonic()
        part.prepare().run()
        spent.append(time.monotonic() - started)
    first, again = spent
    tried = f"from a run with d = {part.dims[0]} alone, taken {times:.3g} times"
    compiling = max(first - again, 0.0) * len(whole.dims) / len(part.dims)
    return Estimate(compiling, again * times, tried)
