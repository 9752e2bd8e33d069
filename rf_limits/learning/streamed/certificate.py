r"""What a residual says about a solve.

For the system A theta = b, r = b - A theta computed anew from theta, whatever solver gave it:

* ``relative_residual`` |r|/|b|: the solution is exact for labels' side b - r;
* ``backward_error`` |r|/(a |theta| + |b|), a <= |A|: at least the least relative change of A and
  b for which theta is exact (Rigal and Gaches 1967, with |A| in place of a);
* ``excess_bound``: how far the penalized objective sum_a (f(x_a) - y_a)^2 + ridge |f|^2, over n,
  is above its minimum, at most. For features the excess is r^T A^{-1} r <= |r|^2/ridge, A being
  Phi^T Phi + ridge I; for kernels r^T K (K + ridge I)^{-1} r <= |r|^2. It is also a bound on the
  mean square distance to the exact minimizer over the training inputs, because the excess is
  that distance plus ridge times a square. A theorem, up to rounding in r;
* ``excess_estimate``: for features the same excess from r^T M^{-1} r/l, l the least Ritz value of
  M^{-1} A (from the factor of A itself, M = A and l = 1). l is not below the least eigenvalue:
  an estimate, no bound, and usually orders of magnitude smaller.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.types import Scalar


class Certificate(NamedTuple):
    """Module docstring.

    Attributes:
      relative_residual: |r|/|b|.
      backward_error: upper bound on the normwise relative one.
      excess_bound: of the objective over n.
      excess_estimate: the same, estimated; NaN for kernels.
    """

    relative_residual: float
    backward_error: float
    excess_bound: float
    excess_estimate: float


def _ratio(above: float, below: float) -> float:
    """0/0 = 0."""
    if above == 0.0:
        return 0.0
    return above / below if below else np.inf


def certify(
    residual: Float[np.ndarray, "p"],
    rhs: Float[np.ndarray, "p"],
    solution: Float[np.ndarray, "p"],
    norm: Scalar,
) -> Certificate:
    """The certificate of any system, without statements on an objective.

    Args:
      residual: (p,) b - A theta.
      rhs: (p,) b.
      solution: (p,) theta.
      norm: a lower bound on |A|.
    """
    left, size = float(np.linalg.norm(residual)), float(np.linalg.norm(rhs))
    scale = float(norm) * float(np.linalg.norm(solution)) + size
    return Certificate(_ratio(left, size), _ratio(left, scale), np.nan, np.nan)


def certify_features(
    residual: Float[np.ndarray, "N"],
    rhs: Float[np.ndarray, "N"],
    solution: Float[np.ndarray, "N"],
    norm: Scalar,
    *,
    num: int,
    ridge: Scalar,
    energy: Scalar,
    least_ritz: Scalar = 1.0,
) -> Certificate:
    """For features: A = Phi^T Phi + ridge I, b = Phi^T y.

    Args:
      residual: (N,) b - A theta.
      rhs: (N,) b.
      solution: (N,) theta.
      norm: a lower bound on |A|.
      num: n.
      ridge: penalty; without one there is no bound (it is infinite).
      energy: r^T M^{-1} r of a preconditioner M, or of A.
      least_ritz: least Ritz value of M^{-1} A.
    """
    found = certify(residual, rhs, solution, norm)
    bound = _ratio(float(residual @ residual), float(ridge)) / num
    estimate = _ratio(float(energy), float(least_ritz)) / num
    return found._replace(excess_bound=bound, excess_estimate=estimate)


def certify_kernel(
    residual: Float[np.ndarray, "n"],
    labels: Float[np.ndarray, "n"],
    coefficients: Float[np.ndarray, "n"],
    norm: Scalar,
) -> Certificate:
    """For kernels: A = K + ridge I, b = y.

    Args:
      residual: (n,) y - A c.
      labels: (n,) y.
      coefficients: (n,) c.
      norm: a lower bound on |A|.
    """
    found = certify(residual, labels, coefficients, norm)
    return found._replace(excess_bound=float(residual @ residual) / len(labels))
