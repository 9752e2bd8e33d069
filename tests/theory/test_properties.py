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
from rf_limits.theory.bounds.best_features import best_risks, tangent_correlations, tangent_gram
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.risks.degree_risks import degree_risks
from rf_limits.theory.risks.population_risk import expected_square, population_risk
from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_product
from tests.rounding import rounding

WIDTH, DIM, DEGREES = 5, 3, 4
PAIR = 200
"""Roundings behind a pair of neurons, as in ``test_relu_moments``."""
MOMENT = 0.5
"""E relu(<v, x>)^2 for |v| = 1."""
EXAMPLES = settings(max_examples=25, deadline=None)


class Network(NamedTuple):
    """A ReLU network with biases, and a target neuron of unit length without."""

    weights: np.ndarray
    biases: np.ndarray
    outputs: np.ndarray
    target: np.ndarray


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
    return Network(*arrays, target / np.linalg.norm(target))


class Neuron(NamedTuple):
    """relu(<direction, x>) as a target."""

    direction: jax.Array

    def as_sum(self):
        return ReluSum(self.direction[None], None, jnp.ones(1))

    def product(self, f):
        return relu_sum_product(f, self.as_sum())


@jax.jit
def _risk(one):
    f = ReluSum(one.weights, one.biases, one.outputs)
    return population_risk(f, Neuron(one.target), MOMENT)


@jax.jit
def _risk_by_degree(one):
    f, neuron = ReluSum(one.weights, None, one.outputs), Neuron(one.target)
    return population_risk(f, neuron, MOMENT), degree_risks(f, neuron.as_sum(), DEGREES)


def left(one):
    """What rounding leaves of a risk: that of sums over pairs, which may cancel."""
    lengths = np.hypot(np.linalg.norm(one.weights, axis=1), one.biases)
    size = 1.0 + np.sum(np.abs(one.outputs) * lengths)  # the target's length is 1
    return rounding(PAIR + WIDTH**2) * size**2


def risk(one):
    """The exact risk, and what rounding leaves of it."""
    return float(_risk(one)), left(one)


def risk_by_degree(one):
    """The same without biases, and the risk of every degree."""
    whole, degrees = map(np.asarray, _risk_by_degree(one))
    return whole, left(one), degrees


mean_square = jax.jit(lambda *parts: expected_square(ReluSum(*parts)))


