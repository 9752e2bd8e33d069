"""Best risks of fixed features against eigendecompositions, exact risks and simulation."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory.bounds.best_features import (
    best_risks,
    tangent_correlations,
    tangent_gram,
)
from rf_limits.theory.expectations.fourier_moments import fourier_gram, fourier_relu_correlations
from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_product
from tests.chance import standard_errors
from tests.rounding import LIBRARY, rounding

DIM, WIDTH = 4, 9
V = np.arange(1.0, DIM + 1)
"""Weights of a target neuron that is not of unit norm."""


def arc_cosine(w, v):
    """E relu(<w_i, x>) relu(<v_j, x>) (Cho and Saul 2009)."""
    sizes = np.outer(np.linalg.norm(w, axis=1), np.linalg.norm(v, axis=1))
    c = np.clip(w @ v.T / sizes, -1.0, 1.0)
    return sizes * (np.sqrt(1.0 - c**2) + (np.pi - np.arccos(c)) * c) / (2.0 * np.pi)


def weights_of(width, seed=0):
    return np.random.default_rng(seed).normal(size=(width, DIM))


@pytest.fixture(scope="module")
def tangent():
    """Gram matrix and correlations of the tangent features of WIDTH neurons."""
    found = jax.jit(lambda w, v: (tangent_gram(w), tangent_correlations(w, v)))
    return tuple(map(np.asarray, found(jnp.asarray(weights_of(WIDTH)), jnp.asarray(V))))


@jax.jit
def products(w, u, p):
    """E f^2 and E f f* of neurons of amplitudes u with slopes p."""
    f = ReluSum(w, None, u, p)
    target = ReluSum(jnp.asarray(V[None, :]), None, jnp.asarray([1.0]))
    return relu_sum_product(f, f), relu_sum_product(f, target)


# angles and their half angles, and three inner products
OPERATIONS = 6 * DIM + 5 * LIBRARY


@pytest.mark.sharp
def test_tangent_gram_is_the_gated_product(tangent):
    """The matrix contracted with coefficients against the sum over gates."""
    gram, correlations = tangent
    p = np.random.default_rng(1).normal(size=(WIDTH, DIM))
    square, product = map(float, products(weights_of(WIDTH), np.zeros(WIDTH), p))
    flat, size = p.reshape(-1), np.sum(np.linalg.norm(p, axis=1))
    # sums of all features on either side; entries are below 1, or below |v|
    tolerance = rounding(2 * flat.size + OPERATIONS) * size
    assert abs(flat @ gram @ flat - square) < tolerance * size
    np.testing.assert_array_less(np.abs(gram - gram.T), rounding(2 * OPERATIONS))
    assert abs(flat @ correlations - product) < tolerance * np.linalg.norm(V)


@pytest.mark.sharp
@pytest.mark.parametrize("kind", ["random", "tangent"])
@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_best_risk_is_the_risk_of_the_best_combination(tangent, kind, ridge):
    """Nested Cholesky against one solve per size and the exact risk of its solution."""
    weights, moment = weights_of(WIDTH), 0.5 * V @ V
    if kind == "random":
        gram, correlations = arc_cosine(weights, weights), arc_cosine(weights, V[None, :])[:, 0]
        sizes = [1, 4, WIDTH]
    else:
        (gram, correlations), sizes = tangent, [DIM, WIDTH * DIM]
    found = best_risks(gram.copy(), correlations, moment, sizes, ridge)
    for size, best in zip(sizes, found, strict=True):
        matrix = gram[:size, :size] + ridge * np.eye(size)
        u = np.linalg.solve(matrix, correlations[:size])
        amplitudes, slopes = np.zeros(WIDTH), np.zeros((WIDTH, DIM))
        if kind == "random":
            amplitudes[:size] = u
        else:
            slopes.reshape(-1)[:size] = u
        square, product = map(float, products(weights, amplitudes, slopes))
        # a factorization and the entries' rounding change G relative to its trace, and q likewise
        sizes_of_terms = moment + np.trace(matrix) * (u @ u)
        tolerance = 2.0 * rounding(4 * size + OPERATIONS) * sizes_of_terms
        assert abs(best.risk - (square - 2.0 * product + moment)) < tolerance
        exact = np.linalg.cond(matrix)
        largest = np.abs(u).max()
        assert abs(best.max_weight - largest) < rounding(6 * size, exact) * np.linalg.norm(u)
        assert exact / 50 < best.condition_number < exact * 50  # an estimate of the order


def test_reference_values():
    """d = 20, mean of 3 draws: 0.073 at N = 100, 0.0113 at N = 1000 (to the spread of draws)."""
    risks, draws = [], 12
    for seed in range(draws):
        weights = np.random.default_rng(seed).normal(size=(1000, 20))
        gram, products = arc_cosine(weights, weights), arc_cosine(weights, np.eye(1, 20))[:, 0]
        risks.append([best.risk for best in best_risks(gram, products, 0.5, [100, 1000])])
    mean, spread = np.mean(risks, axis=0), np.std(risks, axis=0, ddof=1)
    error = spread * np.sqrt(1 / draws + 1 / 3)  # and the rounding of the reference
    distance = np.abs(mean - [0.073, 0.0113])
    assert np.all(distance < standard_errors(draws, 2) * error + [5e-4, 5e-5])


def test_no_risk_is_negative():
    """Features that hold the target: what is left is rounding, of either sign."""
    for seed in range(20):
        weights = weights_of(12, seed)
        gram = arc_cosine(weights, weights)
        correlations, moment = gram[:, 3].copy(), gram[3, 3]
        # a factorization changes G by its rounding at most, and the solution is a unit vector
        tolerance = rounding(4 * 12 + OPERATIONS) * np.trace(gram)
        for best in best_risks(gram, correlations, moment, [4, 8, 12]):
            assert 0.0 <= best.risk < tolerance


def exact_risk(weights, target):
    """Least risk of neurons whose weights are given in float64, with 60 digits."""
    with mpmath.workdps(60):
        rows = [[mpmath.mpf(float(t)) for t in row] for row in np.vstack([weights, target])]

        def entry(x, y):
            sizes = mpmath.norm(x) * mpmath.norm(y)
            c = min(mpmath.fdot(x, y) / sizes, mpmath.mpf(1))
            return sizes * (mpmath.sqrt(1 - c * c) + (mpmath.pi - mpmath.acos(c)) * c)

        count = len(weights)
        gram = mpmath.matrix(count, count)
        products = mpmath.matrix(count, 1)
        for i in range(count):
            products[i] = entry(rows[i], rows[-1]) / (2 * mpmath.pi)
            for j in range(count):
                gram[i, j] = entry(rows[i], rows[j]) / (2 * mpmath.pi)
        u = mpmath.lu_solve(gram, products)
        return float(mpmath.fdot(rows[-1], rows[-1]) / 2 - mpmath.fdot(products, u))


@pytest.mark.sharp
@pytest.mark.parametrize("case", [(2, 12, 0.1), (3, 10, 1e-3), (2, 8, 1e-3)], ids=str)
def test_error_covers_rounding_of_nearly_singular_features(case):
    """Condition numbers from 1e11 to 6e15; where Cholesky fails, refused."""
    dim, count, distance = case
    answered = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        weights = np.eye(1, dim) + distance * rng.normal(size=(count, dim))
        target = np.eye(1, dim, 1) + 0.3
        gram = arc_cosine(weights, weights)
        products, moment = arc_cosine(weights, target)[:, 0], 0.5 * float(np.sum(target**2))
        try:
            (best,) = best_risks(gram, products, moment, [count])
        except RequirementError:
            continue
        answered += 1
        assert abs(best.risk - exact_risk(weights, target)) < best.error <= 1e-3 * best.risk
    assert answered >= 2


def test_risks_that_rounding_decides_are_refused():
    """Two features of which nothing is known but their sum explain 1 - 1e-3 of the target."""
    near = 1.0 - 2.0**-50
    gram = np.array([[1.0, near], [near, 1.0]])
    # (1, -1)/2 has the square 2^-51, and the product 2^-26 holds nearly all of E f*^2 = 1
    products = np.array([2.0**-26, -(2.0**-26)])
    with pytest.raises(RequirementError, match="ridge must keep rounding below 1e-3") as error:
        best_risks(gram.copy(), products, 4.0 + 1e-3, [2])
    assert "condition number" in str(error.value)
    (best,) = best_risks(gram.copy(), products, 4.001, [2], ridge=1e-3)
    assert best.error < 1e-6 * best.risk


def test_another_targets_moment_is_refused():
    """E f*^2 = 1 is less than the 9 that the first feature explains."""
    for sizes in ([1, 3], [3]):
        with pytest.raises(RequirementError, match="second_moment must be at least the 9 that"):
            best_risks(np.eye(3), [3, 0, 0], 1.0, sizes)
    for sizes in ([0], [1.5], ["2"]):
        with pytest.raises(RequirementError, match="widths must be "):
            best_risks(np.eye(3), [0.3, 0, 0], 1.0, sizes)
    assert best_risks(np.eye(3), [0.3, 0, 0], 1.0, []) == []


def test_singular_features_are_refused():
    doubled = np.concatenate([weights_of(3), weights_of(3)])
    gram, products = arc_cosine(doubled, doubled), arc_cosine(doubled, V[None, :])[:, 0]
    with pytest.raises(RequirementError, match="ridge must make the Gram matrix of 6 features"):
        best_risks(gram - 1e-13 * np.eye(6), products, 15.0, [6])
    with pytest.raises(RequirementError, match="widths must be at most 6"):
        best_risks(gram, products, 15.0, [7])


def test_fourier_expectations_match_simulation():
    rng = np.random.default_rng(0)
    w, a, v, b = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3), 0.7
    x = rng.normal(size=(100_000, 3))
    f, y = np.cos(x @ w.T + a), np.maximum(x @ v + b, 0.0)
    products = f * y[:, None]
    error = products.std(axis=0) / np.sqrt(len(x))
    # 6 standard errors: false alarm below 1e-7
    assert np.all(np.abs(products.mean(0) - fourier_relu_correlations(w, a, v, b)) < 6 * error)
    squares = f[:, :, None] * f[:, None, :]
    error = squares.std(axis=0) / np.sqrt(len(x))
    assert np.all(np.abs(squares.mean(0) - fourier_gram(w, a, w, a)) < 6 * error)


def test_fourier_features_of_high_frequency_stay_finite():
    w = np.array([[30.0, 0.0], [0.0, 30.0]])
    found = fourier_relu_correlations(w, np.zeros(2), np.array([1.0, 0.0]), 0.0)
    assert np.all(np.isfinite(found))
    # E cos(k z) relu(z) = -1/(sqrt(2 pi) k^2) (1 + 3/k^2 + ...), and nothing across
    np.testing.assert_allclose(found[0], -1 / (np.sqrt(2 * np.pi) * 900), rtol=5e-3)
    assert abs(found[1]) < 1e-100  # exp(-450)
