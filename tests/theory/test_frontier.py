"""The size-magnitude frontier against hand-derived cases and independent solvers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg, optimize

from rf_limits.errors import RequirementError
from rf_limits.theory.box_qp import _least_eigenvalue_bound
from rf_limits.theory.frontier import box_constrained_risk, least_bound
from rf_limits.theory.relu_gram import relu_gram
from tests.variants import kept


def neurons(key, count, dim):
    """Gram matrix, correlations and second moment of unit neurons and a plain target."""
    w = jax.random.normal(key, (count, dim))
    w = w / jnp.linalg.norm(w, axis=1, keepdims=True)
    target = jnp.eye(1, dim)
    q = relu_gram(w, None, target, None)[:, 0]
    return np.asarray(relu_gram(w, None, w, None)), np.asarray(q), 0.5


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
    found = box_constrained_risk(np.array([[0.8]]), np.array([0.6]), 1.0, bound)
    assert abs(found.risk - (1.0 - 1.2 * u + 0.8 * u**2)) < 1e-15
    assert abs(found.coefficients[0] - u) < 1e-15


def test_two_features_by_hand():
    # Without a bound u = (1, -1); at B = 1/2 the second weight sits at the bound and so does
    # the first; with the unequal q below only the first is bound: u_2 = (q_2 - G_12 B)/G_22.
    gram, q = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([1.0, -1.0])
    found = box_constrained_risk(gram, q, 3.0, 0.5)
    np.testing.assert_allclose(found.coefficients, [0.5, -0.5], rtol=0, atol=1e-15)
    assert abs(found.risk - 1.5) < 1e-15  # 3 - 2 + (0.5 + 0.5 - 0.5)
    q = np.array([3.0, 1.0])
    found = box_constrained_risk(gram, q, 6.0, 0.5)
    np.testing.assert_allclose(found.coefficients, [0.5, 0.25], rtol=0, atol=1e-15)
    assert abs(found.risk - (6.0 - 2 * 1.75 + 0.5 + 0.25 + 0.125)) < 1e-15


@pytest.mark.parametrize(
    "bound", kept([1e-6, 1e-3, 0.02, 0.05, 0.2, 1.0, 1e6], [1e-6, 0.02, 0.2, 1e6])
)
@pytest.mark.parametrize(("count", "dim"), [(30, 10), (80, 4)])
def test_certificate_encloses_independent_optimum(key, bound, count, dim):
    gram, q, second = neurons(key, count, dim)
    found = box_constrained_risk(gram, q, second, bound)
    assert 0.0 <= found.gap <= 1e-10 * second
    assert np.max(np.abs(found.coefficients)) <= bound
    expected = least_squares(gram, q, second, bound)
    # 1e-13 for the rounding of either evaluation; the other solver may stop short above
    assert expected >= found.lower_bound - 1e-13
    assert abs(found.risk - expected) < 1e-8
    u = found.coefficients
    assert abs(second - 2 * u @ q + u @ gram @ u - found.risk) < 1e-13


def test_ill_conditioned_against_quasi_newton(key):
    """Eigenvalues from 1 to 1e-12, correlations in the range."""
    basis = np.asarray(jnp.linalg.qr(jax.random.normal(key, (12, 12)))[0])
    gram = (basis * 10.0 ** -np.arange(12)) @ basis.T
    ones = np.asarray(jax.random.normal(jax.random.fold_in(key, 1), (12,)))
    q, second = gram @ ones, 10.0
    for bound in (0.1, 0.5, 1.0):
        found = box_constrained_risk(gram, q, second, bound)

        def risk(u):
            return second - 2 * u @ q + u @ gram @ u

        other = optimize.minimize(
            risk,
            np.zeros(12),
            jac=lambda u: 2 * (gram @ u - q),
            bounds=[(-bound, bound)] * 12,
            method="L-BFGS-B",
            options={"ftol": 0.0, "gtol": 1e-12, "maxiter": 10_000, "maxfun": 10_000},
        )
        assert found.lower_bound - 1e-13 <= other.fun
        assert abs(found.risk - other.fun) < 1e-7


def test_falls_and_is_convex_in_the_bound(key):
    gram, q, second = neurons(key, 60, 6)
    bounds = np.linspace(0.01, 1.0, 30)
    risks = np.array([box_constrained_risk(gram, q, second, b).risk for b in bounds])
    assert np.all(np.diff(risks) <= 1e-10)
    assert np.all(np.diff(risks, 2) >= -2e-10)


def test_without_bound(key):
    gram, q, second = neurons(key, 60, 6)
    expected = second - q @ linalg.solve(gram, q, assume_a="pos")
    for bound in (1e6, math.inf):
        found = box_constrained_risk(gram, q, second, bound)
        assert abs(found.risk - expected) < 1e-12
        assert found.gap < 1e-12


def test_dependent_features():
    """Twins share the weight of one: the bound is felt at half the size."""
    gram, q = np.full((2, 2), 0.8), np.full(2, 0.6)
    for bound in (0.1, 0.3, 1.0):
        found = box_constrained_risk(gram, q, 1.0, bound)
        u = min(2 * bound, 0.75)
        assert abs(found.risk - (1.0 - 1.2 * u + 0.8 * u**2)) < 1e-10
    with pytest.raises(RequirementError, match="tolerance must be at least"):
        box_constrained_risk(gram, q + np.array([0.0, 0.1]), 1.0, math.inf)


@pytest.mark.parametrize("share", [0.999, 0.5, 0.1, 1e-3, 1e-6])
def test_least_bound_reaches_the_risk(key, share):
    gram, q, second = neurons(key, 40, 6)
    least = box_constrained_risk(gram, q, second, math.inf).risk
    risk = least + share * (second - least)
    bound = least_bound(gram, q, second, risk)
    assert least_squares(gram, q, second, bound * (1 + 1e-6)) <= risk
    assert least_squares(gram, q, second, bound * (1 - 1e-6)) >= risk - 1e-12 * (share < 1e-5)


def test_least_bound_by_hand_and_at_the_ends(key):
    one, q = np.array([[0.8]]), np.array([0.6])
    risk = 1.0 - 1.2 * 0.3 + 0.8 * 0.09
    assert abs(least_bound(one, q, 1.0, risk) - 0.3) < 1e-12
    assert least_bound(one, q, 1.0, 1.0) == 0.0
    assert least_bound(one, q, 1.0, 0.54) == math.inf  # the least without a bound is 0.55
    assert least_bound(one, np.zeros(1), 1.0, 0.9) == math.inf


def test_eigenvalue_bound_is_below_the_least_eigenvalue(key):
    gram, _, _ = neurons(key, 50, 5)
    found, least = _least_eigenvalue_bound(gram), np.linalg.eigvalsh(gram)[0]
    assert least / 21 < found <= least
    assert _least_eigenvalue_bound(np.ones((3, 3))) == 0.0


def test_refusals():
    gram, q = np.eye(2), np.ones(2)
    with pytest.raises(RequirementError, match="bound must be positive"):
        box_constrained_risk(gram, q, 1.0, 0.0)
    with pytest.raises(RequirementError, match="second_moment must be positive"):
        box_constrained_risk(gram, q, math.nan, 1.0)
    with pytest.raises(RequirementError, match="gram must be finite"):
        box_constrained_risk(np.full((2, 2), math.inf), q, 1.0, 1.0)
