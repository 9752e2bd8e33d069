"""Fitted predictors: NT tends to NTK and RF to NNGP, and each agrees with direct algebra."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.measure.kernel_risk import exact_kernel_risk
from rf_limits.measure.risk import ExactRisk
from rf_limits.methods import (
    NNGP,
    NTK,
    RANDOM_FEATURES,
    TANGENT_FEATURES,
    FeatureProblem,
    KernelProblem,
)
from rf_limits.models import (
    InfiniteNetwork,
    ScaledNetwork,
    gradient_flow_ensemble,
    infinite_width_kernels,
    init_params,
    make_network,
    random_features,
    tangent_kernel,
)
from rf_limits.optimization.infinite_width import flow_means
from rf_limits.optimization.linearized import flow_coefficients, pull_back, spectrum
from rf_limits.problem import Problem, make_target
from rf_limits.regression.dense import kernel_regression
from tests.rounding import rounding
from tests.variants import kept

DIM = 5
limit_kernels = jax.jit(infinite_width_kernels, static_argnums=0)


@pytest.fixture
def data(key):
    """A data set of a single neuron."""
    return Problem(make_target(key, "single_neuron", dim=DIM), noise=0.1).draw(key, 30, 400)


def loss_rounding(fit, data, loss):
    """Relative rounding of a mean square of y - A c, c from a system of 30 unknowns."""
    share = np.sqrt(np.mean(np.square(data.y_train)) / loss)
    return rounding(4 * 30, 2.0 * float(fit.condition_number) * share)


@partial(jax.jit, static_argnums=(0, 1))
def mean_gap(network, features, keys, data, limit):
    """Mean root mean square distance of networks' predictions on the test set from ``limit``."""

    def gap(key):
        init = init_params(network, key, DIM)
        if features == "tangent":
            gram = tangent_kernel(network, init, data.x_train)
            dual = kernel_regression(gram, data.y_train, 0.01).coefficients
            change = pull_back(network, init, data.x_train, dual)
            _, found = jax.jvp(lambda p: network.apply(p, data.x_test), (init,), (change,))
        else:
            phi = random_features(network, init, data.x_train)
            dual = kernel_regression(phi @ phi.T, data.y_train, 0.01).coefficients
            found = random_features(network, init, data.x_test) @ phi.T @ dual
        return jnp.sqrt(jnp.mean((found - limit) ** 2))

    return jnp.mean(jax.lax.map(gap, keys))


@pytest.mark.parametrize("features", kept(["tangent", "random"], ["tangent"]))
def test_finite_width_predictions_tend_to_the_kernels(key, data, features):
    """NT -> NTK and RF -> NNGP, the gap falling about like N^{-1/2}."""
    name = "ntk" if features == "tangent" else "nngp"
    train = limit_kernels(make_network(16), data.x_train)
    cross = limit_kernels(make_network(16), data.x_test, data.x_train)
    fit = kernel_regression(getattr(train, name), data.y_train, 0.01)
    limit = getattr(cross, name) @ fit.coefficients
    keys = jax.random.split(key, 3)
    gaps = [
        float(mean_gap(make_network(width), features, keys, data, limit)) for width in (2**8, 2**12)
    ]
    assert gaps[1] < 0.03
    assert 2.0 < gaps[0] / gaps[1] < 8.0  # 16 times the width: 4 in the limit


@pytest.mark.parametrize(
    ("method", "width"),
    [
        pytest.param(RANDOM_FEATURES, 4, marks=pytest.mark.slow),
        (RANDOM_FEATURES, 64),
        (TANGENT_FEATURES, 4),
        (TANGENT_FEATURES, 64),
    ],
)
def test_exact_risk_of_fits_matches_test_set(key, method, width):
    problem = Problem(make_target(key, "single_neuron", dim=DIM), noise=0.1)
    data = problem.draw(key, 30, 200_000)
    network = make_network(width)
    init = init_params(network, key, DIM)
    exact = ExactRisk(problem)
    found = method.fit(FeatureProblem(ScaledNetwork(network, init), data, 0.01, exact))
    sampled = method.fit(FeatureProblem(ScaledNetwork(network, init), data, 0.01, None))
    # 6 standard errors: false alarm below 1e-8
    assert abs(found.risk.risk - sampled.risk.risk) < 6 * sampled.risk.standard_error
    assert found.risk.standard_error == 0.0
    rtol = loss_rounding(found, data, found.train_loss)
    np.testing.assert_allclose(found.train_loss, sampled.train_loss, rtol=rtol)


