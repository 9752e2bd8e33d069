"""Kernel regression on the sphere for targets of a single degree, against direct regression."""

import itertools

import numpy as np
import pytest
from scipy import special

from rf_limits.theory import DegreeCoefficients, kernel_regression, kernel_regression_risk
from rf_limits.theory.spectra.harmonics import multiplicity
from rf_limits.theory.spectra.kernel_spectrum import relu_kernel_spectrum
from rf_limits.theory.spectra.spectrum import zonal_spectrum
from tests.chance import standard_errors
from tests.rounding import LIBRARY, rounding
from tests.theory.test_kernel_regression import by_hand, sphere

DIM, DEGREES, KERNELS, TEST = 25, (1, 2, 4), ("nngp", "ntk"), 500


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
    kernel = relu_kernel_spectrum(kernel, DIM, 200)
    return kernel_regression_risk(kernel, target, n, inputs="sphere")


def test_harmonics_are_orthonormal():
    """By Gauss' rule for the density (1 - t^2)^((d - 3)/2), exact for their products."""
    t, weights = special.roots_gegenbauer(6, 0.5 * (DIM - 2))
    values = np.stack([harmonic(t, k) for k in DEGREES])
    products = (values * weights) @ values.T / weights.sum()
    # sums of 6 terms, weights from recurrences of degree 6; P_4 cancels up to a hundredfold
    tolerance = rounding(6 * 6 + 2 * LIBRARY, condition=100)
    np.testing.assert_allclose(products, np.eye(3), rtol=0, atol=tolerance)


@pytest.mark.sharp
def test_three_ways_to_ask_for_a_degree():
    n = np.array([20, 300, 3000])
    for kernel, k in itertools.product(KERNELS, DEGREES):
        spectrum, neuron = relu_kernel_spectrum(kernel, DIM, 200), zonal_spectrum(DIM, 200)
        expected = theory(kernel, k, n).risk
        of_neuron = kernel_regression_risk(spectrum, neuron, n, degree=k)
        counts = [float(multiplicity(DIM, j)) for j in range(201)]
        # exponentials of logarithms, and their sums; kappa and the risk amplify little
        size = np.log(counts[-1])
        rtol = rounding(201 + LIBRARY * size, condition=4)
        np.testing.assert_allclose(of_neuron.risk / neuron.weights[k], expected, rtol=rtol)
        tail = DIM * spectrum.tail
        target = (np.arange(201) == k) * 1.0
        values = DIM * spectrum.eigenvalues
        by_numbers = kernel_regression(values, np.array(counts), target, n, tail=tail)
        rtol += 4 * 1e-13 * size  # 1e-13 is what log_multiplicity states
        np.testing.assert_allclose(by_numbers.risk, expected, rtol=rtol)


def check_distances(sizes, seeds):
    """Kernels and degrees share their training sets: all that is used is how far each may be."""
    absolute, relative = distances(sizes, seeds)
    assert np.max(np.abs(absolute)) < standard_errors(seeds, absolute.size)
    # and no bound is so wide that it says nothing
    assert np.max(np.abs(relative)) < 0.5


def test_single_degrees_agree_with_direct_regression():
    check_distances((20, 100, 400), 48)


@pytest.mark.slow
def test_single_degrees_agree_up_to_3000_samples():
    check_distances((20, 50, 100, 200, 400, 800, 1500, 3000), 16)
