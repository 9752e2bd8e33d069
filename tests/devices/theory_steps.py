"""Functions of rf_limits for arrays that are compiled as part of others, or by who calls them.

Those that compute with NumPy and SciPy on the host are left out: they run on no device.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from rf_limits.measure.alignment import alignment
from rf_limits.models import (
    change_of,
    gradient_flow_ensemble,
    infinite_width_kernels,
    init_params,
    make_network,
    tangent_features,
    tangent_kernel,
)
from rf_limits.models.ensemble_loss import ensemble_loss
from rf_limits.models.network import ACTIVATIONS, PARAMETERIZATIONS
from rf_limits.optimization.optimizers import make_optimizer, parse_optimizer
from rf_limits.problem import Gegenbauer, make_polynomial
from rf_limits.regression.dense import feature_regression
from rf_limits.theory import (
    ReluSum,
    degree_products,
    degree_risks,
    gaussian_gram,
    population_risk,
    relu_gram,
)
from rf_limits.theory.bounds.best_features import tangent_correlations, tangent_gram
from rf_limits.theory.expectations.activations import Units
from rf_limits.theory.expectations.gaussian_gram import FUNCTIONS, series_gram
from rf_limits.theory.expectations.pair_quadrature import pair_quadrature
from rf_limits.theory.risks.kernel_predictors import KernelPredictor, kernel_moments
from rf_limits.theory.risks.population_risk import mean_square_difference
from tests.devices.steps import (
    BIASED,
    DEGREE,
    DIM,
    MANY,
    NEURON,
    NUM,
    RELU,
    TEACHER,
    TEST,
    WIDTH,
    Example,
    exact_kernels,
    floats,
    keys,
    pair,
    params,
    scaled,
)

THEORY: dict[str, Example] = {}
"""By name of what is lowered."""


def _add(name: str, function: Callable, *arguments) -> None:
    assert name not in THEORY, name
    THEORY[name] = Example(jax.jit(function), lambda: arguments)


def _sum(num: int, biased: bool = False, slopes: bool = False) -> ReluSum:
    """A sum of neurons, and with ``slopes`` of their gradient features."""
    biases = floats(num) if biased else None
    gates = (floats(num, DIM), biases, floats(num))
    return ReluSum(*gates, floats(num, DIM), biases) if slopes else ReluSum(*gates)


# Gram matrices

_add("relu_gram", relu_gram, floats(WIDTH, DIM), None, floats(2, DIM), None)


def _gradient(activation, w, a, v, b):
    return jax.grad(lambda w: jnp.sum(gaussian_gram(w, a, v, b, activation)))(w)


def _curvature(w, a, v, b):
    return jax.jvp(lambda w: _gradient("relu", w, a, v, b), (w,), (w,))


_add("gaussian_gram: gradient, erf", partial(_gradient, "erf"), *pair(WIDTH, 2))
_add("gaussian_gram: second derivatives, relu", _curvature, *pair(WIDTH, 2))
for _name in FUNCTIONS:
    _own = partial(gaussian_gram, activation=_name)
    _add(f"gaussian_gram: {_name} with itself", _own, *pair(WIDTH, 2))
    if _name != "relu":
        _add(f"gaussian_gram: {_name} with relu", partial(_own, other="relu"), *pair(WIDTH, 2))
for _names in (("linear", "gelu"), ("quadratic", "erf"), ("erf", "step"), ("sin", "tanh")):
    _pair = partial(gaussian_gram, activation=_names[0], other=_names[1])
    _add(f"gaussian_gram: {' with '.join(_names)}", _pair, *pair(WIDTH, 2))
_add(
    "series_gram: value and error",
    partial(series_gram, activation="tanh", other="step"),
    *pair(WIDTH, 2),
)
_add(
    "pair_quadrature",
    lambda w, a, v, b: pair_quadrature(Units(w, a, "tanh"), Units(v, b, jax.nn.relu)),
    *pair(WIDTH, 2),
)
_add("tangent_gram", tangent_gram, floats(WIDTH, DIM))
_add("tangent_correlations", tangent_correlations, floats(WIDTH, DIM), floats(DIM))

# Risks


_add(
    "population_risk: many gates with slopes",
    lambda f: population_risk(f, NEURON, 0.5),
    _sum(MANY, slopes=True),
)
_add("mean_square_difference", mean_square_difference, _sum(WIDTH), _sum(WIDTH, slopes=True))
_add(
    "degree_products: neurons with biases",
    lambda f, g: degree_products(f, g, DEGREE),
    _sum(WIDTH, biased=True),
    _sum(2, biased=True),
)
_add(
    "degree_risks: gradient features",
    lambda f: degree_risks(f, NEURON, DEGREE),
    _sum(WIDTH, biased=True, slopes=True),
)
_add(
    "degree_risks: many neurons on the sphere, gradient",
    jax.grad(lambda f: jnp.sum(degree_risks(f, TEACHER, DEGREE, inputs="sphere"))),
    _sum(MANY),
)


def _polynomial_risks(f: ReluSum):
    axis = jnp.eye(1, DIM)
    targets = (make_polynomial(axis, "single_index", 3), Gegenbauer(axis[0], 3, 1.0))
    return [(population_risk(f, t, 1.0), degree_risks(f, t, DEGREE)) for t in targets]


_add("population_risk and degree_risks: polynomials", _polynomial_risks, _sum(2, slopes=True))
_add(
    "degree_risks: kernel predictors",
    lambda x, c: degree_risks(
        KernelPredictor(x, c, exact_kernels().eigenvalues["ntk"]), NEURON, DEGREE
    ),
    floats(NUM, DIM),
    floats(NUM),
)
_add(
    "kernel_moments",
    lambda x: kernel_moments(exact_kernels().series["ntk"], x),
    floats(MANY, DIM),
)
_add(
    "alignment",
    alignment,
    scaled(BIASED),
    params(BIASED),
    floats(DIM),
)

# Networks and their kernels


def _outputs(f, p, x):
    """What f and its linearization give, and a gradient."""

    def both(p):
        change = change_of(p, f.init)
        return jnp.sum(f.after(change, x) + f.linearized_after(change, x))

    return jax.value_and_grad(both)(p)


for _name in ACTIVATIONS:
    _network = make_network(WIDTH, activation=_name, use_bias=True, centring="subtract")
    _given = (scaled(_network), params(_network), floats(NUM, DIM))
    _add(f"ScaledNetwork: gradient with {_name}", _outputs, *_given)
    _kernels = partial(infinite_width_kernels, _network)
    _add(f"infinite_width_kernels: {_name}", _kernels, floats(NUM, DIM), floats(TEST, DIM))
for _name in PARAMETERIZATIONS:
    _network = make_network(WIDTH, parameterization=_name)
    _kernels = partial(infinite_width_kernels, _network)
    _add(f"infinite_width_kernels: {_name}", _kernels, floats(NUM, DIM))
_SIGNS = make_network(WIDTH, output_init="sign", centring="antisymmetric")
_add("init_params: signs, antisymmetric", lambda key: init_params(_SIGNS, key, DIM), keys())
_add(
    "tangent_kernel",
    partial(tangent_kernel, BIASED),
    params(BIASED),
    floats(NUM, DIM),
    floats(TEST, DIM),
)
_add("tangent_features", partial(tangent_features, BIASED), params(BIASED), floats(NUM, DIM))
_SETS = (floats(NUM, DIM), floats(NUM), floats(TEST, DIM))
_add(
    "gradient_flow_ensemble: at convergence",
    lambda x, y, z: gradient_flow_ensemble(RELU, x, y, z, None, method="nngp", ridge=0.1),
    *_SETS,
)
_add(
    "gradient_flow_ensemble: in time, with covariance",
    lambda x, y, z, t: gradient_flow_ensemble(BIASED, x, y, z, t, covariance=True),
    *_SETS,
    floats(3),
)
_add("ensemble_loss", partial(ensemble_loss, RELU), *_SETS, floats(TEST), floats(3))

# Regression and optimizers

_add("feature_regression", feature_regression, floats(NUM, WIDTH), floats(NUM), 0.0)
_add("feature_regression: more features than points", feature_regression, floats(4, 9), floats(4))


def _update(text: str, rate, p):
    transform = make_optimizer(parse_optimizer(text), rate, "both")
    return transform.update(p, transform.init(p), p)


for _name in ("sgd(nesterov=True, momentum=0.9)", "adamw", "rmsprop", "lion"):
    _add(f"optimizer: {_name}", partial(_update, _name), floats(), params(RELU))
