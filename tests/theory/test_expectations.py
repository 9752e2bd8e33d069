"""Expectations of every pair of activations against plane quadrature and hand-derived cases."""

import itertools
import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import special

from rf_limits.errors import RequirementError
from rf_limits.theory.expectations.activations import Units
from rf_limits.theory.expectations.gaussian_gram import FUNCTIONS, gaussian_gram, series_gram
from rf_limits.theory.expectations.pair_quadrature import pair_quadrature
from tests.rounding import LIBRARY, rounding
from tests.theory import plane
from tests.variants import kept

NUMPY = {
    "relu": lambda h: np.maximum(h, 0.0),
    "relu_squared": lambda h: np.maximum(h, 0.0) ** 2,
    "abs": np.abs,
    "sign": np.sign,
    "step": lambda h: (h > 0.0).astype(float),
    "erf": special.erf,
    "gelu": lambda h: h * special.ndtr(h),
    "linear": lambda h: h,
    "quadratic": lambda h: h**2,
    "sin": np.sin,
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softplus": lambda h: np.logaddexp(h, 0.0),
}
CLOSED = ("relu", "step", "erf", "gelu", "linear", "quadratic")
PAIRS = [(s, t) for s, t in itertools.combinations_with_replacement(CLOSED, 2)]
LINEAR_IN_GATES = [
    (name, other)
    for name in ("abs", "sign", "relu_squared")
    for other in (*CLOSED, "abs", "sign", "relu_squared")
]
PAIRS += [("linear", "sin"), ("quadratic", "sin"), ("sin", "sin")]
SHARP = [("relu", "step"), ("erf", "erf"), ("gelu", "gelu"), ("sin", "sin")]
DEFAULT = [("abs", "erf"), ("sign", "quadratic"), ("relu_squared", "relu")]
SERIES = [(s, t) for s in ("tanh", "sigmoid", "softplus") for t in NUMPY] + [("sin", "erf")]
SOME = [("tanh", t) for t in ("tanh", "relu", "gelu", "erf")]
SOME += [("sigmoid", "sigmoid"), ("softplus", "softplus"), ("sin", "erf")]

# |w|, a, |v|, b, theta
MODERATE = [(1.7, 0.0, 0.6, 0.0, 1.1), (0.4, -0.8, 2.5, 1.3, 2.6)]
SMALL = [(1e-8, 0.0, 1e-8, 0.0, 0.8), (1e-8, 0.0, 1e-8, 0.5, 0.8)]
MIXED = [
    (1e-8, 20.0, 30.0, -20.0, 0.5),
    (1e4, 3.0, 0.5, 1.0, 1e-3),
    (5.0, 1.0, 7.0, 1.0, 3.14),
]
SMOOTH = [(1.2, 0.0, 0.6, 0.0, 1.1), (0.4, -0.8, 1.3, 0.7, 0.3)]


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def neurons(cases):
    """Weights and biases of the two neurons of each case, (cases, 2) and (cases,)."""
    n, a, m, b, theta = np.array(cases).T
    w = np.stack([n, np.zeros_like(n)], axis=1)
    v = m[:, None] * np.stack([np.cos(theta), np.sin(theta)], axis=1)
    return tuple(map(jnp.asarray, (w, a, v, b)))


def values(sigma, tau, cases, **options):
    """The expectation of each case through the package; a series checks its error untraced."""

    def gram(*at):
        return gaussian_gram(*at, sigma, tau, **options)

    found = jax.jit(gram) if (sigma, tau) in PAIRS + LINEAR_IN_GATES else gram
    return np.diag(np.asarray(found(*neurons(cases))))


def size(name, n, a):
    """What the accuracy of a closed form is relative to: the preactivation, for gates."""
    if name in ("relu", "gelu"):
        return math.hypot(n, a)
    if name == "relu_squared":
        return math.hypot(n, a) ** 2
    return 1.0 if name == "step" else plane.root_mean_square(NUMPY[name], n, a)


