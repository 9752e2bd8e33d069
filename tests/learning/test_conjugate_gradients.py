"""Conjugate gradients against direct solves, saved and continued, and what it cannot solve."""

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.regression.streamed.conjugate_gradients import State, ritz_values, solve
from rf_limits.regression.streamed.residual_bound import (
    Solved,
    certify,
    certify_features,
    certify_kernel,
)
from tests.rounding import rounding


def system(size=60, condition=1e4, seed=0):
    """A symmetric matrix with this condition number, and a right-hand side."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(size, size)))
    matrix = (q * np.geomspace(1.0, condition, size)) @ q.T
    return 0.5 * (matrix + matrix.T), rng.normal(size=size)


def run(matrix, rhs, **options):
    options = {"tolerance": 1e-12, "max_iterations": 500} | options
    scale = np.diagonal(matrix)
    return solve(lambda v: matrix @ v, rhs, lambda v: v / scale, **options)


def test_solves_to_the_true_residual():
    matrix, rhs = system()
    found = run(matrix, rhs)
    assert found.converged
    true = rhs - matrix @ found.solution
    sizes = np.abs(rhs) + np.abs(matrix) @ np.abs(found.solution)
    error = rounding(2 * (len(rhs) + 1)) * sizes  # of two residuals
    np.testing.assert_array_less(np.abs(found.residual - true), error)
    assert np.linalg.norm(found.residual) <= 1e-12 * np.linalg.norm(rhs)
    assert len(found.history) == found.iterations + 1
    # |A^{-1}| = 1, and the solution to compare with has a condition number of 1e4
    expected = np.linalg.solve(matrix, rhs)
    known = np.linalg.norm(error) + rounding(3 * len(rhs), condition=1e4) * np.linalg.norm(expected)
    distance = np.linalg.norm(found.solution - expected)
    assert distance <= 1.1 * np.linalg.norm(found.residual) + known


def test_exact_preconditioner_takes_one_step():
    matrix, rhs = system()
    inverse = np.linalg.inv(matrix)
    found = solve(
        lambda v: matrix @ v, rhs, lambda v: inverse @ v, tolerance=1e-9, max_iterations=9
    )
    assert found.iterations == 1
    error = rounding(10 * len(rhs), condition=1e4)  # of the inverse
    np.testing.assert_allclose([found.least_ritz, found.largest_ritz], 1.0, rtol=error)


def test_ritz_values_lie_in_the_spectrum_and_reach_its_ends():
    matrix, rhs = system(size=30, condition=50.0)
    found = solve(lambda v: matrix @ v, rhs, np.copy, tolerance=1e-13, max_iterations=90)
    error = 50.0 * rounding(10 * 90)  # of products with the matrix in up to 90 steps
    assert 1.0 - error <= found.least_ritz <= 1.01
    assert 49.5 <= found.largest_ritz <= 50.0 + error
    assert found.norm <= 50.0 + error
    assert ritz_values(np.zeros(0), np.zeros(0)).size == 0


def test_a_saved_state_goes_on_to_the_same_solution():
    matrix, rhs = system()
    saved = []
    whole = run(matrix, rhs, after_chunk=lambda s: saved.append(s.as_arrays()))
    resumed = run(matrix, rhs, state=State.from_arrays(saved[10]))
    np.testing.assert_array_equal(resumed.solution, whole.solution)
    np.testing.assert_array_equal(resumed.history, whole.history)


def test_want_of_iterations_is_reported():
    matrix, rhs = system()
    found = run(matrix, rhs, max_iterations=5)
    assert found.iterations == 5
    assert not found.converged


def test_an_accuracy_beyond_rounding_is_reported():
    """The recurrence goes to zero, the true residual does not: restarts end."""
    matrix, rhs = system(condition=1e8)
    found = run(matrix, rhs, tolerance=1e-16, max_iterations=5000)
    assert not found.converged
    assert found.iterations < 5000
    assert np.linalg.norm(found.residual) <= 1e-6 * np.linalg.norm(rhs)


def test_nothing_to_solve():
    matrix, rhs = system()
    found = run(matrix, 0.0 * rhs)
    assert found.converged
    assert not found.solution.any()


def test_steps_whose_squares_vanish():
    """A ridge of 1e170: steps of 1e-170."""
    found = solve(lambda v: 1e170 * v, np.ones(3), np.copy, tolerance=1e-9, max_iterations=9)
    np.testing.assert_allclose(found.solution, 1e-170, rtol=rounding(20))
    found = solve(
        lambda v: 1e170 * v, np.ones(3), lambda v: v / 1e170, tolerance=1e-9, max_iterations=9
    )
    assert found.converged
    np.testing.assert_allclose(found.norm, 1e170, rtol=rounding(20))


def test_indefinite_operators_are_refused():
    matrix, rhs = system()
    with pytest.raises(RequirementError, match="operator must be positive definite"):
        solve(lambda v: -(matrix @ v), rhs, np.copy, tolerance=1e-9, max_iterations=9)


def test_certificates_hold():
    rng = np.random.default_rng(3)
    phi, y, ridge = rng.normal(size=(80, 12)), rng.normal(size=80), 0.3
    a, b = phi.T @ phi + ridge * np.eye(12), phi.T @ y
    exact = np.linalg.solve(a, b)

    def objective(theta):
        return np.sum((phi @ theta - y) ** 2) + ridge * theta @ theta

    theta = exact + 1e-3 * rng.normal(size=12)
    r = b - a @ theta
    norm = np.linalg.norm(a @ theta) / np.linalg.norm(theta)
    # features are standard normal: E phi phi^T = I
    options = {"num": 80, "ridge": ridge, "square": 12.0}
    found = certify_features(Solved(r, b, theta, norm), **options)
    excess = (objective(theta) - objective(exact)) / 80
    distance = np.linalg.norm(theta - exact)
    assert distance <= found.distance
    least = np.linalg.eigvalsh(a)[0]
    sharper = certify_features(Solved(r, b, theta, norm), **options, least=least)
    assert distance <= sharper.distance < found.distance
    risk = np.sum(theta**2)  # of f* = 0
    assert abs(risk - np.sum(exact**2)) <= found.risk_bound(risk)
    assert excess <= found.excess_bound
    assert np.mean((phi @ (theta - exact)) ** 2) <= found.excess_bound
    least = np.linalg.norm(r) / (np.linalg.norm(a, 2) * np.linalg.norm(theta) + np.linalg.norm(b))
    assert least <= found.backward_error <= found.relative_residual
    without = certify_features(Solved(r, b, theta, norm), num=80, ridge=0.0, square=12.0)
    assert without.excess_bound == without.distance == np.inf

    k = phi @ phi.T
    system, c = k + ridge * np.eye(80), np.linalg.solve(k + ridge * np.eye(80), y)
    moved = c + 1e-3 * rng.normal(size=80)

    def by_kernel(c):
        return np.sum((k @ c - y) ** 2) + ridge * c @ k @ c

    found = certify_kernel(Solved(y - system @ moved, y, moved, 1.0), ridge=ridge, square=12.0)
    assert np.linalg.norm(phi.T @ (moved - c)) <= found.distance  # k = <x, x'>, x standard normal
    assert 0.0 < (by_kernel(moved) - by_kernel(c)) / 80 <= found.excess_bound
    assert np.mean((k @ (moved - c)) ** 2) <= found.excess_bound


def test_certificate_of_nothing():
    zero = np.zeros(3)
    assert certify(Solved(zero, zero, zero, 1.0))[:2] == (0.0, 0.0)
    assert certify(Solved(np.ones(3), zero, zero, 1.0)).relative_residual == np.inf
