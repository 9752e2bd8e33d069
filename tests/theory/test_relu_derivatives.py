"""Derivatives of the Gram matrix and of risks against 32-digit integrals, and in bounded memory."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import special

from rf_limits.problem import Teacher
from rf_limits.theory import relu_gram
from rf_limits.theory.expectations.gated_gram import gated_gram
from rf_limits.theory.risks import relu_moments
from rf_limits.theory.risks.population_risk import population_risk
from rf_limits.theory.risks.relu_moments import ReluSum
from tests.rounding import LIBRARY, rounding
from tests.theory import reference
from tests.variants import kept

relu_sum_product = jax.jit(relu_moments.relu_sum_product, static_argnames="block_entries")

DIM = 3
PAIR = 200
"""Roundings behind a pair of neurons and its gradient, as in ``test_relu_moments``."""
CURVATURE = 3 * PAIR
"""Roundings behind a Hessian-vector product: sums over both neurons of two products each."""


def value(at):
    w, a, v, b = at
    return relu_gram(w[None], a[None], v[None], b[None])[0, 0]


@jax.jit
def derivatives(at, along):
    """Value, gradient, and Hessian-vector products forward over reverse and reverse over it."""

    def slope(at):
        return sum(jnp.vdot(x, y) for x, y in zip(jax.grad(value)(at), along, strict=True))

    gradient, forward = jax.jvp(jax.grad(value), (at,), (along,))
    return value(at), gradient, forward, jax.grad(slope)(at)


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


CASES = kept(
    itertools.product(["generic", "near", "opposite", *SINGULAR], sorted(SIZES)),
    [
        ("generic", "biased"),
        ("near", "extreme, equal ratios"),
        ("opposite", "extreme"),
        ("equal", "biased"),
        ("antiparallel", "extreme"),
    ],
)


@pytest.mark.sharp
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_values_gradients_and_hessian_vectors(case):
    kind, size = case
    rng = np.random.default_rng(3)
    w, v = weights(kind, rng)
    size_w, size_v, a, b = SIZES[size]
    w, v = w * size_w, v * size_v
    if size in ("biased", "extreme, equal ratios"):  # equal alpha and beta to rounding
        a, b = 0.8 * np.linalg.norm(w), 0.8 * np.linalg.norm(v)
    dw, dv = rng.normal(size=(2, DIM)) * [[np.linalg.norm(w)], [np.linalg.norm(v)]]
    da, db = rng.normal(size=2) * [np.linalg.norm(w), np.linalg.norm(v)]
    at = tuple(np.float64(x) for x in (w, a, v, b))
    along = (dw, da, dv, db)
    # sqrt(E h^2), sqrt(E g^2): the derivatives in w, a scale with the second and conversely
    scale_w, scale_v = np.hypot(np.linalg.norm(w), a), np.hypot(np.linalg.norm(v), b)
    scales = np.array([scale_v] * (DIM + 1) + [scale_w] * (DIM + 1))
    with mpmath.workdps(reference.DIGITS):
        point = exactly((w, a, v, b))
        expected = float(reference.gram(*point))
        slope = np.array([float(x) for x in reference.gradient(*point)])
    found, gradient, forward, reverse = derivatives(at, along)
    assert abs(float(found) - expected) < rounding(PAIR) * scale_w * scale_v
    assert np.max(np.abs(flat(gradient) - slope) / scales) < rounding(PAIR)
    forward, reverse = flat(forward), flat(reverse)
    assert np.all(np.isfinite(forward))
    assert np.max(np.abs(forward - reverse) / scales) < rounding(CURVATURE)
    if kind in SINGULAR or size.startswith("extreme"):
        return
    with mpmath.workdps(reference.DIGITS):
        curvature = reference.hessian_vector(*point, exactly((dw, da, dv, db)))
    curvature = np.array([float(x) for x in curvature])
    assert np.max(np.abs(forward - curvature) / scales) < rounding(CURVATURE)


@jax.jit
def plain_hessian(w, v):
    return jax.hessian(lambda w, v: relu_gram(w[None], None, v[None], None)[0, 0], (0, 1))(w, v)


@pytest.mark.parametrize("kind", SINGULAR)
def test_hessian_of_parallel_neurons_by_hand(kind):
    """d_w d_v is I/2 (0 for opposite neurons), d_w^2 is zero: E delta(h) relu(g) = 0."""
    w, v = weights(kind, np.random.default_rng(0))
    (ww, wv), (vw, vv) = plain_hessian(jnp.asarray(w), jnp.asarray(v))
    mixed = 0.0 if kind == "antiparallel" else 0.5 * np.eye(DIM)
    # weights that came out of a product may be parallel to rounding only
    atol = rounding(2 * DIM)
    np.testing.assert_allclose([wv, vw], [mixed + 0.0 * wv] * 2, rtol=0, atol=atol)
    ratio = np.linalg.norm(v) / np.linalg.norm(w)
    np.testing.assert_allclose(ww, 0.0, rtol=0, atol=atol * ratio)
    np.testing.assert_allclose(vv, 0.0, rtol=0, atol=atol / ratio)


@pytest.mark.parametrize("biased", kept([False, True], [True]))
def test_diagonal_gradient_by_hand(biased):
    """sum_i E relu(h_i)^2 has gradient 2 E relu(h) x = 2 Phi(beta) w + ..., and finite Hessian."""
    w = np.random.default_rng(0).normal(size=(4, DIM))
    b = jnp.array([0.3, -1.0, 0.0, 2.0]) if biased else None
    found = jax.jit(jax.grad(lambda w: jnp.trace(relu_gram(w, b, w, b))))(w)
    n = np.linalg.norm(w, axis=1, keepdims=True)
    beta = 0.0 if b is None else np.asarray(b)[:, None] / n
    expected = 2.0 * w * special.ndtr(beta)  # E relu(h) x = w Phi(beta)
    # beside products of the sizes of w and of its bias
    atol = 2.0 * rounding(PAIR) * np.max(np.hypot(n, beta * n))
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("bias", kept([None, 0.0, 1.5, -1.5], [None, 1.5]))
def test_vanishing_weights(bias):
    """relu'(0) = 0: w = 0 is a closed neuron, or the constant relu(bias)."""
    w, v = np.zeros((1, DIM)), jnp.array([[1.0, 2.0, -0.5]])
    b = None if bias is None else jnp.array([bias])
    two = None if b is None else jnp.array([bias, bias])

    @jax.jit
    def derivatives(w, both, along):
        first = jax.value_and_grad(lambda w: relu_gram(w, b, v, None)[0, 0])(w)
        slope = jax.grad(lambda w: jnp.sum(relu_gram(w, two, w, two)))
        return first, jax.jvp(slope, (both,), (along,))

    (found, slope), second = derivatives(w, np.zeros((2, DIM)), np.arange(1.0, 7.0).reshape(2, 3))
    # bias > 0: E bias relu(g) = bias |v|/sqrt(2 pi), gradient E relu(g) x = v/2
    opened = bias is not None and bias > 0.0
    size = np.linalg.norm(v)
    expected = bias * size / np.sqrt(2 * np.pi) if opened else 0.0
    # closed forms without an angle, of a few products and library functions
    atol = rounding(2 * DIM + 3 * LIBRARY) * size
    assert abs(float(found) - expected) < atol * (abs(bias) if opened else 1.0)
    np.testing.assert_allclose(slope, 0.5 * v if opened else 0.0 * v, rtol=0, atol=atol)
    assert np.all(np.isfinite(second))


