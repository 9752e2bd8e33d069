"""E f g of two sums of neurons and its derivatives, against differentiating the Gram matrix."""

import jax
import numpy as np
import pytest

from rf_limits.theory.relu_form import Neurons, relu_form
from rf_limits.theory.relu_gram import relu_gram
from rf_limits.theory.relu_moments import ReluSum, relu_sum_product, relu_sum_square
from tests.variants import kept

DIM = 4


def neurons(key, count, biased):
    keys = jax.random.split(key, 3)
    shapes = ((count,), (count, DIM), (count,))
    u, w, b = (jax.random.normal(k, shape) for k, shape in zip(keys, shapes, strict=True))
    return Neurons(u, w, b if biased else None)


def by_gram(f, g):
    return f.amplitudes @ relu_gram(*f[1:], *g[1:]) @ g.amplitudes


def derivatives(function, at):
    """Value, gradient and a Hessian-vector product."""
    slope = jax.grad(function)
    return function(at), slope(at), jax.jvp(slope, (at,), (at,))[1]


def assert_close(ours, theirs):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11), ours, theirs
    )


@pytest.mark.parametrize("biased", kept([False, True], [True]))
def test_against_the_gram_matrix(key, biased):
    f, g = (neurons(jax.random.fold_in(key, i), count, biased) for i, count in ((1, 7), (2, 5)))

    def ours(pair):
        return relu_form(*pair)

    assert_close(derivatives(ours, (f, g)), derivatives(lambda pair: by_gram(*pair), (f, g)))


def test_square(key):
    f = neurons(key, 7, False)
    ours = derivatives(lambda f: relu_form(f, f), f)
    assert_close(ours, derivatives(lambda f: by_gram(f, f), f))


def test_what_stands_still_has_no_field(key):
    """Derivatives by amplitudes alone, and by the weights of one side alone."""
    f, g = neurons(key, 7, True), neurons(jax.random.fold_in(key, 1), 5, True)
    for name in Neurons._fields:
        ours = jax.grad(lambda part, name=name: relu_form(f._replace(**{name: part}), g))
        theirs = jax.grad(lambda part, name=name: by_gram(f._replace(**{name: part}), g))
        np.testing.assert_allclose(ours(getattr(f, name)), theirs(getattr(f, name)), rtol=1e-11)


@pytest.mark.parametrize("entries", kept([6, 14, 10**6], [14]))
def test_blocks_of_one_sum(key, entries):
    """Where neurons coincide, whatever the blocks: Hessian-vector products too."""
    f = neurons(key, 7, False)

    def ours(f):
        both = ReluSum(f.weights, None, f.amplitudes)
        return relu_sum_product(both, both, block_entries=entries)

    assert_close(derivatives(ours, f), derivatives(lambda f: by_gram(f, f), f))


@pytest.mark.parametrize("entries", kept([6, 64, 10**6], [64]))
@pytest.mark.parametrize("biased", [False, True])
def test_squares_with_gradient_features(key, biased, entries):
    """Half the pairs give what all of them do; derivatives by every part, and by one alone."""
    u, w, b = neurons(key, 7, True)
    slopes = jax.random.normal(jax.random.fold_in(key, 1), (7, DIM))
    f = ReluSum(w, b, u, slopes, b[::-1]) if biased else ReluSum(w, None, u, slopes)

    def square(f):
        return relu_sum_product(f, f, block_entries=entries)

    def product(f):
        return relu_sum_product(f, ReluSum(*f), block_entries=entries)

    assert_close(square(f), product(f))
    assert_close(jax.grad(square)(f), jax.grad(product)(f))
    for name in ("weights", "amplitudes", "slopes"):

        def slope(of, name=name):
            return jax.grad(lambda part: of(f._replace(**{name: part})))(getattr(f, name))

        assert_close(slope(square), slope(product))


@pytest.mark.parametrize("entries", kept([6, 10**6], [10**6]))
def test_squares_of_several_parts(key, entries):
    """A network, and minus a linearization that stands still: pairs of pairs, and derivatives."""
    first, second = (
        neurons(jax.random.fold_in(key, i), count, True) for i, count in ((1, 7), (2, 5))
    )
    f = ReluSum(first.weights, first.biases, first.amplitudes)
    slopes = jax.random.normal(key, (5, DIM))
    g = ReluSum(second.weights, second.biases, second.amplitudes, slopes).negative()

    def square(f):
        return relu_sum_square((f, g), block_entries=entries)

    def by_pairs(f):
        products = [relu_sum_product(a, ReluSum(*b)) for a in (f, g) for b in (f, g)]
        return sum(products)

    assert_close(square(f), by_pairs(f))
    assert_close(jax.grad(square)(f), jax.grad(by_pairs)(f))
