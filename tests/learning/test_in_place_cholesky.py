"""Cholesky in place against the matrix it overwrote."""

import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.learning.streamed.cholesky import InPlaceCholesky, mirror, one_norm
from tests.rounding import rounding

CONDITION = 1e3


def matrix_of(size):
    """Eigenvalues from 1 to CONDITION, eigenvectors a product of two reflections."""
    values, matrix = np.geomspace(1.0, CONDITION, size), np.eye(size)
    for normal in np.random.default_rng(size).normal(size=(2, size)):
        matrix -= np.outer(matrix @ normal, normal * (2.0 / (normal @ normal)))
    matrix = (matrix * values) @ matrix.T
    return 0.5 * (matrix + matrix.T)


def condition_of(matrix):
    """In the 1-norm, and the relative error to which it is known."""
    true = np.linalg.cond(matrix, 1)
    return true, rounding(10 * len(matrix), condition=true)


@pytest.mark.sharp
@pytest.mark.parametrize("size", [1, 3, 300, 1100])  # less than a block, more than two
def test_solves_and_products(size):
    matrix = matrix_of(size)
    vector = np.random.default_rng(0).normal(size=size)
    factor = InPlaceCholesky(matrix.copy())
    expected = np.linalg.solve(matrix, vector)
    error = rounding(10 * size, condition=CONDITION)  # two factorizations with their solves
    for found in (factor(vector), factor.refined(vector)):
        assert np.linalg.norm(found - expected) < error * np.linalg.norm(expected)
    terms = rounding(2 * size) * (np.abs(matrix) @ np.abs(vector))  # sums in two orders
    np.testing.assert_array_less(np.abs(factor.product(vector) - matrix @ vector), terms)
    true, error = condition_of(matrix)
    assert true / 3.0 <= factor.condition_number <= true * (1.0 + error)
    assert factor.norm == one_norm(matrix)


def test_the_condition_number_is_the_same_every_time():
    """Whatever has been drawn from numpy's global random state, as estimates of norms do."""
    found = set()
    for seed in range(5):
        np.random.seed(seed)  # noqa: NPY002
        found.add(InPlaceCholesky(matrix_of(40)).condition_number)
    assert len(found) == 1


@pytest.mark.parametrize("seed", range(20))
def test_condition_numbers_of_random_matrices(seed):
    """Random spectra and directions: from below, and within a factor of 3."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(60, 40)) * np.exp(rng.normal(size=40))
    matrix = rows.T @ rows
    true, error = condition_of(matrix)
    assert true / 3.0 <= InPlaceCholesky(matrix.copy()).condition_number <= true * (1.0 + error)


def test_the_matrix_is_the_only_memory():
    matrix = matrix_of(600)
    upper = np.triu(matrix, 1)
    InPlaceCholesky(matrix)
    np.testing.assert_array_equal(np.triu(matrix, 1), upper)
    lower = np.tril(matrix)
    error = rounding(3 * 600) * CONDITION  # Higham 2002, theorem 10.3, and the product here
    np.testing.assert_allclose(lower @ lower.T, matrix_of(600), rtol=0, atol=error)


@pytest.mark.parametrize("spoiled", [-1.0, np.nan])
def test_not_positive_definite(spoiled):
    matrix = matrix_of(600)
    matrix[550, 550] = spoiled
    with pytest.raises(RequirementError, match="ridge must make the matrix of 600 rows positive"):
        InPlaceCholesky(matrix)


def test_mirror():
    matrix = matrix_of(600)
    half = np.tril(matrix)
    mirror(half)
    np.testing.assert_array_equal(half, matrix)
