"""Closed-form features and kernels against Jacobians and neural-tangents."""

import itertools

import jax
import numpy as np
import pytest

from rf_limits.models import make_network, tangent_features, tangent_kernel
from rf_limits.models._neural_tangents import nt
from rf_limits.models.network import ACTIVATIONS, PARAMETERIZATIONS
from tests.models.drawn import drawn_params
from tests.rounding import LIBRARY, rounding
from tests.variants import kept

pytestmark = pytest.mark.sharp
DIM, WIDTH = 6, 32
# sums over coordinates and neurons of functions of preactivations, twice, relative to
# (K(x, x) K(z, z))^{1/2}, which by Cauchy's inequality is above the sum of the sizes of the terms
ERROR = rounding(2 * (WIDTH + DIM + 4 * LIBRARY))
POINTS = np.random.default_rng(1).normal(size=(2, 8, DIM))

VARIANTS = itertools.product(PARAMETERIZATIONS, ACTIVATIONS, ("none", "antisymmetric"))
FEW = [
    ("ntk", "relu", "none"),
    ("standard", "erf", "none"),
    ("mean_field", "gelu", "antisymmetric"),
    ("mup", "tanh", "none"),
    ("ntk", "sigmoid", "antisymmetric"),
    ("standard", "softplus", "antisymmetric"),
    ("mean_field", "sin", "none"),
    ("mup", "linear", "antisymmetric"),
]


def sizes(left, right):
    """(K(x, x) K(z, z))^{1/2} of the diagonals of two kernels."""
    return np.sqrt(np.outer(np.diagonal(left), np.diagonal(right)))


@pytest.mark.parametrize("variant", kept(VARIANTS, FEW), ids="-".join)
def test_tangent_kernel_matches_neural_tangents(variant):
    parameterization, activation, centring = variant
    network = make_network(
        WIDTH,
        activation=activation,
        use_bias=True,
        parameterization=parameterization,
        centring=centring,
    )
    implementation = nt.NtkImplementation.JACOBIAN_CONTRACTION
    theirs = nt.empirical_ntk_fn(network.apply, (), implementation=implementation)

    @jax.jit
    def kernels(params, x, z):
        both = (tangent_kernel(network, params, *pair) for pair in ((x, z), (x,), (z,)))
        return theirs(x, z, params), *both

    expected, found, left, right = kernels(drawn_params(network, DIM), *POINTS)
    np.testing.assert_array_less(np.abs(found - expected), ERROR * sizes(left, right))


@pytest.mark.parametrize("use_bias", [False, True])
def test_features_and_kernels_by_layer_are_those_of_the_jacobian(use_bias):
    network = make_network(WIDTH, use_bias=use_bias)
    params, x = drawn_params(network, DIM), POINTS[0]

    @jax.jit
    def both(params, x):
        jacobian = jax.jacobian(lambda p: network.apply(p, x))(params)
        layers = ("both", "hidden", "output")
        kernels = {name: tangent_kernel(network, params, x, layers=name) for name in layers}
        return jacobian, tangent_features(network, params, x), kernels

    jacobian, features, kernels = both(params, x)
    by_name = {name: np.reshape(part, (len(x), -1)) for name, part in jacobian["params"].items()}
    flat = np.concatenate([by_name[name] for name in sorted(by_name)], axis=1)
    size = np.linalg.norm(flat, axis=1, keepdims=True)
    np.testing.assert_array_less(np.abs(features - flat), ERROR * size * np.ones_like(flat))
    for layers, kernel in kernels.items():
        parts = [p for name, p in by_name.items() if layers == "both" or name.startswith(layers)]
        expected = sum(part @ part.T for part in parts)
        difference = np.abs(kernel - expected)
        np.testing.assert_array_less(difference, ERROR * sizes(expected, expected))
