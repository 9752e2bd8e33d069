"""Derivatives of the Gram matrix and of risks against 32-digit integrals, and in bounded memory."""

from functools import partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rf_limits.problem import Teacher
from rf_limits.theory import gated_gram as gated
from rf_limits.theory import relu_gram as relu_gram_function
from rf_limits.theory import relu_moments
from rf_limits.theory.population_risk import population_risk
from rf_limits.theory.relu_moments import ReluSum
from tests.theory import reference
from tests.variants import kept

# compiled as a whole: operation by operation they take minutes
relu_gram = jax.jit(relu_gram_function)
relu_sum_product = jax.jit(relu_moments.relu_sum_product, static_argnames="block_entries")
gated_gram = jax.jit(gated.gated_gram)

DIM = 3


@jax.jit
def value(at):
    w, a, v, b = at
    return relu_gram(w[None], a[None], v[None], b[None])[0, 0]


gradient = jax.jit(jax.grad(value))


@jax.jit
def forward_over_reverse(at, along):
    return jax.jvp(jax.grad(value), (at,), (along,))[1]


@jax.jit
def reverse_over_reverse(at, along):
    def slope(at):
        return sum(jnp.vdot(x, y) for x, y in zip(jax.grad(value)(at), along, strict=True))

    return jax.grad(slope)(at)


def flat(parts):
    return np.concatenate([np.ravel(part) for part in parts])


def weights(kind, rng):
    w, u = rng.normal(size=(2, DIM))
    u -= w * (u @ w) / (w @ w)
    u *= np.linalg.norm(w) / np.linalg.norm(u)
    return {
        "generic": (w, u + 0.3 * w),
        "near": (w, w + 1e-9 * u),
        "opposite": (w, -w - 1e-9 * u),
        "parallel": (w, 2.0 * w),
        "equal": (w, w),
        "antiparallel": (w, -4.0 * w),
    }[kind]


def exactly(parts):
    w, a, v, b = parts
    a, b = reference.exact([a, b])
    return reference.exact(w), a, reference.exact(v), b


# Lengths of w and v, and biases: absolute, or relative to the lengths where marked.
SIZES = {
    "unit": (1.0, 1.0, 0.0, 0.0),
    "biased": (1.0, 1.0, 0.8, 0.8),
    "extreme": (1e-8, 1e8, 20.0, -20.0),
    "extreme, equal ratios": (1e-8, 1e8, 0.8e-8, 0.8e8),
}
SINGULAR = ("parallel", "equal", "antiparallel")


@pytest.mark.parametrize("size", kept(sorted(SIZES), ["extreme"]))
@pytest.mark.parametrize("kind", ["generic", "near", "opposite", *SINGULAR])
def test_values_gradients_and_hessian_vectors(kind, size):
    rng = np.random.default_rng(3)
    w, v = weights(kind, rng)
    size_w, size_v, a, b = SIZES[size]
    w, v = w * size_w, v * size_v
    if size in ("biased", "extreme, equal ratios"):  # equal alpha and beta to rounding
        a, b = 0.8 * np.linalg.norm(w), 0.8 * np.linalg.norm(v)
    dw, dv = rng.normal(size=(2, DIM)) * [[np.linalg.norm(w)], [np.linalg.norm(v)]]
    da, db = rng.normal(size=2) * [np.linalg.norm(w), np.linalg.norm(v)]
    at = tuple(jnp.asarray(x) for x in (w, a, v, b))
    along = tuple(jnp.asarray(x) for x in (dw, da, dv, db))
    # sqrt(E h^2), sqrt(E g^2): the derivatives in w, a scale with the second and conversely
    scale_w, scale_v = np.hypot(np.linalg.norm(w), a), np.hypot(np.linalg.norm(v), b)
    scales = np.array([scale_v] * (DIM + 1) + [scale_w] * (DIM + 1))
    with mpmath.workdps(reference.DIGITS):
        point = exactly((w, a, v, b))
        expected = float(reference.gram(*point))
        slope = np.array([float(x) for x in reference.gradient(*point)])
    assert abs(float(value(at)) - expected) < 1e-14 * scale_w * scale_v
    assert np.max(np.abs(flat(gradient(at)) - slope) / scales) < 1e-14
    forward = flat(forward_over_reverse(at, along))
    reverse = flat(reverse_over_reverse(at, along))
    assert np.all(np.isfinite(forward))
    assert np.max(np.abs(forward - reverse) / scales) < 1e-13
    if kind in SINGULAR or size.startswith("extreme"):
        return
    with mpmath.workdps(reference.DIGITS):
        curvature = reference.hessian_vector(*point, exactly((dw, da, dv, db)))
    curvature = np.array([float(x) for x in curvature])
    assert np.max(np.abs(forward - curvature) / scales) < 1e-13


