"""Configs at the edge of what numbers can hold: the right answer, or a refusal in one line."""

import dataclasses
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits import default_config, train
from rf_limits.analysis.tables import final_rows
from rf_limits.config import frozen
from rf_limits.errors import RequirementError
from rf_limits.measure.risk import largest_exact_scale
from rf_limits.methods import RANDOM_FEATURES
from rf_limits.models.network import make_network
from rf_limits.problem import Problem, SampledTarget, SingleNeuron, Teacher, make_problem
from rf_limits.problem.seeds import streams
from rf_limits.problem.targets import TARGETS
from rf_limits.studies.hardness.measured_features import sphere_directions
from rf_limits.training import run as training
from rf_limits.training.seeded_problem import draw_seeded_problem
from rf_limits.training.validation import validate
from tests.experiments.conftest import changed, small_config
from tests.rounding import LIBRARY, rounding


def tiny(**fields):
    """A small config of one width, one scale and one seed, with ``__`` for dots in names."""
    config = small_config()
    config.problem.dim, config.data.num_train, config.data.num_test = 3, 12, 40
    config.model.widths, config.model.lazy_scales, config.seeds = (4,), (1.0,), 1
    config.training.steps, config.training.log_points = 20, 2
    config.measure.max_degree, config.precision = -1, "float64"
    config.update({k.replace("__", "."): v for k, v in fields.items()})
    return config


def ends(config):
    """Final rows of a run by method."""
    metrics = training.prepare(config).run().metrics
    return {row["method"]: row for row in final_rows(metrics).to_dict("records")}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"problem__norm": 1e300}, "problem.norm must be from 1e-99 to 1e99, .* 1e.300"),
        ({"problem__norm": 1e-300}, "problem.norm must be from 1e-99 to 1e99, .* 1e-300"),
        ({"problem__bias": 1e300}, "problem.bias must be at most 1e99 in size"),
        ({"problem__bias": -60.0}, "problem.norm and problem.bias must give a target"),
        ({"problem__noise": 1e200}, r"problem.noise must give labels below 1e\+154"),
        ({"problem__noise": 1e20, "precision": "float32"}, "problem.noise must give labels"),
        ({"problem__norm": 1e-25, "precision": "float32"}, "precision = 'float32' can hold"),
    ],
)
def test_sizes_that_precision_cannot_hold(fields, message):
    with pytest.raises(RequirementError, match=message):
        draw_seeded_problem(frozen(tiny(**fields)))


@pytest.mark.parametrize(("scale", "precision"), [(1e300, "float64"), (1e-25, "float32")])
def test_lazy_scales_that_precision_cannot_hold(scale, precision):
    with pytest.raises(RequirementError, match="model.lazy_scales must be between"):
        validate(tiny(model__lazy_scales=(scale,), precision=precision))


@dataclasses.dataclass(frozen=True, eq=False)
class Undefined(SingleNeuron):
    """A neuron that is no number at some inputs."""

    def __call__(self, x):
        return jnp.where(x[:, 0] > 1.0, jnp.nan, super().__call__(x))


def test_a_target_that_is_no_number(monkeypatch):
    bad = Undefined(**vars(SingleNeuron.create(jnp.ones(3), 1.0, 0.0)))
    monkeypatch.setitem(TARGETS, "single_neuron", lambda *_: bad)
    with pytest.raises(RequirementError, match="problem.target must be finite at every input"):
        draw_seeded_problem(frozen(tiny()))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (SampledTarget(3, lambda x: jnp.zeros(len(x)), "0"), "positive E f*^2, but received 0.0"),
        (Teacher(jnp.ones((2, 3)), jnp.zeros(2), jnp.array([1.0, -1.0])), "root mean square"),
    ],
    ids=["sampled", "neurons that cancel"],
)
def test_a_target_that_is_zero(monkeypatch, target, message):
    monkeypatch.setitem(TARGETS, "single_neuron", lambda *_: target)
    with pytest.raises(RequirementError, match=re.escape(message)):
        draw_seeded_problem(frozen(tiny()))


@pytest.mark.sharp
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_duplicate_points_have_the_weighted_answer(ridge):
    """On the sphere in one dimension all inputs are 1 or -1, and the NNGP tells just these apart.

    K(x, x') = E relu(g x) relu(g x') is 1/2 for equal signs and 0 else, so that ridge regression
    on n_+ copies of the input at which f* = 1 predicts n_+/(n_+ + 2 ridge) there and 0 at the
    other.
    """
    config = tiny(problem__dim=1, problem__inputs="sphere", predictors__ridge=ridge)
    config.predictors.methods = ("nngp", "random_features")
    result = train(config)
    rows = {row["method"]: row for row in final_rows(result.metrics).to_dict("records")}
    data = result.data()
    copies = float(np.sum(np.asarray(data.y_train) > 0.5))
    share = float(np.mean(np.asarray(data.y_test) > 0.5))
    assert copies >= 2
    error = 1.0 - copies / (copies + 2.0 * ridge)
    # 12 unknowns and labels of size 1, a system of condition number 12 at most
    room = rounding(4 * 12 + 2 * LIBRARY, 12.0)
    found = np.sqrt(rows["nngp"]["risk"])
    np.testing.assert_allclose(found, np.sqrt(share) * error, rtol=0, atol=room)
    if ridge == 0.0:  # the features are exact: what is left is rounding of the risk's terms
        run = result.predictors.training.widths[0]
        init = jax.tree.map(lambda leaf: leaf[0], run.networks.inits)
        coefficients = run.fitted(RANDOM_FEATURES, init, data).solution
        sizes = np.abs(coefficients) * np.abs(init["params"]["hidden_kernel"][0])
        size = run.network.output_scale * np.sum(sizes) + 1.0  # and the target's neuron
        # products of two neurons of length 1 have an expectation of 1/2 at most
        assert rows["random_features"]["risk"] <= rounding(2 * 5 + 1 + LIBRARY) * 0.5 * size**2


