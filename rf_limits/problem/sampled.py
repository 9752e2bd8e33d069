"""Targets that are known by their values alone: risks and moments are sampled."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import ClassVar, NamedTuple, NoReturn

import jax
import numpy as np
from jaxtyping import Array, Float

from rf_limits.errors import check
from rf_limits.problem.inputs import sample_inputs
from rf_limits.problem.sampled_degrees import sampled_family
from rf_limits.theory.bounds.rotated_family import Family
from rf_limits.theory.numerics import arguments
from rf_limits.theory.risks.relu_moments import ReluSum
from rf_limits.theory.spectra.zonal import Radii, ZonalSum
from rf_limits.types import as_tree

_BLOCK, _BLOCKS = 2**14, 16


class SampledMoment(NamedTuple):
    """E f*^2 of a target known by its values alone.

    Attributes:
      mean: over the draws.
      standard_error: of the mean.
    """

    mean: float
    standard_error: float


def moment_words(moment: float, standard_error: float) -> str:
    """Returns ``E f*^2 = 1.008 +- 0.009 (sampled)``, or ``E f*^2 = 0.5`` without an error."""
    text = f"E f*^2 = {moment:.4g}"
    if standard_error > 0.0:
        text += f" \N{PLUS-MINUS SIGN} {standard_error:.1g} (sampled)"
    return text


@dataclasses.dataclass(frozen=True, eq=False)
class SampledTarget:
    """Any function of the inputs: risks are measured on a test set, and no degree is known.

    Attributes:
      dim: input dimension d.
      values: the function, (n, d) -> (n,), of jax.numpy.
      text: the function in words a paper would use.
    """

    dim: int
    values: Callable[[Array], Array]
    text: str
    is_homogeneous: ClassVar[bool] = False
    odd_degrees: ClassVar[bool] = True

    def __post_init__(self) -> None:
        arguments.size(self.dim, "dim")
        check(callable(self.values), "values", "be a function", self.values)

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns values at the rows of ``x``."""
        return self.values(x)

    def formula(self) -> str:
        """Returns the function in words a paper would use."""
        return f"{self.text}, d = {self.dim}"

    def sampled_moment(self, inputs: str) -> SampledMoment:
        """Returns E f*(x)^2 under ``inputs``, a mean over 2^18 fixed draws, and its standard error.

        The error is 0.3% for Gaussian values, and more where f*^2 has heavier tails: 1.9% for
        He_3, 4.9% for He_4, themselves known to a tenth or a third.

        Raises:
          RequirementError: it is not finite, or zero.
        """
        return _sampled_moment(self, inputs)

    def second_moment(self, inputs: str) -> float:
        """Returns the mean of :meth:`sampled_moment`: known up to its standard error.

        Raises:
          RequirementError: it is not finite, or zero.
        """
        return self.sampled_moment(inputs).mean

    def family(self, inputs: str) -> Family:
        """Returns the family by estimates of the degrees, lowered by four standard errors."""
        return sampled_family(self, self.dim, inputs)

    def _unknown(self) -> NoReturn:
        raise NotImplementedError(f"{self.text} is known by its values alone")

    def product(self, f: ReluSum) -> Float[Array, ""]:
        """Refuses: the target is known by its values alone."""
        self._unknown()

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Refuses: the target is known by its values alone."""
        self._unknown()

    def degree_tails(self, max_degree: int) -> np.ndarray:
        """Refuses: the target is known by its values alone."""
        self._unknown()


as_tree(SampledTarget, (), ("dim", "values", "text"))


@functools.lru_cache(maxsize=16)
def _sampled_moment(target: SampledTarget, inputs: str) -> SampledMoment:
    def block(key: Array) -> Array:
        return target(sample_inputs(key, inputs, _BLOCK, target.dim)) ** 2

    keys = jax.random.split(jax.random.key(0), _BLOCKS)
    squares = np.asarray(jax.jit(lambda k: jax.lax.map(block, k))(keys), np.float64)
    mean = float(np.mean(squares))
    finite = math.isfinite(mean) and mean > 0.0
    check(finite, "problem.target", "have a finite, positive E f*^2", mean)
    return SampledMoment(mean, float(np.std(squares, ddof=1)) / math.sqrt(squares.size))
