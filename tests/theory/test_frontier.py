"""The size-magnitude frontier against hand-derived cases and independent solvers."""

import contextlib
import math

import numpy as np
import pytest
from scipy import linalg, optimize

from rf_limits.errors import RequirementError
from rf_limits.theory.bounds.frontier import _certified, least_bound
from rf_limits.theory.numerics.box_qp import BoxProblem, _least_eigenvalue_bound
from tests.rounding import rounding
from tests.variants import kept

pytestmark = pytest.mark.sharp


def neurons(count, dim):
    """Gram matrix, correlations and second moment of unit neurons and a plain target."""
    w = np.random.default_rng(0).normal(size=(count, dim))
    w = np.concatenate([w / np.linalg.norm(w, axis=1, keepdims=True), np.eye(1, dim)])
    c = np.clip(w @ w.T, -1.0, 1.0)  # the arc-cosine kernel of Cho and Saul (2009)
    gram = (np.sqrt(1.0 - c**2) + (np.pi - np.arccos(c)) * c) / (2.0 * np.pi)
    return gram[:-1, :-1], gram[:-1, -1], 0.5


def terms(gram, q, second_moment, u):
    """Sum of the sizes of the terms of the risk of u: its rounding is relative to that."""
    return second_moment + 2.0 * np.abs(u) @ np.abs(q) + np.abs(u) @ np.abs(gram) @ np.abs(u)


def risk_of(gram, q, second_moment, u):
    return second_moment - 2.0 * u @ q + u @ gram @ u


def constrained(gram, q, second_moment, bound, tolerance=1e-10):
    """The point of least risk with |u_i| <= bound, certified."""
    point = BoxProblem(gram, q, second_moment).solve(bound, tolerance * second_moment)
    assert point.gap <= tolerance * second_moment
    return point


def least_squares(gram, q, second_moment, bound):
    """The same minimum by SciPy's bounded least squares on the Cholesky factor."""
    factor = linalg.cholesky(gram, lower=True)
    right = linalg.solve_triangular(factor, q, lower=True)
    found = optimize.lsq_linear(factor.T, right, (-bound, bound), method="bvls", tol=1e-15)
    return second_moment - right @ right + 2 * found.cost


@pytest.mark.parametrize("bound", [0.1, 0.75, 2.0, math.inf])
def test_one_feature_by_hand(bound):
    # 1 - 2 u 0.6 + 0.8 u^2: least at u = 0.75
    u = min(bound, 0.75)
    found = constrained(np.array([[0.8]]), np.array([0.6]), 1.0, bound)
    # q/G, and three terms of the risk
    assert abs(found.value - (1.0 - 1.2 * u + 0.8 * u**2)) < rounding(8) * (
        1.0 + 1.2 * u + 0.8 * u**2
    )
    assert abs(found.u[0] - u) < rounding(4) * u


def test_two_features_by_hand():
    # Without a bound u = (1, -1); at B = 1/2 the second weight sits at the bound and so does
    # the first; with the unequal q below only the first is bound: u_2 = (q_2 - G_12 B)/G_22.
    gram, q = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([1.0, -1.0])
    found = constrained(gram, q, 3.0, 0.5)
    np.testing.assert_allclose(found.u, [0.5, -0.5], rtol=rounding(8))
    assert abs(found.value - 1.5) < rounding(8) * terms(
        gram, q, 3.0, np.full(2, 0.5)
    )  # 3 - 2 + (0.5 + 0.5 - 0.5)
    q = np.array([3.0, 1.0])
    found = constrained(gram, q, 6.0, 0.5)
    np.testing.assert_allclose(found.u, [0.5, 0.25], rtol=rounding(8))
    tolerance = rounding(8) * terms(gram, q, 6.0, np.array([0.5, 0.25]))
    assert abs(found.value - (6.0 - 2 * 1.75 + 0.5 + 0.25 + 0.125)) < tolerance


@pytest.mark.parametrize(
    "bound", kept([1e-6, 1e-3, 0.02, 0.05, 0.2, 1.0, 1e6], [1e-6, 0.02, 0.2, 1e6])
)
@pytest.mark.parametrize(("count", "dim"), [(30, 10), (80, 4)])
def test_certificate_encloses_independent_optimum(bound, count, dim):
    gram, q, second = neurons(count, dim)
    found = constrained(gram, q, second, bound)
    assert 0.0 <= found.gap <= 1e-10 * second
    assert np.max(np.abs(found.u)) <= bound
    expected = least_squares(gram, q, second, bound)
    u = found.u
    # two sums over the features in either evaluation; the other solver may stop short above
    tolerance = rounding(4 * count) * terms(gram, q, second, u)
    assert expected >= found.value - found.gap - tolerance
    assert abs(found.value - expected) < 1e-8
    assert abs(risk_of(gram, q, second, u) - found.value) < tolerance


