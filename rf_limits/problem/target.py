"""The protocol of targets: their formula, their norm, and their products with neurons.

Every target is a frozen dataclass of arrays, hashed by identity, callable on a batch of inputs,
and a tree of its arrays (:func:`rf_limits.types.as_tree`), so that it may be an argument of a
compiled function. It has three kinds of exact knowledge: its second moment under either
input distribution, its product with a sum of ReLU neurons under Gaussian inputs
(:mod:`rf_limits.theory.risks.population_risk`), and itself degree by degree
(:mod:`rf_limits.theory.risks.degree_risks`).
"""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.theory.numerics import arguments
from rf_limits.theory.risks.relu_moments import ReluSum
from rf_limits.theory.spectra.zonal import Radii, ZonalSum


@runtime_checkable
class Target(Protocol):
    """The properties and methods of a target that the package uses."""

    @property
    def dim(self) -> int:
        """Returns the input dimension d."""

    def __hash__(self) -> int:
        """Returns the hash of the object: compiled functions take a target as a constant."""

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns values at the rows of ``x``."""

    def formula(self) -> str:
        """Returns the function in words a paper would use."""

    def second_moment(self, inputs: str) -> float:
        """Returns E f*(x)^2 under ``inputs``; exact, but for a target known by its values alone."""

    def product(self, f: ReluSum) -> Float[Array, ""]:
        """Returns the exact E f(x) f*(x) under Gaussian inputs."""

    @property
    def is_homogeneous(self) -> bool:
        """Returns whether f*(r x) = r f*(x) for r > 0."""

    @property
    def odd_degrees(self) -> bool:
        """Returns whether odd degrees k >= 3 may be present."""

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Returns the target by degree (:mod:`rf_limits.theory.spectra.zonal`)."""

    def degree_tails(self, max_degree: int) -> np.ndarray:
        """Returns (K + 1,) bounds on the root of E (f* - sum of its degrees up to k)^2."""


def in_float64(target: Any, names: tuple[str, ...]) -> None:
    """Converts fields of a target, real numbers of any kind, traced or not."""
    for name in names:
        value = getattr(target, name)
        if not isinstance(value, jax.Array):
            with jax.ensure_compile_time_eval():
                object.__setattr__(target, name, jnp.asarray(arguments.array(value, name)))
        elif value.dtype != jnp.float64:
            object.__setattr__(target, name, value.astype(jnp.float64))
