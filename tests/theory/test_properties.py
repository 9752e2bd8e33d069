"""Symmetries and orders that hold for every network: exact risks, best risks, kernels.

Random networks of one size, so that everything compiles once; the examples are the same every
time. Bounds are rounding: nothing here is sampled.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rf_limits.models import tangent_kernel
from rf_limits.models.network import make_network
from rf_limits.theory.best_features import best_risks, tangent_correlations, tangent_gram
from rf_limits.theory.degree_risks import degree_risks
from rf_limits.theory.population_risk import expected_square, population_risk
from rf_limits.theory.relu_gram import relu_gram
from rf_limits.theory.relu_moments import ReluSum, relu_sum_product

WIDTH, DIM, DEGREES = 5, 3, 4
MOMENT = 0.5
"""E relu(<v, x>)^2 for |v| = 1."""
EXAMPLES = settings(max_examples=40, deadline=None)


class Network(NamedTuple):
    """A ReLU network with biases, and a target neuron of unit length without."""

    weights: jax.Array
    biases: jax.Array
    outputs: jax.Array
    target: jax.Array


@st.composite
def networks(draw):
    """Networks of sizes from 1e-3 to 1e3, some with neurons that coincide or are opposite."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = 10.0 ** draw(st.integers(-3, 3))
    weights = size * rng.normal(size=(WIDTH, DIM))
    if draw(st.booleans()):
        weights[1] = draw(st.sampled_from((-1.0, 0.5, 1.0))) * weights[0]
    target = rng.normal(size=DIM)
    arrays = weights, size * rng.normal(size=WIDTH), rng.normal(size=WIDTH) / size
    return Network(*map(jnp.asarray, arrays), jnp.asarray(target / np.linalg.norm(target)))


class Neuron(NamedTuple):
    """relu(<direction, x>) as a target."""

    direction: jax.Array

    def as_sum(self):
        return ReluSum(self.direction[None], None, jnp.ones(1))

    def product(self, f):
        return relu_sum_product(f, self.as_sum())


@jax.jit
def risk(one):
    """The exact risk, and the size of what cancels in it."""
    f = ReluSum(one.weights, one.biases, one.outputs)
    return population_risk(f, Neuron(one.target), MOMENT), MOMENT + expected_square(f)


@jax.jit
def risk_by_degree(one):
    """The same without biases, and the risk of every degree."""
    f, neuron = ReluSum(one.weights, None, one.outputs), Neuron(one.target)
    whole = population_risk(f, neuron, MOMENT)
    return whole, MOMENT + expected_square(f), degree_risks(f, neuron.as_sum(), DEGREES)


mean_square = jax.jit(expected_square)


def rotation(seed):
    """A random orthogonal matrix."""
    return jnp.asarray(np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, DIM)))[0])


def assert_same(one, other, rounding=1e-12):
    (a, size), (b, _) = risk(one), risk(other)
    np.testing.assert_allclose(a, b, rtol=0.0, atol=rounding * float(size))


@EXAMPLES
@given(networks(), st.integers(0, 2**32 - 1))
def test_rotations_change_no_risk(one, seed):
    turn = rotation(seed)
    assert_same(one, one._replace(weights=one.weights @ turn, target=one.target @ turn))


@EXAMPLES
@given(networks(), st.permutations(range(WIDTH)))
def test_neurons_have_no_order(one, order):
    order = jnp.asarray(order)
    assert_same(one, Network(*(leaf[order] for leaf in one[:3]), one.target))


@EXAMPLES
@given(networks(), st.lists(st.floats(1e-3, 1e3), min_size=WIDTH, max_size=WIDTH))
def test_relu_is_positively_homogeneous(one, factors):
    """C u relu(h/c) = u relu(h)."""
    c = jnp.asarray(factors)
    assert_same(one, Network(one.weights / c[:, None], one.biases / c, one.outputs * c, one.target))


@EXAMPLES
@given(networks())
def test_inputs_have_no_sign(one):
    """x and -x have the same law."""
    assert_same(one, one._replace(weights=-one.weights, target=-one.target))


