"""Spectra against exact counts, high-precision quadrature of their definition, and totals."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy import special

from rf_limits.errors import RequirementError
from rf_limits.theory import kernel_spectrum, relu_kernel_spectrum, zonal_spectrum
from rf_limits.theory.numerics.tails import abel_plana, fit_power_tail
from rf_limits.theory.spectra.harmonics import (
    gegenbauer,
    log_gamma_ratio,
    log_mean_squares,
    log_multiplicity,
    multiplicity,
)
from rf_limits.theory.spectra.hermite import hermite_series, hermite_values, second_moment
from rf_limits.theory.spectra.homogeneous import RELATIVE_ERROR
from rf_limits.theory.spectra.spectrum import log_moments
from tests.rounding import LIBRARY, rounding
from tests.variants import kept


def mp_gegenbauer(dim, degree, t):
    """P_k(t), P_k(1) = 1, by recurrence in the working precision."""
    before, value = mpmath.mpf(1), mpmath.mpf(t)
    if degree == 0:
        return before
    for k in range(1, degree):
        before, value = value, ((2 * k + dim - 2) * t * value - k * before) / (k + dim - 2)
    return value


def mp_mean(function, dim, start=-1, stop=1, pieces=1):
    """E f(t) over [start, stop], in the angle."""
    constant = mpmath.gamma(mpmath.mpf(dim) / 2) / (
        mpmath.sqrt(mpmath.pi) * mpmath.gamma(mpmath.mpf(dim - 1) / 2)
    )
    low, high = mpmath.acos(stop), mpmath.acos(start)
    knots = [low + (high - low) * i / pieces for i in range(pieces + 1)]
    f = lambda a: function(mpmath.cos(a)) * mpmath.sin(a) ** (dim - 2)
    return constant * mpmath.quad(f, knots)


def test_multiplicity_by_hand():
    assert [multiplicity(2, k) for k in range(4)] == [1, 2, 2, 2]
    assert [multiplicity(3, k) for k in range(5)] == [1, 3, 5, 7, 9]
    assert [multiplicity(4, k) for k in range(5)] == [1, 4, 9, 16, 25]
    assert multiplicity(3, 10**40) == 2 * 10**40 + 1


@pytest.mark.parametrize("dim", [2, 3, 5, 30, 1000])
def test_log_multiplicity_against_exact(dim):
    degrees = [0, 1, 2, 3, 15, 16, 17, 200, 2000, 10**6]
    found = log_multiplicity(dim, np.array(degrees))
    for k, value in zip(degrees, found, strict=True):
        exact = float(mpmath.log(multiplicity(dim, k)))
        assert abs(value - exact) <= 1e-13 * max(exact, 1.0), k


@pytest.mark.sharp
def test_log_gamma_ratio_against_mpmath():
    with mpmath.workdps(60):
        for x, a in [(0.5, 3.0), (15.9, 0.2), (16.1, -1.0), (1e12, 500.5), (3e40, 10.0)]:
            exact = float(mpmath.loggamma(mpmath.mpf(x) + a) - mpmath.loggamma(x))
            bound = 4e-15 * (1 + abs(a) * math.log(2 + abs(x + a)))
            assert abs(float(log_gamma_ratio(np.array(x), a)) - exact) < bound
        z = 20 + 5j
        exact = complex(mpmath.loggamma(mpmath.mpc(z) + 7.5) - mpmath.loggamma(mpmath.mpc(z)))
        bound = 4e-15 * (1 + 7.5 * math.log(2 + abs(z + 7.5)))
        assert abs(complex(log_gamma_ratio(np.array(z), 7.5)) - exact) < bound


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [2, 3, 30])
def test_gegenbauer_against_mpmath(dim):
    t = np.array([-1.0, -0.3, 0.0, 0.7, 1.0])
    values = gegenbauer(dim, 60, t)
    with mpmath.workdps(40):
        for k in (0, 1, 2, 7, 60):
            exact = [float(mp_gegenbauer(dim, k, mpmath.mpf(float(x)))) for x in t]
            # five roundings a step; a step's error grows like P_k(cos a), by k or 1/sin a at most
            with np.errstate(divide="ignore"):
                growth = np.minimum(k, 1.0 / np.sqrt(1.0 - t**2))
            assert np.all(np.abs(values[k] - exact) <= rounding(5 * k + 1) * np.maximum(growth, 1))


def test_mean_squares_where_polynomials_underflow():
    t, log_weights = np.array([0.02, 0.9]), np.array([-900.0, -3000.0])
    logs = log_mean_squares(1000, 2000, t, log_weights)
    with mpmath.workdps(60):
        for k in (0, 1, 50, 2000):
            squares = [
                mpmath.exp(w) * mp_gegenbauer(1000, k, mpmath.mpf(float(x))) ** 2
                for x, w in zip(t, log_weights, strict=True)
            ]
            exact = float(mpmath.log(multiplicity(1000, k) * sum(squares)))
            assert abs(logs[k] - exact) < 1e-10  # 125 renewals, of logarithms up to 6000


@pytest.mark.parametrize(
    ("dim", "shares"),
    [(10, (0.167301, 0.25, 0.074663, 0, 0.005400)), (20, (0.163182, 0.25, 0.077336, 0, 0.006047))],
)
def test_reference_shares(dim, shares):
    np.testing.assert_allclose(zonal_spectrum(dim, 4).weights, shares, rtol=0, atol=5.001e-7)


@pytest.mark.parametrize(("dim", "degree"), [(2, 6), (3, 0), (3, 12), (5, 1), (8, 20)])
@pytest.mark.parametrize(("activation", "order"), [("relu", 1), ("step", 0)])
def test_unbiased_eigenvalue_is_the_integral(dim, degree, activation, order):
    """lambda_k = E|x|^{2 alpha} (E sigma(t) P_k(t))^2, quadrature in 40 digits."""
    degree += (degree + order + 1) % 2 if degree > 1 else 0
    with mpmath.workdps(40):
        f = lambda t: t**order * mp_gegenbauer(dim, degree, t)
        mean = mp_mean(f, dim, 0, 1, pieces=1 + degree // 50)
        exact = float(mpmath.log(dim**order * mean**2))
    found = zonal_spectrum(dim, degree, activation).log_eigenvalues[degree]
    assert abs(found - exact) < RELATIVE_ERROR


@pytest.mark.sharp
@pytest.mark.parametrize(("dim", "degree"), [(30, 200), (30, 198), (1000, 2000)])
def test_unbiased_eigenvalue_term_by_term(dim, degree):
    """The polynomial's coefficients against the moments E t^{j+1} 1[t > 0], in 1500 digits."""
    with mpmath.workdps(1500):
        half, shift = mpmath.mpf(dim) / 2, mpmath.mpf(dim) / 2 - 1
        # leading coefficient of C_k and E t^{k+1} 1[t > 0], then both by their ratios
        coefficient = 2**degree * mpmath.rf(shift, degree) / mpmath.factorial(degree)
        moment = mpmath.gamma(half) * mpmath.gamma(mpmath.mpf(degree) / 2 + 1)
        moment /= 2 * mpmath.sqrt(mpmath.pi) * mpmath.gamma(half + mpmath.mpf(degree + 1) / 2)
        total = mpmath.mpf(0)
        for m in range(degree // 2 + 1):
            total += coefficient * moment
            power = degree - 2 * m
            if power >= 2:
                coefficient *= -mpmath.mpf(power * (power - 1))
                coefficient /= 4 * (m + 1) * (shift + degree - m - 1)
                moment *= mpmath.mpf(dim + power - 1) / power
        at_one = mpmath.rf(2 * shift, degree) / mpmath.factorial(degree)
        exact = float(mpmath.log(dim * (total / at_one) ** 2))
    assert abs(zonal_spectrum(dim, degree).log_eigenvalues[degree] - exact) < RELATIVE_ERROR


@pytest.mark.slow
def test_high_degree_and_dimension_against_the_hermite_series():
    """d = 1000, degree 2000: the sum over Hermite coefficients, in 30 digits."""
    dim, degree = 1000, 2000
    with mpmath.workdps(40):

        def term(i):
            j = degree + 2 * int(i)
            # c_j^2 = phi(0)^2 He_{j-2}(0)^2 / j!, He_{2n}(0)^2 = ((2n)!/(2^n n!))^2
            n = (j - 2) // 2
            log_c = (
                2 * (mpmath.loggamma(2 * n + 1) - n * mpmath.log(2) - mpmath.loggamma(n + 1))
                - mpmath.loggamma(j + 1)
                - mpmath.log(2 * mpmath.pi)
            )
            log_moment = (
                mpmath.loggamma(j + 1)
                + mpmath.loggamma(mpmath.mpf(dim) / 2)
                + mpmath.loggamma(mpmath.mpf(j - degree + 1) / 2)
                - mpmath.loggamma(j - degree + 1)
                - degree * mpmath.log(2)
                - mpmath.log(mpmath.pi) / 2
                - mpmath.loggamma(mpmath.mpf(j + degree + dim) / 2)
            )
            return mpmath.exp(log_c + log_moment)

        # terms fall like j^{-500}-power laws from their peak near j = degree^2/dim
        exact = float(mpmath.log(mpmath.fsum(term(i) for i in range(12_000))))
    assert abs(zonal_spectrum(dim, degree).log_eigenvalues[degree] - exact) < RELATIVE_ERROR


@pytest.mark.parametrize("dim", [2, 3, 5, 20, 1000])
@pytest.mark.parametrize("degree", [0, 1, 2, 17, 60])
@pytest.mark.parametrize("activation", ["relu", "step"])
def test_unbiased_shares_sum_to_the_total(dim, degree, activation):
    found = zonal_spectrum(dim, degree, activation)
    assert abs(math.fsum(found.weights) + found.tail - 0.5) < 0.5 * RELATIVE_ERROR
    assert found.total == 0.5


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [2, 5, 1000])
def test_far_tail_against_sum_in_high_precision(dim):
    """The tail from degree 400, summed to 40 digits by mpmath from the closed form."""
    with mpmath.workdps(30):
        half = mpmath.mpf(dim) / 2

        def share(n):
            k = 402 + 2 * n
            log_rho = (
                mpmath.loggamma(half)
                + mpmath.loggamma((k - 1) / mpmath.mpf(2))
                - mpmath.loggamma((k + dim + 1) / mpmath.mpf(2))
                - mpmath.log(4 * mpmath.pi)
            )
            log_b = (
                mpmath.log(2 * k + dim - 2)
                + mpmath.loggamma(k + dim - 2)
                - mpmath.loggamma(k + 1)
                - mpmath.loggamma(dim - 1)
            )
            return dim * mpmath.exp(2 * log_rho + log_b)

        head = mpmath.fsum(share(mpmath.mpf(n)) for n in range(2000))
        # beyond 4400: Euler-Maclaurin by mpmath
        rest = mpmath.sumem(share, [2000, mpmath.inf], tol=mpmath.mpf(10) ** -18)
        exact = float(head + rest)
    assert abs(zonal_spectrum(dim, 400).tail / exact - 1.0) < RELATIVE_ERROR