def rotation(seed):
    """A random orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, DIM)))[0]


def assert_same(one, other):
    """Compares two risks; the other network has gone through a few roundings more."""
    (a, bound), (b, _) = risk(one), risk(other)
    np.testing.assert_allclose(a, b, rtol=0.0, atol=3.0 * bound)


@EXAMPLES
@given(networks(), st.integers(0, 2**32 - 1))
def test_rotations_change_no_risk(one, seed):
    turn = rotation(seed)
    assert_same(one, one._replace(weights=one.weights @ turn, target=one.target @ turn))


@EXAMPLES
@given(networks(), st.permutations(range(WIDTH)))
def test_neurons_have_no_order(one, order):
    assert_same(one, Network(*(leaf[order] for leaf in one[:3]), one.target))


@EXAMPLES
@given(networks(), st.lists(st.floats(1e-3, 1e3), min_size=WIDTH, max_size=WIDTH))
def test_relu_is_positively_homogeneous(one, factors):
    """C u relu(h/c) = u relu(h)."""
    c = np.asarray(factors)
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
    pair = np.concatenate([w, -w]), np.concatenate([b, -b]), np.array([1.0, -1.0])
    # four pairs, of sizes |w|^2 + b^2
    expected = np.sum(np.square(w)) + float(b[0]) ** 2
    np.testing.assert_allclose(mean_square(*pair), expected, rtol=rounding(PAIR, 4.0))


@EXAMPLES
@given(networks())
def test_no_risk_is_negative(one):
    found, bound = risk(one)
    assert found >= -bound
    weights = one.weights.copy()
    weights[2] = one.target
    arrays = weights, np.zeros(WIDTH), np.eye(WIDTH)[2]
    found, bound = risk(Network(*arrays, one.target))
    assert abs(found) <= bound


@EXAMPLES
@given(networks())
def test_degrees_add_up_to_the_risk(one):
    """No degree has a negative risk, and what is missing to the whole shrinks to what is left."""
    whole, bound, degrees = risk_by_degree(one)
    assert np.all(degrees >= -bound)
    missing = whole - np.cumsum(degrees)
    assert np.all(missing >= -2.0 * bound)


@jax.jit
def _grams(weights, target):
    """Gram matrix and correlations of random features, and of tangent features."""
    unit = weights / jnp.linalg.norm(weights, axis=1, keepdims=True)
    random = relu_gram(unit, None, unit, None), relu_gram(unit, None, target[None], None)[:, 0]
    return random, (tangent_gram(unit), tangent_correlations(unit, target))


def _best(weights, target):
    """Best risks of the first 1 ... N random features, and tangent features, of directions.

    And what ridge and rounding leave of them: u^T (ridge + error of G) u at the best u.
    """
    (random, products), tangent = jax.tree.map(np.array, _grams(weights, target))
    left = lambda gram, ridge: ridge + rounding(PAIR + 3 * len(gram)) * np.trace(gram)
    ridge = 1e-13  # tangent features of few neurons are dependent: <w_i, x> is one of them
    errors = left(random, 0.0), left(tangent[0], ridge)
    rf = best_risks(random, products, MOMENT, range(1, WIDTH + 1))
    nt = best_risks(*tangent, MOMENT, [DIM * (i + 1) for i in range(WIDTH)], ridge)
    slack = max(
        error * max(b.num_features * b.max_weight**2 for b in best)
        for error, best in zip(errors, (rf, nt), strict=True)
    )
    return np.array([b.risk for b in rf]), np.array([b.risk for b in nt]), 2.0 * slack


@EXAMPLES
@given(st.integers(0, 2**32 - 1))
def test_more_features_do_better_and_tangent_features_better_than_random(seed):
    rng = np.random.default_rng(seed)
    weights, target = rng.normal(size=(WIDTH, DIM)), rng.normal(size=DIM)
    target /= np.linalg.norm(target)
    rf, nt, slack = _best(weights, target)
    for risks in (rf, nt):
        assert np.all(np.diff(risks) <= slack)
        assert np.all((risks >= 0.0) & (risks <= MOMENT))
    assert np.all(nt <= rf + slack)  # relu(h) = <w, x> 1[h > 0]
    turn = rotation(seed)
    *turned, other = _best(weights @ turn, target @ turn)
    np.testing.assert_allclose(turned[0], rf, rtol=0, atol=slack + other)
    np.testing.assert_allclose(turned[1], nt, rtol=0, atol=slack + other)


@EXAMPLES
@given(networks(), st.integers(0, 2**32 - 1))
def test_rotations_and_orders_change_no_kernel(one, seed):
    turn, network = rotation(seed), make_network(WIDTH)
    order = np.random.default_rng(seed).permutation(WIDTH)
    x = np.random.default_rng(seed + 1).normal(size=(6, DIM))

    def kernel(weights, outputs, x):
        params = {"params": {"hidden_kernel": weights.T, "output_kernel": outputs}}
        return np.asarray(_kernel(network, params, x))

    expected = kernel(one.weights, one.outputs, x)
    # sums over neurons of products of two inner products, and one rotation of each
    size = (np.sum(np.square(one.outputs)) + np.sum(np.square(one.weights))) * np.max(x @ x.T)
    atol = rounding(8 * DIM + WIDTH + 10) * size
    for found in (
        kernel(one.weights @ turn, one.outputs, x @ turn),
        kernel(one.weights[order], one.outputs[order], x),
        kernel(one.weights, -one.outputs, x),
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


_kernel = jax.jit(tangent_kernel, static_argnums=0)
