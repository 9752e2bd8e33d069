"""Integrals over the sphere against simulation and quadrature of the definition."""

import numpy as np
import pytest
from scipy import integrate

from rf_limits.theory.numerics.sphere import coordinate_nodes, expected_relu, expected_relu_product
from tests.rounding import LIBRARY, rounding


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [2, 3, 5, 20])
def test_coordinate_moments(dim):
    nodes, weights = coordinate_nodes(6, dim)
    # the eigenvalues of a matrix of 6 rows, below 1, and weights from recurrences of degree 6
    tolerance = rounding(4 * 6 + 4 * 6 + 2 * LIBRARY)
    assert abs(weights @ nodes**2 - 1.0 / dim) < tolerance
    assert abs(weights @ nodes**4 - 3.0 / (dim * (dim + 2))) < tolerance


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [3, 5, 20])
@pytest.mark.parametrize(("mean", "scale"), [(0.3, 1.0), (-0.5, 2.0), (2.0, 1.0), (-3.0, 1.0)])
def test_expected_relu(dim, mean, scale):
    density = lambda t: (1 - t * t) ** ((dim - 3) / 2)
    total, near = integrate.quad(density, -1, 1, epsabs=1e-14)
    kink = float(np.clip(-mean / scale, -1, 1))
    value, error = integrate.quad(
        lambda t: (mean + scale * t) * density(t), kink, 1, epsabs=1e-14, epsrel=1e-13
    )
    # what the quadratures state; a probability and a density times mean and scale
    tolerance = (error + near * (abs(mean) + scale)) / total
    tolerance += rounding(8 * LIBRARY) * (abs(mean) + scale)
    assert abs(expected_relu(mean, scale, dim) - value / total) < tolerance


def test_expected_relu_product_against_simulation():
    rng = np.random.default_rng(0)
    dim, cosine = 5, 0.4
    x = rng.normal(size=(1_000_000, dim))
    x *= np.sqrt(dim) / np.linalg.norm(x, axis=1, keepdims=True)
    other = cosine * x[:, 0] + np.sqrt(1 - cosine**2) * x[:, 1]
    values = np.maximum(1.2 * x[:, 0] - 0.5, 0) * np.maximum(0.7 * other + 0.3, 0)
    found = expected_relu_product(1.2, -0.5, 0.7, 0.3, cosine, dim)
    # 6 standard errors: false alarm below 1e-8
    assert abs(values.mean() - found) < 6 * values.std() / 1000