@pytest.mark.parametrize("biased", kept([False, True], [False]))
def test_risk_at_the_teacher_is_a_minimum(biased):
    """Student neurons on the teacher's: no gradient, Hessian 2 E grad f grad f^T."""
    normal = np.random.default_rng(0).normal
    w, b, u = normal(size=(3, DIM)), np.array([0.5, -0.2, 0.1]), np.array([1.0, -2.0, 0.5])
    b = b if biased else np.zeros(3)
    teacher = Teacher(*map(jnp.asarray, (w, b, u)))
    start = (teacher.directions, teacher.biases if biased else None, teacher.coefficients)
    moment = teacher.second_moment("gaussian")

    def risk(parameters):
        return population_risk(ReluSum(*parameters), teacher, moment)

    along = jax.tree.map(lambda x: jnp.asarray(normal(size=x.shape)), start)
    both = jax.jit(lambda at, along: jax.jvp(jax.grad(risk), (at,), (along,)))
    slope, curvature = (jax.tree.leaves(tree) for tree in both(start, along))
    # each derivative by a neuron is twice a difference of two sums over the three
    length = np.hypot(np.linalg.norm(w, axis=1), b)
    size = 2.0 * np.sum(np.abs(u) * length) * (np.abs(u) + length)
    for parts in slope:
        error = np.abs(np.reshape(parts, (3, -1)))
        assert np.max(error / size[:, None]) < rounding(2 * PAIR)
    dots = zip(curvature, jax.tree.leaves(along), strict=True)
    found = sum(float(jnp.vdot(x, y)) for x, y in dots)
    # 2 E (df)^2 for the change df of the network, a sum of gradient features
    dw, db, du = along
    offsets = None if db is None else u * db
    df = ReluSum(start[0], start[1], du, u[:, None] * dw, offsets)
    # terms of the sizes of the changes, and of f times second changes, over the sine of angles
    moves = np.linalg.norm(dw, axis=1) + (0.0 if db is None else np.abs(db))
    terms = np.sum(np.abs(du) * length + np.abs(u) * moves) ** 2
    terms += 2.0 * np.sum(np.abs(u) * length) * np.sum(np.abs(du) * moves + np.abs(u) * moves**2)
    units = w / np.linalg.norm(w, axis=1, keepdims=True)
    sine = np.sqrt(1.0 - np.max(np.abs(np.triu(units @ units.T, 1))) ** 2)
    bound = rounding(CURVATURE) * 2.0 * terms / sine
    assert abs(found - 2.0 * float(relu_sum_product(df, df))) < bound


