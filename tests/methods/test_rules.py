"""What limits count of each method: the rules of docs/theory.md, "What the limits exclude"."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits import train
from rf_limits.config import frozen
from rf_limits.methods import METHODS, NETWORK, KernelProblem, Kind
from rf_limits.training.seeded_problem import draw_seeded_problem
from rf_limits.training.width import WidthRun
from tests.experiments.conftest import small_config

WIDTH, PARAMETERS, SAMPLES, STEP = 8, 48, 40, 10
ROW = {"width": WIDTH, "parameters": PARAMETERS, "step": STEP}
FIXED = [method for method in METHODS.values() if method.keeps_features]
BESIDE = [method for method in FIXED if method.kind is Kind.TRAINED]
SOLVED = [method for method in FIXED if method.kind is not Kind.TRAINED]


def configured(**fields):
    """The small config with some fields changed."""
    config = small_config()
    config.update({k.replace("__", "."): v for k, v in fields.items()})
    return frozen(config)


def count(method, **fields):
    """Of the small config with some fields changed: features and samples."""
    return method.fixed_functions(configured(**fields), ROW)


@pytest.mark.parametrize("method", METHODS.values(), ids=str)
def test_features_are_neurons_or_parameters_or_none(method):
    sizes = {"width": WIDTH, "parameters": PARAMETERS, None: math.inf}
    assert count(method).features == sizes[method.features_column]


@pytest.mark.parametrize("method", SOLVED, ids=str)
@pytest.mark.parametrize("kind", ["fixed", "stream", "population"])
def test_regressions_lie_in_the_span_of_as_many_functions_as_samples(method, kind):
    """Ridge and least norm, whatever the networks beside are trained on."""
    fields = {"data__kind": kind, "training__batch_size": 3, "predictors__ridge": 0.1}
    config = configured(**fields, model__centring="none", training__optimizer="adam")
    assert method.is_in_sample_span(config)
    assert method.num_sample_functions(config, ROW) == SAMPLES
    assert method.is_linear_in_labels(config)


@pytest.mark.parametrize("method", BESIDE, ids=str)
class TestDescent:
    """A linear model trained by steps."""

    @pytest.mark.parametrize(
        "optimizer", ["sgd", "sgd(momentum=0.9)", "sgd(momentum=0.9, nesterov=True)"]
    )
    def test_descent_from_zero_stays_in_the_span(self, method, optimizer):
        config = configured(training__optimizer=optimizer)
        assert method.is_in_sample_span(config)
        assert method.is_linear_in_labels(config)
        assert count(method, training__optimizer=optimizer).samples == SAMPLES

    def test_fresh_samples_count_as_they_are_seen(self, method):
        fields = {"data__kind": "stream", "training__batch_size": 3}
        assert method.samples_seen(configured(**fields), ROW) == 3 * STEP
        assert count(method, **fields).samples == 3 * STEP

    def test_the_population_is_no_finite_sample(self, method):
        assert count(method, data__kind="population").samples == math.inf

    @pytest.mark.parametrize("optimizer", ["adam", "sign_sgd", "lion", "rmsprop"])
    def test_adaptive_and_sign_steps_leave_the_span(self, method, optimizer):
        config = configured(training__optimizer=optimizer)
        assert not method.is_in_sample_span(config)
        assert not method.is_linear_in_labels(config)
        assert count(method, training__optimizer=optimizer).samples == math.inf

    def test_rates_of_their_own_give_every_block_its_functions(self, method):
        blocks = method.trained_blocks(configured())
        assert blocks == (1 if method.features_column == "width" else 2)
        assert count(method, training__optimizer="lars").samples == blocks * SAMPLES
        decayed = count(method, training__optimizer="lars(weight_decay=0.1)")
        assert decayed.samples == blocks * (SAMPLES + 1)
        assert not method.is_linear_in_labels(configured(training__optimizer="lars"))

    def test_noise_independent_of_labels_is_one_function(self, method):
        noisy = configured(training__optimizer="noisy_sgd")
        assert method.fixed_functions(noisy, ROW).samples == SAMPLES + 1
        assert not method.is_linear_in_labels(noisy)  # it is affine

    def test_an_output_at_the_start_is_one_function(self, method):
        assert count(method, model__centring="none").samples == SAMPLES + 1
        assert not method.is_linear_in_labels(configured(model__centring="none"))

    @pytest.mark.parametrize("activation", ["relu", "erf"])
    @pytest.mark.parametrize("trainable", ["hidden", "output", "both"])
    def test_it_is_in_the_tangent_span_by_linearity_or_homogeneity(
        self, method, activation, trainable
    ):
        fields = {"model__activation": activation, "model__trainable": trainable}
        found = count(method, model__centring="none", **fields).features
        outside = (activation, trainable) == ("erf", "hidden") and found > WIDTH
        sizes = {"width": WIDTH, "parameters": PARAMETERS}
        assert found == sizes[method.features_column] + outside
        assert count(method, **fields).features == sizes[method.features_column]


def test_a_network_counts_as_the_linear_methods_it_is_compared_with():
    """Whatever its optimizer; it lies in their span where its output layer alone moves."""
    for optimizer in ("sgd", "adam"):
        assert count(NETWORK, training__optimizer=optimizer) == (PARAMETERS, SAMPLES)
    assert count(NETWORK, model__centring="none") == (PARAMETERS, SAMPLES + 1)
    assert not NETWORK.is_in_sample_span(configured())
    assert not NETWORK.is_linear_in_labels(configured())
    output = configured(model__trainable="output")
    assert NETWORK.is_in_sample_span(output)
    assert NETWORK.is_linear_in_labels(output)


def _predictions(method, scale):
    """Of the small config with all labels times ``scale``, on some inputs."""
    x = jnp.linspace(-1.0, 1.0, 15).reshape(3, 5)
    config = configured(
        problem__norm=scale,
        model__widths=(4,),
        model__lazy_scales=(1.0,),
        training__learning_rate="0.05",
        training__steps=5,
        predictors__methods=(method.key,),
        predictors__ridge=0.1,
        precision="float64",
        seeds=1,
    )
    return np.asarray(train(config).predict(x, method.key))


@pytest.mark.parametrize("method", METHODS.values(), ids=str)
def test_linear_methods_double_with_the_labels(method):
    """And the network, which is none, does not; to 1e-9 of the predictions."""
    once, twice = (_predictions(method, scale) for scale in (1.0, 2.0))
    size = np.max(np.abs(twice))
    linear = np.max(np.abs(twice - 2.0 * once)) < 1e-9 * size
    assert linear == method.is_linear_in_labels(configured())


def test_kernel_fits_lie_in_the_span_of_their_sections():
    """By the predictor itself: n coefficients, of kernel sections at the training inputs."""
    config = configured(model__widths=(4,), seeds=1)
    seeded = draw_seeded_problem(config)
    run = WidthRun(config, seeded, 4)
    data = type(seeded.data)(*(leaf[0] for leaf in seeded.data))
    for method in METHODS.of(Kind.KERNEL):
        solution = method.fit(KernelProblem(data, run.infinite), 0.1).solution
        assert solution.shape == (SAMPLES,)