def test_shares_tend_to_hermite_coefficients():
    """Differences of order 1/d: halved by doubling d, up to terms of order 1/d^2."""
    c = hermite_series("relu", 8, bias=0.4).coefficients ** 2
    near = zonal_spectrum(500, 8, bias=0.4).weights - c
    far = zonal_spectrum(1000, 8, bias=0.4).weights - c
    assert np.max(np.abs(far)) > 1e-5
    assert np.all(np.abs(near - 2.0 * far) < 10.0 / 1000**2)


DOUBLE_INTEGRALS = kept(
    itertools.product(("relu", "step"), (1.3, -0.7), ((2, 5), (3, 0), (3, 1), (5, 6))),
    [
        ("relu", 1.3, (3, 0)),
        ("relu", -0.7, (2, 5)),
        ("relu", -0.7, (3, 1)),
        ("step", 1.3, (3, 1)),
        ("step", -0.7, (5, 6)),
    ],
)


@pytest.mark.sharp
@pytest.mark.parametrize("case", DOUBLE_INTEGRALS, ids=str)
def test_biased_eigenvalue_is_the_double_integral(case):
    """lambda_k = E_r (E_t sigma(r t + b) P_k(t))^2 from the definition."""
    activation, bias, (dim, degree) = case
    order = {"relu": 1, "step": 0}[activation]
    with mpmath.workdps(20):
        b = mpmath.mpf(bias)

        def square(r):
            start = max(mpmath.mpf(-1), min(mpmath.mpf(1), -b / r))
            f = lambda t: (r * t + b) ** order * mp_gegenbauer(dim, degree, t)
            return mp_mean(f, dim, start, 1) ** 2 if start < 1 else mpmath.mpf(0)

        density = lambda r: (
            2 ** (1 - mpmath.mpf(dim) / 2)
            / mpmath.gamma(mpmath.mpf(dim) / 2)
            * r ** (dim - 1)
            * mpmath.exp(-r * r / 2)
        )
        x, w = np.polynomial.legendre.leggauss(40)
        total = mpmath.mpf(0)
        edges = [0, abs(bias), abs(bias) + 1.5, abs(bias) + 4, abs(bias) + 7, abs(bias) + 12]
        for low, high in itertools.pairwise(edges):
            # s^2 substitution: half-integer powers at r = |b| in even dimensions
            for node, weight in zip(x, w, strict=True):
                u = mpmath.mpf(0.5 * (node + 1))
                r = low + (high - low) * u * u
                total += weight * u * (high - low) * density(r) * square(r)
        exact = float(total)
    found = zonal_spectrum(dim, degree, activation, bias=bias).eigenvalues[degree]
    assert abs(found / exact - 1.0) < RELATIVE_ERROR


