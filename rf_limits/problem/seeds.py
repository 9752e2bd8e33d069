"""Seeds, and the random keys and streams that they stand for."""

import numbers
from typing import NamedTuple

import jax
from jaxtyping import Array, Key

from rf_limits.errors import check
from rf_limits.theory.numerics import arguments

MOST = 2**63 - 1
"""Largest seed: JAX takes 64 bits with a sign, and -1 would be another name of 2^64 - 1."""


def check_seed(value: arguments.Number, field: str) -> int:
    """Returns a seed, a whole number from 0 to :data:`MOST`.

    Raises:
      RequirementError: anything else.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    number = int(value) if whole else -1
    check(
        0 <= number <= MOST, field, "be a whole number from 0 to 2^63 - 1", arguments.Shown(value)
    )
    return number


def key_of(seed: arguments.Number, field: str = "seed") -> Key[Array, ""]:
    """Returns the typed key of a seed.

    Raises:
      RequirementError: not a whole number from 0 to :data:`MOST`.
    """
    return jax.random.key(check_seed(seed, field))


class Streams(NamedTuple):
    """Independent random streams of one seed."""

    data: Key[Array, ""]
    init: Key[Array, ""]
    batches: Key[Array, ""]


def streams(seed: int) -> Streams:
    """Returns the random streams of a seed, which depend on the seed alone."""
    root = key_of(seed)
    return Streams(*(jax.random.fold_in(root, i) for i in range(len(Streams._fields))))
