"""Refusing arrays and Gram matrices that do not fit."""

import math

import psutil

from rf_limits.errors import RequirementError, check

PROGRAM = 0.7 * 2**30
"""Bytes that the interpreter, libraries and compiled programs take."""

_COPIES = 4  # the matrix, its factor, and what building it needs


def gram_bytes(side: int) -> float:
    """Returns the bytes of a float64 matrix of ``side`` rows, and of what is computed with it."""
    return 8.0 * _COPIES * side**2


def check_gram_memory(side: int, field: str) -> None:
    """Raises unless float64 matrices of ``side`` rows fit into this machine's memory."""
    available = psutil.virtual_memory().total
    needed = gram_bytes(side)
    if needed > 0.9 * available:
        largest = math.isqrt(int(0.9 * available / (8 * _COPIES)))
        raise RequirementError(
            f"{field} must give a Gram matrix that fits in memory (about "
            f"{needed / 2**30:.1f} GiB of {available / 2**30:.1f} GiB), but received {side}; "
            f"about {largest} would fit."
        )


def check_array_memory(numbers: int, field: str, received: object) -> None:
    """Raises unless so many float64 numbers fit into this machine's memory.

    Args:
      numbers: of the largest array that ``field`` sets the size of.
      field: named in the error.
      received: its value.
    """
    available = psutil.virtual_memory().total / 2**30
    needed = 8 * _COPIES * numbers / 2**30
    requirement = f"fit in memory (about {needed:.1f} GiB are needed of {available:.1f} GiB)"
    check(needed <= 0.9 * available, field, requirement, received)