@pytest.mark.parametrize("kind", ["parallel", "equal", "antiparallel"])
def test_hessian_of_parallel_neurons_by_hand(kind):
    """d_w d_v is I/2 (0 for opposite neurons), d_w^2 is zero: E delta(h) relu(g) = 0."""
    w, v = weights(kind, np.random.default_rng(0))
    hessian = jax.jit(
        jax.hessian(lambda w, v: relu_gram(w[None], None, v[None], None)[0, 0], (0, 1))
    )
    (ww, wv), (vw, vv) = hessian(jnp.asarray(w), jnp.asarray(v))
    mixed = 0.0 if kind == "antiparallel" else 0.5 * np.eye(DIM)
    np.testing.assert_allclose(wv, mixed, atol=1e-15)
    np.testing.assert_allclose(vw, mixed, atol=1e-15)
    np.testing.assert_allclose([ww, vv], 0.0, atol=1e-14)


@pytest.mark.parametrize("biased", [False, True])
def test_diagonal_gradient_by_hand(key, biased):
    """sum_i E relu(h_i)^2 has gradient 2 E relu(h) x = 2 Phi(beta) w + ..., and finite Hessian."""
    w = jax.random.normal(key, (4, DIM))
    b = jnp.array([0.3, -1.0, 0.0, 2.0]) if biased else None
    found = jax.jit(jax.grad(lambda w: jnp.trace(relu_gram(w, b, w, b))))(w)
    n = jnp.linalg.norm(w, axis=1, keepdims=True)
    beta = 0.0 if b is None else b[:, None] / n
    expected = 2.0 * w * jax.scipy.special.ndtr(beta)  # E relu(h) x = w Phi(beta)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("bias", kept([None, 0.0, 1.5, -1.5], [None, 1.5]))
def test_vanishing_weights(bias):
    """relu'(0) = 0: w = 0 is a closed neuron, or the constant relu(bias)."""
    w, v = jnp.zeros((1, DIM)), jnp.array([[1.0, 2.0, -0.5]])
    b = None if bias is None else jnp.array([bias])
    found, slope = jax.jit(jax.value_and_grad(lambda w: relu_gram(w, b, v, None)[0, 0]))(w)
    # bias > 0: E bias relu(g) = bias |v|/sqrt(2 pi), gradient E relu(g) x = v/2
    opened = bias is not None and bias > 0.0
    expected = bias * float(jnp.linalg.norm(v)) / np.sqrt(2 * np.pi) if opened else 0.0
    assert abs(float(found) - expected) < 1e-15
    np.testing.assert_allclose(slope, 0.5 * v if opened else jnp.zeros_like(v), atol=1e-15)
    both = jnp.concatenate([w, w])
    two = None if b is None else jnp.concatenate([b, b])
    hessian = jax.jit(jax.hessian(lambda w: jnp.sum(relu_gram(w, two, w, two))))(both)
    assert np.all(np.isfinite(hessian))


