"""The problem: a target under random inputs, with noisy labels."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from rf_limits.errors import check_choice
from rf_limits.problem.data import Dataset
from rf_limits.problem.inputs import INPUTS, sample_inputs
from rf_limits.problem.sampled import SampledTarget
from rf_limits.problem.seeds import key_of
from rf_limits.problem.target import Target
from rf_limits.problem.targets import TARGETS, make_target
from rf_limits.theory.numerics import arguments
from rf_limits.theory.risks.degree_risks import degree_products
from rf_limits.theory.spectra.coefficients import (
    DegreeCoefficients,
    coefficients_by_degree,
    sphere_tails,
)
from rf_limits.theory.spectra.profiles import DegreeProfiles, profiles_by_degree
from rf_limits.types import Scalar


@functools.lru_cache(maxsize=64)
def _second_moment(target: Target, inputs: str) -> float:
    with jax.ensure_compile_time_eval():  # a number, even where a program is traced
        return target.second_moment(inputs)


@dataclasses.dataclass(frozen=True)
class Problem:
    """A target under random inputs, with noisy labels: a static argument of compiled functions.

    Two problems are equal if they share the target object, the inputs and the noise.

    Attributes:
      target: f*.
      inputs: input distribution (:data:`rf_limits.problem.INPUTS`).
      noise: standard deviation of the label noise; it may be traced.

    Raises:
      RequirementError: unknown inputs, or a noise that is negative or not finite, unless it is
        traced.
    """

    target: Target
    inputs: str = "gaussian"
    noise: Scalar = 0.0

    def __post_init__(self) -> None:
        check_choice(self.inputs, INPUTS, "problem.inputs")
        if not isinstance(self.noise, jax.core.Tracer):
            object.__setattr__(self, "noise", arguments.at_least_zero(self.noise, "noise"))

    @property
    def dim(self) -> int:
        """Returns the input dimension d."""
        return self.target.dim

    @property
    def noiseless(self) -> "Problem":
        """Returns the problem without label noise: programs compiled for it serve every noise."""
        return dataclasses.replace(self, noise=0.0)

    @property
    def second_moment(self) -> float:
        """Returns E f*^2 under the inputs, exact unless the target is sampled.

        Raises:
          RequirementError: a sampled moment that is not finite, or zero.
        """
        return _second_moment(self.target, self.inputs)

    @property
    def second_moment_error(self) -> float:
        """Returns the standard error of :attr:`second_moment`: 0 where that is exact.

        Raises:
          RequirementError: a sampled moment that is not finite, or zero.
        """
        if not isinstance(self.target, SampledTarget):
            return 0.0
        return self.target.sampled_moment(self.inputs).standard_error

    def degrees(self, max_degree: int) -> Float[np.ndarray, "K"]:
        """Returns (K + 1,) second moments E f*_k^2 of the degrees k = 0 ... K of the target."""
        # compiled as a whole: operation by operation it takes a second longer
        f, inputs = self.target, self.inputs
        return np.asarray(jax.jit(lambda: degree_products(f, f, max_degree, inputs=inputs))())

    def degree_tails(self, max_degree: int) -> Float[np.ndarray, "K"]:
        """Returns (K + 1,) bounds on the root of E (f* - sum of its degrees up to k)^2."""
        tails = self.target.degree_tails(max_degree)
        if self.inputs == "gaussian":
            return tails
        return sphere_tails(self.target, max_degree, self.second_moment, tails)

    def by_degree(self, max_degree: int) -> DegreeProfiles | DegreeCoefficients:
        """Returns the target as learning curves under the inputs take it.

        Args:
          max_degree: largest degree K.
        """
        if self.inputs == "gaussian":
            return profiles_by_degree(self.target, max_degree, self.second_moment)
        return coefficients_by_degree(self.target, max_degree, self.second_moment, self.inputs)

    def draw_inputs(self, key: Key[Array, ""], num: int) -> Float[Array, "n d"]:
        """Draws ``num`` independent inputs."""
        return sample_inputs(key, self.inputs, num, self.dim)

    def draw_labels(self, key: Key[Array, ""], x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Draws labels f*(x) + noise N(0, 1), independent over the rows of ``x``."""
        return self.target(x) + self.noise * jax.random.normal(key, x.shape[:1], x.dtype)

    def draw_samples(
        self, key: Key[Array, ""], num: int
    ) -> tuple[Float[Array, "n d"], Float[Array, "n"]]:
        """Draws ``num`` inputs with their labels."""
        x_key, noise_key = jax.random.split(key)
        x = self.draw_inputs(x_key, num)
        return x, self.draw_labels(noise_key, x)

    def draw(self, key: Key[Array, ""], num_train: int, num_test: int) -> Dataset:
        """Draws one data set.

        Args:
          key: typed PRNG key; training inputs, noise and test inputs use separate streams, so
            that changing one size leaves the other set as it was.
          num_train: n.
          num_test: m.

        Returns:
          A :class:`Dataset` in float64.
        """
        train_key, noise_key, test_key = jax.random.split(key, 3)
        x_train = self.draw_inputs(train_key, num_train)
        x_test = self.draw_inputs(test_key, num_test)
        y_train = self.draw_labels(noise_key, x_train)
        return Dataset(x_train, y_train, x_test, jnp.asarray(self.target(x_test)))


@functools.lru_cache(maxsize=64)
def _drawn_target(seed: int, kind: str, draw: Callable | None, **fields: Any) -> Target:
    """Returns the same object for the same fields: programs compiled for it serve all its runs.

    Args:
      seed: seed of the draw.
      kind: name of the target.
      draw: the function under that name in :data:`TARGETS`, which may be replaced later.
      **fields: further arguments of :func:`make_target`.
    """
    del draw
    return make_target(key_of(seed, "problem.seed"), kind, **fields)


def make_problem(
    *, target: str, inputs: str = "gaussian", noise: float = 0.0, seed: int = 0, **fields: Any
) -> Problem:
    """Draws the problem that the fields of a config's section ``problem`` describe.

    Equal fields give equal problems, whose target is one object.

    Args:
      target: kind of the target.
      inputs: input distribution (:data:`rf_limits.problem.INPUTS`).
      noise: standard deviation of the label noise.
      seed: seed of the target's draw.
      **fields: further arguments of :func:`~rf_limits.problem.targets.make_target`.

    Raises:
      RequirementError: a kind that does not exist, or an impossible size.
    """
    return Problem(_drawn_target(seed, target, TARGETS.get(target), **fields), inputs, noise)