def test_ill_conditioned_against_quasi_newton():
    """Eigenvalues from 1 to 1e-12, correlations in the range."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    gram = (basis * 10.0 ** -np.arange(12)) @ basis.T
    q, second = gram @ rng.normal(size=12), 10.0
    for bound in (0.1, 0.5, 1.0):
        found = constrained(gram, q, second, bound)
        other = optimize.minimize(
            lambda u: risk_of(gram, q, second, u),
            np.zeros(12),
            jac=lambda u: 2 * (gram @ u - q),
            bounds=[(-bound, bound)] * 12,
            method="L-BFGS-B",
            options={"ftol": 0.0, "gtol": 1e-12, "maxiter": 10_000, "maxfun": 10_000},
        )
        tolerance = rounding(4 * 12) * terms(gram, q, second, other.x)
        assert found.value - found.gap - tolerance <= other.fun
        assert abs(found.value - other.fun) < 1e-7


def test_falls_and_is_convex_in_the_bound():
    gram, q, second = neurons(60, 6)
    bounds = np.linspace(0.01, 1.0, 30)
    risks = np.array([constrained(gram, q, second, b).value for b in bounds])
    # each is above the least risk by a gap of 1e-10 of the second moment at most
    assert np.all(np.diff(risks) <= 1e-10 * second)
    assert np.all(np.diff(risks, 2) >= -2e-10 * second)


def test_without_bound():
    gram, q, second = neurons(60, 6)
    u = linalg.solve(gram, q, assume_a="pos")
    # that of 60 terms, and of a factorization, which changes G by less than itself
    tolerance = rounding(4 * 60) * terms(gram, q, second, u)
    for bound in (1e6, math.inf):
        found = constrained(gram, q, second, bound)
        assert abs(found.value - (second - q @ u)) < tolerance
        assert found.gap < 1e-10 * second


def test_dependent_features():
    """Twins share the weight of one: the bound is felt at half the size."""
    gram, q = np.full((2, 2), 0.8), np.full(2, 0.6)
    for bound in (0.1, 0.3, 1.0):
        found = constrained(gram, q, 1.0, bound)
        u = min(2 * bound, 0.75)
        expected = 1.0 - 1.2 * u + 0.8 * u**2
        assert -rounding(8) * 3.0 < found.value - expected < 1e-10
    problem = BoxProblem(gram, q + np.array([0.0, 0.1]), 1.0)
    assert problem.solve(math.inf, 1e-10).gap > 1e-10  # twins that disagree certify nothing
    with pytest.raises(RequirementError, match="tolerance must be at least"):
        _certified(problem, math.inf, 1e-10)


@pytest.mark.parametrize("share", [0.999, 0.5, 0.1, 1e-3, 1e-6])
def test_least_bound_reaches_the_risk(share):
    gram, q, second = neurons(40, 6)
    least = constrained(gram, q, second, math.inf).value
    risk = least + share * (second - least)
    bound = least_bound(gram, q, second, risk)
    # |u_i| <= bound; the tangent of the risk in the bound may be that flat
    tolerance = rounding(4 * 40) * terms(gram, q, second, np.full(40, bound))
    assert least_squares(gram, q, second, bound * (1 + 1e-6)) <= risk + tolerance
    assert least_squares(gram, q, second, bound * (1 - 1e-6)) >= risk - tolerance


def test_least_bound_by_hand_and_at_the_ends():
    one, q = np.array([[0.8]]), np.array([0.6])
    risk = 1.0 - 1.2 * 0.3 + 0.8 * 0.09
    # Newton's last step squares an error of 1e-8: left is the rounding of risks over their slope
    tolerance = rounding(16) * (1.0 + 1.2 * 0.3 + 0.8 * 0.09) / (1.2 - 1.6 * 0.3)
    assert abs(least_bound(one, q, 1.0, risk) - 0.3) < tolerance
    assert least_bound(one, q, 1.0, 1.0) == 0.0
    assert least_bound(one, q, 1.0, 0.54) == math.inf  # the least without a bound is 0.55
    assert least_bound(one, np.zeros(1), 1.0, 0.9) == math.inf


def test_least_bound_where_the_first_box_hits_the_optimum():
    """1 - 1/4 is the least risk of one feature, at u = 1/2, where the gradient is 0."""
    assert least_bound(np.eye(1), [0.5], 1.0, 0.5) == math.inf
    assert least_bound(np.ones((2, 2)), [0.5, 0.5], 1.0, 0.5) == math.inf
    # a slope of 0 at the bound: the tolerance moves it by its root
    assert abs(least_bound(np.eye(1), [0.5], 1.0, 0.75) - 0.5) <= math.sqrt(1e-10)


@pytest.mark.parametrize("rank", ["full", "one"])
def test_least_bound_near_such_a_hit(rank):
    """To rounding. On a singular Gram matrix no weights are certainly too large: refused."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        count = int(rng.integers(1, 4))
        rows = rng.normal(size=(count if rank == "full" else 1, count))
        gram = rows.T @ rows
        q = gram @ np.full(count, 0.7)
        explained = 0.7 * float(np.sum(q))
        second = explained * (1.0 + rng.uniform(0.1, 2.0))
        unreachable = (gram, q, second, 0.9 * (second - explained))
        if np.linalg.cond(gram) < 1e6:
            assert least_bound(*unreachable) == math.inf
        elif np.linalg.cond(gram) > 1e14:
            with contextlib.suppress(RequirementError):
                assert least_bound(*unreachable) == math.inf
        found = least_bound(gram, q, second, second - 0.75 * explained)
        assert 0.0 < found <= 0.35 * (1.0 + 1e-6)  # u = 0.35 (1, ..., 1) reaches it


def test_eigenvalue_bound_is_below_the_least_eigenvalue():
    gram, _, _ = neurons(50, 5)
    found, least = _least_eigenvalue_bound(gram), np.linalg.eigvalsh(gram)[0]
    assert least / 21 < found <= least
    assert _least_eigenvalue_bound(np.ones((3, 3))) == 0.0


def test_refusals():
    gram, q = np.eye(2), np.ones(2)
    with pytest.raises(RequirementError, match="second_moment must be positive"):
        least_bound(gram, q, math.nan, 1.0)
    with pytest.raises(RequirementError, match="gram must have shape"):
        least_bound(gram, q[:1], 1.0, 0.5)
    with pytest.raises(RequirementError, match="gram must be finite"):
        least_bound(np.full((2, 2), math.inf), q, 1.0, 0.5)
