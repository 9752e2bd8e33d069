r"""Least value of a convex quadratic over a box, with a certificate.

.. math::
    \min_u\; m - 2\langle q, u\rangle + \langle u, G u\rangle \quad\text{with}\quad |u_i| \le B.

**Certificate.** With g = 2(Gu - q) and any mu >= 0 below the least eigenvalue of G, every
other point u + s of the box has value at least f(u) + sum_i (g_i s_i + mu s_i^2), so

.. math::
    f(u) - \min f \;\le\; \sum_i \max_{-B-u_i \le s \le B-u_i} (-g_i s - \mu s^2).

For mu = 0 the right-hand side is sum_i (g_i u_i + B |g_i|), the Frank-Wolfe gap (Jaggi 2013),
which is also the gap to the Lagrangian dual value at u. mu > 0 keeps rounding in g from being
multiplied by a large B. mu comes from Cholesky factorizations of G - 2 mu I: success bounds the
least eigenvalue from below, up to the backward error of the factorization (Rump 2006).

**Method.** The primal-dual active-set method (Hintermueller, Ito and Kunisch 2003), started
from the previous solution where there is one; where it does not settle, Mehrotra's
predictor-corrector interior point method (as in Nocedal and Wright, chapter 16.6), followed by
active-set steps again. u and g are carried in extended precision where the platform has one.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from rf_limits.theory.numerics.box_interior import Slacks

_EPSILON = float(np.finfo(np.float64).eps)
_ACTIVE_SET_STEPS = 12
_INTERIOR_STEPS = 80


class BoxPoint(NamedTuple):
    """A point of the box with its certificate.

    Attributes:
      u: (r,) the point.
      value: f(u).
      gap: bound on f(u) - min f.
      gradient: (r,) g = 2(Gu - q).
      iterations: linear systems solved.
    """

    u: np.ndarray
    value: float
    gap: float
    gradient: np.ndarray
    iterations: int


class BoxProblem:
    """The quadratic f; its factorizations and extended-precision copies are made once.

    Args:
      gram: (r, r) positive semidefinite G, symmetrized here.
      linear: (r,) q.
      constant: m.
    """

    def __init__(self, gram: np.ndarray, linear: np.ndarray, constant: float):
        self.gram: np.ndarray = 0.5 * (gram + gram.T)
        self.linear = linear
        self.constant = constant
        self._wide = self.gram.astype(np.longdouble)
        self.curvature: float = _least_eigenvalue_bound(self.gram)

    def gradient(self, u: np.ndarray) -> np.ndarray:
        """Returns (r,) 2(Gu - q) in extended precision."""
        return 2 * (self._wide @ u - self.linear)

    def certify(self, u: np.ndarray, bound: float, iterations: int) -> BoxPoint:
        """Returns value and gap of a point of the box."""
        g = self.gradient(u)
        value = float(self.constant - u @ self.linear + u @ g / 2)
        return BoxPoint(u, value, self._gap(u, g, bound), g, iterations)

    def settled(self, point: BoxPoint) -> bool:
        """Returns whether rounding G and q could have made the gradient, so that no u is better."""
        u = np.abs(point.u.astype(np.float64))
        terms = np.abs(self.gram) @ u + np.abs(self.linear)
        return bool(np.all(np.abs(point.gradient) <= 2.0 * u.size * _EPSILON * terms))

    def _gap(self, u: np.ndarray, g: np.ndarray, bound: float) -> float:
        low, high = -bound - u, bound - u
        if self.curvature > 0.0:
            step = np.clip(-g / (2 * self.curvature), low, high)
        elif np.isfinite(bound):
            step = np.where(g > 0, low, high)
        else:
            return 0.0 if not np.any(g) else float("inf")
        return float(np.sum(-(g + self.curvature * step) * step))

    def solve(self, bound: float, gap: float, start: np.ndarray | None = None) -> BoxPoint:
        """Returns the best point found, its gap below ``gap`` unless rounding prevents it.

        Args:
          bound: B > 0, possibly infinite.
          gap: where to stop.
          start: (r,) a solution for a nearby bound.
        """
        if not np.isfinite(bound):
            return self._active_set(self.linear * 0.0, bound, gap, 0)
        scale = np.diag(self.gram)
        if start is None:
            start = np.where(scale > 0, self.linear / np.where(scale > 0, scale, 1.0), 0.0)
        best = self._active_set(start, bound, gap, 0)
        if best.gap <= gap:
            return best
        inner = self._interior(bound, 1e-2 * gap, best.iterations)
        polished = self._active_set(inner.u, bound, 1e-2 * gap, inner.iterations, settled=True)
        # Points with weights exactly at the bound are preferred: their multipliers are exact.
        best = polished if polished.gap <= gap else min(best, inner, polished, key=_gap_of)
        return best._replace(iterations=polished.iterations)

    def _free_solve(self, free: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Sets the free coordinates of u (r,) to their minimizers, the others fixed."""
        if not np.any(free):
            return u
        block = self.gram[np.ix_(free, free)]
        factor = _factorize(block)
        best, residual = u, np.inf
        for _ in range(6):
            g = self.gradient(u)[free] / 2
            size = float(np.max(np.abs(g)))
            if size >= 0.5 * residual:
                break
            best, residual = u, size
            u = u.copy()
            u[free] -= linalg.cho_solve(factor, g.astype(np.float64), check_finite=False)
        return u if float(np.max(np.abs(self.gradient(u)[free]))) / 2 < residual else best

    def _active_set(
        self, start: np.ndarray, bound: float, gap: float, iterations: int, settled: bool = False
    ) -> BoxPoint:
        """Takes primal-dual active-set steps from the sets that ``start`` suggests."""
        u = start.astype(np.longdouble)
        if settled:
            g, near = self.gradient(u), 1e-3 * bound
            upper, lower = (u > bound - near) & (g < 0), (u < near - bound) & (g > 0)
            # A bound is active where its multiplier exceeds its slack, both scaled.
            force = np.abs(g) / (2 * np.diag(self.gram))
            upper &= force > bound - u
            lower &= force > bound + u
        else:
            upper, lower = u >= bound, u <= -bound
        seen: set[tuple[bytes, bytes]] = set()
        points: list[BoxPoint] = []
        for _ in range(_ACTIVE_SET_STEPS):
            free = ~(upper | lower)
            u = np.where(upper, bound, np.where(lower, -bound, np.where(free, u, 0.0)))
            if np.isfinite(bound):
                u = np.where(free, np.clip(u, -bound, bound), u)
            u = self._free_solve(free, u.astype(np.longdouble))
            iterations += 1
            points.append(self.certify(np.clip(u, -bound, bound), bound, iterations))
            if points[-1].gap <= gap:
                break
            g = self.gradient(u)
            weight = 2 * np.diag(self.gram)
            upper, lower = weight * (u - bound) > g, weight * (u + bound) < g
            key = (upper.tobytes(), lower.tobytes())
            if key in seen:
                break
            seen.add(key)
        return min(points, key=_gap_of)._replace(iterations=iterations)

    def _interior(self, bound: float, gap: float, iterations: int) -> BoxPoint:
        """Takes steps of Mehrotra's method in x = u/B, |x_i| < 1, the objective of unit slope."""
        slope = max(2.0 * bound * float(np.max(np.abs(self.linear))), 1e-300)
        hessian = self.gram * (2.0 * bound * bound / slope)
        c = self.linear * (-2.0 * bound / slope)
        x, one = np.zeros_like(c), np.ones_like(c)
        state = Slacks(one, one, one, one)
        best: BoxPoint | None = None
        since = 0
        for _ in range(_INTERIOR_STEPS):
            try:
                step = state.mehrotra_step(hessian, hessian @ x + c)
            except linalg.LinAlgError:
                break
            iterations += 1
            t = min(1.0, 0.995 * state.reach(step))
            x, state = x + t * step.x, state.moved(t, step)
            inside = np.where(x > 0, 1.0 - state.above, state.below - 1.0)
            u = np.clip(bound * inside.astype(np.longdouble), -bound, bound)
            point = self.certify(u, bound, iterations)
            since += 1
            if best is None or point.gap < 0.9 * best.gap:
                best, since = point, 0
            if best.gap <= gap or since > 8 or not np.isfinite(point.gap):
                break
        if best is None:
            best = self.certify(np.zeros(c.size, np.longdouble), bound, iterations)
        return best._replace(iterations=iterations)


