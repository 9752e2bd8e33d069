"""The triangle wave and its correlations against mpmath, simulation and sums over Gram matrices."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import special

from rf_limits.errors import RequirementError
from rf_limits.problem.neurons import Teacher
from rf_limits.theory import relu_gram as relu_gram_function
from rf_limits.theory.bounds.triangle_wave import (
    TriangleWave,
    make_wave,
    paper_wave,
    wave_second_moment,
)
from rf_limits.theory.bounds.wave_correlation import log_rms_wave_correlation, log_wave_correlation
from rf_limits.theory.risks import relu_moments
from rf_limits.theory.risks.relu_moments import ReluSum
from tests.rounding import rounding
from tests.variants import kept

# compiled as a whole: operation by operation they take minutes
relu_gram = jax.jit(relu_gram_function)
relu_sum_product = jax.jit(relu_moments.relu_sum_product)

WAVES = [TriangleWave(0.3, 1), TriangleWave(1.5, 5), TriangleWave(2.0, 13), TriangleWave(4.0, 3)]
PAIR = 200
"""Roundings behind a pair of neurons, as in ``test_relu_moments``."""
POSITIVE = 80
"""Roundings of a mean of thousands of positive terms, added in pairs, each an exponential."""
MOST_NEURONS, MOST_COSINES = 16, 300  # one shape, one compiled program


def wave_relu_sum(wave, direction):
    """psi(<w, x>) as its a + 3 neurons relu(+-<w, x> + b_i), -a <= b_i <= 0, w along direction."""
    a = wave.half_width
    kinks = np.concatenate([[0.0], np.arange(1.0, a, 2.0), [float(a)]])
    signs = (-1.0) ** np.arange(kinks.size)
    side = signs * np.concatenate([[1.0], np.full(kinks.size - 2, 2.0), [1.0]])
    w = direction * (wave.norm / jnp.linalg.norm(direction))
    weights = jnp.concatenate([jnp.tile(w, (kinks.size, 1)), jnp.tile(-w, (kinks.size, 1))])
    return ReluSum(weights, jnp.tile(-kinks, 2), jnp.concatenate([side, -side]))


def neurons_of(wave):
    """The wave as a sum of neurons, filled up with neurons of amplitude 0; and its size."""
    f = wave_relu_sum(wave, jnp.array([1.0, 0.0]))
    w, b, u = (np.asarray(part) for part in f[:3])
    size = np.sum(np.abs(u) * np.hypot(np.linalg.norm(w, axis=1), b))
    more = MOST_NEURONS - len(u)
    w, b, u = np.pad(w, ((0, more), (0, 0)), "edge"), np.pad(b, (0, more)), np.pad(u, (0, more))
    return ReluSum(*map(jnp.asarray, (w, b, u))), size


def plain_sums(wave, cosines, norm, bias):
    """The same by the neurons' Gram matrix, for many cosines; and what rounding leaves of it."""
    f, size = neurons_of(wave)
    v = norm * np.stack([cosines, np.sqrt(1.0 - cosines**2)], axis=1)
    v = np.pad(v, ((0, MOST_COSINES - len(v)), (0, 0)), "edge")
    gram = relu_gram(f.weights, f.biases, v, np.full(MOST_COSINES, bias))
    left = rounding(PAIR + MOST_NEURONS) * size * math.hypot(norm, bias)
    return (np.asarray(f.amplitudes) @ np.asarray(gram))[: len(cosines)], left


def test_wave_by_hand():
    wave = make_wave(1.0, 5)
    t = np.array([-9.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0])
    values = [-1.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.5, 1.0, 0.0, -1.0, 0.0, 1.0, 1.0]
    np.testing.assert_array_equal(wave(t), values)