@pytest.mark.parametrize("biased", [False, True])
def test_risk_at_the_teacher_is_a_minimum(key, biased):
    """Student neurons on the teacher's: no gradient, Hessian 2 E grad f grad f^T."""
    teacher = Teacher(
        jax.random.normal(key, (3, DIM)),
        jnp.array([0.5, -0.2, 0.1]) if biased else jnp.zeros(3),
        jnp.array([1.0, -2.0, 0.5]),
    )
    start = (teacher.directions, teacher.biases if biased else None, teacher.coefficients)

    moment = teacher.second_moment("gaussian")

    def risk(parameters):
        return population_risk(ReluSum(*parameters), teacher, moment)

    slope = jax.tree.leaves(jax.jit(jax.grad(risk))(start))
    assert max(float(jnp.max(jnp.abs(x))) for x in slope) < 1e-13
    keys = iter(jax.random.split(jax.random.fold_in(key, 1), 3))
    along = jax.tree.map(lambda x: jax.random.normal(next(keys), x.shape), start)
    curvature = jax.jit(partial(jax.jvp, jax.grad(risk)))((start,), (along,))[1]
    dots = zip(jax.tree.leaves(curvature), jax.tree.leaves(along), strict=True)
    found = sum(float(jnp.vdot(x, y)) for x, y in dots)
    # 2 E (df)^2 for the change df of the network, a sum of gradient features
    w, b, u = start
    offsets = None if b is None else u * along[1]
    df = ReluSum(w, b, along[2], u[:, None] * along[0], offsets)
    np.testing.assert_allclose(found, 2.0 * relu_sum_product(df, df), rtol=1e-12)


@pytest.mark.parametrize("biased", [False, True])
def test_gated_gradient_matches_differences(key, biased):
    shapes = [(2, DIM), (2,), (2, DIM), (2,), (2, DIM), (2,), (2, DIM), (2,)]

    def draw(i):
        keys = jax.random.split(jax.random.fold_in(key, i), 8)
        return [jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True)]

    @jax.jit
    def total(parts):
        bare = [x if biased or i % 2 == 0 else None for i, x in enumerate(parts)]
        return jnp.sum(gated_gram(*bare))

    at, along = draw(0), draw(1)
    gradient_of = jax.jit(jax.grad(total))
    slope = sum(jnp.vdot(x, y) for x, y in zip(gradient_of(at), along, strict=True))
    step = 1e-5
    moved = [[x + s * y for x, y in zip(at, along, strict=True)] for s in (step, -step)]
    # central difference: step^2 and rounding/step are both near 1e-10
    assert abs(float(slope - (total(moved[0]) - total(moved[1])) / (2 * step))) < 1e-7
    coinciding = [*at[:4], *at[:4]]
    assert all(np.all(np.isfinite(x)) for x in gradient_of(coinciding))


@pytest.mark.parametrize("sloped", kept([False, True], [True]))
@pytest.mark.parametrize("biased", kept([False, True], [True]))
def test_blocks_change_nothing(key, biased, sloped):
    keys = jax.random.split(key, 8)

    def draw(i, count):
        return ReluSum(
            jax.random.normal(keys[i], (count, DIM)),
            jax.random.normal(keys[i + 1], (count,)) if biased else None,
            jax.random.normal(keys[i + 2], (count,)),
            jax.random.normal(keys[i + 3], (count, DIM)) if sloped else None,
        )

    f, g = draw(0, 23), draw(4, 7)
    blocked = lambda f, g: relu_sum_product(f, g, block_entries=24)
    for x, y in ((g, f),) if biased else ((g, f), (f, f)):
        np.testing.assert_allclose(blocked(x, y), relu_sum_product(x, y), rtol=1e-12, atol=1e-13)
        whole, parts = (jax.jit(jax.grad(h, (0, 1)))(x, y) for h in (relu_sum_product, blocked))
        for p, q in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
            np.testing.assert_allclose(q, p, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_memory_does_not_grow_with_the_gram_matrix(order):
    """Width 16384: one Gram matrix would be 2 GiB; the compiled value and derivatives need < 1."""
    f = ReluSum(
        jax.ShapeDtypeStruct((16384, 20), jnp.float64),
        None,
        jax.ShapeDtypeStruct((16384,), jnp.float64),
    )
    square = lambda f: relu_sum_product(f, f)
    slope = jax.grad(square)
    functions = (square, slope, lambda f: jax.jvp(slope, (f,), (f,))[1])
    memory = jax.jit(functions[order]).lower(f).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 2**30
