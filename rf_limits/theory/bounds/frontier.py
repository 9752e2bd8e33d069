r"""The size-magnitude frontier of a linear method over given features.

With r features f_i and output weights bounded by |u_i| <= B, the least population risk is

.. math::
    R(B) = \min_{|u_i| \le B} E\Big(\sum_i u_i f_i - f^*\Big)^2
         = \min_{|u_i| \le B} E f^{*2} - 2\langle q, u\rangle + \langle u, G u\rangle,

G_ij = E f_i f_j, q_i = E f_i f*. Yehudai and Shamir (2019, section 4) bound r max_i |u_i| from
below wherever the risk is small: here the frontier itself. R is convex and decreasing, and any
point u with gradient g = 2(Gu - q) bounds it from below, R(B') >= R(u) - <g, u> - B' |g|_1 for
every B' (at the minimum for B the tangent of R, envelope theorem), so Newton's method for
R(B) = risk approaches the least such B from below and cannot overshoot it.
"""

import math

import numpy as np

from rf_limits.errors import check, refusal
from rf_limits.theory.numerics.arguments import Finite, Matrix, Positive, Vector, border
from rf_limits.theory.numerics.box_qp import BoxPoint, BoxProblem

_RELATIVE_BOUND = 1e-8
_NEWTON_STEPS = 200
_NEAR = 1.0 - 1e-6  # of the bound: interior points stop short of it


def _problem(gram: np.ndarray, linear: np.ndarray, constant: float) -> BoxProblem:
    check(linear.size >= 1, "correlations", "hold at least one feature", linear.size)
    fits = gram.shape == (linear.size, linear.size)
    check(fits, "gram", f"have shape {(linear.size, linear.size)}", gram.shape)
    check(bool(np.all(np.isfinite(gram))), "gram", "be finite", "values that are not")
    check(bool(np.all(np.isfinite(linear))), "correlations", "be finite", "values that are not")
    return BoxProblem(gram, linear, constant)


def _certified(
    problem: BoxProblem, bound: float, tolerance: float, start: np.ndarray | None = None
) -> BoxPoint:
    point = problem.solve(bound, tolerance * problem.constant, start)
    reached = f"{point.gap / problem.constant:.1e} for weights up to {bound:g}"
    requirement = f"be at least the relative gap that rounding leaves, {reached}"
    check(point.gap <= tolerance * problem.constant, "tolerance", requirement, tolerance)
    return point


@border
def least_bound(
    gram: Matrix,
    correlations: Vector,
    second_moment: Positive,
    risk: Finite,
    tolerance: Positive = 1e-10,
) -> float:
    """Returns the least B whose least risk with |u_i| <= B is at most ``risk``.

    Args:
      gram: (r, r) G_ij = E f_i f_j, positive semidefinite.
      correlations: (r,) q_i = E f_i f*.
      second_moment: E f*^2 > 0.
      risk: absolute population risk to reach.
      tolerance: certified gap of each risk, in units of ``second_moment``.

    Returns:
      B: 0 where the zero function is good enough, infinity where no weights are. To 1e-6
      relative where the slope of R at B resolves it: an error of the risk by the tolerance
      moves B by tolerance E f*^2 / |R'(B)|.

    Raises:
      RequirementError: impossible values, or a risk on the way that cannot be certified.
    """
    problem = _problem(gram, correlations, second_moment)
    if risk >= second_moment:
        return 0.0
    slope = 2.0 * float(np.sum(np.abs(problem.linear)))
    if slope == 0.0 or risk < 0.0:
        return math.inf
    resolved = tolerance * second_moment
    bound, start = (second_moment - risk) / slope, None
    for _ in range(_NEWTON_STEPS):
        point = _certified(problem, bound, tolerance, start)
        excess = point.value - risk
        if excess <= 0.0:
            return bound
        near = np.abs(point.u) >= _NEAR * bound
        # nothing pushes against the bound, or no weights at all reach the risk
        least = point.value - problem.certify(point.u, math.inf, 0).gap
        if not np.any(near) or least > risk or problem.settled(point):
            return bound if excess <= resolved else math.inf
        step = _newton_step(point, near, bound, excess, resolved)
        if step <= _RELATIVE_BOUND * bound:
            return bound + step
        bound += step
        start = np.where(near, np.copysign(bound, point.u), point.u)
    raise refusal("risk", f"be reached within {_NEWTON_STEPS} Newton steps", risk)


def _newton_step(
    point: BoxPoint, near: np.ndarray, bound: float, excess: float, resolved: float
) -> float:
    """Returns by how much the bound has to grow at least; 0 where the excess is resolved."""
    # For every B', R(B') >= value - <g, u> - B' |g|_1: this bound never overshoots.
    size = float(np.sum(np.abs(point.gradient)))
    step = (excess - float(point.gradient @ point.u)) / size - bound
    if step > 0.0:
        return step
    if excess <= resolved:
        return 0.0
    return excess / max(float(np.sum(np.abs(point.gradient[near]))), 1e-300)
