"""SGD on random features: guarantees met by simulation, estimates that are none."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rf_limits.errors import RequirementError
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.guarantees.sgd_regret import (
    BoundedFeatures,
    MeanFeatures,
    bounded_features,
    mean_features,
    sgd_estimate,
    sgd_guarantee,
    sgd_requirements,
)
from rf_limits.theory.spectra.feature_kernels import feature_spectrum
from rf_limits.theory.spectra.harmonics import multiplicity
from tests.chance import standard_errors
from tests.rounding import rounding

DIM, DEGREES = 4, 20


def one_degree(k, size=1.0):
    """E f*_k^2 of a target of one degree, and of all beyond."""
    return size * (np.arange(DEGREES + 2) == k)


def on_the_sphere(rng, *shape):
    """Uniform points of the unit sphere along the last axis."""
    x = rng.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def features_of(kind, w, b, x):
    """(n, features) values at inputs of radius sqrt(d): psi(w_i, x)/sqrt(N), written out."""
    h = x @ w.T / math.sqrt(DIM) + (0.0 if b is None else b)
    if kind == "output":
        return np.maximum(h, 0.0) / math.sqrt(len(w))
    inputs = x / math.sqrt(DIM)
    if b is not None:
        inputs = np.concatenate([inputs, np.ones((len(x), 1))], axis=1)
    products = (h > 0)[:, :, None] * inputs[:, None, :]
    return products.reshape(len(x), -1) / math.sqrt(len(w))


def descend(rng, kind, bias, width, rate, steps, noise):
    """Mean risk over the steps of one-pass SGD on a degree-2 target, in numpy."""
    w = on_the_sphere(rng, width, DIM) if kind == "output" else rng.normal(size=(width, DIM))
    b = rng.normal(size=width) if bias else None

    def drawn(count):
        x = math.sqrt(DIM) * on_the_sphere(rng, count, DIM)
        # E x_1^2 x_2^2 = d/(d + 2) on the sphere
        return features_of(kind, w, b, x), x[:, 0] * x[:, 1] / math.sqrt(DIM / (DIM + 2.0))

    test, y_test = drawn(4000)
    features, y = drawn(steps)
    y = y + noise * rng.normal(size=steps)
    thetas = np.zeros((steps + 1, features.shape[1]))
    for t, (phi, label) in enumerate(zip(features, y, strict=True)):
        thetas[t + 1] = thetas[t] - rate * (phi @ thetas[t] - label) * phi
    # the mean of (test @ theta - y_test)^2, written out: the moments serve all steps
    moments, products = test.T @ test / len(test), test.T @ y_test / len(test)
    squares = np.sum((thetas[:-1] @ moments - 2.0 * products) * thetas[:-1], axis=1)
    return np.mean(squares) + np.mean(y_test**2)


@pytest.mark.parametrize(
    ("kind", "bias", "width", "rate", "noise"),
    [
        ("output", False, 100, 0.4, 0.3),
        ("output", False, 1, 0.9, 0.0),
        ("hidden", False, 30, 0.4, 0.0),
        ("hidden", False, 1, 0.9, 0.3),
        ("hidden", True, 10, 0.2, 0.0),
    ],
)
def test_sgd_meets_its_guarantee(kind, bias, width, rate, noise):
    """The mean risk over draws of features and samples is below the bound, and not far below."""
    steps, runs = 1000, 24
    bound = sgd_guarantee(
        bounded_features(kind, DIM, DEGREES, bias=bias),
        one_degree(2),
        learning_rate=rate,
        steps=steps,
        width=width,
        noise=noise,
    )
    rng = np.random.default_rng(0)
    found = [descend(rng, kind, bias, width, rate, steps, noise) for _ in range(runs)]
    slack = standard_errors(runs, 10) * np.std(found, ddof=1) / math.sqrt(runs)
    assert np.mean(found) + slack < bound
    assert bound < 12.0 * (np.mean(found) + slack)  # (1 - eta R^2)^-1 = 10 of it at eta = 0.9


def exact_mean_risk(dim, square_length, rate, steps):
    """Mean over steps and samples of the risk of one neuron on a linear target, E f*^2 = 1.

    phi = relu(h), h = <w, x>/sqrt(d) = |w| t with E t^2 = 1/d, E t^4 = 3/(d (d + 2)); the target
    is sqrt(d) (c t + sqrt(1 - c^2) t'), E t^2 t'^2 = 1/(d (d + 2)), averaged over E c^2 = 1/d.
    """
    t2, t4, cross = 1.0 / dim, 3.0 / (dim * (dim + 2)), 1.0 / (dim * (dim + 2))
    s, c2 = square_length, 1.0 / dim
    phi2, phi4 = 0.5 * s * t2, 0.5 * s**2 * t4
    one = 0.5 * np.sqrt(s * dim) * t2  # E phi y/c
    three = 0.5 * s**1.5 * math.sqrt(dim) * t4  # E phi^3 y/c
    two = 0.5 * s * dim * (c2 * t4 + (1.0 - c2) * cross)  # E phi^2 y^2
    mean, square, total = 0.0, 0.0, 0.0  # E theta/c, E theta^2, the sum of risks
    for _ in range(steps):
        total += square * phi2 - 2.0 * c2 * mean * one + 1.0
        growth = 1.0 - 2.0 * rate * phi2 + rate**2 * phi4
        square = growth * square + 2.0 * rate * c2 * (one - rate * three) * mean + rate**2 * two
        mean = (1.0 - rate * phi2) * mean + rate * one
    return total / steps


def test_an_estimate_is_no_bound():
    """One neuron of Gaussian weights, d = 5, T = 200, eta = 0.5, on the sphere.

    The estimate is 1.21; 4000 runs simulated have a mean risk of 4e12. Here it is exact, from a
    part of all lengths alone: |w|^2 between 10 and 20, which has one weight vector of thirteen.
    """
    estimate = sgd_estimate(
        mean_features("output", 5, DEGREES),
        one_degree(1),
        learning_rate=0.5,
        steps=200,
        width=1,
    )
    assert estimate == pytest.approx(1.21, abs=5e-3)
    lengths = np.linspace(10.0, 20.0, 2001)
    risks = exact_mean_risk(5, lengths, 0.5, 200) * stats.chi2(5).pdf(lengths)
    assert np.trapezoid(risks, lengths) > 3e12
    # and for weights of the one length sqrt(d), whose mean square is exact
    mean = mean_features("output", 20, DEGREES)
    sizes = {"learning_rate": 1.8, "steps": 200, "width": 1}
    assert exact_mean_risk(20, 20.0, 1.8, 200) > 1e50 > sgd_estimate(mean, one_degree(1), **sizes)


@pytest.mark.parametrize("dim", [2, 5, 20])
@pytest.mark.parametrize("rate", [0.01, 0.5, 0.99])
def test_one_neuron_meets_its_guarantee_exactly(dim, rate):
    """Unit-length weights: the expectation in closed form, no simulation."""
    features = bounded_features("output", dim, DEGREES)
    for steps in (1, 10, 200, 3000):
        found = exact_mean_risk(dim, 1.0, rate, steps)
        target = one_degree(1)
        bound = sgd_guarantee(features, target, learning_rate=rate, steps=steps, width=1)
        assert found < bound


@pytest.mark.parametrize(("kind", "bias"), [("output", False), ("hidden", False), ("hidden", True)])
def test_suprema(kind, bias):
    """|psi|^2 and the eigenvalues of E psi psi^T, of drawn features."""
    rng = np.random.default_rng(1)
    found = bounded_features(kind, DIM, DEGREES, bias=bias)
    x = math.sqrt(DIM) * on_the_sphere(rng, 20_000, DIM)
    largest, moment = 0.0, 0.0
    for _ in range(20):
        w = on_the_sphere(rng, 1, DIM) * (1.0 if kind == "output" else 10.0 ** rng.normal())
        b = 3.0 * rng.normal(size=1) if bias else None
        psi = features_of(kind, w, b, x)
        largest = max(largest, np.max(np.sum(psi**2, axis=1)))
        moment = max(moment, np.linalg.eigvalsh(psi.T @ psi / len(x))[-1])
    assert 0.95 * found.square < largest <= found.square * (1.0 + rounding(8 * DIM))
    # 20,000 squares of variance below 1/d^2 (1 at a bias): six standard errors of their mean
    assert moment < found.sampling + (0.05 if bias else 6.0 / DIM / math.sqrt(len(x)))
    assert moment > 0.8 * found.sampling


def test_width_acts_as_ridge():
    """The best penalized risk with N features, averaged over draws, is within its bound."""
    found = feature_spectrum("output", DIM, DEGREES)
    target = found.weights  # relu(<w*, x>/sqrt(d))
    gram_of = jax.jit(lambda w: relu_gram(w, None, w, None))
    for width, ridge in ((10, 1e-2), (40, 1e-3)):
        values = []
        for seed in range(60):
            w = np.random.default_rng(seed).normal(size=(width + 1, DIM))
            gram = np.array(gram_of(jnp.asarray(w / np.linalg.norm(w, axis=1, keepdims=True))))
            features = gram[1:, 1:] / width
            best = np.linalg.solve(features + ridge * np.eye(width), gram[1:, 0] / width**0.5)
            values.append(0.5 - best @ gram[1:, 0] / width**0.5)
        # homogeneous neurons: all lengths are sqrt(d) here, where V is the mean square
        rho = ridge + found.total / width
        bound = np.sum(target * rho / (found.eigenvalues + rho)) + (0.5 - target.sum())
        error = np.std(values, ddof=1) / math.sqrt(len(values))
        assert np.mean(values) < bound + standard_errors(len(values), 2) * error
        assert bound < 6.0 * np.mean(values)  # sampling is not the best choice of weights


@pytest.mark.sharp
def test_one_degree_by_hand():
    features = mean_features("output", DIM, DEGREES)
    found = sgd_estimate(features, one_degree(2, 3.0), learning_rate=0.5, steps=100.0, noise=0.2)
    rho, share = 1.0 / 50.0, 1.0 - 0.5 * features.mean_square
    expected = (3.0 * rho / (features.eigenvalues[2] + rho) + 0.04) / share - 0.04
    # 21 summands and a few operations; the noise is added and taken away again
    assert abs(found / expected - 1.0) < rounding(30, 1.0 + 0.08 / expected)
    rate = 1.0 / features.mean_square
    assert sgd_estimate(features, one_degree(2), learning_rate=rate, steps=1.0) == math.inf


BOTH = {sgd_guarantee: bounded_features, sgd_estimate: mean_features}


@pytest.mark.parametrize("function", BOTH)
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_required_sizes_meet_the_accuracy_exactly(function, degree):
    features = BOTH[function]("hidden", DIM, DEGREES, bias=True)
    asked = sgd_requirements(features, one_degree(degree), 0.1)

    def bound(share):
        return function(
            features,
            one_degree(degree),
            learning_rate=asked.learning_rate,
            steps=share * asked.steps,
            width=share * asked.width,
        )

    assert bound(1.0) == pytest.approx(0.1, rel=1e-9)
    assert bound(0.9) > 0.1
    # rho = l accuracy/2/(1 - accuracy/2), in equal parts from steps and width
    rho = features.eigenvalues[degree] * 0.05 / 0.95
    assert asked.steps == pytest.approx(4.0 * features.square / rho, rel=1e-9)
    assert asked.width == pytest.approx(2.0 * features.sampling / rho, rel=1e-9)


def test_sizes_grow_with_the_number_of_harmonics():
    """Steps over B(d, k) follow the weight of the degree in the kernel alone."""
    steps = []
    for dim in (5, 10, 20):
        features = mean_features("output", dim, 4, bias=True)
        asked = sgd_requirements(features, 1.0 * (np.arange(6) == 3), 0.1)
        weight = feature_spectrum("output", dim, 4, bias=True).weights[3]
        steps.append(asked.steps * weight / multiplicity(dim, 3))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)


def test_what_the_kernel_lacks_is_never_learned():
    features = bounded_features("output", DIM, DEGREES)
    asked = sgd_requirements(features, one_degree(3), 0.1)
    assert asked.steps == asked.width == math.inf
    found = sgd_requirements(features, one_degree(2, 0.01), 0.1)
    assert found.steps == found.width == 1.0


def test_refusals():
    features = bounded_features("output", DIM, DEGREES)
    for name in ("learning_rate", "steps", "width"):
        sizes = {"learning_rate": 0.1, "steps": 10.0, "width": 10.0, name: 0.0}
        with pytest.raises(RequirementError, match=f"{name} must be positive"):
            sgd_guarantee(features, one_degree(1), **sizes)
    with pytest.raises(RequirementError, match="accuracy must be positive"):
        sgd_requirements(features, one_degree(1), 0.0)
    means = MeanFeatures(features.eigenvalues, 0.5)
    # annotations are checked in tests, and the type itself where they are not
    with pytest.raises((RequirementError, TypeError), match="BoundedFeatures"):
        sgd_guarantee(means, one_degree(1), learning_rate=0.1, steps=10.0)
    with pytest.raises(RequirementError, match="bias must be False"):
        bounded_features("output", DIM, DEGREES, bias=True)
    refused = {
        "features.square": features._replace(square=-1.0),
        "features.sampling": features._replace(sampling=-1.0),
        "features.eigenvalues": features._replace(eigenvalues=-features.eigenvalues),
        "target": features._replace(eigenvalues=features.eigenvalues[:-1]),
    }
    for name, wrong in refused.items():
        with pytest.raises(RequirementError, match=f"^{name} must "):
            sgd_guarantee(wrong, one_degree(1), learning_rate=0.1, steps=10.0)
        with pytest.raises(RequirementError, match=f"^{name} must "):
            sgd_requirements(wrong, one_degree(1), 0.1)
    with pytest.raises(RequirementError, match="noise must be at least 0"):
        sgd_guarantee(features, one_degree(1), learning_rate=0.1, steps=10.0, noise=-1.0)


def test_infinitely_many_steps():
    """With infinitely many features what the kernel lacks is left: 0.5/(1 - 0.1/2) = 0.526."""
    sizes = {"learning_rate": 0.1, "steps": math.inf}
    eigenvalues, target = np.array([0.0, 0.1]), [0.5, 0.5]
    for function, features in (
        (sgd_guarantee, BoundedFeatures(eigenvalues, 0.5, 0.5)),
        (sgd_estimate, MeanFeatures(eigenvalues, 0.5)),
    ):
        assert function(features, target, **sizes) == pytest.approx(0.5 / 0.95, rel=rounding(8))
        # a limit, and the ridge 1/N of a finite width is left
        many = function(features, target, learning_rate=0.1, steps=1e300)
        assert many == pytest.approx(0.5 / 0.95, rel=rounding(8))
        wide = function(features, target, **sizes, width=5.0)
        assert wide == pytest.approx((0.5 + 0.5 * 0.1 / 0.2) / 0.95, rel=rounding(8))
        noisy = function(features, target, **sizes, noise=3.0)
        assert noisy == pytest.approx((0.5 + 9.0) / 0.95 - 9.0, rel=rounding(8, 20.0))
