"""Risks of networks in every form: one number, whatever holds the weights."""

import equinox
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from rf_limits import risk
from rf_limits.errors import RequirementError
from rf_limits.problem import SampledTarget, SingleNeuron, Teacher, make_polynomial
from rf_limits.theory import ReluSum, population_risk

DIM, WIDTH = 4, 6
RNG = np.random.default_rng(0)
W, U, B = RNG.standard_normal((WIDTH, DIM)), RNG.standard_normal(WIDTH), RNG.standard_normal(WIDTH)
NEURON = SingleNeuron.create(np.arange(1.0, 5.0), 1.5, 0.3)


class Tensor:
    """A tensor of PyTorch as far as it is used."""

    def __init__(self, array):
        self._array = array

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self._array


class Linear(nnx.Module):
    """One hidden layer in NNX, with the weights above."""

    def __init__(self):
        self.hidden = nnx.Linear(DIM, WIDTH, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
        self.output = nnx.Linear(
            WIDTH, 1, use_bias=False, param_dtype=jnp.float64, rngs=nnx.Rngs(0)
        )
        self.hidden.kernel[...] = jnp.asarray(W.T)
        self.hidden.bias[...] = jnp.asarray(B)
        self.output.kernel[...] = jnp.asarray(U[:, None])

    def __call__(self, x):
        return self.output(nnx.relu(self.hidden(x)))


def function(params, x):
    w, u, b = params
    return jnp.maximum(x @ w.T + b, 0.0) @ u


def linen_module():
    module = linen.Sequential([linen.Dense(WIDTH), linen.relu, linen.Dense(1, use_bias=False)])
    kernels = {"kernel": jnp.asarray(W.T), "bias": jnp.asarray(B)}
    variables = {"layers_0": kernels, "layers_2": {"kernel": jnp.asarray(U[:, None])}}
    return module, {"params": variables}


def equinox_module():
    module = equinox.nn.MLP(
        DIM, 1, WIDTH, 1, use_final_bias=False, key=jax.random.key(0), activation=jax.nn.relu
    )
    first, last = module.layers
    first = equinox.tree_at(lambda m: (m.weight, m.bias), first, (jnp.asarray(W), jnp.asarray(B)))
    last = equinox.tree_at(lambda m: m.weight, last, jnp.asarray(U[None, :]))
    return equinox.tree_at(lambda m: m.layers, module, (first, last))


def exact():
    f = ReluSum(jnp.asarray(W), jnp.asarray(B), jnp.asarray(U))
    return float(population_risk(f, NEURON, NEURON.second_moment("gaussian")))


ARRAYS = {
    "numpy": ((W, U, B), {}),
    "jax": (tuple(map(jnp.asarray, (W, U, B))), {}),
    "torch": (tuple(map(Tensor, (W, U, B))), {}),
    "column": ((W, U[:, None], B), {}),
    "flax": ((W.T, U, B), {"layout": "flax"}),
    "ntk": ((W * 2.0, U * WIDTH**0.5, B), {"prefactor": "ntk"}),
    "mean_field": ((W * 2.0, U * WIDTH, B), {"prefactor": "mean_field"}),
    "number": ((W, U * 8.0, B), {"prefactor": 0.125}),
}


@pytest.mark.parametrize("form", ARRAYS)
def test_arrays_have_exact_risks(form):
    weights, options = ARRAYS[form]
    found = risk(weights, NEURON, **options)
    assert found.exact
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 1e-13 * (
        np.sum(np.abs(U) * (np.linalg.norm(W, axis=1) + 3)) ** 2
    )
    assert float(found) == pytest.approx(exact(), rel=1e-12)


def test_single_precision_is_taken_as_it_is():
    single = tuple(array.astype(np.float32) for array in (W, U, B))
    again = tuple(array.astype(np.float64) for array in single)
    assert float(risk(single, NEURON)) == float(risk(again, NEURON))


@pytest.mark.parametrize(
    "weights",
    [(function, (W, U, B)), linen_module(), Linear(), equinox_module()],
    ids=["function", "linen", "nnx", "equinox"],
)
def test_functions_and_modules_have_the_same_risk_within_their_interval(weights):
    found = risk(weights, NEURON)
    assert not found.exact
    assert found.low < exact() < found.high
    assert found.high - found.low < 0.1 * exact()


def test_other_activations_and_targets():
    rng = np.random.default_rng(1)
    teacher = Teacher(rng.standard_normal((2, DIM)), np.array([0.2, -0.4]), np.array([1.0, -1.0]))
    for name, apply in (("erf", jax.scipy.special.erf), ("tanh", jnp.tanh)):
        found = risk((W, U, B), teacher, activation=name)
        sampled = risk((lambda p, x, f=apply: f(x @ p[0].T + p[2]) @ p[1], (W, U, B)), teacher)
        assert found.exact == (name == "erf")
        assert sampled.low < found.value < sampled.high
    cubic = make_polynomial(jnp.eye(1, DIM), "single_index", 3)
    assert risk((W, U, B), cubic).exact
    known_by_values = SampledTarget(DIM, lambda x: jnp.tanh(x[:, 0]), "tanh(x_1)")
    assert not risk((W, U, B), known_by_values).exact
    assert not risk((W, U, B), NEURON, inputs="sphere").exact  # with biases it is not known
    assert risk((W, U), SingleNeuron.create(np.eye(DIM)[0], 1.0, 0.0), inputs="sphere").exact


def test_predicting_zero_has_the_second_moment():
    found = risk(lambda x: 0.0 * x[:, 0], NEURON)
    moment = NEURON.second_moment("gaussian")
    assert found.low < moment < found.high
    assert float(risk((W, 0.0 * U), NEURON)) == pytest.approx(moment, rel=1e-14)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((W.T, U), r"W must have shape \(N, 4\)"),
        ((W, U[:3]), "u must have 6 entries"),
        ((W, U, B[:3]), "b must have 6 entries"),
        ((W,), r"weights must be \(W, u\) or \(W, u, b\)"),
        ((np.full((WIDTH, DIM), np.nan), U), "weights must be finite"),
        (((("a",),), U), "W must be"),
        ("network", "weights must be a tuple of arrays"),
        ((lambda p, x: x, ()), "weights must be a function with one value for each"),
    ],
)
def test_what_is_no_network_is_refused_in_a_line(weights, message):
    with pytest.raises(RequirementError, match=message) as error:
        risk(weights, NEURON)
    assert "\n" not in str(error.value)
