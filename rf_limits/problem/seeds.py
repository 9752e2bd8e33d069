"""Seeds: what keys of random numbers are made of."""

import numbers

import jax
from jaxtyping import Array, Key

from rf_limits.errors import check
from rf_limits.theory import arguments

MOST = 2**63 - 1
"""Largest seed: JAX takes 64 bits with a sign, and -1 would be another name of 2^64 - 1."""


def check_seed(value: object, field: str) -> int:
    """A seed, a whole number from 0 to :data:`MOST`.

    Raises:
      RequirementError: anything else.
    """
    fits = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    fits = fits and 0 <= value <= MOST
    check(fits, field, "be a whole number from 0 to 2^63 - 1", arguments.Shown(value))
    return int(value)


def key_of(seed: arguments.Number, field: str = "seed") -> Key[Array, ""]:
    """The typed key of a seed.

    Raises:
      RequirementError: not a whole number from 0 to :data:`MOST`.
    """
    return jax.random.key(check_seed(seed, field))