def errors(sigma, tau, cases, sizes=size, **options):
    """Disagreement with quadrature, less the rounding there, relative to the product of sizes."""
    f, g = NUMPY[sigma], NUMPY[tau]
    for case, found in zip(cases, values(sigma, tau, cases, **options), strict=True):
        (n, a, m, b, _), expected = case, plane.expectation(f, g, *case)
        own = plane.root_mean_square(f, n, a) * plane.root_mean_square(g, m, b)
        difference = abs(found - expected) - plane.ROUNDING * own
        yield difference / (sizes(sigma, n, a) * sizes(tau, m, b))


@pytest.mark.parametrize(
    ("sigma", "tau"),
    [pytest.param(*p, marks=pytest.mark.sharp if p in SHARP else []) for p in PAIRS],
)
def test_closed_forms(sigma, tau):
    """To the accuracy stated: moderate, small and mixed lengths, and small angles."""
    cases = MODERATE if "sin" in (sigma, tau) else MODERATE + SMALL + MIXED
    for case, found in zip(cases, errors(sigma, tau, cases), strict=True):
        assert found < 1e-14, case


@pytest.mark.parametrize(
    ("sigma", "tau"),
    [pytest.param(*p, marks=[] if p in SOME else pytest.mark.slow) for p in SERIES],
)
def test_series(sigma, tau):
    """To an accuracy asked for."""
    scale = lambda name, n, a: plane.root_mean_square(NUMPY[name], n, a)
    for found in errors(sigma, tau, SMOOTH, scale, tolerance=1e-12):
        assert found < 1e-12


def mean_square(name, n, a):
    return plane.root_mean_square(NUMPY[name], n, a)


@pytest.mark.parametrize(
    ("sigma", "tau"),
    [pytest.param(*p, marks=[] if p in DEFAULT else pytest.mark.slow) for p in LINEAR_IN_GATES],
)
def test_absolute_values_signs_and_squares(sigma, tau):
    """To 1e-13 of the root of E sigma^2 E tau^2, or of h^2 and g^2 where gates hardly open."""
    cases = [*MODERATE, *SMALL, *MIXED]
    for found in errors(sigma, tau, cases[:4], mean_square):
        assert found < 1e-13
    for case, found in zip(cases[4:], errors(sigma, tau, cases[4:]), strict=True):
        assert found < 1e-13, case


def test_halves_of_a_series():
    """|t|, the sign and relu^2 beside tanh, by the Hermite series of their halves."""
    for name in ("abs", "sign", "relu_squared"):
        for found in errors(name, "tanh", SMOOTH, mean_square, tolerance=1e-12):
            assert found < 1e-12
        with pytest.raises(RequirementError, match="tolerance must be at least") as error:
            values(name, "tanh", [(1e3, 0.0, 1e6, 0.0, 0.7)])
        reached = float(str(error.value).split("at least ")[1].split(",")[0])
        assert math.isfinite(
            values(name, "tanh", [(1e3, 0.0, 1e6, 0.0, 0.7)], tolerance=1.06 * reached)[0]
        )


def test_squared_relu_by_hand():
    """Cho and Saul (2009), degree 2: |w|^2 |v|^2 (3 s c + (pi - theta) (1 + 2 c^2))/(2 pi)."""
    for n, m, angle in ((1.0, 1.0, 0.0), (1.5, 0.7, 1.0), (2.0, 1.0, 3.1)):
        c, s = math.cos(angle), math.sin(angle)
        expected = (
            n**2 * m**2 * (3.0 * s * c + (math.pi - angle) * (1.0 + 2.0 * c * c)) / (2 * math.pi)
        )
        found = values("relu_squared", "relu_squared", [(n, 0.0, m, 0.0, angle)])[0]
        assert abs(found - expected) < rounding(20 + 6 * LIBRARY) * 1.5 * n**2 * m**2