@EXAMPLES
@given(networks())
def test_a_neuron_and_its_opposite_are_linear(one):
    """relu(h) - relu(-h) = h: the pair has the mean square of a linear function."""
    w, b = one.weights[:1], one.biases[:1]
    pair = ReluSum(jnp.concatenate([w, -w]), jnp.concatenate([b, -b]), jnp.asarray([1.0, -1.0]))
    np.testing.assert_allclose(mean_square(pair), jnp.sum(w**2) + b[0] ** 2, rtol=1e-12)


@EXAMPLES
@given(networks())
def test_no_risk_is_negative(one):
    found, size = risk(one)
    assert found >= -1e-13 * size
    weights = one.weights.at[2].set(one.target)
    itself = Network(weights, jnp.zeros(WIDTH), jnp.zeros(WIDTH).at[2].set(1.0), one.target)
    assert abs(float(risk(itself)[0])) <= 1e-13 * MOMENT


@EXAMPLES
@given(networks())
def test_degrees_add_up_to_the_risk(one):
    """No degree has a negative risk, and what is missing to the whole shrinks to what is left."""
    whole, size, degrees = map(np.asarray, risk_by_degree(one))
    assert np.all(degrees >= -1e-13 * size)
    missing = whole - np.cumsum(degrees)
    assert np.all(missing >= -1e-12 * size)


@jax.jit
def _grams(weights, target):
    """Gram matrix and correlations of random features, and of tangent features."""
    unit = weights / jnp.linalg.norm(weights, axis=1, keepdims=True)
    random = relu_gram(unit, None, unit, None), relu_gram(unit, None, target[None], None)[:, 0]
    return random, (tangent_gram(unit), tangent_correlations(unit, target))


def _best(weights, target):
    """Best risks of the first 1 ... N random features, and tangent features, of directions."""
    (random, products), tangent = jax.tree.map(np.array, _grams(weights, target))
    rf = best_risks(random, products, MOMENT, range(1, WIDTH + 1))
    ridge = 1e-13  # tangent features of few neurons are dependent: <w_i, x> is one of them
    nt = best_risks(*tangent, MOMENT, [DIM * (i + 1) for i in range(WIDTH)], ridge)
    return np.array([b.risk for b in rf]), np.array([b.risk for b in nt]), rf[-1].condition_number


@EXAMPLES
@given(st.integers(0, 2**32 - 1))
def test_more_features_do_better_and_tangent_features_better_than_random(seed):
    rng = np.random.default_rng(seed)
    weights, target = rng.normal(size=(WIDTH, DIM)), rng.normal(size=DIM)
    weights, target = jnp.asarray(weights), jnp.asarray(target / np.linalg.norm(target))
    rf, nt, condition = _best(weights, target)
    rounding = 1e-15 * condition + 1e-10
    for risks in (rf, nt):
        assert np.all(np.diff(risks) <= rounding)
        assert np.all((risks >= -rounding) & (risks <= MOMENT))
    assert np.all(nt <= rf + rounding)  # relu(h) = <w, x> 1[h > 0]
    turn = rotation(seed)
    turned = _best(weights @ turn, target @ turn)
    np.testing.assert_allclose(turned[0], rf, atol=rounding)
    np.testing.assert_allclose(turned[1], nt, atol=rounding)


@EXAMPLES
@given(networks(), st.integers(0, 2**32 - 1))
def test_rotations_and_orders_change_no_kernel(one, seed):
    turn, network = rotation(seed), make_network(WIDTH)
    order = np.random.default_rng(seed).permutation(WIDTH)
    x = jnp.asarray(np.random.default_rng(seed + 1).normal(size=(6, DIM)))

    def kernel(weights, outputs, x):
        params = {"params": {"hidden_kernel": weights.T, "output_kernel": outputs}}
        return np.asarray(_kernel(network, params, x))

    expected = kernel(one.weights, one.outputs, x)
    size = np.abs(expected).max()
    for found in (
        kernel(one.weights @ turn, one.outputs, x @ turn),
        kernel(one.weights[order], one.outputs[order], x),
        kernel(one.weights, -one.outputs, x),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-12 * size)


_kernel = jax.jit(tangent_kernel, static_argnums=0)
