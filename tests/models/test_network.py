"""The Flax network: parameterizations, centring, linearization."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.models import (
    ScaledNetwork,
    as_relu_sum,
    change_of,
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
from tests.models.drawn import drawn_params
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

DIM = 5


@pytest.mark.sharp
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("use_bias", [False, True])
def test_formula(parameterization, use_bias):
    """g written out by hand for each parameterization."""
    network = make_network(8, use_bias=use_bias, parameterization=parameterization)
    params, x = drawn_params(network, DIM), np.random.default_rng(1).normal(size=(3, DIM))
    inner = params["params"]
    p_in = {"standard": 1.0, "mup": 8**0.5}.get(parameterization, DIM**-0.5)
    p_out = {"standard": 1.0, "mean_field": 1 / 8}.get(parameterization, 8**-0.5)
    p_b = 8**0.5 if parameterization == "mup" else 1.0
    kernel, u, b = inner["hidden_kernel"], inner["output_kernel"], inner.get("hidden_bias", 0.0)
    expected = p_out * np.maximum(p_in * x @ kernel + p_b * b, 0.0) @ u
    size = p_out * (p_in * np.abs(x) @ np.abs(kernel) + p_b * np.abs(b)) @ np.abs(u)
    difference = np.abs(jax.jit(network.apply)(params, x) - expected)
    # sums over coordinates and neurons with factors in front, here and by hand
    np.testing.assert_array_less(difference, rounding(2 * (DIM + 1 + 8 + 4)) * size)


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
        values = np.asarray(inner[name])
        # relative standard error of a variance is sqrt(2/size): 6 of them
        assert abs(np.var(values) / variance - 1) < 6 * np.sqrt(2 / values.size)


def test_mup_has_one_learning_rate_for_both_layers():
    """A step of size eta is one of N eta on W = p_in w and of eta/N on U = p_out u."""
    width, rate, count = 16, 0.1, 6
    network = make_network(width, parameterization="mup")
    params, x = drawn_params(network, DIM), np.random.default_rng(1).normal(size=(count, DIM))
    y = np.arange(float(count))

    def plain(matrices, x):
        W, U = matrices
        return jnp.mean((jnp.maximum(x @ W, 0.0) @ U - y) ** 2)

    def loss(p, x):
        return jnp.mean((network.apply(p, x) - y) ** 2)

    def matrices(p):
        inner = p["params"]
        return width**0.5 * inner["hidden_kernel"], width**-0.5 * inner["output_kernel"]

    value, slopes = jax.jit(jax.value_and_grad(plain))(matrices(params), x)
    same, gradient = jax.jit(jax.value_and_grad(loss))(params, x)
    # sums over coordinates, neurons and points, here and by hand; terms below the largest entry
    # of the loss, with signs that cancel to a hundredth of it at most
    error = 100 * rounding(2 * (DIM + width + count + 8))
    np.testing.assert_allclose(value, same, rtol=error)
    moved = jax.tree.map(lambda p, g: p - rate * np.asarray(g), params, gradient)
    expected = [
        before - rate * factor * np.asarray(slope)
        for before, factor, slope in zip(matrices(params), (width, 1 / width), slopes, strict=True)
    ]
    for found, by_hand in zip(matrices(moved), expected, strict=True):
        np.testing.assert_allclose(found, by_hand, rtol=0, atol=error * np.max(np.abs(by_hand)))


def test_sign_outputs(key):
    u = init_params(make_network(64, output_init="sign"), key, DIM)["params"]["output_kernel"]
    assert set(np.unique(u)) == {-1.0, 1.0}


def test_outputs_from_zero_have_the_random_features_as_tangent_features(key):
    network = make_network(64, output_init="zero")
    params = init_params(network, key, DIM)
    assert not np.any(params["params"]["output_kernel"])
    x = np.random.default_rng(1).normal(size=(50, DIM))

    @jax.jit
    def found(params, x):
        empirical = (
            tangent_kernel(network, params, x, layers=which) for which in ("both", "output")
        )
        return *empirical, infinite_width_kernels(network, x)

    both, output, limits = found(params, x)
    np.testing.assert_allclose(both, output, rtol=rounding(2 * 64), atol=1e-300)
    np.testing.assert_allclose(limits.ntk, limits.nngp, rtol=rounding(4))
    spectra = zonal_kernels(network, DIM, 4)
    # logarithms of numbers from 1e-3 on
    np.testing.assert_allclose(
        spectra["ntk"].eigenvalues, spectra["nngp"].eigenvalues, rtol=rounding(4, condition=7.0)
    )


@pytest.mark.parametrize("activation", kept(ACTIVATIONS, ["relu", "gelu", "tanh"]))
def test_antisymmetric_output_is_exactly_zero(key, activation):
    network = make_network(64, activation=activation, use_bias=True, centring="antisymmetric")
    params = init_params(network, key, DIM)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(50, DIM)))
    assert np.all(np.asarray(network.apply(params, x)) == 0.0)
    assert np.all(np.asarray(jax.jit(network.apply)(params, x)) == 0.0)


@pytest.mark.sharp
def test_output_composes_with_vmap_and_matches_neural_tangents_linearization():
    network = make_network(16, activation="gelu", use_bias=True, centring="subtract")
    drawn = [drawn_params(network, DIM, seed) for seed in range(3)]
    inits = jax.tree.map(lambda *leaves: np.stack(leaves), *drawn)
    params = jax.tree.map(lambda leaf: 1.1 * leaf, inits)
    x = np.random.default_rng(1).normal(size=(7, DIM))

    @jax.jit
    def both(params, inits, alpha, x):
        def theirs(param, init):
            return nt.linearize(ScaledNetwork(network, init, alpha), init)(param, x)

        def ours(param, f):
            return f.linearized_after(change_of(param, f.init), x)

        ensemble = ScaledNetwork(network, inits, jnp.full(3, alpha))
        many = jax.vmap(ours)(params, ensemble)
        return many, jax.lax.map(lambda pair: theirs(*pair), (params, inits))

    found, expected = both(params, inits, 3.0, x)
    # neurons, of which none is larger than 10, in sums over coordinates and neurons, twice
    size = 3.0 * 10.0 * 16**0.5
    error = rounding(2 * (16 + DIM + 2 * LIBRARY))
    np.testing.assert_allclose(found, expected, rtol=0, atol=error * size)


@pytest.mark.sharp
@pytest.mark.parametrize("use_bias", [False, True])
def test_relu_sums_are_the_network(use_bias):
    network = make_network(16, use_bias=use_bias)
    init, params = (drawn_params(network, DIM, seed) for seed in range(2))
    x = np.random.default_rng(2).normal(size=(9, DIM))

    @jax.jit
    def values(init, params, x):
        change = jax.tree.map(jnp.subtract, params, init)
        value, slope = jax.jvp(lambda p: network.apply(p, x), (init,), (change,))
        sums = (
            as_relu_sum(network, params, 2.0)(x),
            tangent_relu_sum(network, init, change)(x),
            linearized_relu_sum(network, init, change, 0.5)(x),
        )
        return sums, (2.0 * network.apply(params, x), slope, 0.5 * (value + slope))

    # neurons, of which none is larger than 20 with its slope, in sums over coordinates and neurons
    error = rounding(2 * (16 + DIM + 4)) * 20.0 * 16**0.5
    for found, expected in zip(*values(init, params, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=error)


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


def test_exact_form_needs_relu():
    network = make_network(4, activation="erf")
    with pytest.raises(RequirementError, match="model.activation must be relu"):
        as_relu_sum(network, drawn_params(network, DIM))
