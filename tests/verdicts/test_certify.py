"""Verdicts on one network, and certificates of means over several."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from scipy import stats

from rf_limits import certify
from rf_limits.errors import RequirementError
from rf_limits.measure.bounded_mean import mean_p_value
from rf_limits.measure.own_span import own_span
from rf_limits.models.network import make_network
from rf_limits.problem import HermiteSum, Problem, SingleNeuron, Teacher
from rf_limits.theory import (
    features_for_risk,
    label_linear_limit,
    lazy_limit,
)
from rf_limits.verdicts.forms import Function
from rf_limits.verdicts.span import sampled_span

DIM, WIDTH = 5, 8


def neuron(dim=DIM, seed=0):
    return SingleNeuron.create(np.random.default_rng(seed).standard_normal(dim), 1.0, 0.0)


def start(seed, dim=DIM, width=WIDTH):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((width, dim)) / dim**0.5, rng.standard_normal(width) / width**0.5


def learned(target, seed, left=0.02):
    """Returns weights whose first neuron is the target, and that have a little beside it."""
    w, u = start(seed, target.dim)
    w[0], u = np.asarray(target.directions[0]), left * u
    u[0] = 1.0
    return w, u


def test_a_network_that_has_learned_is_below_its_own_span():
    target = neuron()
    verdict = certify(learned(target, 1), target, initial=start(1), num_train=64)
    w, u = start(1)
    inner = {"hidden_kernel": jnp.asarray(w.T), "output_kernel": jnp.asarray(u)}
    best = own_span(
        make_network(WIDTH, parameterization="standard"), {"params": inner}, Problem(target)
    )
    assert verdict.own_span.value == pytest.approx(best.risk, rel=1e-12)
    assert verdict.below_own_span
    assert "no linear combination of this network's own initial tangent features" in verdict.verdict
    assert float(verdict.limit_functions) == pytest.approx(lazy_limit(48, DIM), rel=1e-12)
    assert float(verdict.limit_samples) == pytest.approx(lazy_limit(64, DIM), rel=1e-12)
    assert sum(verdict.degrees) == pytest.approx(verdict.risk.value, rel=0.1)
    assert verdict.worth.functions == features_for_risk(verdict.risk.value, DIM)
    assert "a lazy method needs at least" in str(verdict)


def test_an_untrained_network_is_not():
    target = neuron()
    verdict = certify(start(1), target, initial=start(1))
    assert not verdict.below_own_span
    assert "nothing is excluded" in verdict.verdict
    assert verdict.limit_samples is None
    assert verdict.worth.functions == 0


def test_without_initial_weights_nothing_is_proved_of_one_run():
    verdict = certify(learned(neuron(), 2), neuron(), num_train=64)
    assert verdict.own_span is None
    assert "Nothing is proved of this run" in verdict.verdict
    assert not verdict.below_own_span


def test_label_linear_limit_is_that_of_the_training_inputs():
    x = np.random.default_rng(3).standard_normal((30, DIM))
    verdict = certify(learned(neuron(), 2), neuron(), x_train=x, noise=0.2)
    expected = label_linear_limit(x, target=neuron(), noise=0.2)
    assert float(verdict.label_linear) == pytest.approx(float(expected), rel=1e-9)
    assert verdict.limit_samples is not None


def test_figure_and_table_show_every_limit():
    verdict = certify(learned(neuron(), 1), neuron(), initial=start(1), num_train=64)
    names = [row[0] for row in verdict.table().rows]
    assert names == ["risk", "own span", "R*(P)", "R*(n)", "L* (estimate)"]
    (axis,) = verdict.figure().axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "L* (estimate)",
        "R*(n)",
        "R*(P)",
        "own span",
        "this network",
    ]


def test_the_sampled_span_lies_below_the_exact_one():
    """RSS/m is low by the factor 1 - P/m; its error takes a little more off."""
    target = neuron()
    w, u = start(4)
    exact = certify((w, u), target, initial=(w, u)).own_span
    function = Function(lambda p, x: jnp.maximum(x @ p[0].T, 0.0) @ p[1], (w, u))
    for seed in range(4):
        found = sampled_span(function, Problem(target), 1e-3, seed)
        assert found.low < exact.value
        assert found.value == pytest.approx(exact.value, rel=0.05)
        assert not found.exact


def test_a_deep_network_is_compared_with_its_own_span():
    target = neuron(3)

    class Deep(linen.Module):
        @linen.compact
        def __call__(self, x):
            for width in (6, 5):
                x = linen.relu(linen.Dense(width)(x))
            return linen.Dense(1)(x)

    module = Deep()
    variables = module.init(jax.random.key(0), jnp.zeros((1, 3)))
    verdict = certify((module, variables), target, initial=variables, num_train=20)
    assert not verdict.risk.exact
    assert not verdict.own_span.exact
    assert verdict.own_span.num_features == 24 + 35 + 6 + 1
    assert not verdict.below_own_span


def test_too_many_features_are_said_and_the_rest_is_given():
    target = neuron(20)
    w, u = start(0, 20, 400)
    verdict = certify((w, u), target, initial=(w, u))
    assert verdict.own_span is None
    assert any("No tangent span: model.widths must be at most 300" in r for r in verdict.reasons)
    assert verdict.limit_functions is not None


def test_a_second_call_takes_hundredths_of_a_second():
    target = neuron(20)
    w, u = start(0, 20, 256)
    certify((w, u), target, num_train=512)
    begin = time.process_time()
    certify((1.01 * w, u), target, num_train=512)
    assert time.process_time() - begin < 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x_train": np.ones((3, 2))}, "x_train must have 5 columns"),
        ({"x_train": np.ones((3, 5)), "num_train": 4}, "num_train must be the 3 rows of x_train"),
        ({"num_train": 0}, "num_train must be at least 1"),
        ({"noise": -1.0}, "noise must be at least 0"),
        ({"inputs": "uniform"}, "problem.inputs must be one of"),
        ({"level": 0.0}, "level must lie between 0 and 1"),
        ({"initial": start(0, DIM, 3)}, "initial must be the same network before training"),
        ({"direction_law": "uniform"}, "direction_law must be stated of a list of runs only"),
        ({"initial_law": "gaussian"}, "initial_law must be None or 'rotation_invariant'"),
    ],
)
def test_bad_arguments_are_refused_in_a_line(options, message):
    with pytest.raises(RequirementError, match=message) as error:
        certify(start(0), neuron(), **options)
    assert "\n" not in str(error.value)


def kernel_verdicts(count, samples, *, rotated):
    """NNGP regression as networks of one neuron for each sample: it attains L*, never beats it."""
    rng = np.random.default_rng(11)
    weights, targets, inputs = [], [], []
    for _ in range(count):
        direction = rng.standard_normal(DIM) if rotated else np.eye(DIM)[0]
        target = SingleNeuron.create(direction, 1.0, 0.0)
        x = rng.standard_normal((samples, DIM))
        features = rng.standard_normal((400, DIM))  # a fine random-features approximation
        phi = np.maximum(x @ features.T, 0.0)
        u = np.linalg.lstsq(phi, np.asarray(target(jnp.asarray(x))), rcond=None)[0]
        weights.append((features, u))
        targets.append(target)
        inputs.append(x)
    return weights, targets, inputs


def test_kernel_methods_get_no_certificate():
    weights, targets, inputs = kernel_verdicts(30, 10, rotated=True)
    found = certify(weights, targets, x_train=inputs, direction_law="uniform")
    assert not any(certificate.holds for certificate in found.certificates)
    linear = found.certificates[2]
    assert linear.reason == ""
    assert linear.mean > 0.8 * linear.least


def test_networks_that_have_learned_are_certified_where_a_premise_is_stated():
    rng = np.random.default_rng(12)
    targets = [SingleNeuron.create(rng.standard_normal(DIM), 1.0, 0.0) for _ in range(80)]
    weights = [learned(target, seed, 0.005) for seed, target in enumerate(targets)]
    inputs = [rng.standard_normal((6, DIM)) for _ in targets]
    stated = certify(weights, targets, x_train=inputs, direction_law="uniform")
    assert [certificate.holds for certificate in stated.certificates] == [False, True, True]
    assert "CERTIFIED at level 0.001" in stated.verdict
    assert "it would take about" in stated.certificates[0].sentence()
    silent = certify(weights, targets, x_train=inputs)
    assert not any(certificate.holds for certificate in silent.certificates)
    assert "No premise of an average is stated" in silent.verdict


def test_different_directions_are_no_proof_of_a_draw():
    """The features relu(+-x_j) have risk 0 for every target relu(x_j), where R*(40) = 0.0798."""
    dim = 20
    axes = np.concatenate([np.eye(dim), -np.eye(dim)])
    targets = [SingleNeuron.create(axis, 1.0, 0.0) for axis in np.eye(dim)]
    weights = [(axes, np.eye(2 * dim)[j]) for j in range(dim)]
    found = certify(weights, targets, initial=[(axes, np.ones(2 * dim))] * dim, num_train=40)
    assert max(run.risk.value for run in found.runs) < 1e-12
    assert float(found.runs[0].limit_functions) > 0.0
    assert not any(certificate.holds for certificate in found.certificates)
    stated = certify(weights, targets, num_train=40, initial_law="rotation_invariant")
    assert not any(certificate.holds for certificate in stated.certificates)
    assert "different directions are no proof of a draw" in stated.certificates[0].reason


def test_draws_that_are_seen_to_be_shared_give_no_certificate():
    target, x = neuron(), np.random.default_rng(1).standard_normal((6, DIM))
    weights = [learned(target, seed, 0.001) for seed in range(80)]
    stated = {"initial_law": "rotation_invariant", "data_law": "rotation_invariant"}
    found = certify(weights, target, x_train=x, initial=[start(1)] * 80, **stated)
    reasons = [certificate.reason for certificate in found.certificates]
    assert "two runs have the same initial weights" in reasons[0]
    assert "two runs have training inputs in common" in reasons[1]
    assert "two runs have training inputs in common" in reasons[2]
    one = certify(weights, target, x_train=x, direction_law="uniform")
    assert "one target, whose direction is not drawn anew" in one.certificates[0].reason


def test_an_estimate_of_the_label_linear_limit_certifies_nothing():
    weights, targets, _ = kernel_verdicts(3, 6, rotated=True)
    found = certify(weights, targets, num_train=6, direction_law="uniform")
    assert "an estimate of the mean of L* is no bound" in found.certificates[2].reason


def test_a_run_above_predicting_zero_ends_every_certificate():
    rng = np.random.default_rng(12)
    targets = [SingleNeuron.create(rng.standard_normal(DIM), 1.0, 0.0) for _ in range(60)]
    weights = [learned(target, seed, 0.005) for seed, target in enumerate(targets)]
    weights[7] = (weights[7][0], 50.0 * weights[7][1])
    found = certify(weights, targets, num_train=6, direction_law="uniform")
    assert not any(certificate.holds for certificate in found.certificates)
    assert "1 of 60 runs have a risk above E f*^2" in found.certificates[1].reason


def test_lists_go_together():
    with pytest.raises(RequirementError, match="target must be one for each of the 2 networks"):
        certify([start(0), start(1)], [neuron()] * 3)
    with pytest.raises(RequirementError, match="weights must be at least one network"):
        certify([], neuron())
    with pytest.raises(RequirementError, match="target must be one, of one network"):
        certify(start(0), [neuron()])


def test_limits_of_each_run_enter_the_test():
    """A limit for each run: the factors have mean at most 1 given it, as with one for all."""
    rng = np.random.default_rng(0)
    limits = np.full(40, 0.3)
    risks = rng.uniform(0.0, 0.2, 40)
    assert mean_p_value(risks, limits, 1.0) == mean_p_value(risks, 0.3, 1.0)
    rejected = 0
    for _ in range(2000):
        limits = rng.uniform(0.1, 0.5, 20)
        risks = np.where(rng.uniform(size=20) < limits, 1.0, 0.0)  # of mean m_i, most spread
        rejected += mean_p_value(risks, limits, 1.0) <= 0.05
    assert stats.binom.sf(rejected - 1, 2000, 0.05) > 1e-6


def test_a_teacher_is_certified_too():
    teacher = Teacher(np.eye(2, DIM), np.array([0.3, 0.3]), np.array([1.0, -1.0]))
    w, u = start(1)
    w[:2], u = np.eye(2, DIM), 0.0 * u
    u[:2] = 1.0, -1.0
    b = np.zeros(WIDTH)
    b[:2] = 0.3
    verdict = certify((w, u, b), teacher, initial=(*start(1), np.zeros(WIDTH)), num_train=20)
    assert verdict.risk.value < 1e-12
    assert verdict.below_own_span
    assert verdict.worth is not None


STATED = {"initial_law": "rotation_invariant", "data_law": "rotation_invariant"}


def reasons(*args, **options):
    return [certificate.reason for certificate in certify(*args, **options).certificates]


def test_sampled_risks_certify_nothing():
    """Predicting zero, against a limit so near E f*^2 that noise alone lies below it."""
    zero = (lambda params, x: 0.0 * params[0] * x[:, 0], (jnp.ones(1),))
    parity = HermiteSum(np.eye(6, 20), ((1,) * 6,), [1.0])
    found = reasons([zero], parity, num_train=10, **STATED)
    assert all("means over test inputs" in reason for reason in found)


def test_copies_of_a_run_certify_nothing():
    good = learned(neuron(), 1, 0.001)
    found = reasons([good] * 140, neuron(), num_train=5, **STATED)
    assert all("two runs have the same weights" in reason for reason in found[:2])


def test_equal_targets_are_one_target():
    weights = [learned(neuron(), seed, 0.001) for seed in range(80)]
    twins = [neuron(), neuron()] * 40
    found = reasons(weights, twins, num_train=5, direction_law="uniform")
    assert "two runs have one target" in found[0]
    assert reasons(weights, twins, num_train=5, **STATED)[:2] == ["", ""]


@pytest.mark.parametrize("change", ["shifted", "shared row", "along an axis", "long"])
def test_inputs_that_contradict_their_law_certify_nothing(change):
    rng = np.random.default_rng(0)
    weights = [learned(neuron(), seed, 0.001) for seed in range(40)]
    first = rng.standard_normal((4, DIM))
    inputs = {
        "shifted": [first + 1e-12 * k for k in range(40)],
        "shared row": [np.concatenate([rng.standard_normal((3, DIM)), first[:1]]) for _ in weights],
        "along an axis": [np.eye(DIM)[:1] * (100.0 + k) for k in range(40)],
        "long": [3.0 * rng.standard_normal((4, DIM)) for _ in weights],
    }[change]
    found = reasons(weights, neuron(), x_train=inputs, **STATED)
    assert all("training inputs" in reason for reason in found[1:])
    fresh = [rng.standard_normal((4, DIM)) for _ in weights]
    assert reasons(weights, neuron(), x_train=fresh, **STATED) == ["", "", ""]
    off = reasons(weights, neuron(), x_train=fresh, inputs="sphere", **STATED)
    assert "lengths that are not those" in off[1]


def test_dependent_features_have_their_span():
    """A doubled start, a dead neuron and a zero row span what the others do."""
    target = neuron()
    w, u = start(3)
    alone = certify((w, u), target, initial=(w, u)).own_span
    doubled = (np.concatenate([w, w, 0.0 * w[:1]]), np.concatenate([u, -u, [1.0]]))
    again = certify(doubled, target, initial=doubled).own_span
    assert again.value == pytest.approx(alone.value, rel=1e-6)
    assert again.num_features == alone.num_features


def test_sampled_spans_do_not_mind_dependent_features():
    target = neuron(3)
    w, u = start(0, 3, 4)

    def doubled(params, x):
        return jnp.maximum(x @ params[0].T, 0.0) @ (params[1] + 2.0 * params[2])

    one = Function(lambda p, x: jnp.maximum(x @ p[0].T, 0.0) @ p[1], (w, u))
    two = Function(doubled, (w, u, 0.0 * u))
    first, second = (sampled_span(f, Problem(target), 1e-3) for f in (one, two))
    assert second.value == pytest.approx(first.value, rel=1e-6)


class Dropped(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dropout(0.5, deterministic=False)(linen.Dense(1)(x))


class Normalized(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(1)(linen.BatchNorm(use_running_average=True)(x))


def test_statistics_of_batches_are_no_parameters():
    module = Normalized()
    variables = module.init(jax.random.key(0), jnp.zeros((1, DIM)))
    verdict = certify((module, variables), neuron(), initial=variables)
    assert verdict.own_span.num_features == 2 * DIM + DIM + 1 + 1
    assert "P = 17 functions" in verdict.limit_functions.meaning


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((lambda p, x: np.asarray(x)[:, 0], ()), "a function of .* inputs that JAX can trace"),
        (
            (
                Dropped(),
                {"params": {"Dense_0": {"kernel": jnp.ones((DIM, 1)), "bias": jnp.ones(1)}}},
            ),
            "without random numbers or state",
        ),
        ((linen.Dense(1), {"kernel": jnp.ones((DIM, 1))}), "Linen module and its variables"),
        (linen.Dense(1), "a pair of a Linen module and its variables"),
        ((lambda p, x: 1j * x[:, 0], ()), "a function with real values"),
        ((lambda p, x: x[:, 0], (3,)), "parameters that are arrays of real numbers"),
        ((lambda p, x: x @ jnp.ones(3), ()), "weights must be a function"),
        ((lambda p, x: x[:, 0] * jnp.nan, ()), "finite values on test inputs"),
        ((np.ones((WIDTH, DIM)), np.ones((2, 4))), "u must have 8 entries"),
    ],
)
def test_functions_that_cannot_be_certified_are_refused_in_a_line(weights, message):
    with pytest.raises(RequirementError, match=message) as error:
        certify(weights, neuron())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "target must be one of rf_limits.problem"),
        (Teacher(np.eye(2, DIM), np.zeros(2), np.zeros(2)), "target must have an E f"),
        (SingleNeuron.create(np.eye(DIM)[0], 1.0, -50.0), "target must have an E f"),
    ],
)
def test_what_is_no_target_is_refused(target, message):
    with pytest.raises(RequirementError, match=message):
        certify(start(0), target)


def test_options_of_arrays_are_refused_for_functions():
    with pytest.raises(RequirementError, match="weights must be arrays where layout is given"):
        certify((lambda p, x: x[:, 0], ()), neuron(), layout="flax")
    with pytest.raises(RequirementError, match="x_train must be finite"):
        certify(start(0), neuron(), x_train=np.full((2, DIM), np.nan))
    with pytest.raises(RequirementError, match="level must be a number"):
        certify(start(0), neuron(), level="a")


def test_neurons_that_cancel_prove_nothing():
    """Two opposite neurons of size 1e9: what rounding leaves of the risk is no risk."""
    w, u = start(1)
    w, u = np.concatenate([w, w[:1], w[:1]]), np.concatenate([u, [1e9, -1e9]])
    with pytest.raises(RequirementError, match="neurons cancel too much"):
        certify((w, u), neuron(), initial=(w, u))
    less = np.concatenate([u[:-2], [1e3, -1e3]])
    found = certify((w, less), neuron(), initial=(w, less)).risk
    assert found.low < certify((w[:-2], u[:-2]), neuron()).risk.value < found.high
    assert found.high - found.low < 1e-6
