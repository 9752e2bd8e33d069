"""Targets: exact moments against simulation, formulas, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.problem import make_target, sample_inputs
from rf_limits.theory.relu_moments import ReluSum
from tests.variants import kept

CASES = {
    "neuron": {"kind": "single_neuron", "norm": 1.5},
    "biased neuron": {"kind": "single_neuron", "norm": 1.5, "bias": -0.4},
    "teacher": {"kind": "teacher", "neurons": 3},
    "biased teacher": {"kind": "teacher", "neurons": 3, "bias": 0.5},
    "constant": {"kind": "polynomial", "degree": 0},
    "line": {"kind": "polynomial", "degree": 1, "norm": 2.0},
    "quadratic": {"kind": "polynomial", "degree": 2},
    "quartic": {"kind": "polynomial", "degree": 4, "norm": 0.5},
    "monomial": {"kind": "polynomial", "degree": 3, "norm": 2.0, "polynomial": "monomial"},
    "harmonic": {"kind": "polynomial", "degree": 3, "polynomial": "harmonic"},
    "product": {"kind": "polynomial", "degree": 4, "polynomial": "hermite_product"},
    "zonal": {"kind": "polynomial", "degree": 4, "polynomial": "gegenbauer"},
}


def target_of(key, case, dim=6):
    """One of CASES."""
    options = dict(CASES[case])
    return make_target(key, options.pop("kind"), dim=dim, **options)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("inputs", ["gaussian", "sphere"])
def test_second_moment_matches_simulation(key, case, inputs):
    target = target_of(key, case)
    x = sample_inputs(jax.random.fold_in(key, 1), inputs, 400_000, 6)
    square = target(x) ** 2
    error = float(jnp.std(square)) / np.sqrt(square.size)
    # 6 standard errors: false alarm below 1e-8 per case
    assert abs(float(jnp.mean(square)) - target.second_moment(inputs)) < 6 * error + 1e-12


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sloped", kept([False, True], [True]))
def test_product_matches_simulation(key, case, sloped):
    target = target_of(key, case)
    keys = jax.random.split(jax.random.fold_in(key, 1), 6)
    f = ReluSum(
        jax.random.normal(keys[0], (4, 6)),
        jax.random.normal(keys[1], (4,)),
        jax.random.normal(keys[2], (4,)),
        jax.random.normal(keys[3], (4, 6)) if sloped else None,
        jax.random.normal(keys[4], (4,)) if sloped else None,
    )
    x = jax.random.normal(keys[5], (400_000, 6))
    values = f(x) * target(x)
    error = float(jnp.std(values)) / np.sqrt(values.size)
    # 6 standard errors: false alarm below 1e-8 per case
    assert abs(float(jnp.mean(values)) - float(target.product(f))) < 6 * error


def test_known_moments(key):
    neuron = make_target(key, "single_neuron", dim=7, norm=3.0)
    assert abs(neuron.second_moment("gaussian") - 4.5) < 1e-14
    assert neuron.second_moment("sphere") == neuron.second_moment("gaussian")
    np.testing.assert_allclose(neuron.norm, [3.0], rtol=1e-15)
    assert make_target(key, "polynomial", dim=7, degree=3).second_moment("gaussian") == 1.0


def test_formulas(key):
    neuron = make_target(key, "single_neuron", dim=7, norm=3.0, bias=-0.5)
    assert neuron.formula() == "relu(<w*, x> - 0.5), |w*| = 3, d = 7"
    assert "he_4" in make_target(key, "polynomial", dim=7, degree=4).formula()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "single_neurone"}, "Did you mean 'single_neuron'"),
        ({"kind": "single_neuron", "dim": 0}, "problem.dim must be at least 1"),
        ({"kind": "single_neuron", "norm": 0.0}, "problem.norm must be positive"),
        ({"kind": "polynomial", "bias": 1.0}, "problem.bias must be 0"),
        ({"kind": "teacher", "neurons": 0}, "problem.neurons must be at least 1"),
    ],
)
def test_refusals(key, options, message):
    options = {"dim": 4, **options}
    with pytest.raises(RequirementError, match=message):
        make_target(key, options.pop("kind"), **options)
