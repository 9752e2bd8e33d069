"""KARE: generalized cross-validation, and the risk it estimates."""

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory import (
    kernel_alignment_risk,
    kernel_regression_risk,
    relu_kernel_spectrum,
    zonal_spectrum,
)
from tests.chance import standard_errors
from tests.rounding import rounding
from tests.theory.test_kernel_regression import by_hand, sphere

DIM, N, NOISE = 20, 40, 0.4


def training_set(rng):
    x = sphere(rng, N, DIM)
    y = np.maximum(x[:, 0], 0.0) + NOISE * rng.normal(size=N)
    return by_hand(x, x, "nngp"), y


@pytest.mark.sharp
@pytest.mark.parametrize("ridge", [0.0, 0.3, 40.0])
def test_it_is_generalized_cross_validation(ridge):
    """The training error over (1 - tr H/n)^2, and the formula with the inverse written out."""
    gram, y = training_set(np.random.default_rng(0))
    inverse = np.linalg.inv(gram / N + ridge / N * np.eye(N))
    square = y @ inverse @ inverse @ y / N
    expected = square / np.mean(np.diag(inverse)) ** 2
    found = kernel_alignment_risk(gram, y, ridge)
    rtol = rounding(10 * N, 4.0 * np.linalg.cond(gram + ridge * np.eye(N)))
    np.testing.assert_allclose(found, expected, rtol=rtol)
    if ridge:
        left = ridge * np.linalg.inv(gram + ridge * np.eye(N))
        validated = np.mean((left @ y) ** 2) / np.mean(np.diag(left)) ** 2
        np.testing.assert_allclose(found, validated, rtol=rtol)


@pytest.mark.parametrize("ridge", [0.5, 5.0])
def test_it_estimates_risk_and_noise(ridge):
    """In the mean over training sets; so does (n kappa/ridge)^2 times the training error."""
    rng, draws = np.random.default_rng(1), 150
    spectra = relu_kernel_spectrum("nngp", DIM, 200), zonal_spectrum(DIM, 200)
    theory = kernel_regression_risk(*spectra, N, inputs="sphere", ridge=ridge, noise=NOISE)
    scaled = float((N * theory.kappa / ridge) ** 2)
    np.testing.assert_allclose(scaled * theory.train_risk, theory.risk + NOISE**2, rtol=1e-12)
    rows = []
    for _ in range(draws):
        gram, y = training_set(rng)
        left = ridge * np.linalg.solve(gram + ridge * np.eye(N), y)
        rows.append((kernel_alignment_risk(gram, y, ridge), scaled * np.mean(left**2)))
    error = np.std(rows, axis=0, ddof=1) / np.sqrt(draws)
    distance = np.abs(np.mean(rows, axis=0) - (theory.risk + NOISE**2))
    assert np.all(distance < standard_errors(draws, 4) * error)
    assert np.all(error < 0.03 * float(theory.risk + NOISE**2))


def test_refusals():
    gram, y = training_set(np.random.default_rng(0))
    with pytest.raises(RequirementError, match="ridge must be at least 0"):
        kernel_alignment_risk(gram, y, -1.0)
    singular = np.ones((N, N))
    with pytest.raises(RequirementError, match="rounding of this singular kernel"):
        kernel_alignment_risk(singular, y)
    assert kernel_alignment_risk(singular, y, 0.1) > 0.0
