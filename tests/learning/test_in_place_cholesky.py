"""Cholesky in place against the matrix it overwrote, by LAPACK and in blocks."""

import os
import subprocess
import sys

import numpy as np
import psutil
import pytest

from rf_limits.errors import RequirementError
from rf_limits.regression.streamed.cholesky import InPlaceCholesky, mirror, one_norm
from tests.rounding import rounding

CONDITION = 1e3


@pytest.fixture(params=["lapack", "blocks"], autouse=True)
def way(request, monkeypatch):
    """Every test factors by LAPACK, and as matrices with too many rows for it."""
    if request.param == "blocks":
        monkeypatch.setattr("rf_limits.regression.streamed.cholesky.LAPACK_ROWS", 0)
    return request.param


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
def test_not_positive_definite(spoiled, way):
    matrix = matrix_of(600)
    matrix[550, 550] = spoiled
    first = 0 if np.isnan(spoiled) else {"lapack": 550, "blocks": 512}[way]
    line = f"ridge must make the matrix of 600 rows positive .* leading {first} rows it is not"
    with pytest.raises(RequirementError, match=line):
        InPlaceCholesky(matrix)


def test_rows_in_another_order_of_memory():
    matrix = matrix_of(300)
    vector = np.random.default_rng(0).normal(size=300)
    factor = InPlaceCholesky(np.asfortranarray(matrix))
    terms = rounding(600) * (np.abs(matrix) @ np.abs(vector))
    np.testing.assert_array_less(np.abs(factor.product(vector) - matrix @ vector), terms)
    error = rounding(3000, condition=CONDITION)
    expected = np.linalg.solve(matrix, vector)
    assert np.linalg.norm(factor(vector) - expected) < error * np.linalg.norm(expected)


MANY_ROWS = """
import sys

import numpy as np

from rf_limits.regression.streamed.cholesky import InPlaceCholesky

size = 20_000
rows = np.random.default_rng(0).normal(size=(size, 4))
matrix = rows @ rows.T
matrix[np.diag_indices(size)] += 1.0  # eigenvalues: 1, and four of about the size
expected = np.cos(np.arange(size))
right = rows @ (rows.T @ expected) + expected
factor = InPlaceCholesky(matrix)
error = np.linalg.norm(factor(right) - expected) / np.linalg.norm(expected)
print(error, factor.condition_number, factor.norm)
"""


@pytest.mark.slow
def test_many_rows_in_a_process_of_several_threads(way):
    """LAPACK's own factorization of so many rows was a segmentation fault on some processors."""
    if way == "blocks":
        pytest.skip("so many rows are factored in blocks anyway")
    needed = 20_000**2 * 8 * 1.3
    if psutil.virtual_memory().available < needed:
        pytest.skip(f"needs {needed / 2**30:.1f} GiB of memory")
    threads = {"OPENBLAS_NUM_THREADS": str(max(os.cpu_count() or 1, 2))}
    done = subprocess.run(
        [sys.executable, "-c", MANY_ROWS],
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    error, condition, norm = map(float, done.stdout.split())
    assert error < rounding(20 * 20_000, condition=norm)
    # the least eigenvalue is 1, so that the 1-norm of the inverse is between 1 and sqrt(n)
    assert norm / 3.0 <= condition <= norm * 20_000**0.5


def test_mirror():
    matrix = matrix_of(600)
    half = np.tril(matrix)
    mirror(half)
    np.testing.assert_array_equal(half, matrix)
