"""Targets known by their values alone: whatever is asked of them is sampled."""

import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.errors import check
from rf_limits.problem.inputs import sample_inputs
from rf_limits.theory.relu_moments import ReluSum
from rf_limits.theory.zonal import Radii, ZonalSum

_BLOCK, _BLOCKS = 2**14, 16


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
    name: ClassVar[str] = "sampled"
    has_bias: ClassVar[bool] = True
    is_homogeneous: ClassVar[bool] = False
    odd_degrees: ClassVar[bool] = True

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Values at the rows of ``x``."""
        return self.values(x)

    def formula(self) -> str:
        """The function in words a paper would use."""
        return f"{self.text}, d = {self.dim}"

    def second_moment(self, inputs: str) -> float:
        """E f*(x)^2 under ``inputs``, a mean over 2^18 fixed draws (0.3% for Gaussian values).

        Raises:
          RequirementError: it is not finite, or zero.
        """

        def block(key: Array) -> Array:
            return jnp.mean(self(sample_inputs(key, inputs, _BLOCK, self.dim)) ** 2)

        keys = jax.random.split(jax.random.key(0), _BLOCKS)
        found = float(jnp.mean(jax.jit(lambda k: jax.lax.map(block, k))(keys)))
        finite = math.isfinite(found) and found > 0.0
        check(finite, "problem.target", "have a finite, positive E f*^2", found)
        return found

    def _unknown(self) -> NoReturn:
        raise NotImplementedError(f"{self.text} is known by its values alone")

    def product(self, f: ReluSum) -> Float[Array, ""]:
        """Not known."""
        self._unknown()

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Not known."""
        self._unknown()

    def degree_tails(self, max_degree: int) -> np.ndarray:
        """Not known."""
        self._unknown()
