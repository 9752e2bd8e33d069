"""The best ridge of a learning curve, by hand and by brute force."""

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory import (
    kernel_regression,
    kernel_regression_risk,
    optimal_ridge,
    random_features_risk,
    relu_kernel_spectrum,
    zonal_spectrum,
)

DIM = 20
KERNEL, TARGET = relu_kernel_spectrum("nngp", DIM, 100), zonal_spectrum(DIM, 100)
SCALE = DIM * KERNEL.total


@pytest.mark.parametrize("n", [10, 50, 300])
def test_equal_eigenvalues_by_hand(n):
    """l = 1 on p functions: noise^2 p/|v|^2, the ratio of variances, whatever n is."""
    p, noise, energy = 50, 0.4, 2.0
    curve = lambda ridge: kernel_regression([1.0], [p], [energy], n, ridge=ridge, noise=noise)
    found = optimal_ridge(curve, p)
    np.testing.assert_allclose(found.ridge, noise**2 * p / energy, rtol=1e-6)
    np.testing.assert_allclose(found.risk, curve(noise**2 * p / energy).risk, rtol=1e-13)


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
def test_brute_force(inputs):
    for solve in (
        lambda ridge: kernel_regression_risk(
            KERNEL, TARGET, 100, inputs=inputs, ridge=ridge, noise=0.3
        ),
        lambda ridge: random_features_risk(
            KERNEL, TARGET, 100, 110, inputs=inputs, ridge=ridge, noise=0.3
        ),
    ):
        found = optimal_ridge(solve, SCALE)
        grid = np.geomspace(1e-2, 1e3, 301)
        risks = solve(grid).risk
        assert abs(np.log(found.ridge / grid[np.argmin(risks)])) < np.log(grid[1] / grid[0])
        assert risks.min() * (1.0 - 1e-3) < found.risk <= risks.min()


def test_the_ends():
    """Without noise ridgeless is best here; where all is noise, predicting 0."""
    clean = optimal_ridge(lambda r: kernel_regression_risk(KERNEL, TARGET, 100, ridge=r), SCALE)
    assert clean.ridge == 0.0
    expected = kernel_regression_risk(KERNEL, TARGET, 100).risk
    np.testing.assert_allclose(clean.risk, expected, rtol=1e-11)
    nothing = optimal_ridge(
        lambda r: kernel_regression([1.0], [5], [0.0], 9, ridge=r, noise=1.0, target_tail=2.0), 5.0
    )
    assert nothing.ridge == np.inf
    np.testing.assert_allclose(nothing.risk, 2.0, rtol=1e-12)


def test_refusals():
    with pytest.raises(RequirementError, match="scale must be positive"):
        optimal_ridge(lambda r: kernel_regression([1.0], [5], [1.0], 9, ridge=r), 0.0)