def test_tangent_fit_by_features_and_by_kernel_agree(key, data):
    """Few parameters take the feature route; a ridge makes the kernel route comparable."""
    network = make_network(4)
    init = init_params(network, key, DIM)
    found = TANGENT_FEATURES.fit(FeatureProblem(ScaledNetwork(network, init), data, 0.1, None))
    gram = tangent_kernel(network, init, data.x_train)
    dual = kernel_regression(gram, data.y_train, 0.1).coefficients
    train_loss = jnp.mean((gram @ dual - data.y_train) ** 2)
    np.testing.assert_allclose(
        found.train_loss, train_loss, rtol=loss_rounding(found, data, found.train_loss)
    )


def test_flow_ends_at_the_fit(data):
    network = make_network(16)
    problem = KernelProblem(data, InfiniteNetwork(network))
    zero = np.mean(np.square(data.y_test))
    for method in (NNGP, NTK):
        converged = method.fit(problem, 0.01)
        flow = method.flow(problem, jnp.array([0.0, 1e12]), 0.01)
        risk = converged.risk.risk
        np.testing.assert_allclose(flow.risk[1], risk, rtol=loss_rounding(converged, data, risk))
        np.testing.assert_allclose(flow.risk[0], zero, rtol=rounding(400))


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


@pytest.mark.parametrize("case", kept(KERNEL_CASES, ["neuron"]))
def test_exact_risks_of_kernels_match_the_test_set(key, case):
    target_options, network_options, inputs, trainable = KERNEL_CASES[case]
    target_options = dict(target_options)
    target = make_target(key, target_options.pop("kind"), dim=DIM, **target_options)
    problem = Problem(target, inputs, 0.1)
    data = problem.draw(key, 30, 100_000)
    network = make_network(16, **network_options)
    exact = exact_kernel_risk(network, problem, trainable, 3)
    times = jnp.array([0.0, 3.0, 100.0])
    limit = InfiniteNetwork(network, trainable)
    problems = KernelProblem(data, limit, exact), KernelProblem(data, limit)
    for method in (NNGP, NTK):
        # 6 standard errors, 8 numbers in each of 6 cases: false alarm below 1e-7
        found, sampled = (method.fit(problem, 0.01).risk for problem in problems)
        assert abs(found.risk - sampled.risk) < 6 * sampled.standard_error
        flow, sampled_flow = (method.flow(problem, times, 0.01) for problem in problems)
        assert np.all(np.abs(flow.risk - sampled_flow.risk) < 6 * sampled_flow.standard_error)
        assert np.all(flow.standard_error == 0.0)
        assert flow.degrees.shape == (3, 4)
        np.testing.assert_allclose(flow.risk[0], problem.second_moment, rtol=rounding(4))


@pytest.mark.sharp
@pytest.mark.parametrize("method", ["nngp", "ntk"])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_flow_in_kernel_sections_is_that_of_neural_tangents(data, method, ridge):
    network, times = make_network(16), jnp.array([0.5, 20.0, 1e4])
    gram = getattr(limit_kernels(network, data.x_train), method)
    cross = getattr(limit_kernels(network, data.x_test, data.x_train), method)
    kernel = spectrum(gram + ridge * jnp.eye(len(gram)))
    found = [cross @ flow_coefficients(kernel, data.y_train, time) for time in times]
    expected = gradient_flow_ensemble(
        network, data.x_train, data.y_train, data.x_test, times, method=method, ridge=ridge
    ).mean
    decomposed = rounding(4 * 30, kernel.eigenvalues.max() / kernel.eigenvalues.min())
    room = decomposed * np.max(np.abs(data.y_train))
    np.testing.assert_allclose(jnp.stack(found), expected, rtol=0, atol=room)
    means = flow_means(gram, cross, data.y_train, times, ridge)
    np.testing.assert_allclose(means, expected, rtol=0, atol=room)


def test_where_kernel_risks_are_not_exact(key):
    neuron = make_target(key, "single_neuron", dim=DIM)
    for network, target in (
        (make_network(4, use_bias=True), neuron),
        (make_network(4, activation="erf"), neuron),
        (make_network(4), make_target(key, "single_neuron", dim=1)),
    ):
        assert exact_kernel_risk(network, Problem(target)) is None
