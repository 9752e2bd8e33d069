"""The output of relu neurons and its derivatives against the formula, term by term."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.models.relu_output import relu_output
from tests.rounding import rounding


def formula(x, kernel, u):
    return jnp.maximum(x @ kernel, 0.0) @ u


def drawn():
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape) for shape in ((7, 4), (4, 9), 9))


@pytest.mark.parametrize(
    "wanted",
    [
        (0,),
        (1, 2),
        pytest.param((0, 1, 2), marks=pytest.mark.sharp),
        pytest.param((1,), marks=pytest.mark.slow),
        pytest.param((2,), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_derivatives(wanted):
    arguments = drawn()
    along = tuple(np.random.default_rng(i).normal(size=arguments[i].shape) for i in wanted)

    def at(function, arguments, along):
        def some(*given):
            full = list(arguments)
            for i, value in zip(wanted, given, strict=True):
                full[i] = value
            return function(*full)

        given = tuple(arguments[i] for i in wanted)
        value, slope = jax.jvp(some, given, along)
        pulled = jax.vjp(some, *given)[1](jnp.arange(7.0))
        square = lambda *g: jnp.sum(some(*g) ** 2)
        every = tuple(range(len(wanted)))
        return value, slope, pulled, jax.hessian(square, every)(*given)

    ours = jax.jit(partial(at, relu_output))(arguments, along)
    by_formula = jax.jit(partial(at, formula))
    theirs = by_formula(arguments, along)
    # all terms of the derivatives of the formula are products; with every number positive,
    # none cancel, and their sums are those of the sizes of the terms
    sizes = by_formula(*jax.tree.map(np.abs, (arguments, along)))
    error = rounding(4 * (4 + 9 + 7))  # twice sums over coordinates, neurons and points, squared

    def compare(a, b, size):
        np.testing.assert_array_less(np.abs(a - b), error * size + np.finfo(float).tiny)

    jax.tree.map(compare, ours, theirs, sizes)


def test_no_slope_at_zero():
    slope = jax.jit(jax.grad(lambda k, x, u: relu_output(x, k, u).sum()))
    assert np.all(slope(np.zeros((2, 1)), np.ones((1, 2)), np.ones(1)) == 0.0)


def test_dtype_is_kept():
    single = tuple(jnp.asarray(value, jnp.float32) for value in drawn())
    value, slope = jax.eval_shape(lambda *s: jax.jvp(relu_output, s, s), *single)
    assert value.dtype == slope.dtype == jnp.float32
