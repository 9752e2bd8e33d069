"""The bias b* of a target neuron: zero, the paper's, the hardest, and d^3."""

import math
from collections.abc import Iterator

from rf_limits.errors import RequirementError
from rf_limits.theory.bounds.lazy_limit import features_for_risk, hardest_bias
from rf_limits.theory.bounds.triangle_wave import paper_wave

_ROUNDS = 2  # of the search for the hardest bias
_SEARCHED = 1.0  # up to which multiple of |w*|: beyond, thresholds far below E f*^2 get easier


def hardest_for_risk(risk: float, dim: int, norm: float) -> tuple[float, int]:
    """Searches the bias that makes the number of features needed for ``risk`` largest.

    The limit at the number for one bias is largest at another bias, which needs more features:
    repeated, the number grows.

    Args:
      risk: absolute risk.
      dim: d.
      norm: |w*|.

    Returns:
      Bias and number of features.
    """
    bias, count = 0.0, features_for_risk(risk, dim, norm=norm)
    for _ in range(_ROUNDS):
        trial, _ = hardest_bias(count, dim, norm=norm, max_bias=_SEARCHED * norm, grid=13)
        needed = features_for_risk(risk, dim, norm=norm, bias=trial)
        if needed <= count:
            break
        bias, count = trial, needed
    return bias, count


def _paper(risk: float, dim: int, norm: float, hardest: float) -> tuple[float, int]:
    """Returns the hardest of the wave's kinks: 0 and the odd numbers up to 6 d^3 + 1.

    The paper's argument gives a bias among them. Those next to the hardest of all biases, and
    zero, are tried.
    """
    last = paper_wave(dim).half_width
    below = 2 * math.floor((abs(hardest) - 1.0) / 2.0) + 1
    kinks = {0, *(min(max(k, 1), last) for k in (below, below + 2))}
    counts = {b: features_for_risk(risk, dim, norm=norm, bias=float(b)) for b in sorted(kinks)}
    best = max(counts, key=lambda bias: counts[bias])
    return float(best), counts[best]


def biases_and_limits(
    kinds: tuple[str, ...], risk: float, dim: int, norm: float
) -> Iterator[tuple[str, float, int | None]]:
    """Yields every kind of bias, its value and the least number of features of the lazy limit.

    The number is None where float64 does not resolve the limit (deep levels with a bias).
    """
    by_kind: dict[str, tuple[float, int | None]] = {}
    if "zero" in kinds:
        by_kind["zero"] = 0.0, features_for_risk(risk, dim, norm=norm)
    if "hardest" in kinds or "paper" in kinds:
        try:
            hardest = hardest_for_risk(risk, dim, norm)
            by_kind["hardest"] = hardest
            by_kind["paper"] = _paper(risk, dim, norm, hardest[0])
        except RequirementError:
            by_kind.setdefault("hardest", (math.nan, None))
            by_kind.setdefault("paper", (math.nan, None))
    if "d_cubed" in kinds:
        by_kind["d_cubed"] = (
            float(dim**3),
            features_for_risk(risk, dim, norm=norm, bias=float(dim**3)),
        )
    for kind in kinds:
        yield kind, *by_kind[kind]
