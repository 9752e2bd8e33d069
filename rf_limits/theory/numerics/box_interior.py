"""Steps of Mehrotra's predictor-corrector method for a convex quadratic over a box."""

from typing import NamedTuple

import numpy as np
from scipy import linalg


class Step(NamedTuple):
    """A direction of an interior point and of both multipliers."""

    x: np.ndarray
    z: np.ndarray
    y: np.ndarray


class Slacks(NamedTuple):
    """Distances of x from both ends of its box, and their multipliers.

    Attributes:
      above: (r,) 1 - x.
      below: (r,) 1 + x.
      z: (r,) multipliers of the upper ends.
      y: (r,) multipliers of the lower ends.
    """

    above: np.ndarray
    below: np.ndarray
    z: np.ndarray
    y: np.ndarray

    def mehrotra_step(self, hessian: np.ndarray, gradient: np.ndarray) -> Step:
        """Returns the corrected step (Nocedal and Wright, algorithm 16.4).

        Raises:
          LinAlgError: a matrix that has no Cholesky factor.
        """
        above, below, z, y = self
        dual = gradient + z - y
        factor = linalg.cho_factor(
            hessian + np.diag(z / above + y / below), lower=True, check_finite=False
        )

        def towards(z_target: np.ndarray, y_target: np.ndarray) -> Step:
            right = -dual - z_target / above + y_target / below
            dx = linalg.cho_solve(factor, right, check_finite=False)
            return Step(dx, (z_target + z * dx) / above, (y_target - y * dx) / below)

        predictor = towards(-z * above, -y * below)
        mean = self.product() / (2 * z.size)
        after = self.moved(self.reach(predictor), predictor).product()
        target = mean * (after / (2 * z.size * mean)) ** 3
        return towards(
            target - z * above + predictor.x * predictor.z,
            target - y * below - predictor.x * predictor.y,
        )

    def product(self) -> float:
        """Returns the sum of distances times multipliers, 0 at the minimum."""
        return float(self.z @ self.above + self.y @ self.below)

    def moved(self, t: float, step: Step) -> "Slacks":
        """Returns the state after t times the step."""
        dx, dz, dy = step
        return Slacks(self.above - t * dx, self.below + t * dx, self.z + t * dz, self.y + t * dy)

    def reach(self, step: Step) -> float:
        """Returns the largest t <= 1 for which nothing becomes negative."""
        changes = (-step.x, step.x, step.z, step.y)
        return min(_reach(position, change) for position, change in zip(self, changes, strict=True))


def _reach(position: np.ndarray, step: np.ndarray) -> float:
    """Returns the largest t <= 1 with position + t step >= 0."""
    falling = step < 0
    if not np.any(falling):
        return 1.0
    return min(1.0, float(np.min(-position[falling] / step[falling])))
