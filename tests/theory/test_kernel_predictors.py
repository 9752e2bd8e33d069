"""Kernel predictors: spectra of the library's kernels, moments by quadrature and simulation."""

import itertools
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
from rf_limits.theory.numerics.sphere import coordinate_nodes
from rf_limits.theory.risks.kernel_predictors import (
    ACCURACY,
    MAX_DEGREE,
    KernelPredictor,
    kernel_moments,
    kernel_series,
    zonal_gram,
    zonal_series,
)
from rf_limits.theory.spectra.coefficients import sphere_tails
from rf_limits.theory.spectra.harmonics import gegenbauer
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

library_kernels = jax.jit(lambda x, points: infinite_width_kernels(make_network(1), x, points))


def moments_of(series, points):
    """The moments, compiled as a whole."""
    return jax.jit(lambda points: kernel_moments(series, points))(points)


@pytest.mark.parametrize(
    "case",
    kept(
        itertools.product(PARAMETERIZATIONS, TRAINABLE),
        [("ntk", "both"), ("standard", "hidden"), ("mean_field", "output"), ("mup", "both")],
    ),
    ids="-".join,
)
def test_spectra_are_those_of_the_library(case):
    """gamma_k = E h(t) P_k(t), h from neural-tangents at points of length 1 and 2."""
    parameterization, trainable = case
    dim, network = 8, make_network(6, parameterization=parameterization)
    t, weights = coordinate_nodes(1500, dim)
    x = np.zeros((t.size, dim))
    x[:, 0], x[:, 1] = 2.0 * t, 2.0 * np.sqrt((1.0 - t) * (1.0 + t))
    kernels = infinite_width_kernels(network, jnp.eye(1, dim), jnp.asarray(x), trainable)
    spectra = zonal_kernels(network, dim, 9, trainable)
    for method in ("nngp", "ntk"):
        h = np.asarray(getattr(kernels, method))[0] / 2.0
        found = (gegenbauer(dim, 9, t) * weights) @ h
        # a sum over 1500 nodes of what is at most h
        atol = rounding(1500 + 4 * 9 + 2 * LIBRARY) * h.max()
        np.testing.assert_allclose(spectra[method].eigenvalues, found, rtol=0, atol=atol)
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


TARGETS = {
    "neuron": {"kind": "single_neuron", "norm": 1.5},
    "biased neuron": {"kind": "single_neuron", "bias": 0.5},
    "teacher": {"kind": "teacher", "bias": -0.3},
    "polynomial": {"kind": "polynomial", "degree": 3},
}


CASES = kept(
    itertools.product(TARGETS, ("nngp", "ntk"), ("gaussian", "sphere")),
    [
        ("neuron", "nngp", "gaussian"),
        ("teacher", "ntk", "gaussian"),
        ("polynomial", "ntk", "sphere"),
    ],
)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_moments_match_simulation(key, case):
    (name, kernel, inputs), dim = case, 6
    options = dict(TARGETS[name])
    target = make_target(key, options.pop("kind"), dim=dim, **options)
    series = target_series(target, kernel, inputs=inputs)
    assert max(series.rest, series.cross_rest) <= ACCURACY
    points = sample_inputs(jax.random.fold_in(key, 1), inputs, 4, dim)
    found = moments_of(series, points)
    x = sample_inputs(jax.random.fold_in(key, 2), inputs, 100_000, dim)
    # the library's kernels have x/sqrt(d) where these have x
    sections = dim * np.asarray(getattr(library_kernels(x, points), kernel))
    products = sections[:, :, None] * sections[:, None, :]
    for sample, expected in (
        (products, found.gram),
        (sections * np.asarray(target(x))[:, None], found.cross),
    ):
        error = np.std(sample, axis=0) / math.sqrt(len(x))
        # 6 standard errors, 20 entries, 16 cases: false alarm below 1e-6
        assert np.all(np.abs(np.mean(sample, axis=0) - expected) < 6 * error)


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


