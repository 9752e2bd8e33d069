"""Integrals over the sphere against simulation and quadrature of the definition."""

import math

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


@pytest.mark.parametrize(
    "arguments",
    [
        (0.4917782269297502, 4.32711582408935, 1.2394366198586, 0.008743693690010547, -1.0, 20),
        (0.13850272519686416, 1.1766838630172316, 0.4494191962249258, 0.5433714741851573, 1.0, 10),
        (
            0.4589926501443584,
            2.668764489779485,
            2.012054208324574,
            1.4625368155695981,
            0.999999,
            100,
        ),
        (0.7, 0.2, 1.1, -0.6, 0.3, 3),
    ],
)
def test_products_are_resolved_where_the_second_neuron_begins_to_be_on(arguments):
    """The integrand has a kink there: quadrature that did not know of it was off by up to 5e-5."""
    norm_w, bias_w, norm_v, bias_v, cosine, dim = arguments
    angles = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 100_001)
    t, rest = np.sin(angles), np.cos(angles)
    root = math.sqrt(dim)
    first = np.maximum(norm_w * root * t + bias_w, 0.0)
    mean, scale = norm_v * root * cosine * t + bias_v, norm_v * root * rest
    scale = scale * math.sqrt((1.0 - cosine) * (1.0 + cosine))
    second = np.array([expected_relu(m, s, dim - 1) for m, s in zip(mean, scale, strict=True)])
    density = rest ** (dim - 2)
    expected = np.trapezoid(first * second * density, angles) / np.trapezoid(density, angles)
    size = max(norm_w * root, abs(bias_w)) * max(norm_v * root, abs(bias_v))
    assert abs(expected_relu_product(*arguments) - expected) < 3e-8 * size