@pytest.mark.parametrize("biased", kept([False, True], [True]))
def test_gated_gradient_matches_differences(biased):
    shapes = [(2, DIM), (2,), (2, DIM), (2,), (2, DIM), (2,), (2, DIM), (2,)]

    def draw(seed):
        normal = np.random.default_rng(seed).normal
        return [normal(size=shape) for shape in shapes]

    @jax.jit
    @jax.value_and_grad
    def total(parts):
        bare = [x if biased or i % 2 == 0 else None for i, x in enumerate(parts)]
        return jnp.sum(gated_gram(*bare))

    at, along = draw(0), draw(1)
    slope = sum(np.vdot(x, y) for x, y in zip(total(at)[1], along, strict=True))
    step = 1e-5
    moved = [[x + s * y for x, y in zip(at, along, strict=True)] for s in (step, -step)]
    # central difference: step^2 and rounding/step are both near 1e-10
    difference = (float(total(moved[0])[0]) - float(total(moved[1])[0])) / (2 * step)
    assert abs(slope - difference) < 1e-7
    coinciding = [*at[:4], *at[:4]]
    assert all(np.all(np.isfinite(x)) for x in total(coinciding)[1])


@pytest.mark.parametrize("sloped", kept([False, True], [True]))
@pytest.mark.parametrize("biased", kept([False, True], [False]))
def test_blocks_change_nothing(biased, sloped):
    normal = np.random.default_rng(0).normal

    def draw(count):
        w, b, u, p = (normal(size=shape) for shape in ((count, DIM), count, count, (count, DIM)))
        size = np.sum(np.abs(u) * (1.0 + np.linalg.norm(w, axis=1)) * (1.0 + np.abs(b)))
        size += np.sum(np.linalg.norm(p, axis=1))
        parts = (w, b if biased else None, u, p if sloped else None)
        return ReluSum(*(None if part is None else jnp.asarray(part) for part in parts)), size

    (f, size_f), (g, size_g) = draw(23), draw(7)

    def slopes(entries):
        of = lambda f, g: relu_moments.relu_sum_product(f, g, block_entries=entries)
        return jax.jit(jax.value_and_grad(of, (0, 1)))

    # derivatives by gates are 1/|w| times values; the lengths are above 1/4
    atol = rounding(2 * CURVATURE + 23 * 7) * size_f * size_g * 4.0
    whole, parts = slopes(None)(g, f), slopes(24)(g, f)
    jax.tree.map(lambda p, q: np.testing.assert_allclose(q, p, rtol=0, atol=atol), whole, parts)
    atol = rounding(2 * PAIR + 23**2) * size_f**2
    found, expected = relu_sum_product(f, f, block_entries=24), relu_sum_product(f, f)
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("order", kept([0, 1, 2], [2]))
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