@pytest.mark.parametrize("name", kept(["biased neuron", "polynomial"], ["biased neuron"]))
def test_cross_moments_on_the_sphere_by_quadrature(key, name):
    """E k(x, x_i) f*(x) in three dimensions, over the angle to w* and the angle around it."""
    options = dict(TARGETS[name])
    target = make_target(key, options.pop("kind"), dim=3, **options)
    points = sample_inputs(jax.random.fold_in(key, 1), "sphere", 3, 3)
    found = moments_of(target_series(target, "ntk", inputs="sphere"), points)
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


@pytest.mark.sharp
@pytest.mark.parametrize("num", kept([1, 9, 64, 65, 150], [64, 65]))
def test_tiles_give_the_whole_matrix(num):
    """Sizes below, at and above that of a tile: the sum over degrees of all pairs at once."""
    rng = np.random.default_rng(0)
    dim, weights = 7, rng.random(30)
    units = rng.normal(size=(num, dim))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    found = jax.jit(lambda u: zonal_gram(weights, u))(units)
    np.testing.assert_array_equal(found[:64, 64:], found[64:, :64].T)
    polynomials = gegenbauer(dim, 29, np.clip(units @ units.T, -1.0, 1.0).ravel())
    # P_k moves by at most P_k'(1) = k (k + d - 2)/(d - 1) times what its argument does
    k = np.arange(30)
    condition = weights @ (1.0 + k * (k + dim - 2) / (dim - 1))
    atol = rounding(dim + 4 * 30, condition)
    np.testing.assert_allclose(np.ravel(found), weights @ polynomials, rtol=0, atol=atol)


@pytest.mark.sharp
def test_what_is_cut_is_within_its_bound(key):
    target = make_target(key, "single_neuron", dim=4)
    moment = target.second_moment("gaussian")
    points = np.random.default_rng(0).normal(size=(6, 4))
    long, short = target_series(target, "ntk"), target_series(target, "ntk", 12)
    assert len(short.squares) == 13
    assert short.cross_rest > ACCURACY
    full, cut = (moments_of(series, jnp.asarray(points)) for series in (long, short))
    root = np.sqrt(np.diag(full.gram))
    least = rounding(4 * len(long.squares))  # of the sums of all degrees
    gram = np.abs(np.asarray(full.gram) - cut.gram) / np.outer(root, root)
    assert 0.0 < np.max(gram) <= short.rest + least
    cross = np.abs(np.asarray(full.cross) - cut.cross) / (root * math.sqrt(moment))
    assert 0.0 < np.max(cross) <= short.cross_rest + least


@pytest.mark.parametrize(
    "case", kept([("gaussian", 0.0), ("sphere", 0.0), ("sphere", 0.5)], [("gaussian", 0.0)])
)
def test_risk_and_its_degrees(key, case):
    """Risk by moments, by degrees, and by simulation agree."""
    dim, (inputs, bias) = 6, case
    target = make_target(key, "single_neuron", dim=dim, bias=bias)
    series = target_series(target, "ntk", inputs=inputs)
    points = sample_inputs(jax.random.fold_in(key, 1), inputs, 4, dim)
    c = jnp.asarray(np.random.default_rng(0).normal(size=4) / dim)
    moment = target.second_moment(inputs)
    risk = float(moments_of(series, points).risk(c, moment))
    f = KernelPredictor(points, c, series.eigenvalues)
    degrees = jax.jit(lambda c: degree_risks(f._replace(coefficients=c), target, 40, inputs=inputs))
    held = coefficients_by_degree(target, 400, moment, inputs).weights
    beyond = float(np.sum(held[41:]))
    # of f itself 1e-10 is left beyond degree 40; of the rest of the target, which falls like
    # K^-3, (40/400)^3 is beyond degree 400
    assert beyond > 1e-6
    assert 0.0 < risk - float(np.sum(degrees(c))) - beyond < 2e-3 * beyond
    x = sample_inputs(jax.random.fold_in(key, 2), inputs, 100_000, dim)
    values = dim * np.asarray(library_kernels(x, points).ntk) @ np.asarray(c)
    square = (values - np.asarray(target(x))) ** 2
    error = np.std(square) / math.sqrt(len(x))
    # 6 standard errors: false alarm below 1e-8
    assert abs(np.mean(square) - risk) < 6 * error
