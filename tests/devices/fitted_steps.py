"""What is compiled for fits, measurements and Gram matrices."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from rf_limits.methods import (
    LINEARIZED,
    NETWORK,
    NNGP,
    NTK,
    RF_DESCENT,
    FixedKernel,
    kernel,
    random_features,
    regression,
    tangent_features,
)
from rf_limits.methods.kernel import Matrices
from rf_limits.models import InfiniteNetwork
from rf_limits.regression.dense import kernel_regression
from rf_limits.studies import approximation
from rf_limits.studies.hardness import measured_features
from rf_limits.training import closed_form, measurements, seed_data
from rf_limits.training import networks as drawn
from rf_limits.training.measurements import Measurements, Options
from rf_limits.training.seed_data import SeedData
from tests.devices.steps import (
    BIASED,
    CELLS,
    DIM,
    ERF,
    LINEAR,
    MANY,
    NUM,
    PROBE,
    RELU,
    SEEDS,
    TANH,
    TEST,
    WIDTH,
    add,
    cells,
    data,
    exact,
    exact_kernels,
    floats,
    limits,
    mesh,
    pair,
    params,
    scaled,
    spectrum,
    whole,
)


def _start(network, lead: int = SEEDS) -> closed_form.Start:
    inputs = (floats(lead, NUM, DIM), floats(lead, NUM))
    return closed_form.Start(params(network, lead), *inputs, spectrum(lead))


def _closed(network, *how: Any) -> tuple:
    numbers = (floats(CELLS), floats(CELLS), floats())
    return _start(network), whole(CELLS), *numbers, network, *how


add(
    "spectra of tangent kernels",
    closed_form._spectra,
    lambda: (params(BIASED, SEEDS), floats(SEEDS, NUM, DIM), BIASED, "both", None),
)
add(
    "spectra of tangent kernels on a mesh",
    closed_form._spectra,
    lambda: (params(RELU, SEEDS), floats(SEEDS, NUM, DIM), RELU, "hidden", mesh()),
)
add(
    "outputs at the start",
    drawn._outputs,
    lambda: (params(RELU, SEEDS), floats(SEEDS, NUM, DIM), RELU),
)
add("closed form", closed_form._closed_form, lambda: _closed(BIASED, "both", False, None))
add("closed form of flow", closed_form._closed_form, lambda: _closed(ERF, "output", True, mesh()))
add(
    "infinite width",
    seed_data._limits,
    lambda: (floats(SEEDS, NUM, DIM), floats(SEEDS, TEST, DIM), InfiniteNetwork(BIASED), PROBE),
)
_FIT = cache(lambda num=NUM: jax.eval_shape(kernel_regression, floats(num, num), floats(num)))
add("fit: kernels", regression.solve_kernel, lambda: (floats(NUM, NUM), floats(NUM), 0.1))
add(
    "fit: kernels of many points, factored or decomposed",
    regression.solve_kernel,
    lambda: (floats(MANY, MANY), floats(MANY), 0.0),
)
add(
    "fit: random features",
    random_features.fit_random_features,
    lambda: (scaled(BIASED), data(), 0.0, exact(BIASED)),
)
add(
    "fit: random features of erf neurons",
    random_features.fit_random_features,
    lambda: (scaled(ERF), data(), 0.1, exact(ERF)),
)
add(
    "fit: random features on a test set",
    random_features.fit_random_features,
    lambda: (scaled(TANH), data(), 0.0, None),
)
add(
    "fit: tangent kernel",
    tangent_features._gram,
    lambda: (ERF, params(ERF), floats(NUM, DIM)),
)
add(
    "fit: change of parameters",
    tangent_features._pull_back,
    lambda: (BIASED, params(BIASED), floats(NUM, DIM), floats(NUM)),
)
add(
    "fit: tangent features",
    tangent_features._solve_features,
    lambda: (scaled(BIASED), data(num=30), 0.1),
)
add(
    "fit: risks of tangent features",
    tangent_features._measured,
    lambda: (scaled(BIASED), data(), _FIT(), params(BIASED), exact(BIASED)),
)
add(
    "fit: risks of tangent features of linear neurons",
    tangent_features._measured,
    lambda: (scaled(LINEAR), data(), _FIT(), params(LINEAR), exact(LINEAR)),
)
add("fit: limit kernels", kernel.network_kernels, lambda: (InfiniteNetwork(ERF), floats(NUM, DIM)))


class Linear(FixedKernel):
    """The linear kernel."""

    def kernel(self, left, right):
        """Inner products."""
        return left @ right.T


_OWN = Linear(key="linear", label="linear", short="linear", colour="#123456", marker="o")


_BOTH = (NNGP, NTK)


def _matrices(risks) -> dict[str, Matrices]:
    one = Matrices(floats(NUM, NUM), None if risks else floats(TEST, NUM), floats())
    return {method.key: one for method in _BOTH}


def _fits() -> dict:
    return {method.key: _FIT() for method in _BOTH}


add(
    "fit: risk of a kernel",
    kernel.measured,
    lambda: (_BOTH, _matrices(True), data(), _fits(), exact_kernels()),
)
add(
    "fit: risk of a kernel on a test set",
    kernel.measured,
    lambda: (_BOTH, _matrices(None), data(), _fits(), None),
)
add(
    "fit: risks of a kernel in time",
    kernel.flow_risks,
    lambda: (_BOTH, _matrices(True), data(), floats(3), 0.1, exact_kernels()),
)
add(
    "fit: risks of a kernel in time on a test set",
    kernel.flow_risks,
    lambda: (_BOTH, _matrices(None), data(), floats(3), 0.1, None),
)
add(
    "fit: a kernel of the user's own",
    kernel._values,
    lambda: (_OWN, floats(TEST, DIM), floats(NUM, DIM)),
)

# Measurements

_METHODS = (NETWORK, LINEARIZED, RF_DESCENT)
_ALL = Options(PROBE, True, 2, True, True, True, (("mean", lambda seen: jnp.mean(seen.y)),))


def _watching(network, risks, options: Options, methods=_METHODS, **more: Any) -> tuple:
    weights = (1.0,) * DIM if options.alignment else ()
    measuring = Measurements(network, risks, "both", options, methods, weights, **more)
    changes = {method.key: params(network, CELLS, dtype=jnp.float32) for method in methods}
    ensemble = cells(network, jnp.float32)
    trees = (changes, ensemble.init, ensemble.alpha, ensemble.learning_rate)
    beside = limits() if options.infinite_width else None
    return (
        measuring,
        trees,
        whole(CELLS),
        SeedData(data(SEEDS), floats(SEEDS, NUM), beside),
        floats(),
    )


add(
    "measure: every option",
    measurements._measure,
    lambda: _watching(BIASED, exact(BIASED), _ALL, _METHODS[:2]),
)
add(
    "measure: linear neurons, flow",
    measurements._measure,
    lambda: _watching(LINEAR, exact(LINEAR, -1), Options(PROBE, infinite_width=True), flow=True),
)
add(
    "measure: on a test set and a mesh",
    measurements._measure_quickly,
    lambda: _watching(TANH, None, Options(PROBE, test_loss=True), mesh=mesh()),
)

# Gram matrices of experiments


add(
    "Gram matrix: erf features and a neuron",
    approximation._gram,
    lambda: (*pair(WIDTH), "erf", "relu"),
)
add("Gram matrix: tangent features", approximation._tangent_gram, lambda: (floats(MANY, DIM),))
add(
    "Gram matrix: many random features",
    approximation.random_features_gram,
    lambda: (floats(MANY, DIM), floats(MANY), "erf"),
)
add("Gram matrix: features and a neuron", measured_features._gram, lambda: pair(WIDTH))
add(
    "Gram matrix: many neurons", measured_features._features_gram, lambda: (floats(MANY, DIM), None)
)
