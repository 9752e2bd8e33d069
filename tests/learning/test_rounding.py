"""Training at large lazy scales: right at any scale where f starts at zero; else it says so.

Experiment (a) of Chizat, Oyallon and Bach (2019) at tau = 10, half as many steps; and section 9 of
docs/theory.md.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits import default_config
from rf_limits.analysis.numerical_warnings import training_warnings
from rf_limits.analysis.tables import (
    ROUNDING_LIMIT,
    exponent_rows,
    final_rows,
)
from rf_limits.models import make_network
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.trainer import Cell, Trainer
from rf_limits.studies import chizat
from rf_limits.studies import prepare as prepare_experiment
from rf_limits.training.run import prepare
from tests.experiments.conftest import remarks, small_config
from tests.models.drawn import drawn_params
from tests.variants import kept


def tau_of_ten(precision, methods=("network",)):
    """Final row at tau = 10, and what the run says under its table."""
    config = default_config("chizat")
    config.parts, config.taus, config.seeds = ("scale",), (10.0,), 1
    config.training.steps, config.training.log_points = 5000, 3
    config.predictors.methods = methods
    config.precision = precision
    result = prepare_experiment(config).run()
    (row,) = final_rows(result.metrics, chizat.LABELS).to_dict("records")
    return row, training_warnings(result.metrics, chizat.LABELS)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_lazy_limit_is_reached(precision):
    """When weights were stored whole, float32 stood still: a risk 5 percent less, and the loss
    half as much again. The linearization is what tau -> infinity tends to."""
    (row, said), (limit, _) = tau_of_ten(precision), tau_of_ten("float64", ("linearized",))
    np.testing.assert_allclose(row["train_loss"], limit["train_loss"], rtol=0.01)
    np.testing.assert_allclose(row["risk"], limit["risk"], rtol=0.01)
    assert row["rounding_error"] < 0.01
    assert said == []


def small_run(**fields):
    """Section 16's reference: d = 4, n = 12, N = 8, one seed, risks on the test set."""
    config = small_config()
    config.problem.dim, config.data.num_train, config.seeds = 4, 12, 1
    config.model.widths, config.training.log_points = (8,), 2
    config.predictors.methods = ("network", "linearized")
    config.measure.exact, config.measure.max_degree = False, -1
    config.precision = "float64"
    config.update(fields)
    return prepare(config).run()


def by_scale(result, method, column):
    """Final values of one method by lazy scale, ascending."""
    final = final_rows(result.metrics)
    return final[final["method"] == method][column].to_numpy(float)


SCALES = (1e3, 1e4, 1e6, 1e8, 1e12, 1e18, 1e100)


def test_gradient_flow_is_its_linearization():
    """At 1e4, 1e6 and 1e8 the loss was 1.4e-5, 0.1 and thousands for 9.2e-13.

    It differs from the linearization's closed form by O(1/alpha), and by the solver's tolerance.
    """
    result = small_run(
        **{
            "model.lazy_scales": SCALES,
            "training.optimizer": "gradient_flow",
            "training.steps": 20_000,
        }
    )
    linear = by_scale(result, "linearized", "train_loss")
    np.testing.assert_allclose(linear, 9.2358e-13, rtol=1e-4)
    np.testing.assert_allclose(by_scale(result, "network", "train_loss"), linear, rtol=0.02)
    network, linear = (by_scale(result, name, "risk") for name in ("network", "linearized"))
    np.testing.assert_allclose(network, linear, rtol=1e-3)


@pytest.mark.parametrize(
    "case",
    kept(
        [
            (activation, bias, trainable)
            for activation in ("relu", "tanh", "erf")
            for bias in (False, True)
            for trainable in ("hidden", "output", "both")
        ],
        [("relu", True, "hidden"), ("tanh", False, "both"), ("erf", True, "output")],
    ),
)
def test_gradient_flow_of_any_network(case):
    """After a 200th of that time, while losses are far above the solver's tolerance."""
    activation, bias, trainable = case
    result = small_run(
        **{
            "model.lazy_scales": (1e6, 1e18),
            "model.activation": activation,
            "model.bias": bias,
            "model.trainable": trainable,
            "training.optimizer": "gradient_flow",
            "training.steps": 100,
        }
    )
    network, linear = (by_scale(result, name, "train_loss") for name in ("network", "linearized"))
    np.testing.assert_allclose(network, linear, rtol=1e-4)


@pytest.mark.parametrize("rtol", kept([1e-4, 1e-6, 1e-8], [1e-4]))
@pytest.mark.parametrize("activation", kept(["relu", "tanh", "erf"], ["tanh"]))
def test_the_solvers_error_is_said(rtol, activation):
    """Where the loss of the linearization is below 1e-18, what is left is the solver's error."""
    result = small_run(
        **{
            "model.lazy_scales": (1e6, 1e18),
            "model.activation": activation,
            "model.bias": True,
            "model.trainable": "hidden",
            "training.optimizer": f"gradient_flow(rtol={rtol}, atol={0.01 * rtol})",
            "training.steps": 20_000,
        }
    )
    assert np.all(by_scale(result, "linearized", "train_loss") < 1e-18)
    (line,) = (line for line in remarks(result) if line.startswith("Gradient flow"))
    floor = float(line.split("below ")[1].split()[0])
    assert np.all(by_scale(result, "network", "train_loss") < floor)
    np.testing.assert_allclose(floor, 0.5 * rtol**2, rtol=0.05)  # E f*^2 is 1/2; two digits