@pytest.mark.parametrize("dim", kept([20, 100, 1000], [20, 1000]))
@pytest.mark.parametrize("bias", kept([1.3, -0.01, -8.0], [-0.01, -8.0]))
@pytest.mark.parametrize("activation", ["relu", "step"])
def test_biased_eigenvalues_equal_the_hermite_series(dim, bias, activation):
    found = zonal_spectrum(dim, 40, activation, bias=bias)
    c = hermite_series(activation, 4000, bias=bias).coefficients
    of_series = rounding(5 * LIBRARY, math.lgamma(4001))  # sums of logarithms of factorials
    for k in (0, 1, 2, 3, 4, 15, 40):
        powers = np.arange(k, 4001, 2.0)
        series = math.fsum(c[k::2] ** 2 * np.exp(log_moments(dim, k, powers) + 20.0))
        error = abs(found.log_eigenvalues[k] + 20.0 - math.log(series))
        assert error < RELATIVE_ERROR + of_series, k


@pytest.mark.parametrize(
    "case",
    kept(
        itertools.product(("relu", "step"), (2, 5, 20, 1000)),
        [("relu", 2), ("step", 5), ("relu", 20)],
    ),
    ids=str,
)
def test_biased_shares_sum_to_the_total(case):
    activation, dim = case
    for bias in (1.3, 0.1, -2.0):
        found = zonal_spectrum(dim, 30, activation, bias=bias)
        direct = float(
            mpmath.quad(
                lambda z, b=bias: mpmath.npdf(z) * ((z + b) ** 2 if activation == "relu" else 1),
                [-bias, -bias + 2, -bias + 5, -bias + 20],
            )
        )
        # positive terms on either side; quadrature works in 15 digits
        assert abs(found.total / direct - 1.0) < rounding(80) + 1e-14
        error = abs(math.fsum(found.weights) + found.tail - found.total)
        assert error < found.tail_error + found.weights @ found.error


