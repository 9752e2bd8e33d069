"""How far rounding may take a correct result: tolerances from machine precision.

A tolerance in a test follows from three numbers, and not from what one CPU gave: the unit roundoff
u of the arithmetic, the number of roundings that one value goes through, and the condition number
of what is computed. With n roundings one after the other the relative error is at most

    gamma_n = n u/(1 - n u)

(Higham 2002, Accuracy and Stability of Numerical Algorithms, lemma 3.1), whatever the instruction
set, the order of a sum or the number of threads: fused multiply-add leaves out a rounding, and a
sum in blocks only shortens its path. Condition numbers multiply it.
"""

import numpy as np

LIBRARY = 8
"""Roundings that one call of exp, log, a power, erf, an arc-cosine or a gamma function counts as.

That is 4 units in the last place. At most 3.3 were measured in exp, log, powers, sin, tanh, erf and
arc-cosine of NumPy, SciPy and XLA as three of the kinds of CPU in ``tests/combinations.py``; a
log-gamma is that accurate relative to 1 plus its size, since it vanishes at 1 and 2.
"""


def rounding(operations: float, condition: float = 1.0, dtype=np.float64) -> float:
    """Largest relative error of a result after roundings, one after the other.

    Args:
      operations: number of roundings on the longest way from the input to the result: n for a sum
        or product of n terms, :data:`LIBRARY` for a library function, for a factorization or a
        decomposition of an n x n matrix a small multiple of n.
      condition: how much larger the relative change of the result is than that of the input: of a
        difference, the sum of the sizes of its terms over its own size; of a linear system, the
        condition number of the matrix.
      dtype: in which the result is computed.
    """
    share = operations * np.finfo(dtype).eps / 2.0
    assert share < 0.01, "too many roundings for a bound to say anything"
    return float(condition * share / (1.0 - share))