@pytest.mark.parametrize(
    ("precision", "scales", "error"),
    [
        ("float64", (1e6, 1e12, 1e14, 1e15, 1e17, 1e100), 1e-5),
        ("float32", (1e6, 1e12, 1e17), 1e-3),
    ],
)
def test_plain_steps(precision, scales, error):
    """Float64 gave 0.000788 at 1e12, 0.00995, 0.101, and 0.729 at 1e17, where nothing moved."""
    result = small_run(
        **{"model.lazy_scales": scales, "training.steps": 200, "precision": precision}
    )
    found = by_scale(result, "network", "train_loss")
    np.testing.assert_allclose(found, 0.000777658, rtol=error)
    assert np.all(by_scale(result, "network", "rounding_error") < 1e-3)
    assert not any("ROUNDING" in line for line in remarks(result))


def test_outputs_that_do_not_start_at_zero_say_what_rounding_does():
    """Also in float64: f is known to alpha 2^-53 |g_0| only, and once f is that close, no step is
    right any more."""
    result = small_run(
        **{
            "model.lazy_scales": (1.0, 1e12),
            "model.centring": "none",
            "model.widths": (64,),
            "training.steps": 20_000,
        }
    )
    lost = by_scale(result, "network", "rounding_error")
    assert lost[1] > 0.9 > ROUNDING_LIMIT
    lines = [line for line in remarks(result) if line.startswith("ROUNDING")]
    assert len(lines) == 1  # outputs are rounded to 1e-4 of the target
    assert "lazy scales 1e+12" in lines[0]
    assert "centring" in lines[0]


def test_linearizations_that_do_not_start_at_zero_say_so():
    """Their closed form has no steps to measure; outputs of 1e17 are rounded to some 10."""
    fields = {"model.lazy_scales": (1e17,), "training.steps": 5}
    fields["predictors.methods"] = ("linearized",)
    result = small_run(**fields)
    assert not any("ROUNDING" in line for line in remarks(result))
    result = small_run(**fields, **{"model.centring": "none"})
    (line,) = (line for line in remarks(result) if line.startswith("ROUNDING"))
    assert re.search(r"to about ([6-9]e\+00|1e\+01) at", line)


def test_exponents_leave_it_out():
    """Widths at the floor are named and not fitted."""
    config = small_config()
    config.model.widths, config.model.lazy_scales = (32, 64), (1.0, 1e12)
    config.model.centring, config.training.steps = "none", 20_000
    config.problem.dim, config.data.num_train = 4, 6
    config.measure.exact = False
    config.predictors.methods, config.measure.max_degree = ("network",), -1
    metrics = prepare(config).run().metrics
    final = final_rows(metrics)
    high = final[final["lazy_scale"] == 1e12]
    assert np.all(high["rounding_error"] > ROUNDING_LIMIT)
    scales = {row["lazy_scale"] for row in exponent_rows(metrics)}
    assert scales == {1.0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", ["sgd", "noisy_sgd(key=1, eta=1.0)", "adam"])
def test_rounding_of_a_step(dtype, optimizer):
    """The same noise in both precisions; and where nothing moves all of a step is lost."""
    network = make_network(8, centring="subtract")
    trainer = Trainer(network, parse_optimizer(optimizer))
    x = np.random.default_rng(0).normal(size=(1, 12, 4)).astype(dtype)
    init = jax.tree.map(lambda leaf: leaf.astype(dtype)[None], drawn_params(network, 4))
    one = jnp.ones(1, dtype)
    cells = Cell(init, one, 0.05 * one, x, np.maximum(x[..., 0], 0), jax.random.key(0)[None])
    state = trainer.advance(trainer.start(cells), cells, 20)
    assert 0.0 < trainer.rounding_error(state, cells)[0] < 1e4 * np.finfo(dtype).eps
    still = cells._replace(learning_rate=0.0 * one)
    assert trainer.rounding_error(trainer.start(still), still)[0] == 1.0


@pytest.mark.parametrize("output_init", ["gaussian", "positive"])
def test_flow_says_its_error_by_the_size_it_starts_from(output_init):
    """An f that does not start at zero changes by alpha g_0, of which the solver knows 1e-6."""
    config = small_config()
    config.model.widths, config.seeds, config.predictors.methods = (64,), 2, ("network",)
    config.model.lazy_scales, config.model.centring = (1.0, 1e3), "none"
    config.model.output_init, config.measure.exact = output_init, False
    config.training.optimizer = "gradient_flow"
    config.training.steps, config.training.log_points = 2, 2
    training = prepare(config)
    (width,), data, sizes = training.widths, training.seeded.data, []
    for seed in range(2):
        init = jax.tree.map(lambda leaf, seed=seed: leaf[seed], width.networks.inits)
        start = np.asarray(width.network.apply(init, data.x_train[seed]))
        sizes.append(np.sqrt(np.mean(start**2)))
    expected = 1e3 * max(sizes)
    np.testing.assert_allclose(width.output_start, expected, rtol=1e-12)
    (line,) = (line for line in remarks(training.run()) if line.startswith("Gradient flow"))
    said = float(re.search(r"losses below (\S+) may", line).group(1))
    np.testing.assert_allclose(said, (1e-6 * expected) ** 2, rtol=0.05)  # two digits are printed
