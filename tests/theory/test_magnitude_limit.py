"""The magnitude limit against measured frontiers, other optimizers and direct integration."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import integrate, optimize

from rf_limits.errors import RequirementError
from rf_limits.theory.bounds.lazy_limit import features_for_risk
from rf_limits.theory.bounds.magnitude_limit import (
    log_magnitude_limit,
    log_rms_magnitude_limit,
    magnitude_witness,
)
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.numerics.box_qp import BoxProblem
from rf_limits.theory.spectra.harmonics import multiplicity
from rf_limits.theory.spectra.spectrum import zonal_spectrum
from tests.variants import kept


@jax.jit
def _features(w):
    return relu_gram(w, None, w, None), relu_gram(w, None, jnp.eye(1, w.shape[1]), None)[:, 0]


def features(seed, dim, count):
    """Gram matrix and correlations of unit neurons in uniform directions, plain target."""
    w = np.random.default_rng(seed).normal(size=(count, dim))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    return tuple(map(np.asarray, _features(w)))


def least_risk(gram, products, bound):
    """Of weights with |u_i| <= bound, certified to 1e-6 of the second moment 1/2."""
    point = BoxProblem(gram, products, 0.5).solve(bound, 0.5e-6)
    assert point.gap <= 0.5e-6
    return point.value


@pytest.mark.parametrize(
    "case",
    kept(
        [(2, 1e-3, 40), (3, 2e-3, 120), (5, 5e-3, 40), (5, 5e-3, 120)],
        [(2, 1e-3, 40), (5, 5e-3, 40)],
    ),
    ids=str,
)
def test_below_the_mean_measured_frontier(case):
    """At r max|u_i| = M the mean least risk is at least the risk M was computed for."""
    dim, risk, count = case
    bound = math.exp(log_magnitude_limit(risk, dim)) / count
    risks = []
    for seed in range(9):
        gram, products = features(seed, dim, count)
        risks.append(least_risk(gram, products, bound))
    error = np.std(risks, ddof=1) / 3.0
    # t with 8 degrees of freedom beyond 16 has probability 2e-7
    assert np.mean(risks) > risk - 16.0 * error


@pytest.mark.slow
def test_many_features_approach_it():
    """The bound is attained as r grows: 16 times the features leave a fraction above it."""
    risk, excess = 1e-2, {}
    for count in (20, 320):
        bound = math.exp(log_magnitude_limit(risk, 2)) / count
        found = [least_risk(*features(s, 2, count), bound) for s in range(200)]
        excess[count] = np.mean(found) - risk
    # 0.0013 +- 0.0004 and 0.0204 +- 0.0024: each holds by 7 standard errors of its difference
    assert excess[320] < 0.5 * excess[20]
    assert excess[320] < 0.5 * risk


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_witness_proves_its_bound(dim):
    """Three expectations of the witness by adaptive quadrature over the angle."""
    risk = 1e-3
    witness = magnitude_witness(risk, dim, norm=2.0)
    degrees = witness.degrees.astype(int)
    spectrum = zonal_spectrum(dim, int(degrees[-1]))
    number = np.array([float(multiplicity(dim, int(k))) for k in degrees])
    eta = witness.amplitudes / np.sqrt(number)
    scale = spectrum.eigenvalues[degrees]

    def inner(angle):  # <f_w, psi>, by the three-term recurrence in plain floats
        t, before, now = math.cos(angle), 1.0, math.cos(angle)
        values = [1.0, t]
        for k in range(1, degrees[-1]):
            before, now = now, ((2 * k + dim - 2) * t * now - k * before) / (k + dim - 2)
            values.append(now)
        total = sum(e * n * values[k] for e, n, k in zip(eta, number, degrees, strict=True))
        return abs(total) * math.sin(angle) ** (dim - 2)

    # all degrees beyond: eta_k = rest lambda_k, by their root mean square
    rest, after = witness.rest, zonal_spectrum(dim, int(degrees[-1]) + 2).eigenvalues[-1]

    knots = np.linspace(0.0, math.pi, 2 * degrees[-1])
    total = sum(
        integrate.quad(inner, a, b, limit=200)[0]
        for a, b in zip(knots[:-1], knots[1:], strict=True)
    )
    total /= integrate.quad(lambda a: math.sin(a) ** (dim - 2), 0.0, math.pi)[0]
    total += rest * math.sqrt(spectrum.tail * after)
    learned = np.sum(eta * number) + rest * spectrum.tail
    size = np.sum(eta**2 * number / scale) + rest**2 * spectrum.tail
    gain = 2.0 * learned - math.sqrt(risk * size)
    np.testing.assert_allclose(witness.log_bound, math.log(gain / total), atol=2e-5)


def test_no_other_witness_is_better():
    """A general-purpose optimizer from the witness and from elsewhere finds nothing above it."""
    dim, risk = 3, 1e-3
    degrees = np.array([0, 1, *range(2, 25, 2)])
    spectrum = zonal_spectrum(dim, 24)
    number = np.array([float(multiplicity(dim, int(k))) for k in degrees])
    t, weights = np.polynomial.legendre.leggauss(400)  # uniform in t for d = 3
    values = np.array([np.polynomial.legendre.Legendre.basis(int(k))(t) for k in degrees])

    def loss(y):
        eta = y / np.sqrt(number)
        size = math.sqrt(risk * np.sum(eta**2 * number / spectrum.eigenvalues[degrees]))
        inner = (eta * number) @ values
        return -(np.sum(eta * number) - size) / (0.5 * weights @ np.abs(inner))

    limit = math.exp(log_magnitude_limit(risk, dim))
    start = np.sqrt(number) * np.exp(-((degrees / 10.0) ** 2))
    found = min(
        optimize.minimize(loss, start, method=m, options={"maxiter": 4000}).fun
        for m in ("Powell", "BFGS")
    )
    # fewer degrees than the witness has, so not better; and not much worse
    assert 0.98 * limit < -found < limit * (1.0 + 1e-4)


def box_least_squares(dim, last, nodes=300):
    """Least risk of weights u(w) in [-M, M], w on a rule of angles: a function of log M.

    Orthonormal polynomials of the rule itself, and the degrees beyond unlearned.
    """
    x, mass = np.polynomial.legendre.leggauss(nodes)
    angle = 0.5 * math.pi + min(0.5 * math.pi, 9.0 / math.sqrt(dim - 1.0)) * x
    mass = mass * np.sin(angle) ** (dim - 2)
    mass, t = mass / np.sum(mass), np.cos(angle)
    q = [np.ones(nodes), t / math.sqrt(mass @ t**2)]
    for k in range(1, last):
        q.append(t * q[k] - (mass @ (t * q[k] * q[k - 1])) * q[k - 1])
        q[-1] = q[-1] / math.sqrt(mass @ q[-1] ** 2)
    spectrum = zonal_spectrum(dim, last)
    degrees = [0, 1, *range(2, last + 1, 2)]
    matrix = np.exp(0.5 * spectrum.log_eigenvalues[degrees])[:, None] * np.array(q)[degrees] * mass
    wanted = np.sqrt(spectrum.weights[degrees])

    def least(log_bound):
        found = optimize.lsq_linear(
            math.exp(log_bound) * matrix, wanted, (-1, 1), method="bvls", tol=1e-14, max_iter=3000
        )
        return 2.0 * found.cost + spectrum.tail

    return least


@pytest.mark.sharp
@pytest.mark.parametrize(
    "case",
    [
        (20, 0.499, 30),
        (20, 0.3, 20),
        (1000, 0.45, 20),
        (1000, 0.05, 14),
        (100_000, 0.1, 10),
        (2, 0.02, 40),
        (3, 1e-2, 40),
        (5, 5e-3, 30),
    ],
    ids=str,
)
def test_box_least_squares_reaches_it(case):
    """Strong duality: the risk is attained within 1e-3 of the limit, and not that far below."""
    dim, risk, last = case
    least, limit = box_least_squares(dim, last), log_magnitude_limit(risk, dim)
    assert least(limit - 1e-3) > risk > least(limit + 1e-3)


def test_recorded_limits():
    """Below the rms limit (-5.8427, -1.7635) and a domain error, these were."""
    assert abs(log_magnitude_limit(0.499, 20) - -5.7865) < 1e-3
    assert log_magnitude_limit(0.45, 1000) > log_rms_magnitude_limit(0.45, 1000)
    assert abs(log_rms_magnitude_limit(0.45, 1000) - -1.7635) < 1e-4
    for risk in (0.4999999, 0.5 - 1e-15):
        # |u| = M everywhere has the risk 1/2 - 2 M lambda_0 + M^2 lambda_0
        slope = zonal_spectrum(3, 0).eigenvalues[0]
        exact = math.log((0.5 - risk) / (2.0 * slope))
        assert abs(log_magnitude_limit(risk, 3) - exact) < 1e-6


def test_order_at_every_risk_and_dimension():
    """At least the rms limit, and growing with the dimension and with less risk."""
    dims = [2, 3, 5, 10, 11, 30, 101, 1000, 100_000]
    risks = [0.4999999, 0.499998, 0.499, 0.45, 0.35, 0.2, 0.05]
    found = np.array([[log_magnitude_limit(r, d) for d in dims] for r in risks])
    means = np.array([[log_rms_magnitude_limit(r, d) for d in dims] for r in risks])
    assert np.all(found >= means)
    assert np.all(np.diff(found, axis=0) > 0.0)
    assert np.all(np.diff(found, axis=1) > 0.0)


def test_rms_limit_solves_its_equations():
    """Multiplier and norm by plain sums over the spectrum, another root finder."""
    dim, risk, norm = 7, 3e-3, 1.5
    spectrum = zonal_spectrum(dim, 600)
    scale = spectrum.eigenvalues
    number = np.array([float(multiplicity(dim, k)) for k in range(601)])

    def excess(mu):
        return norm**2 * (np.sum(scale * number * (mu / (scale + mu)) ** 2) + spectrum.tail) - risk

    mu = optimize.bisect(excess, 1e-20, 1.0, xtol=1e-22, rtol=1e-13)
    size = norm * math.sqrt(np.sum(number * (scale / (scale + mu)) ** 2))
    np.testing.assert_allclose(
        log_rms_magnitude_limit(risk, dim, norm=norm), math.log(size), atol=1e-7
    )


@pytest.mark.sharp
@pytest.mark.parametrize("case", [(30, 2.5e-8), (3, 1e-6), (3, 0.5 - 1e-9), (5, 0.3)], ids=str)
def test_rms_limit_to_its_accuracy(case):
    """At small risks, and near 1/2: in 30 digits nothing cancels, degrees beyond unlearned."""
    dim, risk = case
    last = 6000 if risk < 1e-2 else 400
    with mpmath.workdps(30):
        degrees = [0, 1, *range(2, last + 1, 2)]
        number = [mpmath.mpf(multiplicity(dim, k)) for k in degrees]
        half = mpmath.mpf(dim) / 2
        scale = [
            dim
            * (mpmath.gammaprod([half, (mpmath.mpf(k) - 1) / 2], [half + (mpmath.mpf(k) + 1) / 2]))
            ** 2
            / (4 * mpmath.pi) ** 2
            for k in degrees[2:]
        ]
        mean = dim * (mpmath.gammaprod([half], [half + mpmath.mpf(1) / 2])) ** 2 / (4 * mpmath.pi)
        scale = [mean, mpmath.mpf(1) / (4 * dim), *scale]
        rest = mpmath.mpf(1) / 2 - mpmath.fsum(n * x for n, x in zip(number, scale, strict=True))

        def excess(log_mu):
            mu = mpmath.exp(log_mu)
            left = (n * x * (mu / (x + mu)) ** 2 for n, x in zip(number, scale, strict=True))
            return mpmath.fsum(left) + rest - mpmath.mpf(risk)

        log_mu = optimize.brentq(lambda x: float(excess(x)), -250.0, 60.0, xtol=1e-13, rtol=1e-14)
        mu = mpmath.exp(log_mu)
        size = mpmath.fsum(n * (x / (x + mu)) ** 2 for n, x in zip(number, scale, strict=True))
        assert abs(log_rms_magnitude_limit(risk, dim) - mpmath.log(size) / 2) < 1e-8


@pytest.mark.parametrize("dim", kept([2, 4, 8], [8]))
def test_order_of_the_limits(dim):
    """rms <= max; r max|u_i| grows as the risk falls, by the square of the target's length."""
    risks = [1e-2, 1e-3, 1e-4]
    largest = [log_magnitude_limit(r, dim) for r in risks]
    means = [log_rms_magnitude_limit(r, dim) for r in risks]
    assert np.all(np.diff(largest) > 0)
    assert np.all(np.diff(means) > 0)
    assert all(m < x for m, x in zip(means, largest, strict=True))
    # the search for the witness stops where it gains less than 1e-6 of the bound
    np.testing.assert_allclose(
        log_magnitude_limit(4e-3, dim, norm=2.0), largest[1] + math.log(2.0), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("dims", kept([(4, 6), (6, 8)], [(4, 6)]), ids=str)
def test_paper_setting_grows_exponentially(dims):
    """At |w*| = d^2 and risk 1/50, r max|u_i| gains more than a digit per dimension."""
    digits = [log_magnitude_limit(0.02, d, norm=float(d * d)) / math.log(10.0) for d in dims]
    assert np.all(np.diff(digits) > 2.0)
    for d, value in zip(dims, digits, strict=True):
        needed = math.log10(features_for_risk(0.02, d, norm=float(d * d)))
        assert abs(value - 2 * math.log10(d) - needed) < 1.0  # about one per feature needed


def test_zero_function_and_mistakes():
    assert log_magnitude_limit(0.6, 5) == -math.inf
    assert log_rms_magnitude_limit(0.5, 5) == -math.inf
    for function in (log_magnitude_limit, log_rms_magnitude_limit):
        for arguments in ((0.0, 5), (1e-3, 1), (1e-20, 5)):
            with pytest.raises(RequirementError):
                function(*arguments)
        with pytest.raises(RequirementError, match="norm"):
            function(1e-3, 5, norm=-1.0)
    with pytest.raises(RequirementError, match="degrees up to 400"):
        log_magnitude_limit(2.5e-8, 30)
