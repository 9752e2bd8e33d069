"""Matrices over pairs of rows in tiles."""

import jax
import numpy as np
import pytest

from rf_limits.theory.blocks import symmetric_matrix, symmetric_sum
from rf_limits.theory.relu_gram import relu_gram


@pytest.mark.parametrize("num", [3, 5, 10, 13])
def test_tiles_of_one_triangle_make_the_whole(key, num):
    w = jax.random.normal(key, (num, 3))
    gram = lambda f, g: relu_gram(f, None, g, None)
    found = symmetric_matrix(gram, w, tile=5)
    np.testing.assert_allclose(found, gram(w, w), rtol=1e-14, atol=1e-15)
    np.testing.assert_array_equal(found, found.T)


@pytest.mark.parametrize("num", [1, 3, 5, 10, 13])
def test_blocks_of_one_triangle_sum_to_the_whole(key, num):
    w = jax.random.normal(key, (num, 3))
    total = lambda f, g: relu_gram(f, None, g, None).sum()
    for entries in (1, 16, 64, 10**4):
        found = symmetric_sum(total, w, block_entries=entries)
        np.testing.assert_allclose(found, total(w, w), rtol=1e-14)