def test_by_hand():
    w, v = map(jnp.asarray, (np.array([[1.0, 2.0]]), np.array([[3.0, -1.0]])))
    zero = jnp.asarray([0.0])

    @jax.jit
    def found(w, v):
        quadratic = gaussian_gram(w, None, v, None, "quadratic")
        return quadratic, *(gaussian_gram(w, zero, v, zero, name) for name in ("erf", "step"))

    quadratic, erf, step = (float(x[0, 0]) for x in found(w, v))
    # E <w,x>^2 <v,x>^2 = |w|^2 |v|^2 + 2 <w,v>^2 = 5 * 10 + 2; <w,v> = 3 - 2 comes from sums of 5
    assert abs(quadratic - 52.0) < rounding(20) * (50.0 + 2 * 5.0**2)
    # Williams (1997); the mean of two gates, each a sum of 32 terms below 1/8
    tolerance = 4.0 * rounding(32 + 3 * LIBRARY) / 8
    assert abs(erf - 2 / np.pi * np.arcsin(2.0 / np.sqrt(11.0 * 21.0))) < tolerance
    # Sheppard (1899): P(h > 0, g > 0) = 1/4 + arcsin(c)/(2 pi), of an angle below pi
    assert (
        abs(step - 0.25 - np.arcsin(1.0 / np.sqrt(50.0)) / (2 * np.pi)) < rounding(4 * LIBRARY) / 2
    )


@pytest.mark.parametrize(
    "activation", kept(["relu", "step", "erf", "gelu", "sin"], ["relu", "sin"])
)
def test_series_agrees_with_closed_form(activation):
    """Within the error the series states, gates included, and it is not vacuous."""
    w, v = normal(0, 2, 6, 3)
    v[:2] = w[:2]  # parallel pairs: the slowest case
    at = tuple(map(jnp.asarray, (w, normal(1, 6), v, normal(2, 6))))

    @jax.jit
    def both(at):
        return series_gram(*at, activation), gaussian_gram(*at, activation)

    found, exact = jax.tree.map(np.asarray, both(at))
    lengths = [np.hypot(np.linalg.norm(w, axis=1), a) for w, a in (at[:2], at[2:])]
    stated = 1e-14 * np.outer(*lengths)  # of the closed form
    assert np.all(np.abs(found.value - exact) <= found.error + stated)
    assert np.median(found.error / found.scale) < 1e-6


def test_callable_is_its_name():
    w, a, v, b = neurons(SMOOTH)
    by_name = np.asarray(gaussian_gram(w, a, v, b, "tanh", "relu"))
    found = np.asarray(gaussian_gram(w, a, v, b, jnp.tanh, "relu"))
    np.testing.assert_array_equal(found, by_name)
    swapped = np.asarray(gaussian_gram(v, b, w, a, "relu", jnp.tanh))
    # sums of 257 products of coefficients, whose sizes add up to the lengths of g at most
    tolerance = rounding(2 * 257 + 2) * np.hypot([0.6, 1.3], [0.0, 0.7])
    np.testing.assert_array_less(np.abs(swapped.T - by_name), np.broadcast_to(tolerance, (2, 2)))


def test_long_weights_fall_back_to_quadrature():
    """At |w| = 12 the series' error is too large, and pairwise quadrature takes over."""
    case = (12.0, 0.5, 9.0, -1.0, 0.7)
    assert float(series_gram(*neurons([case]), "tanh").error[0, 0]) > 1e-10
    # values below 1 on 1025^2 nodes, in two sums
    tolerance = rounding(2 * 1025 + 4 * LIBRARY) + plane.ROUNDING
    expected = plane.expectation(np.tanh, np.tanh, *case)
    assert abs(values("tanh", "tanh", [case])[0] - expected) < tolerance


def by_mpmath(sigma, tau, case):
    """Two nested integrals of the definition, the outer one split at the kink."""
    n, a, m, b, angle = map(mpmath.mpf, case)
    c, s = mpmath.cos(angle), mpmath.sin(angle)
    knots = sorted({mpmath.mpf(k) for k in range(-9, 10, 2)} | {-a / n})

    def inner(z):
        center = -(m * c * z + b) / (m * s)
        cuts = sorted({mpmath.mpf(k) for k in (-9, -4, 0, 4, 9)} | {min(max(center, -9), 9)})
        return mpmath.quad(lambda y: tau(m * (c * z + s * y) + b) * mpmath.npdf(y), cuts)

    return mpmath.quad(lambda z: sigma(n * z + a) * inner(z) * mpmath.npdf(z), knots)


