"""Population risks by hand and against simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.problem import (
    Gegenbauer,
    Polynomial,
    SampledTarget,
    SingleNeuron,
    Teacher,
    make_polynomial,
)
from rf_limits.theory.risks.population_risk import mean_square_difference, population_risk
from rf_limits.theory.risks.relu_moments import ReluSum
from tests.rounding import rounding

PAIR = 200
"""Roundings behind a pair of neurons, as in ``test_relu_moments``."""


@jax.jit
def risk(f):
    """Against relu(x_1) in three dimensions."""
    with jax.ensure_compile_time_eval():
        target = SingleNeuron.create(jnp.array([1.0, 0.0, 0.0]), 1.0, 0.0)
    return population_risk(f, target, 0.5)


def gates(w, u, p=None):
    """Two gates in three dimensions: one shape, one compiled program."""
    return ReluSum(
        jnp.asarray(w), None, jnp.asarray(u), jnp.asarray(np.zeros_like(w) if p is None else p)
    )


def test_risk_by_hand():
    # f = 2 relu(x_2): E f^2 = 2, E f f* = 2/(2 pi), E f*^2 = 1/2
    f = gates([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [2.0, 0.0])
    # terms of sizes 2, 4/(2 pi) and 1/2
    assert abs(risk(f) - (2.5 - 2.0 / np.pi)) < rounding(PAIR) * 4.0
    # x_1 = relu(x_1) - relu(-x_1): risk of the linear function x_1/2 is 1/4
    g = gates([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], [0.5, -0.5])
    assert abs(risk(g) - 0.25) < rounding(PAIR) * 2.0
    # the target itself, written with a gradient feature: 1[x_1 > 0] x_1
    slopes = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    h = gates([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [0.0, 0.0], slopes)
    assert abs(risk(h)) < rounding(PAIR) * 2.0


def test_sum_of_parts_is_one_sum():
    w, a = np.random.default_rng(0).normal(size=(6, 3)), np.arange(6.0)
    whole = ReluSum(jnp.asarray(w), None, jnp.asarray(a))
    parts = tuple(
        ReluSum(jnp.asarray(w[i]), None, jnp.asarray(a[i])) for i in np.split(range(6), [2])
    )
    difference = jax.jit(mean_square_difference)(whole, parts)
    # what cancels is as large as (sum |a||w|)^2
    size = (np.sum(a * np.linalg.norm(w, axis=1)) + 1.0) ** 2
    assert abs(risk(parts) - risk(whole)) < rounding(2 * PAIR) * size
    assert difference < rounding(PAIR) * 4.0 * size


def test_mean_square_difference_against_simulation():
    normal = np.random.default_rng(0).normal
    w, v, x = normal(size=(5, 3)), normal(size=(5, 3)), normal(size=(400_000, 3))
    a, slopes = np.arange(5.0), v[::-1]
    f = ReluSum(jnp.asarray(w), None, jnp.asarray(a))
    g = ReluSum(jnp.asarray(v), None, jnp.ones(5), jnp.asarray(slopes))
    h = x @ v.T
    inside = np.sum((h > 0.0) * (h + x @ slopes.T), axis=1)
    values = (np.maximum(x @ w.T, 0.0) @ a - inside) ** 2
    error = np.std(values) / np.sqrt(values.size)
    # 6 standard errors: false alarm below 1e-8
    found = float(jax.jit(mean_square_difference)(f, g))
    assert abs(np.mean(values) - found) < 6 * error


WEIGHTS = np.random.default_rng(1).normal(size=(5, 3))
BIASES, AMPLITUDES = np.linspace(-1.0, 1.0, 5), np.arange(5.0)
TARGETS = {
    "neuron": SingleNeuron.create(np.array([1.0, 0.0, 0.0]), 1.0, 0.0),
    "biased teacher": Teacher(WEIGHTS[:2], BIASES[:2], AMPLITUDES[:2]),
    "polynomial": make_polynomial(jnp.eye(3)[:1], "single_index", 3),
    "zonal": make_polynomial(jnp.eye(3)[:1], "gegenbauer", 2),
}


@pytest.mark.parametrize("name", TARGETS)
def test_any_type_of_weights_and_compiled(name):
    """The risk is that of the same numbers in float64, with the target an argument of jit."""
    target, compiled = TARGETS[name], jax.jit(population_risk)
    for kind in (jnp.float16, jnp.bfloat16, jnp.float32, jnp.int8):
        for biases in (None, jnp.asarray(BIASES, kind)):
            f = ReluSum(jnp.asarray(WEIGHTS, kind), biases, jnp.asarray(AMPLITUDES, kind))
            exact = ReluSum(*(None if x is None else x.astype(jnp.float64) for x in f))
            found, expected = compiled(f, target, 0.5), compiled(exact, target, 0.5)
            assert found.dtype == jnp.float64
            plain = population_risk(f, target, 0.5)
            for other in (expected, plain):  # programs of their own, which may fuse in their way
                assert abs(other - found) < rounding(2 * PAIR) * (10.0 * 3.0) ** 2


def test_derivatives_along_a_target():
    """Of biases that are 0 too, where a compiled function may not leave them out."""
    f = ReluSum(WEIGHTS, BIASES, AMPLITUDES)
    target, step = TARGETS["neuron"], 1e-6
    slope = jax.grad(lambda t: population_risk(f, t, 0.5))(target).biases[0]

    def risk(bias):
        moved = Teacher(target.directions, jnp.full(1, bias), target.coefficients)
        return float(population_risk(f, moved, 0.5))

    # the risk's curvature is of order 10, its rounding of order 1e-13
    assert abs(slope - (risk(step) - risk(-step)) / (2 * step)) < 1e-6


def test_targets_are_trees():
    """What is put in place of arrays is not checked; arrays that do not go together are."""
    for target in (*TARGETS.values(), SampledTarget(3, jnp.sum, "a sum")):
        again = jax.tree.map(lambda x: x, target)
        assert type(again) is type(target)
        assert jax.tree.structure(jax.tree.map(lambda _: None, target)) is not None
        names = jax.tree.map(lambda _: "leaf", target)
        assert set(jax.tree.leaves(names)) <= {"leaf"}
    stacked = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), TARGETS["biased teacher"])
    f = ReluSum(WEIGHTS, BIASES, AMPLITUDES)
    each = jax.vmap(lambda t: population_risk(f, t, 0.0))(stacked)
    assert abs(each[0] - population_risk(f, TARGETS["biased teacher"], 0.0)) < 1e-10
    tree = jax.tree.map(jnp.sum, f)
    assert type(tree) is ReluSum
    assert tree.weights.shape == ()


def test_what_does_not_go_together_is_refused_when_built():
    for arguments, field in (
        ((WEIGHTS, BIASES, AMPLITUDES[:-1]), "amplitudes"),
        ((WEIGHTS, BIASES[:-1], AMPLITUDES), "biases"),
        ((WEIGHTS[0], None, AMPLITUDES), "weights"),
        ((WEIGHTS, None, AMPLITUDES, WEIGHTS[:, :2]), "slopes"),
        ((WEIGHTS, None, AMPLITUDES, None, AMPLITUDES[:2]), "offsets"),
        ((WEIGHTS, None, np.array(list("abcde"))), "amplitudes"),
    ):
        with pytest.raises(RequirementError, match=rf"^{field} must [^\n]*$"):
            ReluSum(*arguments)
    with pytest.raises(RequirementError, match=r"SingleNeuron.create takes a vector"):
        SingleNeuron(WEIGHTS[0], 0.0, 1.0)
    with pytest.raises(RequirementError, match=r"directions must have the shape \(1, d\)"):
        SingleNeuron(WEIGHTS, BIASES, AMPLITUDES)
    with pytest.raises(RequirementError, match="biases must have the shape"):
        Teacher(WEIGHTS, 0.0, AMPLITUDES)
    with pytest.raises(RequirementError, match="biases must be of a size up to"):
        Teacher(WEIGHTS, BIASES * np.nan, AMPLITUDES)
    with pytest.raises(RequirementError, match="length 1"):
        Polynomial(2.0 * jnp.eye(3)[:1], jnp.ones(1), 2, 1.0, "twice")
    with pytest.raises(RequirementError, match="coefficients must have the shape"):
        Polynomial(jnp.eye(3)[:1], jnp.ones(2), 2, 1.0, "two")
    with pytest.raises(RequirementError, match="norm must be positive"):
        Gegenbauer(jnp.eye(3)[0], 2, 0.0)
    with pytest.raises(RequirementError, match="same dimension"):
        population_risk(ReluSum(WEIGHTS[:, :2], None, AMPLITUDES), TARGETS["neuron"], 0.5)
    with pytest.raises(RequirementError, match="dimension 3"):
        population_risk(ReluSum(WEIGHTS[:, :2], None, AMPLITUDES), TARGETS["zonal"], 0.5)


def test_a_list_is_a_list_of_numbers():
    f = ReluSum([[1, 0], [0, 2]], None, [1, 1])
    target = Teacher([[1, 0]], [0], [1])
    # relu(x_1) cancels, 2 relu(x_2) stays: E 4 relu^2 = 2
    assert abs(population_risk(f, target, 0.5) - 2.0) < rounding(PAIR) * 4.0
