"""Kernel and features regression under Gaussian inputs: noise, ridge, biased targets."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, optimize, stats

from rf_limits.errors import RequirementError
from rf_limits.theory import (
    DegreeCoefficients,
    ReluSum,
    coefficients_by_degree,
    kernel_regression_risk,
    profiles_by_degree,
    random_features_risk,
    relu_kernel_spectrum,
    zonal_spectrum,
)
from tests.chance import standard_errors
from tests.theory.test_kernel_regression import by_hand, sphere


def spectra(dim, degree=200, kernel="nngp"):
    return relu_kernel_spectrum(kernel, dim, degree), zonal_spectrum(dim, degree)


def biased(dim, bias, degree=200):
    """One neuron relu(x_0 + b), by degree and length."""
    neuron = ReluSum(jnp.eye(1, dim), jnp.array([bias]), jnp.ones(1))
    total = zonal_spectrum(dim, degree, bias=bias).total
    return profiles_by_degree(neuron, degree, total)


@pytest.mark.parametrize(
    ("dim", "n", "ridge", "noise", "expected"),
    [
        (5, 100, 0.01, 0.5, 0.0889),
        (5, 100, 0.1, 0.5, 0.0554),
        (5, 100, 1.0, 0.5, 0.0673),
        (10, 200, 0.03, 0.5, 0.0983),
        (20, 300, 0.01, 0.5, 0.2177),
        (5, 40, 0.1, 0.0, 0.0311),
    ],
)
def test_recorded_values_with_a_ridge(dim, n, ridge, noise, expected):
    """Values of an independent program, to its last digit; kernel of diagonal |x|^2/(2 d)."""
    found = kernel_regression_risk(*spectra(dim, 400), n, ridge=dim * ridge, noise=noise)
    assert abs(float(found.risk) - expected) < 0.6e-4


@pytest.mark.parametrize(
    ("dim", "n", "simulated", "error", "sphere_rule", "rule"),
    [(5, 100, 0.412, 0.013, 0.246, 0.411), (10, 200, 0.181, 0.003, 0.143, 0.179),
     (20, 300, 0.318, 0.004, 0.281, 0.313)],
)  # fmt: skip
def test_recorded_values_of_noise(dim, n, simulated, error, sphere_rule, rule):
    """Without ridge noise^2 counts as noise^2 d/(d - 2); recorded simulations agree."""
    found = [
        float(kernel_regression_risk(*spectra(dim), n, inputs=i, noise=0.5).noise_variance)
        for i in ("gaussian", "sphere")
    ]
    np.testing.assert_allclose(found[0] / found[1], dim / (dim - 2.0), rtol=1e-11)
    assert abs(found[0] - rule) < 0.6e-3
    assert abs(found[1] - sphere_rule) < 0.6e-3
    assert abs(found[0] - simulated) < 5 * error


def test_homogeneous_targets_without_noise_and_ridge_have_the_risk_of_the_sphere():
    n = np.array([3, 30, 300])
    for dim in (3, 10, 100):
        for solve in (
            lambda inputs, dim=dim: kernel_regression_risk(*spectra(dim), n, inputs=inputs),
            lambda inputs, dim=dim: random_features_risk(*spectra(dim), n, 400, inputs=inputs),
        ):
            one, other = solve("gaussian"), solve("sphere")
            np.testing.assert_allclose(one.risk, other.risk, rtol=1e-10)
            np.testing.assert_allclose(one.bias, other.bias, rtol=1e-10)


@pytest.mark.parametrize(("dim", "n", "ridge"), [(2, 30, 0.3), (5, 40, 0.01), (20, 300, 5.0)])
def test_the_formula_by_adaptive_quadrature(dim, n, ridge):
    """Kappa and risk from their definition, by other quadrature and another root finder."""
    kernel, target = spectra(dim, 60)
    found = kernel_regression_risk(kernel, target, n, ridge=ridge, noise=0.4)
    values, counts = dim * kernel.eigenvalues, np.exp(kernel.log_multiplicities)
    law = stats.chi2(dim, scale=1.0 / dim)
    split = [law.ppf(q) for q in (0.0, 1e-8, 1e-3, 0.2, 0.8, 1 - 1e-9)]

    def mean(function):
        pieces = zip(split[:-1], split[1:], strict=True)
        density = lambda g: function(g) * law.pdf(g)
        return sum(integrate.quad(density, a, b, epsabs=0, epsrel=1e-10)[0] for a, b in pieces)

    def weight(kappa):
        learned = np.sum(counts * values / (values + kappa)) + dim * kernel.tail / kappa
        return lambda g: 1.0 / (ridge / g + kappa * learned)

    root = optimize.brentq(
        lambda s: n * np.exp(s) * mean(weight(np.exp(s))) - 1.0, -25.0, 10.0, rtol=1e-13
    )
    kappa = np.exp(root)
    learned, a = values / (values + kappa), weight(kappa)
    squares = kappa**2 * np.sum(counts * learned**2)
    wrong = np.sum((1.0 - learned) ** 2 * target.weights) + target.total - target.weights.sum()
    noise = 0.4**2 * n * mean(lambda g: a(g) ** 2 / g) * squares
    risk = (wrong + noise) / (1.0 - n * mean(lambda g: a(g) ** 2) * squares)
    np.testing.assert_allclose(found.kappa, kappa, rtol=1e-6)
    np.testing.assert_allclose(found.risk, risk, rtol=1e-6)


def drawn(rng, count, dim, law):
    return rng.normal(size=(count, dim)) if law == "gaussian" else sphere(rng, count, dim)


def lengths(x):
    return np.linalg.norm(x, axis=1)


def gram(x, z):
    """The NNGP kernel |x||z| h for points of any length, h(1) = 1/2."""
    dim = x.shape[1]
    units = [np.sqrt(dim) * y / lengths(y)[:, None] for y in (x, z)]
    return by_hand(*units, "nngp") * np.outer(lengths(x), lengths(z)) / dim


def kernel_rows(rng, dim, n, ridge, noise, bias, seeds):
    """Risk and training error of direct regressions under Gaussian inputs."""
    rows, function = [], lambda x: np.maximum(x[:, 0] + bias, 0.0)
    for _ in range(seeds):
        x, z = rng.normal(size=(n, dim)), rng.normal(size=(1000, dim))
        y, k = function(x) + noise * rng.normal(size=n), gram(x, x)
        a = np.linalg.solve(k + ridge * np.eye(n), y)
        rows.append((np.mean((gram(z, x) @ a - function(z)) ** 2), np.mean((k @ a - y) ** 2)))
    return np.array(rows)


SETTINGS = [
    (10, 100, 1.0, 0.3, 1.0),
    (20, 60, 0.5, 0.3, -1.0),
    *(
        pytest.param(*setting, marks=pytest.mark.slow)
        for setting in (
            (10, 100, 0.3, 0.5, 0.0),
            (10, 60, 0.0, 0.0, -1.0),
            (20, 100, 0.0, 0.0, 1.0),
            (20, 100, 0.0, 0.5, 1.0),
        )
    ),
]


@pytest.mark.parametrize(("dim", "n", "ridge", "noise", "bias"), SETTINGS)
def test_direct_regressions(dim, n, ridge, noise, bias):
    """With biases, noise and a ridge; the theory of spheres would fail by many errors."""
    kernel, target = spectra(dim)
    target = biased(dim, bias) if bias else target
    found = kernel_regression_risk(kernel, target, n, ridge=ridge, noise=noise)
    rows = kernel_rows(np.random.default_rng(n + dim), dim, n, ridge, noise, bias, 40)
    error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
    distance = np.abs(rows.mean(axis=0) - [found.risk, found.train_risk])
    assert distance[0] < standard_errors(40, 12) * error[0]
    assert error[0] < 0.05 * found.risk
    if ridge:
        assert distance[1] < standard_errors(40, 12) * error[1]


@pytest.mark.parametrize(
    ("dim", "n", "bias", "recorded", "other"),
    [(5, 100, 1.0, 0.371, 0.468), (5, 100, -1.0, 0.0416, 0.0376), (10, 200, 1.0, 0.1020, 0.1156)],
)
def test_recorded_values_of_biased_targets(dim, n, bias, recorded, other):
    """Simulations, 3 to 5% above theory at d = 5 as for targets without bias; ``other`` is the
    risk on the sphere against labels divided by |x|, which is another number."""
    found = float(kernel_regression_risk(*(spectra(dim)[0], biased(dim, bias)), n).risk)
    room = 0.05 if dim == 5 else 0.01
    assert abs(recorded / found - 1.0) < room
    assert abs(other / found - 1.0) > 0.07


def test_profiles_of_a_homogeneous_target_and_of_a_tiny_bias():
    dim, n = 6, np.array([20, 200])
    kernel, target = spectra(dim)
    options = {"ridge": 0.2, "noise": 0.3}
    neuron = ReluSum(jnp.eye(1, dim), None, jnp.ones(1))
    plain = kernel_regression_risk(kernel, target, n, **options)
    same = kernel_regression_risk(kernel, profiles_by_degree(neuron, 200, 0.5), n, **options)
    near = kernel_regression_risk(kernel, biased(dim, 1e-9), n, **options)
    for name in ("risk", "train_risk", "bias", "sample_variance", "noise_variance"):
        expected = getattr(plain, name)
        np.testing.assert_allclose(getattr(same, name), expected, rtol=1e-10)
        np.testing.assert_allclose(getattr(near, name), expected, rtol=1e-5)


def test_profiles_do_not_depend_on_their_rule(monkeypatch):
    found = []
    for refinement in (8, 32):
        monkeypatch.setattr("rf_limits.theory.spectra.profiles._REFINEMENT", refinement)
        one = [
            kernel_regression_risk(spectra(d, 40)[0], biased(d, b, 40), 50, ridge=0.1, noise=0.1)
            for d, b in ((2, -1.0), (5, 0.5))
        ]
        found.append([(float(r.risk), float(r.train_risk)) for r in one])
    np.testing.assert_allclose(*found, rtol=1e-5)  # what profiles_by_degree states


def features_rows(rng, dim, n, count, ridge, noise, inputs, weights, seeds, bias=0.0):
    rows, function = [], lambda x: np.maximum(x[:, 0] + bias, 0.0)
    for _ in range(seeds):
        x, z = drawn(rng, n, dim, inputs), drawn(rng, 1000, dim, inputs)
        w = drawn(rng, count, dim, weights)
        phi, psi = (np.maximum(y @ w.T, 0.0) / np.sqrt(count) for y in (x, z))
        y = function(x) + noise * rng.normal(size=n)
        if n < count:
            theta = phi.T @ np.linalg.solve(phi @ phi.T + ridge * np.eye(n), y)
        else:
            theta = np.linalg.solve(phi.T @ phi + ridge * np.eye(count), phi.T @ y)
        error = psi @ theta - function(z)
        rows.append((np.mean(error**2), np.mean((phi @ theta - y) ** 2)))
    return np.array(rows)


FEATURES = [
    (10, 100, 40, 0.0, 0.3),
    (20, 60, 200, 0.3, 0.3),
    pytest.param(20, 40, 160, 0.0, 0.3, marks=pytest.mark.slow),
    pytest.param(10, 160, 40, 1.0, 0.0, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("dim", "n", "count", "ridge", "noise"), FEATURES)
def test_direct_regressions_on_features(dim, n, count, ridge, noise):
    """Inputs and weights of Gaussian law and on spheres: four theories, four simulations."""
    risks = []
    for inputs in ("gaussian", "sphere"):
        for weights in ("gaussian", "sphere"):
            laws = inputs, weights
            rows = features_rows(
                np.random.default_rng(7), dim, n, count, ridge, noise, *laws, seeds=60
            )
            found = random_features_risk(
                *spectra(dim), n, count, inputs=inputs, weights=weights, ridge=ridge, noise=noise
            )
            error = rows.std(axis=0, ddof=1) / np.sqrt(60)
            distance = np.abs(rows.mean(axis=0) - [found.risk, found.train_risk])
            assert distance[0] < standard_errors(60, 32) * error[0]
            if ridge or n > count:
                assert distance[1] < standard_errors(60, 32) * error[1]
            risks.append(float(found.risk))
    if noise:
        assert len(set(np.round(risks, 4))) > 1


@pytest.mark.parametrize(
    ("dim", "n", "count", "ridge", "noise", "bias"),
    [
        (10, 100, 40, 1.0, 0.0, -1.0),
        pytest.param(20, 60, 120, 0.0, 0.3, -1.0, marks=pytest.mark.slow),
        pytest.param(20, 40, 100, 0.3, 0.3, 1.0, marks=pytest.mark.slow),
        pytest.param(20, 120, 40, 0.0, 0.3, 1.0, marks=pytest.mark.slow),
    ],
)
def test_biased_targets_on_features(dim, n, count, ridge, noise, bias):
    """Interpolation, least squares and ridge."""
    laws = "gaussian", "gaussian"
    rows = features_rows(
        np.random.default_rng(8), dim, n, count, ridge, noise, *laws, seeds=60, bias=bias
    )
    kernel = relu_kernel_spectrum("nngp", dim, 200)
    found = random_features_risk(kernel, biased(dim, bias), n, count, ridge=ridge, noise=noise)
    error = rows.std(axis=0, ddof=1) / np.sqrt(60)
    distance = np.abs(rows.mean(axis=0) - [found.risk, found.train_risk])
    assert distance[0] < standard_errors(60, 8) * error[0]
    assert error[0] < 0.05 * found.risk
    if ridge or n > count:
        assert distance[1] < standard_errors(60, 8) * error[1]


def test_least_squares_on_features_weighs_points_by_their_length():
    """40 ReLU features, n = 100, d = 10, noise 0.3: the noise's part of the risk is not that of
    fits that interpolate, noise^2 d/(d - 2). Simulated (900 fits): 0.0660 +- 0.0004."""
    kernel, target = spectra(10)
    found = random_features_risk(kernel, target, 100, 40, noise=0.3).noise_variance
    rule = random_features_risk(
        kernel, target, 100, 40, inputs="sphere", weights="sphere", noise=0.3 * np.sqrt(10 / 8)
    ).noise_variance
    assert abs(0.0660 / float(found) - 1.0) < 0.025
    assert float(rule) / 0.0660 - 1.0 > 0.1


def test_a_target_is_taken_for_the_inputs_it_was_projected_for():
    kernel, _ = spectra(10)
    neuron = ReluSum(jnp.eye(1, 10), jnp.ones(1), jnp.ones(1))
    for solve in (kernel_regression_risk, lambda *a, **o: random_features_risk(*a, 50, **o)):
        on_sphere = coefficients_by_degree(neuron, 20, 2.0, "sphere")
        with pytest.raises(RequirementError, match="target must be given by profiles_by_degree"):
            solve(kernel, on_sphere, 30)
        with pytest.raises(RequirementError, match="target must be given by coefficients_by_deg"):
            solve(kernel, biased(10, 1.0, 20), 30, inputs="sphere")
        with pytest.raises(RequirementError, match="inputs must be one of"):
            solve(kernel, biased(10, 1.0, 20), 30, inputs="ball")
    assert isinstance(on_sphere, DegreeCoefficients)


def test_one_degree_of_a_biased_target():
    """Degrees are learned apart: risks of single degrees add up, but for what is beyond them."""
    kernel, target = spectra(8, 30)[0], biased(8, 0.7, 30)
    options = {"ridge": 0.2}
    parts = [
        float(kernel_regression_risk(kernel, target, 50, degree=k, **options).risk)
        for k in range(31)
    ]
    whole = kernel_regression_risk(kernel, target, 50, **options)
    beyond = float(whole.risk) - sum(parts)
    assert 0.0 <= beyond < 2.0 * target.beyond * float(whole.overfitting)
