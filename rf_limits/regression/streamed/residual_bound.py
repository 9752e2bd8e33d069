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
* ``distance``: a bound on the root mean square distance to the exact minimizer's predictions over
  the population, which is what risks depend on. With e = A^{-1} r it is sqrt(E <phi, e>^2) for
  features, at most sqrt(E |phi|^2) |r|/l, l > 0 at most the least eigenvalue of A: its
  ridge, or more where A is factored. A residual of any size says nothing where l is smaller
  still: fewer samples than features and a small ridge. For kernels e is a function of squared norm
  r^T A^{-1} K A^{-1} r <= |r|^2/(4 ridge) in the kernel's space, so that its root mean square is
  at most sqrt(E k(x, x)) |r|/(2 sqrt(ridge)).

For features and n >= 2 N there is a sharper one: Phi^T Phi >= (1 - sqrt(N/n))^2 n E phi phi^T turns
the excess into a distance of sqrt(excess)/(1 - sqrt(N/n)). That is the limit for features with
independent entries (Bai and Yin 1993), not a theorem for these: half of 1 - sqrt(N/n) is counted.
E |phi|^2 and E k(x, x) are means over training inputs. To |r| is added what rounding does
to it, eps (a |theta| + |b|).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.types import Scalar

EPS = float(np.finfo(float).eps)


class Certificate(NamedTuple):
    """Module docstring.

    Attributes:
      relative_residual: |r|/|b|.
      backward_error: upper bound on the normwise relative one.
      excess_bound: of the objective over n.
      distance: to the exact minimizer's predictions over the population, root mean square.
    """

    relative_residual: float
    backward_error: float
    excess_bound: float
    distance: float

    def risk_bound(self, risk: Scalar) -> float:
        """Returns at most how far ``risk``, E (f - f*)^2, is from the exact minimizer's.

        By the triangle inequality between f, the minimizer and f*.
        """
        root = 2.0 * float(risk) ** 0.5
        return self.distance * (root + self.distance)


class Solved(NamedTuple):
    """A system A theta = b, and what was solved of it.

    Attributes:
      residual: (p,) b - A theta.
      rhs: (p,) b.
      solution: (p,) theta.
      norm: a lower bound on |A|.
    """

    residual: Float[np.ndarray, "p"]
    rhs: Float[np.ndarray, "p"]
    solution: Float[np.ndarray, "p"]
    norm: Scalar

    @property
    def size(self) -> float:
        """Returns |A| |theta| + |b|."""
        length = float(np.linalg.norm(self.solution))
        return float(self.norm) * length + float(np.linalg.norm(self.rhs))

    @property
    def with_rounding(self) -> float:
        """Returns |r| and a bound on its rounding in float64."""
        return float(np.linalg.norm(self.residual) + EPS * self.size)


def _ratio(above: float, below: float) -> float:
    """Returns the ratio, with 0/0 = 0."""
    if above == 0.0:
        return 0.0
    return above / below if below else np.inf


def certify(solved: Solved) -> Certificate:
    """Returns the certificate of any system, without statements on an objective."""
    left = float(np.linalg.norm(solved.residual))
    size = float(np.linalg.norm(solved.rhs))
    return Certificate(_ratio(left, size), _ratio(left, solved.size), np.nan, np.nan)


def certify_features(
    solved: Solved, *, num: int, ridge: Scalar, square: Scalar, least: Scalar = 0.0
) -> Certificate:
    """Returns the certificate for features: A = Phi^T Phi + ridge I, b = Phi^T y.

    Args:
      solved: the system of N features, and its solution.
      num: n.
      ridge: penalty; without one there is no bound (it is infinite).
      square: E |phi|^2.
      least: at most the least eigenvalue of A, where more is known than the ridge.
    """
    count, size = len(solved.rhs), solved.with_rounding
    bound = _ratio(float(solved.residual @ solved.residual), float(ridge)) / num
    least = max(float(ridge), float(least))
    distance = _ratio(float(square) ** 0.5 * size, least)
    if num >= 2 * count:
        seen = 0.5 * (1.0 - (count / num) ** 0.5)
        distance = min(distance, _ratio(size, (least * num) ** 0.5) / seen)
    return certify(solved)._replace(excess_bound=bound, distance=distance)


def certify_kernel(
    solved: Solved, *, ridge: Scalar, square: Scalar, least: Scalar = 0.0
) -> Certificate:
    """Returns the certificate for kernels: A = K + ridge I, b = y.

    Args:
      solved: the system of n samples, and its solution.
      ridge: added to the diagonal.
      square: E k(x, x).
      least: at most the least eigenvalue of A, where more is known than the ridge.
    """
    root = max(4.0 * float(ridge), float(least)) ** 0.5
    distance = _ratio(float(square) ** 0.5 * solved.with_rounding, root)
    excess = float(solved.residual @ solved.residual) / len(solved.rhs)
    return certify(solved)._replace(excess_bound=excess, distance=distance)
