"""The output of relu neurons and its derivatives against the formula, term by term."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.models.relu_output import relu_output


def formula(x, kernel, u):
    return jnp.maximum(x @ kernel, 0.0) @ u


@pytest.fixture
def arguments():
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = ((7, 4), (4, 9), (9,))
    return tuple(jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True))


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_derivatives(arguments, wanted):
    key = jax.random.key(1)
    along = tuple(jax.random.normal(key, arguments[i].shape) for i in wanted)

    def at(function):
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

    ours, theirs = at(relu_output), at(formula)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), ours, theirs
    )


def test_no_slope_at_zero():
    x, u = jnp.ones((1, 2)), jnp.ones(1)
    assert np.all(jax.grad(lambda k: relu_output(x, k, u).sum())(jnp.zeros((2, 1))) == 0.0)


def test_dtype_is_kept(arguments):
    single = tuple(value.astype(jnp.float32) for value in arguments)
    value, slope = jax.jvp(relu_output, single, single)
    assert value.dtype == slope.dtype == jnp.float32
