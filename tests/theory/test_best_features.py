"""Best risks of fixed features against eigendecompositions, exact risks and simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.problem import SingleNeuron
from rf_limits.theory.best_features import (
    best_risks,
    tangent_correlations,
    tangent_gram,
)
from rf_limits.theory.fourier_moments import fourier_gram, fourier_relu_correlations
from rf_limits.theory.population_risk import population_risk
from rf_limits.theory.relu_gram import relu_gram
from rf_limits.theory.relu_moments import ReluSum, relu_sum_product
from tests.chance import standard_errors

DIM = 4


def setting(key, width):
    """Random weights and a target neuron that is not of unit norm."""
    weights = jax.random.normal(key, (width, DIM))
    return weights, jnp.arange(1.0, DIM + 1)


def test_tangent_gram_is_the_gated_product(key):
    """The matrix contracted with coefficients against the sum over gates."""
    weights, v = setting(key, 7)
    p = jax.random.normal(jax.random.fold_in(key, 1), (7, DIM))
    f = ReluSum(weights, None, jnp.zeros(7), p)
    gram, flat = tangent_gram(weights), p.reshape(-1)
    np.testing.assert_allclose(flat @ gram @ flat, relu_sum_product(f, f), rtol=1e-12)
    np.testing.assert_allclose(gram, gram.T, atol=1e-15)
    neuron = ReluSum(v[None, :], None, jnp.ones(1))
    np.testing.assert_allclose(
        flat @ tangent_correlations(weights, v), relu_sum_product(f, neuron), rtol=1e-12
    )


@pytest.mark.parametrize("kind", ["random", "tangent"])
@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_best_risk_is_the_risk_of_the_best_combination(key, kind, ridge):
    """Nested Cholesky against one solve per size and the exact risk of its solution."""
    weights, v = setting(key, 9)
    target = SingleNeuron.create(v, float(jnp.linalg.norm(v)), 0.0)
    moment = target.second_moment("gaussian")
    if kind == "random":
        gram = np.array(relu_gram(weights, None, weights, None))
        products = np.array(relu_gram(weights, None, v[None, :], None)[:, 0])
        sizes = [1, 4, 9]
    else:
        gram, products = np.array(tangent_gram(weights)), np.array(tangent_correlations(weights, v))
        sizes = [DIM, 9 * DIM]
    found = best_risks(gram.copy(), products, moment, sizes, ridge)
    for size, best in zip(sizes, found, strict=True):
        matrix = gram[:size, :size] + ridge * np.eye(size)
        u = np.linalg.solve(matrix, products[:size])
        width = size if kind == "random" else size // DIM
        slopes = None if kind == "random" else jnp.asarray(u).reshape(width, DIM)
        amplitudes = jnp.asarray(u) if kind == "random" else jnp.zeros(width)
        f = ReluSum(weights[:width], None, amplitudes, slopes)
        np.testing.assert_allclose(best.risk, population_risk(f, target, moment), atol=1e-10)
        np.testing.assert_allclose(best.max_weight, np.abs(u).max(), rtol=1e-6)
        exact = np.linalg.cond(matrix)
        assert exact / 50 < best.condition_number < exact * 50  # an estimate of the order


def test_reference_values():
    """d = 20, mean of 3 draws: 0.073 at N = 100, 0.0113 at N = 1000 (to the spread of draws)."""
    risks, draws = [], 12
    for seed in range(draws):
        weights = jax.random.normal(jax.random.key(seed), (1000, 20))
        v = jnp.eye(1, 20)
        gram = np.array(relu_gram(weights, None, weights, None))
        products = np.array(relu_gram(weights, None, v, None)[:, 0])
        risks.append([best.risk for best in best_risks(gram, products, 0.5, [100, 1000])])
    mean, spread = np.mean(risks, axis=0), np.std(risks, axis=0, ddof=1)
    error = spread * np.sqrt(1 / draws + 1 / 3)  # and the rounding of the reference
    distance = np.abs(mean - [0.073, 0.0113])
    assert np.all(distance < standard_errors(draws, 2) * error + [5e-4, 5e-5])


def test_no_risk_is_negative(key):
    """Features that hold the target: what is left is rounding, of either sign."""
    for seed in range(20):
        weights = jax.random.normal(jax.random.fold_in(key, seed), (12, 4))
        target = weights[3:4]
        gram = np.array(relu_gram(weights, None, weights, None))
        products = np.array(relu_gram(weights, None, target, None)[:, 0])
        moment = float(gram[3, 3])
        for best in best_risks(gram, products, moment, [4, 8, 12]):
            assert 0.0 <= best.risk < 1e-10 * moment


def test_singular_features_are_refused(key):
    weights, v = setting(key, 3)
    doubled = jnp.concatenate([weights, weights])
    gram = np.array(relu_gram(doubled, None, doubled, None))
    products = np.array(relu_gram(doubled, None, v[None, :], None)[:, 0])
    with pytest.raises(RequirementError, match="ridge must make the Gram matrix of 6 features"):
        best_risks(gram - 1e-15 * np.eye(6), products, 15.0, [6])
    with pytest.raises(RequirementError, match="widths must be at most 6"):
        best_risks(gram, products, 15.0, [7])


def test_fourier_expectations_match_simulation():
    rng = np.random.default_rng(0)
    w, a, v, b = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3), 0.7
    x = rng.normal(size=(400_000, 3))
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
    # E cos(k z) relu(z) ~ -1/(sqrt(2 pi) k^2) for large k, and nothing across
    np.testing.assert_allclose(found[0], -1 / (np.sqrt(2 * np.pi) * 900), rtol=5e-3)
    assert abs(found[1]) < 1e-100