def test_small_bias_continues_closed_form():
    for dim, degree in [(5, 300), (1000, 600)]:
        plain = zonal_spectrum(dim, degree).log_eigenvalues
        moved = zonal_spectrum(dim, degree, bias=1e-12).log_eigenvalues
        present = np.isfinite(plain)
        # first order: (log lambda)' is below 10 for these degrees
        np.testing.assert_allclose(moved[present], plain[present], rtol=0, atol=1e-10)


@pytest.mark.parametrize("activation", ["erf", "tanh", "gelu", np.sin])
@pytest.mark.parametrize("dim", [2, 20])
def test_smooth_activations_sum_to_the_total(activation, dim):
    found = zonal_spectrum(dim, 12, activation, bias=0.3)
    error = abs(math.fsum(found.weights) + found.tail - found.total)
    assert error < found.tail_error + found.weights @ found.error
    assert np.all(found.error[:8] < 1e-9)


def test_polynomials_by_hand():
    # (<w,x> + b)^2: lambda_0 = (1 + b^2)^2 + (2/d), lambda_1 d = 4 b^2, lambda_2 B = 2 - 2/d
    found = zonal_spectrum(5, 4, "quadratic", bias=0.5)
    np.testing.assert_allclose(found.weights, [1.25**2 + 0.4, 1.0, 1.6, 0, 0], rtol=RELATIVE_ERROR)
    assert found.tail == 0.0
    found = zonal_spectrum(5, 2, "linear", bias=0.5, norm=2.0)
    np.testing.assert_allclose(found.weights, [0.25, 4.0, 0.0], rtol=RELATIVE_ERROR)


