"""The lazy limit of any target, against covariance operators estimated from random rotations."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from rf_limits.problem.hermite_sums import HermiteSum
from rf_limits.problem.neurons import SingleNeuron, Teacher
from rf_limits.problem.polynomial_kinds import POLYNOMIALS, make_polynomial, polynomial_axes
from rf_limits.theory import lazy_limit
from rf_limits.theory.bounds.rotated_family import family_of
from rf_limits.theory.spectra.harmonics import multiplicity
from rf_limits.theory.spectra.rotated import RotatedSpectrum, rotated_spectrum

ROTATIONS = 6000


def rule(inputs):
    """Returns a product rule for x in R^3: nodes (n, 3) and weights (n,)."""
    heights, weights = special.roots_legendre(12)
    angles = 2.0 * np.pi * np.arange(24) / 24
    flat = np.sqrt(1.0 - heights**2)
    sides = (np.outer(flat, np.cos(angles)), np.outer(flat, np.sin(angles)))
    unit = np.stack([*sides, np.outer(heights, np.ones(24))], axis=-1).reshape(-1, 3)
    surface = np.repeat(weights / 2.0 / 24, 24)
    if inputs == "sphere":
        return math.sqrt(3.0) * unit, surface
    halves, mass = special.roots_genlaguerre(5, 0.5)  # |x|^2/2 has a Gamma law of shape 3/2
    radii, mass = np.sqrt(2.0 * halves), mass / special.gamma(1.5)
    nodes = (radii[:, None, None] * unit).reshape(-1, 3)
    return nodes, (mass[:, None] * surface).ravel()


def eigenvalues(target, inputs, seed=0):
    """Returns the spectrum of the mean of f_O f_O^T over random O, largest first."""
    nodes, weights = rule(inputs)
    turns = stats.ortho_group.rvs(3, size=ROTATIONS, random_state=np.random.default_rng(seed))
    operator = np.zeros((len(nodes), len(nodes)))
    for some in np.split(turns, 60):
        turned = jnp.asarray(np.einsum("ni,mji->mnj", nodes, some).reshape(-1, 3))
        values = np.asarray(target(turned)).reshape(len(some), -1) * np.sqrt(weights)
        operator += values.T @ values / ROTATIONS
    return np.sort(np.linalg.eigvalsh(operator))[::-1]


def teachers():
    rng = np.random.default_rng(4)
    directions, sizes = rng.standard_normal((3, 3)), np.array([1.0, -0.8, 0.6])
    yield Teacher(directions, np.zeros(3), sizes)
    yield Teacher(directions, np.array([0.8, -0.5, 1.5]), sizes)
    yield Teacher(np.eye(3), np.full(3, 0.7), sizes)


def polynomials():
    for kind in POLYNOMIALS:
        yield make_polynomial(jnp.eye(3)[: polynomial_axes(kind, 3)], kind, 3, 1.3)
    indices = ((0, 0, 0), (1, 0, 0), (2, 1, 0), (1, 1, 1), (0, 0, 4))
    yield HermiteSum(np.eye(3), indices, [0.5, 1.0, -0.7, 0.9, 0.4])


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
@pytest.mark.parametrize(
    "target", [*teachers(), *polynomials()], ids=lambda target: type(target).__name__
)
def test_limit_is_the_tail_of_the_covariance_operator(target, inputs):
    """Sampled eigenvalues of a cluster of k spread by 2 sqrt(k/rotations), relative to them."""
    found, family = eigenvalues(target, inputs), family_of(target, inputs)
    total = float(np.sum(found))
    assert abs(family.limit(0) / total - 1.0) < 6e-3  # the kinks of neurons in the product rule
    for p in (1, 4, 9, 16):
        explained = total - float(np.sum(found[p:]))
        tolerance = 2.2 * math.sqrt(9 / ROTATIONS) * explained + 6e-3 * total
        assert abs(family.limit(p) - float(np.sum(found[p:]))) < tolerance


@pytest.mark.parametrize(("dim", "bias"), [(2, 0.0), (3, 0.0), (5, 0.4), (20, -0.7)])
def test_one_neuron_has_its_own_limit(dim, bias):
    neuron = SingleNeuron.create(np.eye(dim)[0], 2.0, bias)
    total = neuron.second_moment("gaussian")
    spectrum = rotated_spectrum(neuron, 64, total, "gaussian")
    for p in (0, 1, dim, dim + 1, 40):
        expected = float(lazy_limit(p, dim, norm=2.0, bias=bias))
        tail = spectrum.tail(p)
        assert tail.value <= expected * (1.0 + 1e-11)
        if tail.settled:
            assert tail.value >= expected - 3.0 * spectrum.error - 1e-11 * expected
            assert family_of(neuron).limit(p) == pytest.approx(expected, rel=1e-6, abs=2e-10)


def test_degrees_alone_give_a_smaller_bound():
    target = HermiteSum(np.eye(2, 4), ((2, 1), (1, 0)), [1.0, 1.0])
    spectrum = rotated_spectrum(target, 8, 2.0, "gaussian")
    degrees = np.sum(spectrum.shares, axis=1, keepdims=True)
    concentrated = RotatedSpectrum(4, degrees, 0.0, spectrum.error)
    assert np.sum(spectrum.shares[1] > 1e-9) == 2  # he_1 and the radial part of he_2 he_1
    for p in range(1, 12):
        assert concentrated.tail(p).value <= spectrum.tail(p).value + 1e-12
    assert concentrated.tail(4).value < 0.9 * spectrum.tail(4).value


def test_a_rest_counts_as_the_next_degree():
    """He_3 at d = 3 with degrees to 2 known: what is left has seven functions, not infinitely many.

    Its shares are 3/5 of degree 1 and 2/5 of degree 3.
    """
    spectrum = RotatedSpectrum(3, np.array([[0.0], [0.6], [0.0]]), 0.4, 0.0)
    assert spectrum.tail(9).value == pytest.approx(0.4 / 7)
    assert not spectrum.tail(9).settled
    assert spectrum.tail(3) == (pytest.approx(0.4), True)
    he_3 = make_polynomial(jnp.eye(1, 3), "single_index", 3)
    assert family_of(he_3).limit(9) == pytest.approx(0.4 / 7, abs=1e-12)


@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
def test_features_for_a_risk_are_the_least(inputs):
    family = family_of(Teacher(np.eye(3, 6), np.zeros(3), np.ones(3)), inputs)
    for share in (1.5, 0.9, 0.1, 1e-3):
        risk = share * family.limit(0)
        p = family.features(risk)
        assert family.limit(p) <= risk
        assert p == 0 or family.limit(p - 1) > risk


def test_no_features_beat_the_limit_of_a_teacher():
    """The best features of the family itself: harmonics of low degree reach R* and none is below.

    Random features lie above, on average over rotations of the teacher.
    """
    rng = np.random.default_rng(5)
    teacher = Teacher(rng.standard_normal((2, 3)), np.zeros(2), np.array([1.0, -1.0]))
    nodes, weights = rule("sphere")
    turns = stats.ortho_group.rvs(3, size=400, random_state=rng)
    values = np.stack(
        [np.asarray(teacher(jnp.asarray(nodes @ turn.T))) for turn in turns]
    ) * np.sqrt(weights)
    limit = family_of(teacher, "sphere").limit
    for p in (4, 9):
        harmonics = np.sqrt(weights)[:, None] * _harmonics(nodes / math.sqrt(3.0), p)
        features = np.sqrt(weights)[:, None] * np.maximum(nodes @ rng.standard_normal((3, p)), 0.0)
        best, random = (_risk(values, basis) for basis in (harmonics, features))
        assert abs(best / limit(p) - 1.0) < 5e-3
        assert random > limit(p)


def _harmonics(unit, count):
    """Returns polynomials of degrees 0 to 2 that span the first ``count`` harmonics."""
    x, y, z = unit.T
    return np.stack([np.ones_like(x), x, y, z, x * y, y * z, x * z, x**2, y**2], axis=1)[:, :count]


def _risk(values, basis):
    basis = np.linalg.qr(basis)[0]
    rest = values - (values @ basis) @ basis.T
    return float(np.mean(np.sum(rest**2, axis=1)))


def test_counts_of_harmonics_beyond_float64_are_no_trouble():
    neuron = Teacher(np.eye(2, 400), np.zeros(2), np.ones(2))
    family = family_of(neuron)
    p = multiplicity(400, 1) + 1 + multiplicity(400, 2)
    assert 0.0 < family.limit(p + 10) < family.limit(p) < family.limit(0)
