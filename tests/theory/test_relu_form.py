"""E f g of two sums of neurons and its derivatives, against differentiating the Gram matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.theory.expectations.relu_form import Neurons, relu_form
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_product, relu_sum_square
from tests.rounding import rounding
from tests.variants import kept

DIM = 4
PAIR = 200
"""Roundings behind one pair of neurons, relative to their lengths.

Units and inner products (4 d), the angle's series (36), Owen's T with its 32 nodes twice, and five
library functions; derivatives take a few products more.
"""


def neurons(key, count, biased):
    keys = jax.random.split(key, 3)
    shapes = ((count,), (count, DIM), (count,))
    u, w, b = (np.asarray(jax.random.normal(k, s)) for k, s in zip(keys, shapes, strict=True))
    return Neurons(u, w, b if biased else None)


def by_gram(f, g):
    return f.amplitudes @ relu_gram(*f[1:], *g[1:]) @ g.amplitudes


def derivatives(function):
    """Value, gradient and a Hessian-vector product, compiled as a whole."""

    def all_of(at):
        (value, slope), (_, change) = jax.jvp(jax.value_and_grad(function), (at,), (at,))
        return value, slope, change

    return jax.jit(all_of)


derivatives_of_square = derivatives(lambda f: by_gram(f, f))


def size_of(f):
    """No derivative of a pair is larger than the product of its neurons' sizes, summed here."""
    weights = np.linalg.norm(f.weights, axis=1)
    length = weights if f.biases is None else np.hypot(weights, f.biases)
    return np.sum((1.0 + np.abs(f.amplitudes)) * (1.0 + length))


def assert_close(ours, theirs, f, g):
    """Compares to rounding: sums over pairs, divided by the sine of their angle."""
    w, v = (x.weights / np.linalg.norm(x.weights, axis=1, keepdims=True) for x in (f, g))
    cosines = np.abs(w @ v.T)
    sine = np.sqrt(1.0 - np.max(cosines[cosines < 1.0 - 1e-12]) ** 2)
    atol = rounding(PAIR) * size_of(f) * size_of(g) / sine
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=atol), ours, theirs)


@pytest.mark.parametrize("biased", kept([False, True], [False]))
def test_against_the_gram_matrix(key, biased):
    f, g = (neurons(jax.random.fold_in(key, i), count, biased) for i, count in ((1, 7), (2, 5)))
    ours = derivatives(lambda pair: relu_form(*pair))((f, g))
    assert_close(ours, derivatives(lambda pair: by_gram(*pair))((f, g)), f, g)


def test_square(key):
    f = neurons(key, 7, False)
    ours = derivatives(lambda f: relu_form(f, f))(f)
    assert_close(ours, derivatives_of_square(f), f, f)


def test_what_stands_still_has_no_field(key):
    """Derivatives by amplitudes alone, and by the weights of one side alone."""
    f, g = (neurons(jax.random.fold_in(key, i), count, True) for i, count in ((1, 7), (2, 5)))

    @jax.jit
    def ours(f, g):
        by = lambda name: jax.grad(lambda part: relu_form(f._replace(**{name: part}), g))
        return Neurons(*(by(name)(getattr(f, name)) for name in Neurons._fields))

    assert_close(ours(f, g), jax.jit(jax.grad(by_gram))(f, g), f, g)


@pytest.mark.parametrize("entries", kept([6, 14, 10**6], [14]))
def test_blocks_of_one_sum(key, entries):
    """Where neurons coincide, whatever the blocks: Hessian-vector products too."""
    f = neurons(key, 7, False)

    def ours(f):
        both = ReluSum(f.weights, None, f.amplitudes)
        return relu_sum_product(both, both, block_entries=entries)

    assert_close(derivatives(ours)(f), derivatives_of_square(f), f, f)


@pytest.mark.parametrize("entries", kept([6, 64, 10**6], [64]))
@pytest.mark.parametrize("biased", kept([False, True], [False]))
def test_squares_with_gradient_features(key, biased, entries):
    """Half the pairs give what all of them do; derivatives by every part, and by one alone."""
    u, w, b = neurons(key, 7, True)
    slopes = np.asarray(jax.random.normal(jax.random.fold_in(key, 1), (7, DIM)))
    f = ReluSum(w, b, u, slopes, b[::-1]) if biased else ReluSum(w, None, u, slopes)
    names = ("weights", "amplitudes", "slopes")

    def square(f):
        return relu_sum_product(f, f, block_entries=entries)

    @jax.jit
    def ours(f):
        by = lambda name: jax.grad(lambda part: square(f._replace(**{name: part})))
        alone = [by(name)(getattr(f, name)) for name in names]
        return *jax.value_and_grad(square)(f), alone

    @jax.jit
    @jax.value_and_grad
    def product(f):
        return relu_sum_product(f, ReluSum(*f), block_entries=entries)

    value, slope = product(f)
    assert_close(ours(f), (value, slope, [getattr(slope, name) for name in names]), f, f)


@pytest.mark.parametrize("entries", kept([6, 10**6], [10**6]))
@pytest.mark.parametrize("biased", kept([False, True], [False]))
def test_squares_of_several_parts(key, biased, entries):
    """A network, and minus a linearization that stands still: its square is that of one sum."""
    first, second = (
        neurons(jax.random.fold_in(key, i), count, biased) for i, count in ((1, 7), (2, 5))
    )
    f = ReluSum(first.weights, first.biases, first.amplitudes)
    slopes = np.asarray(jax.random.normal(key, (5, DIM)))
    g = ReluSum(second.weights, second.biases, second.amplitudes, slopes)
    g = jax.tree.map(jnp.asarray, g)

    def square(f):
        return relu_sum_square((f, g.negative()), block_entries=entries)

    def of_one_sum(f):
        whole = ReluSum(
            jnp.concatenate([f.weights, g.weights]),
            jnp.concatenate([f.biases, g.biases]) if biased else None,
            jnp.concatenate([f.amplitudes, -g.amplitudes]),
            jnp.concatenate([np.zeros((7, DIM)), -slopes]),
        )
        return relu_sum_product(whole, ReluSum(*whole))

    ours, theirs = (jax.jit(jax.value_and_grad(of))(f) for of in (square, of_one_sum))
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), first, second)
    assert_close(ours, theirs, whole, whole)
