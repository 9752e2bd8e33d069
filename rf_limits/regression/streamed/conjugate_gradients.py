r"""Preconditioned conjugate gradients whose state a caller can keep.

Hestenes and Stiefel (1952) in the form of Golub and Van Loan (2013), algorithm 11.5.1.
``jax.scipy.sparse.linalg.cg`` computes the same iterates in one compiled call, from which
neither the history of residuals nor a state to save comes back; an iteration here is a pass over
data that takes seconds to minutes, so the few vectors live on the host.

The recurrence for the residual drifts from b - A x by rounding. It only says when to look: the
solve ends on the true residual, computed anew, and where that is not small enough starts again
from it.

From the step lengths alpha_k and ratios beta_k the tridiagonal Lanczos matrix of M^{-1} A follows
(Golub and Van Loan, section 11.3.7); its eigenvalues (Ritz values) lie within the spectrum and
approach its ends.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from rf_limits.errors import check

Vector = Float[np.ndarray, "p"]
Map = Callable[[Vector], Vector]

_STAGNATION = 0.5  # a restart that gains less than this factor is the last


class State(NamedTuple):
    """Where the iteration stands after k steps.

    Attributes:
      solution: (p,) x.
      residual: (p,) b - A x, by the recurrence.
      direction: (p,) next search direction.
      energy: r^T M^{-1} r.
      steps: (k,) alpha.
      ratios: (k,) beta, 0 where the iteration was started again.
      history: (k + 1,) relative residuals |r|/|b|.
      norm: largest |A p|/|p| met: a lower bound on the spectral norm of A.
      verified: true relative residual at the last restart; infinite before.
    """

    solution: Vector
    residual: Vector
    direction: Vector
    energy: float
    steps: Float[np.ndarray, "k"]
    ratios: Float[np.ndarray, "k"]
    history: Float[np.ndarray, "k1"]
    norm: float
    verified: float

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Returns all fields as numpy arrays, to be saved."""
        return {name: np.asarray(value) for name, value in self._asdict().items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "State":
        """Returns the state that was saved."""
        state = cls._make(np.asarray(arrays[name]) for name in cls._fields)
        energy, norm, verified = (float(x) for x in (state.energy, state.norm, state.verified))
        return state._replace(energy=energy, norm=norm, verified=verified)


class Solution(NamedTuple):
    """Outcome of a solve.

    Attributes:
      solution: (p,) x.
      residual: (p,) b - A x, computed anew from x.
      iterations: products with A, without those for true residuals.
      history: (k + 1,) relative residuals of the recurrence, k = ``iterations``.
      least_ritz: smallest eigenvalue found of M^{-1} A: an upper bound on the least.
      largest_ritz: largest eigenvalue found: a lower bound on the largest.
      norm: lower bound on the spectral norm of A.
      converged: whether |residual| <= tolerance |b|.
    """

    solution: Vector
    residual: Vector
    iterations: int
    history: Float[np.ndarray, "k1"]
    least_ritz: float
    largest_ritz: float
    norm: float
    converged: bool


ConjugateGradients = Callable[..., Solution]
"""Called as :func:`solve` with an operator, a right side and perhaps ``true_residual``."""


def first_state(rhs: Vector, precondition: Map) -> State:
    """Returns the state before the first step, from x = 0."""
    direction = precondition(rhs)
    none = np.zeros(0)
    energy = float(rhs @ direction)
    return State(
        np.zeros_like(rhs), rhs.copy(), direction, energy, none, none, np.ones(1), 0.0, np.inf
    )


def advance(state: State, operator: Map, precondition: Map, size: float) -> State:
    """Takes one iteration.

    Args:
      state: where it stands.
      operator: v -> A v, A symmetric positive definite.
      precondition: v -> M^{-1} v, symmetric positive definite.
      size: |b|.

    Raises:
      RequirementError: a direction along which A is not positive.
    """
    image = operator(state.direction)
    curvature = float(state.direction @ image)
    check(curvature > 0.0, "the operator", "be positive definite", curvature)
    step = state.energy / curvature
    residual = state.residual - step * image
    towards = precondition(residual)
    energy = float(residual @ towards)
    ratio = energy / state.energy
    length, stretched = (
        scipy.linalg.norm(v, check_finite=False) for v in (state.direction, image)
    )  # scaled by BLAS: squares of tiny steps vanish
    return State(
        solution=state.solution + step * state.direction,
        residual=residual,
        direction=towards + ratio * state.direction,
        energy=energy,
        steps=np.append(state.steps, step),
        ratios=np.append(state.ratios, ratio),
        history=np.append(state.history, np.linalg.norm(residual) / size),
        norm=max(state.norm, float(stretched) / float(length)),
        verified=state.verified,
    )


def _restarted(state: State, residual: Vector, relative: float, precondition: Map) -> State:
    """Returns the state with the true residual in place of the recurrence's."""
    direction = precondition(residual)
    ratios = state.ratios.copy()
    ratios[-1:] = 0.0
    return state._replace(
        residual=residual,
        direction=direction,
        energy=float(residual @ direction),
        ratios=ratios,
        verified=relative,
    )


def ritz_values(
    steps: Float[np.ndarray, "k"], ratios: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "k"]:
    """Returns eigenvalues of the Lanczos matrix of M^{-1} A so far, ascending."""
    if not len(steps):
        return np.zeros(0)
    diagonal = 1.0 / steps
    diagonal[1:] += ratios[:-1] / steps[:-1]
    beside = np.sqrt(ratios[:-1]) / steps[:-1]
    return scipy.linalg.eigvalsh_tridiagonal(diagonal, beside)


def solve(
    operator: Map,
    rhs: Vector,
    precondition: Map,
    *,
    tolerance: float,
    max_iterations: int,
    true_residual: Map | None = None,
    state: State | None = None,
    after_chunk: Callable[[State], None] | None = None,
) -> Solution:
    """Solves A x = b until |b - A x| <= tolerance |b|, the residual computed anew.

    Args:
      operator: v -> A v, A symmetric positive definite, (p,) -> (p,).
      rhs: (p,) b.
      precondition: v -> M^{-1} v, symmetric positive definite.
      tolerance: of the true relative residual.
      max_iterations: products with A at most.
      true_residual: x -> b - A x from scratch; b minus the operator if None.
      state: where to go on, from ``after_chunk`` of an earlier call.
      after_chunk: called after every iteration.

    Returns:
      :class:`Solution`; where ``converged`` is False it was not reached, for want of iterations
      or because rounding allows no better residual.

    Raises:
      RequirementError: an operator that is not positive definite.
    """
    size = float(np.linalg.norm(rhs))
    if size == 0.0:
        zero = np.zeros_like(rhs)
        return Solution(zero, zero, 0, np.zeros(1), 1.0, 1.0, 0.0, True)
    anew = true_residual or (lambda x: rhs - operator(x))
    state = first_state(rhs, precondition) if state is None else state
    while True:
        exhausted = len(state.steps) >= max_iterations
        if exhausted or np.linalg.norm(state.residual) <= tolerance * size:
            residual = anew(state.solution)
            relative = float(np.linalg.norm(residual)) / size
            stuck = relative > _STAGNATION * state.verified
            if relative <= tolerance or exhausted or stuck:
                return _solution(state, residual, relative <= tolerance)
            state = _restarted(state, residual, relative, precondition)
        state = advance(state, operator, precondition, size)
        if after_chunk is not None:
            after_chunk(state)


def _solution(state: State, residual: Vector, converged: bool) -> Solution:
    ritz = ritz_values(state.steps, state.ratios)
    least, largest = (float(ritz[0]), float(ritz[-1])) if len(ritz) else (1.0, 1.0)
    iterations = len(state.steps)
    return Solution(
        state.solution,
        residual,
        iterations,
        state.history,
        least,
        largest,
        state.norm,
        converged,
    )
