"""Who computes infinite-width kernels: two suppliers that share nothing, and their agreement."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.models import InfiniteNetwork, infinite_width, make_network
from rf_limits.models._neural_tangents import stax
from rf_limits.models.ensemble_loss import ensemble_loss
from rf_limits.models.exact_kernels import numbers_per_point
from rf_limits.models.increments import ACTIVATIONS
from rf_limits.models.infinite_width import resolve_supplier
from rf_limits.models.network import PARAMETERIZATIONS
from rf_limits.regression.dense import kernel_regression
from rf_limits.studies import infinite_width_theory
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from rf_limits.training.run import prepare
from tests.experiments.conftest import small_config
from tests.rounding import rounding
from tests.variants import kept

kernels_of = jax.jit(InfiniteNetwork.kernels, static_argnums=0)


def _inputs(dim, count=15, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dim))


def _limit(activation, supplier, **options):
    return InfiniteNetwork(make_network(8, activation=activation, **options), supplier=supplier)


@pytest.mark.parametrize("activation", ["relu", "erf", "gelu", "sin", "linear"])
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("dim", kept([2, 5, 30], [5]))
def test_suppliers_agree(activation, use_bias, dim):
    x = _inputs(dim)
    x[1], x[2] = 1.1 * x[0], -x[0]
    x[3] = x[4] + 1e-6 * x[5]  # nearly parallel
    found, expected = (
        kernels_of(_limit(activation, supplier, use_bias=use_bias), x, x[:7])
        for supplier in ("exact", "neural_tangents")
    )
    assert found.error == 0.0
    for name, allowed in (("nngp", 1e-12), ("ntk", 1e-8)):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(a, b, rtol=0, atol=allowed * np.max(np.abs(b)))


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("trainable", kept(["hidden", "output", "both"], ["both"]))
def test_suppliers_agree_on_factors(parameterization, trainable):
    x = _inputs(5)
    network = make_network(8, activation="erf", use_bias=True, parameterization=parameterization)
    found, expected = (
        kernels_of(InfiniteNetwork(network, trainable, supplier), x)
        for supplier in ("exact", "neural_tangents")
    )
    for a, b in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.max(np.abs(b)))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus"])
def test_quadrature_of_neural_tangents_at_small_inputs(activation):
    """At variance 1/4 its 50 points a side are enough; at 3.2 they are 0.2 to 4 in 1000 off."""
    x = 0.5 * _inputs(5, 6) / np.linalg.norm(_inputs(5, 6), axis=1)[:, None] * 5**0.5
    limit = _limit(activation, "auto")
    sigma = {"tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus}[activation]
    with warnings.catch_warnings():  # neural-tangents warns that its quadrature is approximate
        warnings.simplefilter("ignore", UserWarning)
        _, _, kernel_fn = stax.serial(
            stax.Dense(8), stax.ElementwiseNumerical(sigma, deg=50), stax.Dense(1)
        )
    expected, found = kernel_fn(jnp.asarray(x), None, ("nngp", "ntk")), kernels_of(limit, x)
    for name in ("nngp", "ntk"):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(a, b, rtol=2e-7)


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize(
    ("activation", "derivative", "factor"),
    [("abs", "sign", 1.0), ("quadratic", "linear", 2.0), ("relu_squared", "relu", 2.0)],
)
def test_kinked_and_polynomial_activations(activation, derivative, factor, use_bias):
    """Closed expectations of the activation and of its derivative, inputs parallel or not."""
    x = _inputs(4)
    x[1], x[2] = 1.1 * x[0], -x[0]
    found = kernels_of(_limit(activation, "auto", use_bias=use_bias), x)
    assert found.error == 0.0
    rows = jnp.asarray(np.concatenate([x / 2.0, np.ones((len(x), int(use_bias)))], axis=1))
    values = gaussian_gram(rows, None, rows, None, activation)
    slopes = factor**2 * gaussian_gram(rows, None, rows, None, derivative)
    inner = rows @ rows.T  # E sigma' sigma' <z, z'>
    for kernel, expected in ((found.nngp, values), (found.ntk, values + inner * slopes)):
        size = np.sqrt(np.outer(*2 * [np.diagonal(expected)]))
        assert np.all(np.abs(kernel - expected) <= rounding(100) * size)


def test_multiples_are_one_direction():
    """x = (1, 2) and 1.1 x, labels 1 and 0: 2.75 to the last digits, and least squares."""
    x = np.array([[1.0, 2.0], [1.1, 2.2]])
    for supplier in ("neural_tangents", "exact"):
        gram = kernels_of(_limit("relu", supplier), x).ntk
        # 2.5 (1/2 + 1/2) on the diagonal, 1.1 times it beside
        np.testing.assert_allclose(gram, 2.5 * np.array([[1.0, 1.1], [1.1, 1.21]]), rtol=1e-15)
        fit = jax.jit(kernel_regression)(gram, jnp.array([1.0, 0.0]))
        assert fit.is_solved
        assert fit.rank == 1
        np.testing.assert_allclose(gram @ fit.coefficients, [1 / 2.21, 1.1 / 2.21], rtol=1e-14)


def test_one_dimension_has_two_functions():
    """relu(x) and relu(-x): NNGP and NTK predict the same, least squares, with noise too."""
    x = _inputs(1, 20)
    y = np.maximum(x[:, 0], 0.0) + 0.1 * np.random.default_rng(1).normal(size=20)
    z = np.linspace(-2.0, 2.0, 9)[:, None]
    basis = np.maximum(np.concatenate([x, -x], axis=1), 0.0)
    weights = np.linalg.lstsq(basis, y, rcond=None)[0]
    expected = np.maximum(np.concatenate([z, -z], axis=1), 0.0) @ weights
    for supplier in ("neural_tangents", "exact"):
        limit = _limit("relu", supplier)
        gram, cross = kernels_of(limit, x), kernels_of(limit, z, x)
        for name in ("nngp", "ntk"):
            fit = jax.jit(kernel_regression)(getattr(gram, name), y)
            assert fit.is_solved
            assert fit.rank == 2
            found = getattr(cross, name) @ fit.coefficients
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_errors_of_series_are_counted_in_fits():
    """A kernel that is off by 1e-6 does not determine what has a condition number of 1e4."""
    gram, y = np.diag([1.0, 1e-4]), np.ones(2)
    solve = jax.jit(kernel_regression)
    assert solve(gram, y).is_solved
    assert not solve(gram, y, 0.0, 1e-6).is_solved
    assert solve(gram, y, 0.1, 1e-6).is_solved


def test_own_activations_far_from_zero_say_their_error():
    """tanh of variance 100 has a pole within a sixth of a standard deviation."""
    x = 10.0 * np.eye(2) * 2**0.5
    assert 1e-12 < float(kernels_of(_limit("tanh", "auto"), x).error) < 1e-1
    assert float(kernels_of(_limit("tanh", "auto"), 0.1 * x).error) == 0.0


def test_refusals():
    assert resolve_supplier("relu") == "neural_tangents"
    assert resolve_supplier("tanh") == "exact"
    with pytest.raises(RequirementError, match="model.kernel_supplier must be auto or exact"):
        resolve_supplier("tanh", "neural_tangents")
    with pytest.raises(RequirementError, match="model.kernel_supplier"):
        resolve_supplier("relu", "jax")


def test_activations_without_derivatives_beside_zero(monkeypatch):
    """relu(h)^1.5 has an infinite curvature at 0, which is no jump that can be taken out."""
    monkeypatch.setitem(ACTIVATIONS, "root", lambda h: jnp.maximum(h, 0.0) ** 1.5)
    with pytest.raises(RequirementError, match="model.activation must have values and two"):
        _limit("root", "auto").check()
    for name in ("tanh", "softplus", "relu_squared", "abs"):
        _limit(name, "auto").check()


def test_elu_is_fitted(monkeypatch):
    """Its third derivative jumps: the series says some 1e-9, which a fit can bear."""
    monkeypatch.setitem(ACTIVATIONS, "elu", jax.nn.elu)
    x = _inputs(20, 100)
    kernels = kernels_of(_limit("elu", "auto"), x)
    assert 0.0 < float(kernels.error) < 1e-7
    fit = jax.jit(kernel_regression)(kernels.ntk, jnp.asarray(x[:, 0]), 1e-3, kernels.error)
    assert fit.is_solved


def test_memory_of_series():
    """200 against 4096 inputs: 6 MiB of each kernel and 16 KiB of each input, not 2500 of each."""
    limit, x = _limit("tanh", "auto"), jax.ShapeDtypeStruct((200, 5), float)
    z = jax.ShapeDtypeStruct((4096, 5), float)
    needed = kernels_of.lower(limit, z, x).compile().memory_analysis()
    entries, points = 8 * 200 * 4096, 8 * numbers_per_point("tanh") * (200 + 4096)
    assert needed.temp_size_in_bytes < 8 * entries + 2 * points


def test_nothing_else_computes_kernels(monkeypatch):
    """Fits, rates, distances from infinite width, and the ensemble of ntk_curves."""

    def refuse(*_):
        raise AssertionError("a kernel of another supplier than the config's")

    monkeypatch.setattr(infinite_width, "_neural_tangents_parts", refuse)
    config = small_config()
    config.model.kernel_supplier, config.model.widths, config.seeds = "exact", (8,), 1
    config.training.learning_rate, config.training.steps = "auto_ntk", 4
    config.measure.infinite_width = config.measure.kernels = True
    prepared = prepare(config)
    result = prepared.run()
    assert result.choices["kernel_supplier"] == "exact"
    assert result.metrics.query("method == 'ntk'")["risk"].notna().all()
    limit = prepared.widths[0].infinite
    monkeypatch.setattr(infinite_width_theory, "ensemble_loss", partial(_supplied, limit))
    infinite_width_theory._ensemble_rows(prepared, np.array([0.0, 1.0]), "ntk", 1.0)


def _supplied(limit, network, *arrays, **options):
    assert options["supplier"] == limit.supplier == "exact"
    return ensemble_loss(network, *arrays, **options)
