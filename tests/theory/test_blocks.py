"""Matrices over pairs of rows in tiles, and functions of rows in blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.theory.blocks import map_blocks, symmetric_matrix
from rf_limits.theory.relu_gram import relu_gram


@pytest.mark.parametrize("num", [3, 5, 10, 13])
def test_tiles_of_one_triangle_make_the_whole(key, num):
    w = jax.random.normal(key, (num, 3))
    gram = lambda f, g: relu_gram(f, None, g, None)
    found = symmetric_matrix(gram, w, tile=5)
    np.testing.assert_allclose(found, gram(w, w), rtol=1e-14, atol=1e-15)
    np.testing.assert_array_equal(found, found.T)


@pytest.mark.parametrize("entries", [1, 4, 100])
def test_blocks_of_rows(key, entries):
    rows = (jax.random.normal(key, (11, 3)), jnp.arange(11.0))

    def function(rows):
        return {"sum": jnp.sum(rows[0], axis=1) * rows[1], "all": rows[0]}

    jax.tree.map(
        np.testing.assert_array_equal, map_blocks(function, rows, 2, entries), function(rows)
    )
