"""The guarantee of SGD on random features: met by simulation, sharp where it can be."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory.feature_kernels import feature_spectrum
from rf_limits.theory.harmonics import multiplicity
from rf_limits.theory.relu_gram import relu_gram
from rf_limits.theory.sgd_guarantee import sgd_guarantee, sgd_requirements
from tests.chance import standard_errors
from tests.rounding import rounding

DIM, DEGREES = 4, 20


def one_degree(k, size=1.0):
    """E f*_k^2 of a target of one degree."""
    return size * (np.arange(DEGREES + 1) == k)


def known(features="output", bias=False):
    """Eigenvalues and R^2."""
    found = feature_spectrum(features, DIM, DEGREES, bias=bias)
    return found.eigenvalues, found.total


def samples(rng, w, count):
    """Features (count, N) of inputs on the sphere, and their labels."""
    x = rng.normal(size=(count, DIM))
    x *= math.sqrt(DIM) / np.linalg.norm(x, axis=1, keepdims=True)
    features = np.maximum(x @ w.T / math.sqrt(DIM), 0.0) / math.sqrt(len(w))
    # E x_1^2 x_2^2 = d/(d + 2) on the sphere
    return features, x[:, 0] * x[:, 1] / math.sqrt(DIM / (DIM + 2.0))


def descend(rng, width, rate, steps, noise):
    """Mean risk over the steps of one-pass SGD on relu features, degree-2 target, in numpy."""
    w = rng.normal(size=(width, DIM))
    w *= math.sqrt(DIM) / np.linalg.norm(w, axis=1, keepdims=True)
    test, y_test = samples(rng, w, 4000)
    features, y = samples(rng, w, steps)
    y = y + noise * rng.normal(size=steps)
    thetas = np.zeros((steps + 1, width))
    for t, (phi, label) in enumerate(zip(features, y, strict=True)):
        thetas[t + 1] = thetas[t] - rate * (phi @ thetas[t] - label) * phi
    # the mean of (test @ theta - y_test)^2, written out: the moments serve all steps
    moments, products = test.T @ test / len(test), test.T @ y_test / len(test)
    squares = np.sum((thetas[:-1] @ moments - 2.0 * products) * thetas[:-1], axis=1)
    return np.mean(squares) + np.mean(y_test**2)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_sgd_meets_the_guarantee(noise):
    """The mean risk of simulated descents is below the bound, and above a fifth of it."""
    width, rate, steps = 200, 0.4, 1500
    eigenvalues, square = known()
    bound = sgd_guarantee(
        eigenvalues,
        one_degree(2),
        learning_rate=rate,
        steps=steps,
        width=width,
        square=square,
        noise=noise,
    )
    rng = np.random.default_rng(0)
    found = [descend(rng, width, rate, steps, noise) for _ in range(16)]
    slack = standard_errors(16, 4) * np.std(found, ddof=1) / 4.0
    assert np.mean(found) + slack < bound
    assert bound < 5.0 * (np.mean(found) - slack)  # and it says something


def test_width_acts_as_ridge():
    """The best penalized risk with N features, averaged over draws, is within its bound."""
    eigenvalues, square = known()
    target = feature_spectrum("output", DIM, DEGREES).weights  # relu(<w*, x>/sqrt(d))
    gram_of = jax.jit(lambda w: relu_gram(w, None, w, None))
    for width, ridge in ((10, 1e-2), (40, 1e-3)):
        values = []
        for seed in range(60):
            w = np.random.default_rng(seed).normal(size=(width + 1, DIM))
            gram = np.array(gram_of(jnp.asarray(w / np.linalg.norm(w, axis=1, keepdims=True))))
            features = gram[1:, 1:] / width
            best = np.linalg.solve(features + ridge * np.eye(width), gram[1:, 0] / width**0.5)
            values.append(0.5 - best @ gram[1:, 0] / width**0.5)
        rho = ridge + square / width
        bound = np.sum(target * rho / (eigenvalues + rho)) + (0.5 - target.sum())
        error = np.std(values, ddof=1) / math.sqrt(len(values))
        assert np.mean(values) < bound + standard_errors(len(values), 2) * error
        assert bound < 6.0 * np.mean(values)  # sampling is not the best choice of weights


@pytest.mark.sharp
def test_one_degree_by_hand():
    eigenvalues, square = known()
    found = sgd_guarantee(
        eigenvalues, one_degree(2, 3.0), learning_rate=0.5, steps=100.0, square=square, noise=0.2
    )
    rho, share = 1.0 / 50.0, 1.0 - 0.5 * square
    expected = (3.0 * rho / (eigenvalues[2] + rho) + 0.04) / share - 0.04
    # 21 summands and a few operations; the noise is added and taken away again
    assert abs(found / expected - 1.0) < rounding(30, 1.0 + 0.08 / expected)
    too_large = sgd_guarantee(
        eigenvalues, one_degree(2), learning_rate=1.0 / square, steps=1.0, square=square
    )
    assert too_large == math.inf


@pytest.mark.parametrize(("features", "bias"), [("output", True), ("hidden", True)])
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_required_sizes_meet_the_accuracy_exactly(features, bias, degree):
    eigenvalues, square = known(features, bias)
    asked = sgd_requirements(eigenvalues, one_degree(degree), 0.1, square=square)

    def bound(share):
        return sgd_guarantee(
            eigenvalues,
            one_degree(degree),
            learning_rate=asked.learning_rate,
            steps=share * asked.steps,
            width=share * asked.width,
            square=square,
        )

    assert bound(1.0) == pytest.approx(0.1, rel=1e-9)
    assert bound(0.9) > 0.1
    # rho = l accuracy/2/(1 - accuracy/2), in equal parts from steps and width
    rho = eigenvalues[degree] * 0.05 / 0.95
    assert asked.steps == pytest.approx(4.0 * square / rho, rel=1e-9)
    assert asked.width == pytest.approx(2.0 * square / rho, rel=1e-9)


def test_sizes_grow_with_the_number_of_harmonics():
    """Steps over B(d, k) follow the weight of the degree in the kernel alone."""
    steps = []
    for dim in (5, 10, 20):
        found = feature_spectrum("output", dim, 4, bias=True)
        target = 1.0 * (np.arange(5) == 3)
        asked = sgd_requirements(found.eigenvalues, target, 0.1, square=found.total)
        steps.append(asked.steps * found.weights[3] / multiplicity(dim, 3))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)


def test_what_the_kernel_lacks_is_never_learned():
    eigenvalues, square = known()
    asked = sgd_requirements(eigenvalues, one_degree(3), 0.1, square=square)
    assert asked.steps == asked.width == math.inf
    found = sgd_requirements(eigenvalues, one_degree(2, 0.01), 0.1, square=square)
    assert found.steps == found.width == 1.0


def test_refusals():
    eigenvalues, square = known()
    for name in ("learning_rate", "steps", "width"):
        sizes = {"learning_rate": 0.1, "steps": 10.0, "width": 10.0, name: 0.0}
        with pytest.raises(RequirementError, match=f"{name} must be positive"):
            sgd_guarantee(eigenvalues, one_degree(1), square=square, **sizes)
    with pytest.raises(RequirementError, match="accuracy must be positive"):
        sgd_requirements(eigenvalues, one_degree(1), 0.0, square=square)
