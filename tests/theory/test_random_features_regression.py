"""Learning curves of random features against direct regressions, and their mean predictor."""

import itertools

import numpy as np
import pytest

from rf_limits.theory import (
    random_features_regression,
    random_features_risk,
    relu_kernel_spectrum,
    zonal_spectrum,
)
from tests.chance import allowed, share_within, standard_errors
from tests.rounding import rounding
from tests.variants import kept

TEST, SEEDS = 1000, 16


def sphere(rng, count, dim):
    """Uniform on the sphere of radius sqrt(d)."""
    x = rng.normal(size=(count, dim))
    return x * np.sqrt(dim) / np.linalg.norm(x, axis=1, keepdims=True)


def predictor(rng, dim, n, features, ridge, noise, function):
    """A fit on fresh inputs and features: predictions, training error and its rounding."""
    x, w = sphere(rng, n, dim), sphere(rng, features, dim)
    phi = lambda points: np.maximum(points @ w.T, 0.0) / np.sqrt(features)
    y, f = function(x) + noise * rng.normal(size=n), phi(x)
    if n < features:
        a = np.linalg.solve(f @ f.T + ridge * np.eye(n), y)
        theta = f.T @ a
        # of products that are formed, a system that is solved, and sums that find the residual
        least = rounding(4 * n + 2 * features) * (f @ (f.T @ np.abs(a)) + np.abs(y))
    else:
        theta, least = np.linalg.solve(f.T @ f + ridge * np.eye(features), f.T @ y), 0.0
    return (lambda points: phi(points) @ theta), np.mean((f @ theta - y) ** 2), np.mean(least**2)


def neuron(rng, dim):
    w = rng.normal(size=dim)
    w /= np.linalg.norm(w)
    return lambda x: np.maximum(x @ w, 0.0)


def polynomial(dim):
    """Energy 1 in degree 1 and 1 in degree 2: E x_0^2 x_1^2 = d/(d + 2) on the sphere."""
    return lambda x: x[:, 2] + np.sqrt((dim + 2) / dim) * x[:, 0] * x[:, 1]


def polynomial_theory(dim, n, features, ridge, noise):
    kernel, held = relu_kernel_spectrum("nngp", dim, 200), 20
    return random_features_regression(
        dim * kernel.eigenvalues[:held],
        np.exp(kernel.log_multiplicities[:held]),
        np.eye(held)[1] + np.eye(held)[2],
        n,
        features,
        ridge=ridge,
        noise=noise,
        tail=dim * float(kernel.weights[held:].sum() + kernel.tail),
    )


def spectra(dim, degree=200):
    return relu_kernel_spectrum("nngp", dim, degree), zonal_spectrum(dim, degree)


@pytest.mark.parametrize("numbers", kept([(30, 100), (250,)], [(30, 100)]))
def test_a_grid_of_direct_regressions(numbers):
    """Risks, and training errors where they are not zero: each by itself, and as many within 3
    standard errors as chance leaves."""
    rng = np.random.default_rng(11)
    risks, trained = [], []
    grid = itertools.product(
        (10, 25), numbers, (60, 160, 500), (0.0, 0.5), ((0.0, True), (0.3, False))
    )
    for dim, n, features, ridge, (noise, is_neuron) in grid:
        setting = n, features
        if is_neuron:
            options = {"inputs": "sphere", "weights": "sphere", "ridge": ridge, "noise": noise}
            theory = random_features_risk(*spectra(dim), *setting, **options)
        else:
            theory = polynomial_theory(dim, *setting, ridge, noise)
        rows = []
        for _ in range(SEEDS):
            function = neuron(rng, dim) if is_neuron else polynomial(dim)
            fit, *train = predictor(rng, dim, *setting, ridge, noise, function)
            points = sphere(rng, TEST, dim)
            rows.append((np.mean((fit(points) - function(points)) ** 2), *train))
        error = np.std(rows, axis=0, ddof=1) / np.sqrt(SEEDS)
        distance = np.abs(np.mean(rows, axis=0) - [theory.risk, theory.train_risk, 0.0])
        risks.append(distance[0] / error[0])
        if ridge == 0.0 and n < features:
            assert theory.train_risk == 0.0
            assert distance[1] < distance[2]
        else:
            trained.append(distance[1] / error[1])
    assert len(risks) == 24 * len(numbers)
    assert len(trained) >= 0.5 * len(risks)
    for found in (risks, trained):
        assert np.max(found) < standard_errors(SEEDS, 120)
        least, _ = allowed(len(found), share_within(SEEDS, 3.0))
        assert np.sum(np.less(found, 3.0)) >= least


@pytest.mark.parametrize(
    ("n", "features", "ridge"), [(60, 150, 0.0), (150, 60, 0.0), (90, 90, 1.0)]
)
def test_bias_is_the_error_of_the_mean_predictor(n, features, ridge):
    """Pairs of independent fits, of other inputs and other features: E (f_1 - f*)(f_2 - f*)."""
    dim, groups, size = 10, 60, 8
    rng = np.random.default_rng(n)
    theory = polynomial_theory(dim, n, features, ridge, 0.2)
    function, found = polynomial(dim), []
    for _ in range(groups):
        points = sphere(rng, TEST, dim)
        fits = (predictor(rng, dim, n, features, ridge, 0.2, function)[0] for _ in range(size))
        errors = np.array([fit(points) - function(points) for fit in fits])
        pairs = np.sum(errors, axis=0) ** 2 - np.sum(errors**2, axis=0)
        found.append(np.mean(pairs) / (size * (size - 1)))
    error = np.std(found, ddof=1) / np.sqrt(groups)
    bound = standard_errors(groups, 3) * error
    assert abs(np.mean(found) - theory.bias) < bound
    assert theory.variance > 4 * bound  # the risk would not pass for the bias
    np.testing.assert_allclose(theory.risk, theory.bias + theory.variance, rtol=rounding(2))
