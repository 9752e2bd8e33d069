"""Kernel predictors: spectra of the library's kernels, moments by quadrature and simulation."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.models import infinite_width_kernels, make_network
from rf_limits.models.network import PARAMETERIZATIONS, TRAINABLE
from rf_limits.models.zonal_kernels import zonal_kernels
from rf_limits.problem import make_target, sample_inputs
from rf_limits.theory import coefficients_by_degree, degree_risks, relu_kernel_spectrum
from rf_limits.theory.coefficients import sphere_tails
from rf_limits.theory.harmonics import gegenbauer
from rf_limits.theory.kernel_predictors import (
    ACCURACY,
    MAX_DEGREE,
    KernelPredictor,
    kernel_moments,
    kernel_series,
    zonal_gram,
    zonal_series,
)
from rf_limits.theory.sphere import coordinate_nodes
from tests.variants import kept


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("trainable", TRAINABLE)
def test_spectra_are_those_of_the_library(parameterization, trainable):
    """gamma_k = E h(t) P_k(t), h from neural-tangents at points of length 1 and 2."""
    dim, network = 8, make_network(6, parameterization=parameterization)
    t, weights = coordinate_nodes(1500, dim)
    x = np.zeros((t.size, dim))
    x[:, 0], x[:, 1] = 2.0 * t, 2.0 * np.sqrt((1.0 - t) * (1.0 + t))
    kernels = infinite_width_kernels(network, jnp.eye(1, dim), jnp.asarray(x), trainable)
    spectra = zonal_kernels(network, dim, 9, trainable)
    for method in ("nngp", "ntk"):
        h = np.asarray(getattr(kernels, method))[0] / 2.0
        found = (gegenbauer(dim, 9, t) * weights) @ h
        np.testing.assert_allclose(spectra[method].eigenvalues, found, atol=2e-13 * h.max())
        assert spectra[method].eigenvalues.max() > 0.0


def test_biases_have_no_zonal_kernel():
    with pytest.raises(RequirementError, match="without biases"):
        zonal_kernels(make_network(4, use_bias=True), 5, 3)


def target_series(target, kernel, max_degree=MAX_DEGREE, inputs="gaussian"):
    """The series of one kernel and target."""
    spectrum = relu_kernel_spectrum(kernel, target.dim, max_degree)
    tails, moment = target.degree_tails(max_degree), target.second_moment(inputs)
    if inputs == "sphere":
        tails = sphere_tails(target, max_degree, moment, tails)
    return kernel_series(spectrum, target, tails, moment, inputs)


CASES = [
    ("nngp", "gaussian"),
    ("ntk", "sphere"),
    ("ntk", "gaussian"),
    pytest.param("nngp", "sphere", marks=pytest.mark.slow),
]
TARGETS = {
    "neuron": {"kind": "single_neuron", "norm": 1.5},
    "biased neuron": {"kind": "single_neuron", "bias": 0.5},
    "teacher": {"kind": "teacher", "bias": -0.3},
    "polynomial": {"kind": "polynomial", "degree": 3},
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("kernel", "inputs"), CASES)
def test_moments_match_simulation(key, name, kernel, inputs):
    dim, options = 6, dict(TARGETS[name])
    target = make_target(key, options.pop("kind"), dim=dim, **options)
    series = target_series(target, kernel, inputs=inputs)
    assert max(series.rest, series.cross_rest) <= ACCURACY
    points = sample_inputs(jax.random.fold_in(key, 1), inputs, 4, dim)
    found = kernel_moments(series, points)
    x = sample_inputs(jax.random.fold_in(key, 2), inputs, 100_000, dim)
    # the library's kernels have x/sqrt(d) where these have x
    sections = dim * getattr(infinite_width_kernels(make_network(1), x, points), kernel)
    products = sections[:, :, None] * sections[:, None, :]
    for sample, expected in (
        (products, found.gram),
        (sections * target(x)[:, None], found.cross),
    ):
        error = jnp.std(sample, axis=0) / math.sqrt(len(x))
        # 6 standard errors, 20 entries, 16 cases: false alarm below 1e-6
        assert np.all(np.abs(jnp.mean(sample, axis=0) - expected) < 6 * error)


@pytest.mark.parametrize("kernel", ["nngp", "ntk"])
def test_gram_by_quadrature_in_three_dimensions(kernel):
    """E h(<x, u>) h(<x, v>) over the sphere, by a product rule that shares no series."""
    spectrum = relu_kernel_spectrum(kernel, 3, 400)
    nodes, weights = np.polynomial.legendre.leggauss(500)
    phi = 2.0 * np.pi * (np.arange(500) + 0.5) / 500

    def h(c):
        c = np.clip(c, -1.0, 1.0)
        theta = np.arccos(c)
        linear = np.sin(theta) + (np.pi - theta) * c
        return (linear + (kernel == "ntk") * (np.pi - theta) * c) / (2.0 * np.pi)

    cosine = 0.3
    sine = math.sqrt(1.0 - cosine**2)
    across = cosine * nodes[:, None] + sine * np.sqrt(1.0 - nodes[:, None] ** 2) * np.cos(phi)
    expected = 0.5 * weights @ (h(nodes) * np.mean(h(across), axis=1))
    squares = spectrum.eigenvalues**2 * np.exp(spectrum.log_multiplicities)
    found = zonal_series(squares, 3, jnp.asarray(cosine))
    # h is not smooth at v: the rule's error is 5e-10, and falls eightfold when nodes double
    assert abs(float(found) - expected) < 1e-9


@pytest.mark.parametrize("name", ["biased neuron", "polynomial"])
def test_cross_moments_on_the_sphere_by_quadrature(key, name):
    """E k(x, x_i) f*(x) in three dimensions, over the angle to w* and the angle around it."""
    options = dict(TARGETS[name])
    target = make_target(key, options.pop("kind"), dim=3, **options)
    points = sample_inputs(jax.random.fold_in(key, 1), "sphere", 3, 3)
    found = kernel_moments(target_series(target, "ntk", inputs="sphere"), points)
    biased = name == "biased neuron"
    axis = np.asarray(target.directions[0])
    edge = -0.5 / np.sqrt(3.0) if biased else -1.0  # below it the neuron is off
    nodes, weights = np.polynomial.legendre.leggauss(400)
    t = 0.5 * (1.0 + edge) + 0.5 * (1.0 - edge) * nodes
    phi = 2.0 * np.pi * (np.arange(800) + 0.5) / 800
    s = np.sqrt(3.0) * t
    values = s + 0.5 if biased else (s**3 - 3.0 * s) / np.sqrt(6.0)
    for point, cross in zip(np.asarray(points), found.cross, strict=True):
        cosine = point @ axis / np.linalg.norm(point)
        sine = np.sqrt(1.0 - cosine**2)
        c = cosine * t[:, None] + sine * np.sqrt(1.0 - t[:, None] ** 2) * np.cos(phi)
        theta = np.arccos(np.clip(c, -1.0, 1.0))
        h = (np.sin(theta) + 2.0 * (np.pi - theta) * c) / (2.0 * np.pi)
        expected = 3.0 * 0.25 * (1.0 - edge) * weights @ (values * np.mean(h, axis=1))
        # h has a kink at the point: the rule's error is 1e-7 and falls when nodes double
        assert abs(float(cross) - expected) < 1e-6
        assert abs(expected) > 1e-2


@pytest.mark.parametrize("num", [1, 9, 64, 65, 150])
def test_tiles_give_the_whole_matrix(key, num):
    """Sizes below, at and above that of a tile: the same as all pairs at once."""
    dim, weights = 7, np.random.default_rng(0).random(30)
    points = jax.random.normal(key, (num, dim))
    units = points / jnp.linalg.norm(points, axis=1, keepdims=True)
    found = jax.jit(lambda u: zonal_gram(weights, u))(units)
    at_once = jax.jit(lambda u: zonal_series(weights, dim, u @ u.T))(units)
    np.testing.assert_allclose(found, at_once, rtol=0, atol=1e-14 * weights.sum())
    np.testing.assert_array_equal(found[:64, 64:], found[64:, :64].T)
    cosines = np.clip(np.asarray(units @ units.T), -1.0, 1.0)
    polynomials = gegenbauer(dim, 29, cosines.ravel())
    np.testing.assert_allclose(np.ravel(found), weights @ polynomials, rtol=0, atol=1e-12)


def test_what_is_cut_is_within_its_bound(key):
    target = make_target(key, "single_neuron", dim=4)
    moment = target.second_moment("gaussian")
    points = jax.random.normal(key, (6, 4))
    long, short = target_series(target, "ntk"), target_series(target, "ntk", 12)
    assert len(short.squares) == 13
    assert short.cross_rest > ACCURACY
    full, cut = kernel_moments(long, points), kernel_moments(short, points)
    root = np.sqrt(np.diag(full.gram))
    gram = np.abs(full.gram - cut.gram) / np.outer(root, root)
    assert 0.0 < np.max(gram) <= short.rest * (1 + 1e-9)
    cross = np.abs(full.cross - cut.cross) / (root * math.sqrt(moment))
    assert 0.0 < np.max(cross) <= short.cross_rest


@pytest.mark.parametrize(
    "case", kept([("gaussian", 0.0), ("sphere", 0.0), ("sphere", 0.5)], [("gaussian", 0.0)])
)
def test_risk_and_its_degrees(key, case):
    """Risk by moments, by degrees, and by simulation agree."""
    dim, (inputs, bias) = 10, case
    target = make_target(key, "single_neuron", dim=dim, bias=bias)
    series = target_series(target, "ntk", inputs=inputs)
    points = sample_inputs(jax.random.fold_in(key, 1), inputs, 12, dim)
    c = jax.random.normal(jax.random.fold_in(key, 2), (12,)) / dim
    moment = target.second_moment(inputs)
    risk = kernel_moments(series, points).risk(c, moment)
    f = KernelPredictor(points, c, series.eigenvalues)
    degrees = degree_risks(f, target, 40, inputs=inputs)
    held = coefficients_by_degree(target, 400, moment, inputs).weights
    beyond = float(np.sum(held[41:]))
    # of f itself 1e-12 is left beyond degree 40; of the rest of the target, which falls like
    # K^-3, (40/400)^3 is beyond degree 400
    assert beyond > 1e-6
    assert 0.0 < float(risk - jnp.sum(degrees)) - beyond < 2e-3 * beyond
    x = sample_inputs(jax.random.fold_in(key, 3), inputs, 100_000, dim)
    values = dim * infinite_width_kernels(make_network(1), x, points).ntk @ c
    square = (values - target(x)) ** 2
    error = float(jnp.std(square)) / math.sqrt(len(x))
    # 6 standard errors: false alarm below 1e-8
    assert abs(float(jnp.mean(square) - risk)) < 6 * error