@pytest.mark.parametrize("half_width", [1, 3, 13])
def test_neurons_fold_and_shift_alike(half_width):
    """The sum of neurons, folding, and the form started at -a agree."""
    wave = make_wave(2.5, half_width)
    f = wave_relu_sum(wave, jnp.array([3.0, -4.0, 0.0]))
    assert f.amplitudes.size == half_width + 3
    x = np.random.default_rng(0).normal(size=(2000, 3)) * 4.0
    t = x @ np.array([1.5, -2.0, 0.0])
    # as many terms, of sizes up to 2 (|t| + a)
    size = 2.0 * (half_width + 3) * (np.abs(t) + half_width)
    atol = rounding(half_width + 3 + 2 * 3 + 6)
    np.testing.assert_allclose(f(jnp.asarray(x)) / size, wave(t) / size, rtol=0, atol=atol)
    a = half_width
    shifted = -1.0 + np.maximum(t + a, 0) - np.maximum(t - a, 0)
    for n in range(1, a):
        shifted += 2.0 * (-1) ** n * np.maximum(t + a - 2 * n, 0)
    shifted *= (-1) ** ((a - 1) // 2)
    np.testing.assert_allclose(shifted / size, wave(t) / size, rtol=0, atol=atol)


@pytest.mark.sharp
@pytest.mark.parametrize("wave", WAVES)
def test_second_moment_matches_quadrature_neurons_and_simulation(wave):
    found = wave_second_moment(wave)
    # 20 Gauss-Legendre nodes between places at most a standard deviation apart, kinks among them
    far = 12.0 * wave.norm
    edges = np.union1d(np.arange(1.0, wave.half_width + 1.0, 2.0), np.linspace(0.0, far, 13))
    edges, kinks = edges[edges <= far], float(wave.half_width)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = 0.5 * np.diff(edges)[:, None]
    t = edges[:-1, None] + half * (1.0 + nodes)
    folded = np.where(t > kinks, wave(np.array([kinks])), 1.0 - np.abs((t + 1.0) % 4.0 - 2.0))
    density = np.exp(-0.5 * (t / wave.norm) ** 2) / (math.sqrt(2.0 * math.pi) * wave.norm)
    expected = 2.0 * np.sum(half * weights * folded**2 * density)
    assert abs(found / expected - 1.0) < rounding(2 * POSITIVE)
    f, size = neurons_of(wave)
    left = rounding(PAIR + MOST_NEURONS**2) * size**2
    assert abs(found - float(relu_sum_product(f, f))) < left
    assert abs(found - Teacher(*f[:3]).second_moment("gaussian")) < left
    squares = wave(wave.norm * np.random.default_rng(0).normal(size=400_000)) ** 2
    # 6 standard errors: false alarm below 1e-8
    assert abs(squares.mean() - found) < 6 * squares.std() / math.sqrt(squares.size)


@pytest.mark.parametrize("dim", [2, 5, 10])
def test_second_moment_of_the_paper_wave(dim):
    # Fourier series of T^2: 1/3 + (4/pi^2) sum (-1)^k cos(k pi t)/k^2
    s = float(dim**2)
    series = sum((-1) ** k / k**2 * math.exp(-0.5 * (k * math.pi * s) ** 2) for k in range(1, 20))
    expected = 1.0 / 3.0 + 4.0 / math.pi**2 * series
    # the wave folds arguments of the size of |w|
    bound = rounding(POSITIVE) + rounding(2, 3.0 * s)
    assert abs(wave_second_moment(paper_wave(dim)) / expected - 1.0) < bound


@pytest.mark.parametrize("wave", WAVES)
@pytest.mark.parametrize(("norm", "bias"), [(1.0, 0.0), (1.3, 0.7), (0.5, -0.6), (2.0, 5.0)])
def test_correlation_matches_sum_of_neurons(wave, norm, bias):
    cosines = np.array([-0.9, -0.3, 0.0, 0.2, 0.95, 0.9999, 1.0])
    sign, log = log_wave_correlation(wave, cosines, norm, bias)
    expected, left = plain_sums(wave, cosines, norm, bias)
    np.testing.assert_allclose(sign * np.exp(log), expected, rtol=1e-12, atol=left)


@pytest.mark.sharp
@pytest.mark.parametrize(
    "case",
    kept(
        [(0.05, 0.8), (0.6, 0.0), (0.6, -1.2), (-0.9, 0.8), (0.9, -1.2)],
        [(0.05, 0.8), (0.6, -1.2), (-0.9, 0.8)],
    ),
    ids=str,
)
def test_small_correlation_matches_mpmath(case):
    """Down to 1e-30, where sums of neurons keep no digit."""
    cosine, bias = case
    wave = TriangleWave(6.0, 73)
    with mpmath.workdps(45):
        c, s = mpmath.mpf(cosine), mpmath.mpf(wave.norm)
        rest = mpmath.sqrt(1 - c**2)

        def given(z):
            mean = c * z + mpmath.mpf(bias)
            return mean * mpmath.ncdf(mean / rest) + rest * mpmath.npdf(mean / rest)

        def fold(t):
            t = min(t, mpmath.mpf(wave.half_width))
            return 1 - abs((t + 1) % 4 - 2)

        # psi is odd; panels between kinks
        edges = [mpmath.mpf(0)] + [mpmath.mpf(k) / s for k in range(1, 85, 2)]
        total = mpmath.mpf(0)
        for lo, hi in zip(edges[:-1], edges[1:], strict=True):
            total += mpmath.quad(
                lambda z: fold(s * z) * mpmath.npdf(z) * (given(z) - given(-z)),
                [lo, hi],
                method="gauss-legendre",
                maxdegree=4,
            )
        expected_sign, expected = int(mpmath.sign(total)), float(mpmath.log(abs(total)))
    sign, log = log_wave_correlation(wave, np.array([cosine]), 1.0, bias)
    assert sign[0] == expected_sign
    assert abs(log[0] - expected) < 1e-10  # 1e-12 of the largest of three parts, which may cancel


def test_correlation_is_odd_and_scales():
    wave = TriangleWave(2.0, 9)
    cosines = np.array([0.1, 0.7, 1.0])
    sign, log = log_wave_correlation(wave, cosines, 1.0, 0.4)
    opposite, same = log_wave_correlation(wave, -cosines, 3.0, 1.2)
    np.testing.assert_array_equal(sign, -opposite)
    np.testing.assert_allclose(log, same - math.log(3.0), rtol=0, atol=1e-12)  # as promised


@pytest.mark.parametrize("dim", [2, 3, 6])
@pytest.mark.parametrize("bias", [0.0, 0.9])
def test_rms_matches_integral_of_sums_of_neurons(dim, bias):
    wave = TriangleWave(1.2, 5)
    nodes, weights = np.polynomial.legendre.leggauss(300)
    angles = (nodes + 1.0) * math.pi / 2  # the whole circle: no use made of symmetry
    squares = plain_sums(wave, np.cos(angles), 1.0, bias)[0] ** 2
    numerator = float((squares * np.sin(angles) ** (dim - 2)) @ weights) * math.pi / 4
    total = 0.5 * math.sqrt(math.pi) * math.gamma((dim - 1) / 2) / math.gamma(dim / 2)
    expected = 0.5 * math.log(numerator / total)
    assert abs(log_rms_wave_correlation(wave, dim, 1.0, bias) - expected) < 1e-8


@pytest.mark.parametrize("dim", [20, 30])
def test_rms_matches_hermite_series(dim):
    """Moments of the cosine against products of Hermite coefficients, |w| = 3.

    In these dimensions the dropped degrees weigh less than 1e-11.
    """
    s, beta, terms = 3.0, 0.8, 300
    j = np.arange(1, terms, 2)
    k = (2.0 * np.arange(12) + 1.0) * math.pi / 2
    logs = j[:, None] * np.log(k * s) - 0.5 * (k * s) ** 2 - 0.5 * special.gammaln(j + 1.0)[:, None]
    signs = (-1.0) ** np.arange(12) / (k * 2 / math.pi) ** 2
    wave_part = 8 / math.pi**2 * (-1.0) ** ((j - 1) // 2) * (np.exp(logs) @ signs)
    phi = math.exp(-(beta**2) / 2) / math.sqrt(2 * math.pi)
    he = [1.0, -beta]
    for n in range(2, terms):
        he.append((-beta * he[-1] - math.sqrt(n - 1) * he[-2]) / math.sqrt(n))
    relu = [special.ndtr(beta)] + [phi * he[n - 2] / math.sqrt(n * (n - 1)) for n in j[1:]]
    product = wave_part * np.array(relu)
    power = j[:, None] + j
    moment = np.exp(
        special.gammaln(dim / 2)
        + special.gammaln((power + 1) / 2)
        - special.gammaln(0.5)
        - special.gammaln((power + dim) / 2)
    )
    expected = 0.5 * math.log(product @ moment @ product)
    found = log_rms_wave_correlation(TriangleWave(s, 61), dim, 1.0, beta)
    assert abs(found - expected) < 1e-9


def test_rms_decays_exponentially_in_the_paper_regime():
    dims = [2, 3, 5, 8]
    logs = np.array([log_rms_wave_correlation(paper_wave(d), d, 1.0, 0.5) for d in dims])
    slopes = np.diff(logs) / np.diff(dims)
    assert np.all(slopes < -1.0)
    assert np.all(np.diff(slopes) < 0.0)  # faster than any fixed rate


def test_refusals():
    with pytest.raises(RequirementError, match="half_width must be odd"):
        make_wave(1.0, 4)
    with pytest.raises(RequirementError, match="norm must be positive"):
        make_wave(0.0, 3)
    with pytest.raises(RequirementError, match="cosine must lie"):
        log_wave_correlation(make_wave(1.0, 3), np.array([1.5]))
    with pytest.raises(RequirementError, match="dim must be at least 2"):
        log_rms_wave_correlation(make_wave(1.0, 3), 1)
