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
from rf_limits.theory import relu_moments
from rf_limits.theory.triangle_wave import (
    TriangleWave,
    make_wave,
    paper_wave,
    wave_relu_sum,
    wave_second_moment,
)
from rf_limits.theory.wave_correlation import log_rms_wave_correlation, log_wave_correlation

# compiled as a whole: operation by operation they take minutes
relu_gram = jax.jit(relu_gram_function)
relu_sum_product = jax.jit(relu_moments.relu_sum_product)

WAVES = [TriangleWave(0.3, 1), TriangleWave(1.5, 5), TriangleWave(2.0, 13), TriangleWave(4.0, 3)]


def plain_sums(wave, cosines, norm, bias):
    """The same by the neurons' Gram matrix, for many cosines."""
    f = wave_relu_sum(wave, jnp.array([1.0, 0.0]))
    v = norm * np.stack([cosines, np.sqrt(1.0 - cosines**2)], axis=1)
    gram = relu_gram(f.weights, f.biases, jnp.asarray(v), jnp.full(cosines.size, bias))
    return np.asarray(f.amplitudes @ gram)


def test_wave_by_hand():
    wave = make_wave(1.0, 5)
    t = np.array([-9.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0])
    values = [-1.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.5, 1.0, 0.0, -1.0, 0.0, 1.0, 1.0]
    np.testing.assert_array_equal(wave(t), values)


@pytest.mark.parametrize("half_width", [1, 3, 13])
def test_neurons_fold_and_shift_alike(key, half_width):
    """The sum of neurons, folding, and the form started at -a agree."""
    wave = make_wave(2.5, half_width)
    f = wave_relu_sum(wave, jnp.array([3.0, -4.0, 0.0]))
    assert f.amplitudes.size == half_width + 3
    x = jax.random.normal(key, (2000, 3)) * 4.0
    t = np.asarray(x @ jnp.array([1.5, -2.0, 0.0]))
    np.testing.assert_allclose(f(x), wave(t), rtol=0, atol=1e-12)
    a = half_width
    shifted = -1.0 + np.maximum(t + a, 0) - np.maximum(t - a, 0)
    for n in range(1, a):
        shifted += 2.0 * (-1) ** n * np.maximum(t + a - 2 * n, 0)
    np.testing.assert_allclose((-1) ** ((a - 1) // 2) * shifted, wave(t), rtol=0, atol=1e-12)


@pytest.mark.parametrize("wave", WAVES)
def test_second_moment_matches_neurons_and_simulation(key, wave):
    found = wave_second_moment(wave)
    f = wave_relu_sum(wave, jnp.array([1.0, 0.0]))
    teacher = Teacher(f.weights, f.biases, f.amplitudes)
    assert abs(found - float(relu_sum_product(f, f))) < 1e-12
    assert abs(found - teacher.second_moment("gaussian")) < 1e-12
    squares = wave(wave.norm * np.asarray(jax.random.normal(key, (400_000,)))) ** 2
    # 6 standard errors: false alarm below 1e-8
    assert abs(squares.mean() - found) < 6 * squares.std() / math.sqrt(squares.size)


@pytest.mark.parametrize("dim", [2, 5, 10])
def test_second_moment_of_the_paper_wave(dim):
    # Fourier series of T^2: 1/3 + (4/pi^2) sum (-1)^k cos(k pi t)/k^2
    s = float(dim**2)
    series = sum((-1) ** k / k**2 * math.exp(-0.5 * (k * math.pi * s) ** 2) for k in range(1, 20))
    expected = 1.0 / 3.0 + 4.0 / math.pi**2 * series
    assert abs(wave_second_moment(paper_wave(dim)) - expected) < 1e-14


@pytest.mark.parametrize("wave", WAVES)
@pytest.mark.parametrize(("norm", "bias"), [(1.0, 0.0), (1.3, 0.7), (0.5, -0.6), (2.0, 5.0)])
def test_correlation_matches_sum_of_neurons(wave, norm, bias):
    cosines = np.array([-0.9, -0.3, 0.0, 0.2, 0.95, 0.9999, 1.0])
    sign, log = log_wave_correlation(wave, cosines, norm, bias)
    expected = plain_sums(wave, cosines, norm, bias)
    # the sum's rounding: a few 1e-16 times half_width^2 |v|
    np.testing.assert_allclose(sign * np.exp(log), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("cosine", "bias"), [(0.05, 0.8), (0.6, 0.0), (0.6, -1.2), (-0.9, 0.8), (0.9, -1.2)]
)
def test_small_correlation_matches_mpmath(cosine, bias):
    """Down to 1e-30, where sums of neurons keep no digit."""
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
    assert abs(log[0] - expected) < 1e-10


def test_correlation_is_odd_and_scales():
    wave = TriangleWave(2.0, 9)
    cosines = np.array([0.1, 0.7, 1.0])
    sign, log = log_wave_correlation(wave, cosines, 1.0, 0.4)
    opposite, same = log_wave_correlation(wave, -cosines, 3.0, 1.2)
    np.testing.assert_array_equal(sign, -opposite)
    np.testing.assert_allclose(log, same - math.log(3.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 3, 6])
@pytest.mark.parametrize("bias", [0.0, 0.9])
def test_rms_matches_integral_of_sums_of_neurons(dim, bias):
    wave = TriangleWave(1.2, 5)
    nodes, weights = np.polynomial.legendre.leggauss(300)
    angles = (nodes + 1.0) * math.pi / 2  # the whole circle: no use made of symmetry
    squares = plain_sums(wave, np.cos(angles), 1.0, bias) ** 2
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