def _gap_of(point: BoxPoint) -> float:
    return point.gap


def _factorize(block: np.ndarray) -> tuple[np.ndarray, bool]:
    """Returns the Cholesky factor of ``block``, or of the nearest shift of it that has one."""
    shift = 0.0
    size = float(np.trace(block)) + 1e-300
    while True:
        try:
            shifted = block + shift * np.eye(len(block)) if shift else block
            return linalg.cho_factor(shifted, lower=True, check_finite=False)
        except linalg.LinAlgError:
            shift = max(10.0 * shift, _EPSILON * size)


def _least_eigenvalue_bound(gram: np.ndarray) -> float:
    """Returns a lower bound on the least eigenvalue, within a factor 20 above rounding, or 0."""
    size = float(np.max(np.diag(gram)))
    backward = (len(gram) + 2) * _EPSILON * float(np.trace(gram))

    def succeeds(exponent: int) -> bool:
        shifted = gram - np.eye(len(gram)) * (2.0 * size * 10.0**exponent)
        try:
            linalg.cholesky(shifted, lower=True, check_finite=False, overwrite_a=True)
        except linalg.LinAlgError:
            return False
        return True

    if size <= 0.0:
        return 0.0
    lowest = int(np.ceil(np.log10(backward / size)))
    if lowest >= 0 or not succeeds(lowest):
        return 0.0
    low, high = lowest, 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if succeeds(middle) else (low, middle)
    return size * 10.0**low
