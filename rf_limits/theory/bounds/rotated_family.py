"""The lazy limit of the family f*(O x), O a uniform rotation, of any target f*.

A family knows two numbers: the least mean risk R*(p) of p functions that were fixed before O was
drawn, and the least p whose R*(p) is at most a risk. Every target that is known degree by degree
has its family here; a target that knows its own family better says so by a method ``family``.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from rf_limits.errors import check
from rf_limits.theory.spectra.levels import least
from rf_limits.theory.spectra.rotated import DegreesKnown, RotatedSpectrum, rotated_spectrum

_MOST_FEATURES = 10**300
_FIRST_DEGREE, _LAST_DEGREE = 16, 2048


@runtime_checkable
class Family(Protocol):
    """The functions f*(O x), O uniform in the orthogonal group, under one input distribution."""

    def limit(self, p: int) -> float:
        """Returns R*(p), absolute, or a lower bound on it."""

    def features(self, risk: float) -> int:
        """Returns the least p with ``limit(p)`` at most the absolute ``risk`` > 0."""


@runtime_checkable
class HasFamily(Protocol):
    """A target that knows its family."""

    def family(self, inputs: str) -> Family:
        """Returns the family under ``inputs``."""


@dataclasses.dataclass(frozen=True, eq=False)
class RotatedFamily:
    """A family by the spectra of its degrees, computed as far as they are needed.

    Attributes:
      spectrum: the spectrum up to degree K, of K.
      last_degree: largest K that is asked for.
    """

    spectrum: Callable[[int], RotatedSpectrum]
    last_degree: int = _LAST_DEGREE

    def limit(self, p: int) -> float:
        """Returns R*(p), lowered by the error of the spectrum.

        Where the p largest eigenvalues reach beyond the last degree, all of E f*^2 that lies
        there counts as the most concentrated it can be: a valid bound, but a smaller one.
        """
        degree = min(_FIRST_DEGREE, self.last_degree)
        while True:
            tail = self.spectrum(degree).tail(p)
            if tail.settled or degree >= self.last_degree:
                return tail.value
            degree = min(2 * degree, self.last_degree)

    def features(self, risk: float) -> int:
        """Returns the least p with ``limit(p)`` at most the absolute ``risk``."""

        def reached(p: int) -> bool:
            check(p <= _MOST_FEATURES, "risk", "be reachable with 1e300 features", risk)
            return self.limit(p) <= risk

        return least(reached)


@functools.lru_cache(maxsize=64)
def family_of_degrees(target: DegreesKnown, inputs: str = "gaussian") -> RotatedFamily:
    """Returns the family of a target by its degrees, whatever else is known of it.

    Args:
      target: f*, known degree by degree.
      inputs: ``"gaussian"`` or ``"sphere"``.
    """
    total = target.second_moment(inputs)

    @functools.lru_cache(maxsize=16)
    def spectrum(max_degree: int) -> RotatedSpectrum:
        return rotated_spectrum(target, max_degree, total, inputs)

    return RotatedFamily(spectrum)


def family_of(target: HasFamily | DegreesKnown, inputs: str = "gaussian") -> Family:
    """Returns the family of a target.

    Args:
      target: f*, known degree by degree, or with a family of its own.
      inputs: ``"gaussian"`` or ``"sphere"``.

    Raises:
      RequirementError: d < 2, or unknown ``inputs``.
    """
    if isinstance(target, HasFamily):
        return target.family(inputs)
    return family_of_degrees(target, inputs)