@pytest.mark.sharp
@pytest.mark.parametrize("name", ["relu", "step"])
def test_kinks_with_smooth_functions_at_large_weights(name):
    """Biases and |v| = 3.5, which was refused: the Hermite series of tanh is too long there."""
    case = (1.5, 0.6, 3.5, 0.9, 0.7)
    sigma = {"relu": lambda h: max(h, 0), "step": lambda h: mpmath.mpf(h > 0)}[name]
    exact = float(by_mpmath(sigma, mpmath.tanh, case))
    for order in ((name, "tanh", case), ("tanh", name, (*case[2:4], *case[:2], case[4]))):
        found = values(*order[:2], [order[2]], tolerance=1e-12)[0]
        assert abs(found - exact) < 1e-12 * math.sqrt(0.5 * (1.5**2 + 0.6**2) + 1.0)


def test_a_kink_far_out_and_weights_of_zero():
    """All of the normal density on one side of the kink: E (h) tanh(g), by Stein's lemma."""
    for bias in (60.0, -60.0):
        found = values("relu", "tanh", [(1.5, bias, 3.5, 0.9, 0.7)], tolerance=1e-12)[0]
        at = values("linear", "tanh", [(1.5, bias, 3.5, 0.9, 0.7)], tolerance=1e-12)[0]
        assert abs(found - max(bias, 0.0) / bias * at) < 1e-12 * 60.0
    zero = values("relu", "tanh", [(0.0, 0.6, 3.5, 0.9, 0.7)], tolerance=1e-12)[0]
    one = values("step", "tanh", [(0.0, 0.6, 3.5, 0.9, 0.7)], tolerance=1e-12)[0]
    assert abs(zero - 0.6 * one) < 1e-12


def test_a_refusal_says_what_is_reachable():
    case = [(1e5, 0.0, 1e5, 0.0, 0.7)]
    for pair in (("tanh", "tanh"), ("relu", "tanh"), ("tanh", "step")):
        with pytest.raises(RequirementError, match="tolerance must be at least") as error:
            values(*pair, case)
        reached = float(str(error.value).split("at least ")[1].split(",")[0])
        assert math.isfinite(values(*pair, case, tolerance=1.06 * reached)[0])


def test_accuracy_out_of_reach_is_refused():
    with pytest.raises(RequirementError, match="tolerance must"):
        values("tanh", "tanh", [(1e5, 0.0, 1e5, 0.0, 0.7)])
    assert abs(values("tanh", "tanh", [(300.0, 0.0, 300.0, 0.0, 0.7)], tolerance=1e-2)[0]) < 1.0
    with pytest.raises(RequirementError, match="Did you mean 'tanh'"):
        values("tan", "tanh", [(1.0, 0.0, 1.0, 0.0, 0.7)])


def test_pair_quadrature_states_its_error():
    @jax.jit
    def both(w, a, v, b):
        found = pair_quadrature(Units(w, a, "relu"), Units(v, b, "relu"), nodes=257)
        return found, gaussian_gram(w, a, v, b)

    cases = [(1.7, 0.0, 0.6, 0.0, 1.1), (0.4, 0.0, 2.5, 0.0, 2.6)]
    found, exact = jax.tree.map(np.asarray, both(*neurons(cases)))
    assert np.all(np.abs(found.value - exact) <= found.error)


