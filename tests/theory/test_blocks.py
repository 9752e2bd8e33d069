"""Matrices over pairs of rows in tiles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.numerics.blocks import symmetric_matrix, symmetric_sum
from tests.rounding import LIBRARY, rounding

DIM = 3


def squares(f, g):
    """<f_i, g_j>^2: positive, and 0 for rows of zeros."""
    return (f @ g.T) ** 2


def rows(num):
    return np.random.default_rng(num).normal(size=(num, DIM))


@pytest.mark.parametrize("num", [3, 5, 10, 13])
def test_tiles_of_one_triangle_make_the_whole(num):
    w, tile = rows(num), 5
    found = np.asarray(jax.jit(lambda w: symmetric_matrix(squares, w, tile=tile))(jnp.asarray(w)))
    # of <f, g>, twice the roundings of a sum over d, whose terms may cancel; either way
    size = (np.abs(w) @ np.abs(w).T) ** 2
    np.testing.assert_array_less(np.abs(found - squares(w, w)), rounding(4 * DIM + 2) * size)
    if num > tile:
        np.testing.assert_array_equal(found, found.T)


def test_tiles_of_a_gram_matrix_of_neurons():
    w = jnp.asarray(rows(13))

    @jax.jit
    def both(w):
        gram = lambda f, g: relu_gram(f, None, g, None)
        return symmetric_matrix(gram, w, tile=5), gram(w, w)

    found, whole = both(w)
    lengths = np.linalg.norm(w, axis=1)
    # directions, the cosine of an angle and an arc-sine: of sizes below 1 times the lengths
    tolerance = rounding(4 * DIM + 3 * LIBRARY) * np.outer(lengths, lengths)
    np.testing.assert_array_less(np.abs(found - whole), tolerance)


@pytest.mark.parametrize("num", [1, 3, 5, 10, 13])
def test_blocks_of_one_triangle_sum_to_the_whole(num):
    w = rows(num)
    total = lambda f, g: squares(f, g).sum()
    size = np.sum((np.abs(w) @ np.abs(w).T) ** 2)
    for entries in (1, 16, 64, 10**4):
        found = jax.jit(lambda w, n=entries: symmetric_sum(total, w, block_entries=n))(w)
        # the sum of the entries, all positive, and what an entry has
        assert abs(found - total(w, w)) < rounding(2 * num**2 + 4 * DIM + 2) * size
