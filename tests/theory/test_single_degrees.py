"""Kernel regression on the sphere for targets of a single degree, against direct regression."""

import itertools

import numpy as np
import pytest

from rf_limits.theory import DegreeCoefficients, kernel_regression, kernel_regression_risk
from rf_limits.theory.harmonics import multiplicity
from rf_limits.theory.kernel_spectrum import relu_kernel_spectrum
from rf_limits.theory.spectrum import zonal_spectrum
from tests.chance import standard_errors
from tests.theory.test_kernel_regression import by_hand, sphere

DIM, DEGREES, KERNELS, TEST = 25, (1, 2, 4), ("nngp", "ntk"), 2000


def harmonic(t, degree):
    """sqrt(B(d, k)) P_k(t) for d = 25, from the polynomials' closed forms; E f*^2 = 1."""
    d = DIM
    polynomial = {
        1: t,
        2: (d * t**2 - 1) / (d - 1),
        4: ((d + 4) * (d + 2) * t**4 - 6 * (d + 2) * t**2 + 3) / (d**2 - 1),
    }[degree]
    count = {1: d, 2: d * (d + 1) / 2 - 1, 4: d * (d - 1) * (d + 1) * (d + 6) / 24}[degree]
    return np.sqrt(count) * polynomial


def measured(rng, n, seeds):
    """Risks of direct ridgeless regression by kernel and degree, one row per training set."""
    rows = []
    for _ in range(seeds):
        x, z, u = sphere(rng, n, DIM), sphere(rng, TEST, DIM), rng.normal(size=DIM)
        u /= np.linalg.norm(u)
        y, wanted = (
            np.stack([harmonic(a @ u / np.sqrt(DIM), k) for k in DEGREES], axis=1) for a in (x, z)
        )
        row = []
        for kernel in KERNELS:
            coefficients = np.linalg.solve(by_hand(x, x, kernel), y)
            error = by_hand(z, x, kernel) @ coefficients - wanted
            row.append(np.mean(error**2, axis=0))
        rows.append(row)
    return np.array(rows)


def distances(sizes, seeds):
    """(sizes, kernels, degrees) measured minus expected risk, in standard errors and relative."""
    rng = np.random.default_rng(11)
    found = []
    for n in sizes:
        rows = measured(rng, n, seeds)
        error = rows.std(axis=0, ddof=1) / np.sqrt(seeds)
        expected = np.array(
            [[float(theory(kernel, k, n).risk) for k in DEGREES] for kernel in KERNELS]
        )
        found.append([(rows.mean(axis=0) - expected) / error, rows.mean(axis=0) / expected - 1.0])
    return np.moveaxis(np.array(found), 1, 0)


def theory(kernel, degree, n):
    """Expectation for a target of one degree, of second moment 1."""
    weights = (np.arange(201) == degree) * 1.0
    target = DegreeCoefficients(DIM, weights, 1.0)
    return kernel_regression_risk(relu_kernel_spectrum(kernel, DIM, 200), target, n)


def test_harmonics_are_orthonormal():
    t = sphere(np.random.default_rng(0), 400_000, DIM)[:, 0] / np.sqrt(DIM)
    values = np.stack([harmonic(t, k) for k in DEGREES])
    products = values[:, None] * values
    error = products.std(axis=-1) / np.sqrt(t.size)
    assert np.all(np.abs(products.mean(axis=-1) - np.eye(3)) < 6 * error)


def test_three_ways_to_ask_for_a_degree():
    n = np.array([20, 300, 3000])
    for kernel, k in itertools.product(KERNELS, DEGREES):
        spectrum, neuron = relu_kernel_spectrum(kernel, DIM, 200), zonal_spectrum(DIM, 200)
        expected = theory(kernel, k, n).risk
        of_neuron = kernel_regression_risk(spectrum, neuron, n, degree=k)
        np.testing.assert_allclose(of_neuron.risk / neuron.weights[k], expected, rtol=1e-12)
        counts = [float(multiplicity(DIM, j)) for j in range(201)]
        tail = DIM * spectrum.tail
        target = (np.arange(201) == k) * 1.0
        values = DIM * spectrum.eigenvalues
        by_numbers = kernel_regression(values, np.array(counts), target, n, tail=tail)
        np.testing.assert_allclose(by_numbers.risk, expected, rtol=1e-10)


def check_distances(sizes, seeds):
    """Kernels and degrees share their training sets: all that is used is how far each may be."""
    absolute, relative = distances(sizes, seeds)
    assert np.max(np.abs(absolute)) < standard_errors(seeds, absolute.size)
    # and no bound is so wide that it says nothing
    assert np.max(np.abs(relative)) < 0.5


def test_single_degrees_agree_with_direct_regression():
    check_distances((20, 60, 200, 600), 48)


@pytest.mark.slow
def test_single_degrees_agree_up_to_3000_samples():
    check_distances((20, 50, 100, 200, 400, 800, 1500, 3000), 16)