@pytest.mark.sharp
@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (2.0, -0.7)])
def test_hermite_coefficients_by_quadrature(scale, bias):
    """40 Gauss-Legendre nodes on each half unit, the kink among the ends."""
    functions = {
        "relu": lambda t: np.maximum(t, 0.0),
        "step": lambda t: 1.0 * (t > 0.0),
        "erf": special.erf,
        "tanh": np.tanh,
        "gelu": lambda t: t * special.ndtr(t),
        "quadratic": lambda t: t * t,
    }
    knots = np.union1d(np.arange(-12.0, 12.5, 0.5), [-bias / scale])
    half = 0.5 * np.diff(knots)[:, None]
    nodes, weights = np.polynomial.legendre.leggauss(40)
    z, weights = knots[:-1, None] + half * (1.0 + nodes), half * weights
    weights *= np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    for name, sigma in functions.items():
        found = hermite_series(name, 9, scale=scale, bias=bias)
        for j in range(10):
            terms = weights * sigma(scale * z + bias) * special.eval_hermitenorm(j, z)
            exact = math.fsum(terms.ravel()) / math.sqrt(math.factorial(j))
            # of each term, and of the polynomial, whose own terms alternate
            left = rounding(4 * LIBRARY + 2 * j, 2.0 ** (j / 2)) * math.sqrt(found.total)
            assert abs(found.coefficients[j] - exact) <= found.error + left, (name, j)


def test_hermite_values_stay_orthonormal_at_high_order():
    # Cramer: |he_n(x)| exp(-x^2/4) <= 1.0865; and the known value at zero
    values = hermite_values(5000, np.array([0.0, 3.0]))
    assert np.all(np.abs(values[:, 1]) * math.exp(-9 / 4) <= 1.0865)
    n = 2500
    log_zero = 0.5 * math.lgamma(2 * n + 1) - n * math.log(2) - math.lgamma(n + 1)
    # logarithms of factorials cancel, and the recurrence has 5000 steps
    bound = rounding(2 * LIBRARY, 2.0 * math.lgamma(2 * n + 1)) + rounding(4 * 2 * n)
    assert abs(abs(values[2 * n, 0]) / math.exp(log_zero) - 1.0) < bound


def test_second_moment_far_below_zero():
    for bias in (-10.0, -30.0):
        with mpmath.workdps(30):
            b = mpmath.mpf(bias)
            exact = (1 + b * b) * mpmath.ncdf(b) + b * mpmath.npdf(b)
            # positive terms, exponentials of -bias^2/2 among them
            bound = rounding(80) + rounding(2, 0.5 * bias**2)
            assert abs(second_moment(1, bias) / float(exact) - 1.0) < bound


