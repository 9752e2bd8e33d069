"""Fitted predictors: NT tends to NTK and RF to NNGP, and each agrees with direct algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.experiments.fitted import (
    fit_kernels,
    fit_random_features,
    fit_tangent_features,
    flow_risks,
)
from rf_limits.learning.infinite_width import flow_means
from rf_limits.learning.linearized import flow_coefficients, pull_back, spectrum
from rf_limits.learning.regression import kernel_regression
from rf_limits.measure.kernel_risk import exact_kernel_risk
from rf_limits.measure.risk import ExactRisk
from rf_limits.models import (
    ScaledOutput,
    gradient_flow_ensemble,
    infinite_width_kernels,
    init_params,
    make_network,
    random_features,
    tangent_kernel,
)
from rf_limits.problem import make_dataset, make_target
from tests.variants import kept

DIM = 5


@pytest.fixture
def data(key):
    """A data set of a single neuron."""
    target = make_target(key, "single_neuron", dim=DIM)
    return make_dataset(key, target, "gaussian", 30, 400, 0.1)


@pytest.mark.parametrize("features", kept(["tangent", "random"], ["tangent"]))
def test_finite_width_predictions_tend_to_the_kernels(key, data, features):
    """NT -> NTK and RF -> NNGP, the gap falling about like N^{-1/2}."""
    gaps = []
    for width in (2**8, 2**12):
        network = make_network(width)
        train = infinite_width_kernels(network, data.x_train)
        cross = infinite_width_kernels(network, data.x_test, data.x_train)
        name = "ntk" if features == "tangent" else "nngp"
        fit = kernel_regression(getattr(train, name), data.y_train, 0.01)
        limit = getattr(cross, name) @ fit.coefficients
        total = 0.0
        for seed in range(3):
            init = init_params(network, jax.random.fold_in(key, seed), DIM)
            if features == "tangent":
                gram = tangent_kernel(network, init, data.x_train)
                dual = kernel_regression(gram, data.y_train, 0.01).coefficients
                change = pull_back(network, init, data.x_train, dual)
                _, found = jax.jvp(
                    lambda p, net=network: net.apply(p, data.x_test), (init,), (change,)
                )
            else:
                phi = random_features(network, init, data.x_train)
                dual = kernel_regression(phi @ phi.T, data.y_train, 0.01).coefficients
                found = random_features(network, init, data.x_test) @ phi.T @ dual
            total += float(jnp.sqrt(jnp.mean((found - limit) ** 2)))
        gaps.append(total / 3)
    assert gaps[1] < 0.03
    assert 2.0 < gaps[0] / gaps[1] < 8.0  # 16 times the width: 4 in the limit


@pytest.mark.parametrize("fit", [fit_random_features, fit_tangent_features])
@pytest.mark.parametrize("width", [4, 64])
def test_exact_risk_of_fits_matches_test_set(key, fit, width):
    target = make_target(key, "single_neuron", dim=DIM)
    data = make_dataset(key, target, "gaussian", 30, 200_000, 0.1)
    network = make_network(width)
    init = init_params(network, key, DIM)
    exact = ExactRisk(ScaledOutput(network, True), target, target.second_moment("gaussian"))
    found = fit(network, init, data, 0.01, exact)
    sampled = fit(network, init, data, 0.01, None)
    # 6 standard errors: false alarm below 1e-8
    assert abs(found.risk.risk - sampled.risk.risk) < 6 * sampled.risk.standard_error
    assert found.risk.standard_error == 0.0
    np.testing.assert_allclose(found.train_loss, sampled.train_loss, rtol=1e-9)


def test_tangent_fit_by_features_and_by_kernel_agree(key, data):
    """Few parameters take the feature route; a ridge makes the kernel route comparable."""
    network = make_network(4)
    init = init_params(network, key, DIM)
    found = fit_tangent_features(network, init, data, 0.1, None)
    gram = tangent_kernel(network, init, data.x_train)
    dual = kernel_regression(gram, data.y_train, 0.1).coefficients
    train_loss = jnp.mean((gram @ dual - data.y_train) ** 2)
    np.testing.assert_allclose(found.train_loss, train_loss, rtol=1e-8)


def test_flow_ends_at_the_fit(data):
    network = make_network(16)
    converged = fit_kernels(network, data, 0.01, "both")
    flows = flow_risks(network, data, jnp.array([0.0, 1e12]), 0.01, "both")
    for method in ("nngp", "ntk"):
        np.testing.assert_allclose(flows[method].risk[1], converged[method].risk.risk, rtol=1e-6)
        np.testing.assert_allclose(flows[method].risk[0], jnp.mean(data.y_test**2), rtol=1e-10)


KERNEL_CASES = {
    "neuron": ({"kind": "single_neuron"}, {}, "gaussian", "both"),
    "sphere": ({"kind": "single_neuron"}, {}, "sphere", "hidden"),
    "biased on a sphere": ({"kind": "teacher", "bias": 0.4}, {}, "sphere", "both"),
    "polynomial on a sphere": ({"kind": "polynomial", "degree": 2}, {}, "sphere", "both"),
    "biased teacher": (
        {"kind": "teacher", "bias": 0.4},
        {"parameterization": "mean_field"},
        "gaussian",
        "both",
    ),
    "polynomial": (
        {"kind": "polynomial", "degree": 3},
        {"parameterization": "standard"},
        "gaussian",
        "both",
    ),
}


SLOW_CASES = {"biased teacher", "polynomial on a sphere"}


@pytest.mark.parametrize("case", kept(KERNEL_CASES, set(KERNEL_CASES) - SLOW_CASES))
def test_exact_risks_of_kernels_match_the_test_set(key, case):
    target_options, network_options, inputs, trainable = KERNEL_CASES[case]
    target_options = dict(target_options)
    target = make_target(key, target_options.pop("kind"), dim=DIM, **target_options)
    data = make_dataset(key, target, inputs, 30, 100_000, 0.1)
    network = make_network(16, **network_options)
    exact = exact_kernel_risk(network, target, inputs, trainable, 3)
    times = jnp.array([0.0, 3.0, 100.0])
    found = fit_kernels(network, data, 0.01, trainable, exact)
    sampled = fit_kernels(network, data, 0.01, trainable)
    flows = flow_risks(network, data, times, 0.01, trainable, exact)
    sampled_flows = flow_risks(network, data, times, 0.01, trainable)
    for method in ("nngp", "ntk"):
        # 6 standard errors, 8 numbers in each of 6 cases: false alarm below 1e-7
        gap = found[method].risk.risk - sampled[method].risk.risk
        assert abs(gap) < 6 * sampled[method].risk.standard_error
        gaps = np.abs(flows[method].risk - sampled_flows[method].risk)
        assert np.all(gaps < 6 * sampled_flows[method].standard_error)
        assert np.all(flows[method].standard_error == 0.0)
        assert flows[method].degrees.shape == (3, 4)
        np.testing.assert_allclose(flows[method].risk[0], exact.second_moment, rtol=1e-13)


@pytest.mark.parametrize("method", ["nngp", "ntk"])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_flow_in_kernel_sections_is_that_of_neural_tangents(data, method, ridge):
    network, times = make_network(16), jnp.array([0.5, 20.0, 1e4])
    gram = getattr(infinite_width_kernels(network, data.x_train), method)
    cross = getattr(infinite_width_kernels(network, data.x_test, data.x_train), method)
    kernel = spectrum(gram + ridge * jnp.eye(len(gram)))
    found = [cross @ flow_coefficients(kernel, data.y_train, time) for time in times]
    expected = gradient_flow_ensemble(
        network, data.x_train, data.y_train, data.x_test, times, method=method, ridge=ridge
    ).mean
    np.testing.assert_allclose(jnp.stack(found), expected, rtol=1e-8, atol=1e-9)
    means = flow_means(gram, cross, data.y_train, times, ridge)
    np.testing.assert_allclose(means, expected, rtol=1e-8, atol=1e-9)


def test_where_kernel_risks_are_exact(key):
    neuron = make_target(key, "single_neuron", dim=DIM)
    biased = make_target(key, "single_neuron", dim=DIM, bias=0.1)
    assert exact_kernel_risk(make_network(4), neuron, "sphere") is not None
    assert exact_kernel_risk(make_network(4), biased, "gaussian") is not None
    assert exact_kernel_risk(make_network(4), biased, "sphere") is not None
    for network, target, inputs in (
        (make_network(4, use_bias=True), neuron, "gaussian"),
        (make_network(4, activation="erf"), neuron, "gaussian"),
        (make_network(4), make_target(key, "single_neuron", dim=1), "gaussian"),
    ):
        assert exact_kernel_risk(network, target, inputs) is None
