"""The Flax network: parameterizations, centring, linearization."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.models import (
    ScaledOutput,
    as_relu_sum,
    infinite_width_kernels,
    init_params,
    linearized_relu_sum,
    make_network,
    tangent_kernel,
    tangent_relu_sum,
)
from rf_limits.models._neural_tangents import nt
from rf_limits.models.network import ACTIVATIONS, PARAMETERIZATIONS
from rf_limits.models.zonal_kernels import zonal_kernels

DIM = 5


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("use_bias", [False, True])
def test_formula(key, parameterization, use_bias):
    """g written out by hand for each parameterization."""
    network = make_network(8, use_bias=use_bias, parameterization=parameterization)
    params = init_params(network, key, DIM)
    inner = params["params"]
    x = jax.random.normal(jax.random.fold_in(key, 1), (3, DIM))
    p_in = {"standard": 1.0, "mup": 8**0.5}.get(parameterization, DIM**-0.5)
    p_out = {"standard": 1.0, "mean_field": 1 / 8}.get(parameterization, 8**-0.5)
    p_b = 8**0.5 if parameterization == "mup" else 1.0
    h = p_in * x @ inner["hidden_kernel"] + (p_b * inner["hidden_bias"] if use_bias else 0.0)
    expected = p_out * jnp.maximum(h, 0.0) @ inner["output_kernel"]
    np.testing.assert_allclose(network.apply(params, x), expected, rtol=1e-12)


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_initial_variances(key, parameterization):
    network = make_network(4000, use_bias=True, parameterization=parameterization)
    inner = init_params(network, key, DIM)["params"]
    hidden, bias, output = {
        "standard": (1 / DIM, 1.0, 1 / 4000),
        "mup": (1 / (4000 * DIM), 1 / 4000, 1 / 4000),
    }.get(parameterization, (1.0, 1.0, 1.0))
    expected = {"hidden_kernel": hidden, "hidden_bias": bias, "output_kernel": output}
    for name, variance in expected.items():
        values = inner[name]
        # relative standard error of a variance is sqrt(2/size): 6 of them
        assert abs(float(jnp.var(values)) / variance - 1) < 6 * np.sqrt(2 / values.size)


def test_mup_has_one_learning_rate_for_both_layers(key):
    """A step of size eta is one of N eta on W = p_in w and of eta/N on U = p_out u."""
    width, rate = 16, 0.1
    network = make_network(width, parameterization="mup")
    params = init_params(network, key, DIM)
    x = jax.random.normal(jax.random.fold_in(key, 1), (6, DIM))
    y = jnp.arange(6.0)

    def plain(W, U):
        return jnp.mean((jnp.maximum(x @ W, 0.0) @ U - y) ** 2)

    def loss(p):
        return jnp.mean((network.apply(p, x) - y) ** 2)

    def matrices(p):
        inner = p["params"]
        return width**0.5 * inner["hidden_kernel"], width**-0.5 * inner["output_kernel"]

    W, U = matrices(params)
    np.testing.assert_allclose(plain(W, U), loss(params), rtol=1e-12)
    slope_W, slope_U = jax.grad(plain, (0, 1))(W, U)
    moved = jax.tree.map(lambda p, g: p - rate * g, params, jax.grad(loss)(params))
    expected = W - rate * width * slope_W, U - rate / width * slope_U
    for found, by_hand in zip(matrices(moved), expected, strict=True):
        np.testing.assert_allclose(found, by_hand, rtol=1e-12, atol=1e-14)


def test_sign_outputs(key):
    u = init_params(make_network(64, output_init="sign"), key, DIM)["params"]["output_kernel"]
    assert set(np.unique(u)) == {-1.0, 1.0}


def test_outputs_from_zero_have_the_random_features_as_tangent_features(key):
    network = make_network(64, output_init="zero")
    params = init_params(network, key, DIM)
    assert not np.any(params["params"]["output_kernel"])
    x = jax.random.normal(jax.random.fold_in(key, 1), (50, DIM))
    both = (tangent_kernel(network, params, x, layers=layers) for layers in ("both", "output"))
    np.testing.assert_array_equal(*both)
    kernels = infinite_width_kernels(network, x)
    np.testing.assert_allclose(kernels.ntk, kernels.nngp, rtol=1e-14)
    spectra = zonal_kernels(network, DIM, 4)
    np.testing.assert_allclose(spectra["ntk"].eigenvalues, spectra["nngp"].eigenvalues, rtol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_antisymmetric_output_is_exactly_zero(key, activation):
    network = make_network(64, activation=activation, use_bias=True, centring="antisymmetric")
    params = init_params(network, key, DIM)
    x = jax.random.normal(jax.random.fold_in(key, 1), (50, DIM))
    assert np.all(np.asarray(network.apply(params, x)) == 0.0)
    assert np.all(np.asarray(jax.jit(network.apply)(params, x)) == 0.0)


def test_output_composes_with_vmap_and_matches_neural_tangents_linearization(key):
    network = make_network(16, activation="gelu", use_bias=True)
    keys = jax.random.split(key, 3)
    inits = jax.vmap(lambda k: init_params(network, k, DIM))(keys)
    params = jax.tree.map(lambda leaf: 1.1 * leaf, inits)
    x = jax.random.normal(key, (7, DIM))
    output = ScaledOutput(network, centred=True)
    alpha = jnp.asarray(3.0)
    many = jax.vmap(lambda p, i: output.linearized(p, i, alpha, x))(params, inits)
    for k in range(3):
        init, param = (jax.tree.map(lambda leaf, k=k: leaf[k], t) for t in (inits, params))
        linear = nt.linearize(lambda p, z, init=init: output(p, init, alpha, z), init)
        np.testing.assert_allclose(many[k], linear(param, x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("use_bias", [False, True])
def test_relu_sums_are_the_network(key, use_bias):
    network = make_network(16, use_bias=use_bias)
    init = init_params(network, key, DIM)
    params = init_params(network, jax.random.fold_in(key, 1), DIM)
    x = jax.random.normal(jax.random.fold_in(key, 2), (9, DIM))
    np.testing.assert_allclose(
        as_relu_sum(network, params, 2.0)(x), 2.0 * network.apply(params, x), rtol=1e-11
    )
    change = jax.tree.map(jnp.subtract, params, init)
    value, slope = jax.jvp(lambda p: network.apply(p, x), (init,), (change,))
    np.testing.assert_allclose(tangent_relu_sum(network, init, change)(x), slope, rtol=1e-10)
    linear = linearized_relu_sum(network, init, params, 0.5)
    np.testing.assert_allclose(linear(x), 0.5 * (value + slope), rtol=1e-10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "model.widths must be at least 1"),
        ({"activation": "relo"}, "Did you mean 'relu'"),
        ({"parameterization": "ntq"}, "Did you mean 'ntk'"),
        ({"centring": "half"}, "model.centring must be one of"),
        ({"width": 7, "centring": "antisymmetric"}, "must be even"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(RequirementError, match=message):
        make_network(**{"width": 4, **options})


def test_exact_form_needs_relu(key):
    network = make_network(4, activation="erf")
    with pytest.raises(RequirementError, match="model.activation must be relu"):
        as_relu_sum(network, init_params(network, key, DIM))