@pytest.mark.parametrize("activation", kept(sorted(FUNCTIONS), ["relu", "gelu"]))
def test_gradients_match_differences(activation):
    shapes = ((2, 3), (2,), (2, 3), (2,))
    at, along = ([normal(seed + i, *s) for i, s in enumerate(shapes)] for seed in (0, 4))

    @jax.jit
    def total(at):
        along_ = tuple(map(jnp.asarray, along))
        return jax.jvp(lambda *at: jnp.sum(gaussian_gram(*at, activation)), at, along_)

    step = 1e-5
    moved = [
        tuple(jnp.asarray(x + s * dx) for x, dx in zip(at, along, strict=True))
        for s in (0, step, -step)
    ]
    (_, slope), (above, _), (below, _) = (map(float, total(x)) for x in moved)
    # central difference: step^2 third derivative and rounding/step, both below 1e-9 here
    assert abs(slope - (above - below) / (2 * step)) < 1e-8 * max(1.0, abs(slope))


@pytest.mark.parametrize(
    ("activation", "other"),
    [
        ("erf", "relu"),
        pytest.param("erf", "gelu", marks=pytest.mark.slow),
        pytest.param("gelu", "relu", marks=pytest.mark.slow),
        ("sin", "sin"),
        ("tanh", "tanh"),
        ("relu_squared", "relu_squared"),
        pytest.param("relu_squared", "relu", marks=pytest.mark.slow),
        pytest.param("relu_squared", "erf", marks=pytest.mark.slow),
        pytest.param("tanh", "relu", marks=pytest.mark.slow),
    ],
)
def test_derivatives_at_coinciding_weights(activation, other):
    """First and mixed second derivatives at equal and opposite weights, by central differences."""
    w = normal(0, 2, 3)
    w = np.concatenate([w, -w[:1], 2.0 * w[:1]])
    along, across = normal(1, 2, 4, 3)
    b, step = jnp.asarray([0.2, -0.4, 0.3, 0.0]), 1e-5

    @jax.jit
    def derivatives(w, v):
        """The value, its derivative along w, and the derivative of that along v."""

        def slope(v):
            gram = lambda w: gaussian_gram(w, b, v, b, activation, other)
            return jax.jvp(gram, (w,), (jnp.asarray(along),))

        (value, first), (_, second) = jax.jvp(slope, (v,), (jnp.asarray(across),))
        return value, first, second

    def part(i, dw=0.0, dv=0.0):
        return np.asarray(derivatives(*map(jnp.asarray, (w + dw, w + dv)))[i])

    first = (part(0, dw=step * along) - part(0, dw=-step * along)) / (2 * step)
    np.testing.assert_allclose(part(1), first, atol=1e-8)
    second = (part(1, dv=step * across) - part(1, dv=-step * across)) / (2 * step)
    np.testing.assert_allclose(part(2), second, atol=1e-7)


@pytest.mark.parametrize("activation", ["relu", "erf", "tanh", "relu_squared"])
def test_any_type_of_arrays(activation):
    """Half precision, whole numbers and lists are the same numbers in float64."""
    w, a, v, b = neurons(MODERATE)
    for kind in (jnp.float16, jnp.bfloat16, jnp.float32, np.int8, jnp.int32):
        given = [np.asarray(x).astype(kind) for x in (2.0 * w, a, v, b)]
        right = gaussian_gram(*(jnp.asarray(x, jnp.float64) for x in given), activation)
        found = gaussian_gram(*given, activation)
        assert found.dtype == jnp.float64
        assert np.array_equal(found, right)
        assert np.array_equal(gaussian_gram(*map(jnp.asarray, given), activation), right)
    assert np.array_equal(
        gaussian_gram([[1, 2]], None, [[1, 2]], None, activation),
        gaussian_gram(jnp.array([[1.0, 2.0]]), None, jnp.array([[1.0, 2.0]]), None, activation),
    )


def test_shapes_that_do_not_go_together_are_refused():
    w, a, v, b = neurons(MODERATE)
    for arguments, field in (
        ((w, a[:1], v, b), "a"),
        ((w, a, v[:, :1], b), "v"),
        ((w[0], a, v, b), "w"),
        ((w, a, v, b[:, None]), "b"),
        ((1j * w, a, v, b), "w"),
        (("w", a, v, b), "w"),
    ):
        for name in ("relu", "tanh", "erf"):
            with pytest.raises(RequirementError, match=rf"^{field} must [^\n]*$"):
                gaussian_gram(*arguments, name)