@pytest.mark.sharp
def test_more_points_than_a_singular_kernel_has_directions():
    """A linear network has d directions, whatever n: ridge 0 is least squares."""
    config = tiny(
        model__activation="linear", problem__dim=2, data__num_train=60, problem__noise=0.5
    )
    config.predictors.methods = ("nngp", "ntk")
    prepared = training.prepare(config)
    rows = {row["method"]: row for row in final_rows(prepared.run().metrics).to_dict("records")}
    x, y = (np.asarray(a)[0] for a in prepared.seeded.data[:2])
    expected = np.mean((x @ np.linalg.lstsq(x, y, rcond=None)[0] - y) ** 2)
    for name in ("nngp", "ntk"):
        room = rounding(4 * 60, rows[name]["condition_number"] * np.mean(y**2) / expected)
        np.testing.assert_allclose(rows[name]["train_loss"], expected, rtol=room)
        assert rows[name]["ridge_needed"] == 0.0


def test_one_point_one_neuron():
    """The linearization of one neuron fits one point it is on at."""
    config = tiny(data__num_train=1, model__widths=(1,), data__num_test=2, problem__noise=1.0)
    config.predictors.methods = ("network", "linearized", "nngp", "ntk")
    rows = ends(config)
    label = float(training.prepare(config).seeded.data.y_train[0, 0])
    for row in rows.values():
        assert row["risk"] >= 0.0
        assert math.isfinite(row["train_loss"])
    for name in ("nngp", "ntk"):
        assert rows[name]["train_loss"] <= (rounding(8) * label) ** 2  # a division, a product


def test_the_edge_of_stability():
    config = tiny(training__learning_rate="1e9", training__steps=3000)
    config.predictors.methods = ("linearized",)
    with pytest.raises(RequirementError, match="where the linearized network starts") as refused:
        training.prepare(config)
    limit = float(str(refused.value).split("below ")[1].split(",")[0])
    config.training.learning_rate = repr(1.01 * limit)
    with pytest.raises(RequirementError, match="must be below"):
        training.prepare(config)
    config.training.learning_rate = repr(0.99 * limit)
    metrics = training.prepare(config).run().metrics.sort_values("step")
    assert metrics["train_loss"].iloc[-1] < metrics["train_loss"].iloc[0]


def test_exact_risks_at_the_largest_lazy_scale():
    """There the network is its linearization, and its exact risk agrees to what is promised."""
    network = make_network(4)
    most = 0.99 * largest_exact_scale(network, make_problem(target="single_neuron", dim=3))
    config = tiny(model__lazy_scales=(most,))
    config.predictors.methods = ("network", "linearized")
    rows = ends(config)
    difference = rows["network"]["risk"] - rows["linearized"]["risk"]
    assert abs(difference) < 1e-4 * 0.5
    config.model.lazy_scales = (1.01 * most / 0.99,)
    with pytest.raises(
        RequirementError, match="model.lazy_scales must be at most .* here for exact"
    ):
        training.prepare(config)
    config.measure.exact, config.model.lazy_scales = False, (1e8,)
    rows = ends(config)
    np.testing.assert_allclose(rows["network"]["risk"], rows["linearized"]["risk"], rtol=1e-5)


def test_a_tiny_lazy_scale_learns_nothing_it_should_not():
    config = tiny(model__lazy_scales=(1e-8,))
    config.predictors.methods = ("network", "linearized")
    rows = ends(config)
    assert 0.0 < rows["network"]["relative_risk"] <= 1.0
    assert rows["network"]["train_loss"] > 0.0


@pytest.mark.parametrize("seed", [2**63, 2**64, 2**200, -1, 1.5, True])
def test_seeds_beyond_what_keys_hold_are_refused(seed):
    """JAX overflows at 2^63, and -1 would be the key of 2^64 - 1."""
    words = r"must be a whole number from 0 to 2\^63 - 1, but received [^\n]*$"
    for field in ("problem__seed", "data__seed"):
        config = tiny()
        name = field.replace("__", ".")
        with pytest.raises(RequirementError, match=f"^{name} {words}".replace("be a", "be .*a")):
            validate(changed(config, {name: seed}))
    functions = (streams, lambda seed: sphere_directions(seed, 3, 2))
    for function in functions if isinstance(seed, int) else ():
        with pytest.raises(RequirementError, match="^seed " + words):
            function(seed)


def test_the_largest_seed_is_one():
    validate(tiny(problem__seed=2**63 - 1, data__seed=2**63 - 1))
    assert sphere_directions(2**63 - 1, 3, 2).shape == (2, 3)


@pytest.mark.parametrize("noise", [math.inf, math.nan, -1.0])
def test_noise_that_is_no_size_is_refused(noise):
    target = SingleNeuron.create(np.eye(3)[0], 1.0, 0.0)
    with pytest.raises(RequirementError, match="^noise must be at least 0 and finite"):
        Problem(target, noise=noise)
    with pytest.raises(RequirementError, match=r"^problem\.noise must be finite and at least 0"):
        validate(tiny(problem__noise=noise))


def test_sizes_of_limits_that_float64_cannot_hold():
    """scripts/limits.py: features of length 1e200, targets of length d^400."""
    features = default_config("approximation")
    for scale in (1e200, 1e-200):
        features.features.scale = scale
        with pytest.raises(RequirementError, match="^features.scale must lie between 1e-99 and"):
            frozen(features).check()
    target = default_config("hardness")
    target.norm_exponent = 400.0
    with pytest.raises(RequirementError, match="^norm_exponent must give lengths"):
        frozen(target).check()