def test_abel_plana_against_zeta():
    found = abel_plana(lambda z: -4.0 * np.log(z), 20.0)
    # as promised, and of the logarithm of a term
    bound = 1e-14 + rounding(LIBRARY, 4.0 * math.log(20.0))
    assert abs(found - float(mpmath.log(mpmath.zeta(4, 20)))) < bound


def test_power_tail_recovers_a_known_series():
    k = np.arange(400.0)
    weights = (k + 1.5) ** -4.0 * (1.0 + 9.0 / (k + 1.5) ** 2)
    tail = fit_power_tail(weights, 1.5, 4)
    for start in (399, 10**5):
        exact = mpmath.zeta(4, start + 2.5) + 9 * mpmath.zeta(6, start + 2.5)
        bound = tail.relative_error + rounding(4 * LIBRARY)
        assert abs(tail.beyond(start) / float(exact) - 1.0) < bound
    assert tail.relative_error < 1e-10
    oscillating = weights * (1.0 + 0.1 * (-1.0) ** k)
    assert fit_power_tail(oscillating, 1.5, 4).relative_error > 0.1


KERNELS = {
    "nngp": lambda c: (np.sqrt((1 - c) * (1 + c)) + (np.pi - np.arccos(c)) * c) / (2 * np.pi),
    "gate": lambda c: (np.pi - np.arccos(c)) / (2 * np.pi),
}
KERNELS["ntk"] = lambda c: KERNELS["nngp"](c) + c * KERNELS["gate"](c)


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [2, 5, 20, 1000])
@pytest.mark.parametrize("name", sorted(KERNELS))
def test_relu_kernels_against_quadrature(dim, name):
    exact = relu_kernel_spectrum(name, dim, 40)
    found = kernel_spectrum(KERNELS[name], dim, 40)
    scale = np.exp(-0.5 * exact.log_multiplicities)
    assert np.all(
        np.abs(found.eigenvalues - exact.eigenvalues)
        < 5e-15 * scale + RELATIVE_ERROR * exact.eigenvalues
    )
    resolved = found.error < 1.0
    assert resolved[:3][exact.eigenvalues[:3] > 0.0].all()
    difference = np.abs(found.eigenvalues - exact.eigenvalues)[resolved]
    bound = found.error * found.eigenvalues + exact.error * exact.eigenvalues
    assert np.all(difference <= bound[resolved])
    for degree in (0, 1, 2, 40):
        part = relu_kernel_spectrum(name, dim, degree)
        error = abs(math.fsum(part.weights) + part.tail - part.total)
        assert error < RELATIVE_ERROR * part.total


def test_kernel_spectrum_against_mpmath():
    found = kernel_spectrum(lambda c: np.exp(c), 4, 12)
    with mpmath.workdps(30):
        for k in range(13):
            f = lambda t, k=k: mpmath.exp(t) * mp_gegenbauer(4, k, t)
            exact = float(mp_mean(f, 4))
            assert abs(found.eigenvalues[k] - exact) <= found.error[k] * max(exact, 1e-300) or (
                found.error[k] == 1.0 and exact < 1e-14
            )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: zonal_spectrum(1, 3), "dim must be at least 2, but received 1."),
        (lambda: zonal_spectrum(3, -1), "max_degree must be at least 0, but received -1."),
        (lambda: zonal_spectrum(3, 3, norm=0.0), "norm must be positive"),
        (lambda: zonal_spectrum(3, 3, bias=99.0), "bias must be at most 35 times"),
        (lambda: zonal_spectrum(3, 3, "rleu"), "Did you mean 'relu'?"),
        (lambda: relu_kernel_spectrum("ntkk", 3, 3), "Did you mean 'ntk'?"),
        (lambda: log_multiplicity(1, np.arange(3)), "dim must be at least 2"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RequirementError) as error:
        call()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
