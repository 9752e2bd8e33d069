"""What is compiled for fits, measurements and Gram matrices."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from rf_limits.experiments import approximation, fitted, measured_features, watch, width
from rf_limits.experiments.watch import Known, Options, Trained, Watcher
from rf_limits.learning.regression import kernel_regression
from rf_limits.models import (
    InfiniteNetwork,
    Kernels,
)
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


def _start(network, lead: int = SEEDS) -> width.Start:
    inputs = (floats(lead, NUM, DIM), floats(lead, NUM))
    return width.Start(params(network, lead), *inputs, spectrum(lead))


def _closed(network, *how: Any) -> tuple:
    numbers = (floats(CELLS), floats(CELLS), floats())
    return _start(network), whole(CELLS), *numbers, scaled(network), *how


add(
    "spectra of tangent kernels",
    width._spectra,
    lambda: (params(BIASED, SEEDS), floats(SEEDS, NUM, DIM), BIASED, "both", None),
)
add(
    "spectra of tangent kernels on a mesh",
    width._spectra,
    lambda: (params(RELU, SEEDS), floats(SEEDS, NUM, DIM), RELU, "hidden", mesh()),
)
add(
    "outputs at the start",
    width._outputs,
    lambda: (params(RELU, SEEDS), floats(SEEDS, NUM, DIM), RELU),
)
add("closed form", width._closed_form, lambda: _closed(BIASED, "both", False, None))
add("closed form of flow", width._closed_form, lambda: _closed(ERF, "output", True, mesh()))
add(
    "infinite width",
    width._limits,
    lambda: (floats(SEEDS, NUM, DIM), floats(SEEDS, TEST, DIM), InfiniteNetwork(BIASED), PROBE),
)
_FIT = cache(lambda num=NUM: jax.eval_shape(kernel_regression, floats(num, num), floats(num)))
add("fit: kernels", fitted._solve_kernel, lambda: (floats(NUM, NUM), floats(NUM), 0.1))
add(
    "fit: kernels of many points, factored or decomposed",
    fitted._solve_kernel,
    lambda: (floats(MANY, MANY), floats(MANY), 0.0),
)
add(
    "fit: random features",
    fitted.fit_random_features,
    lambda: (BIASED, params(BIASED), data(), 0.0, exact(BIASED)),
)
add(
    "fit: random features of erf neurons",
    fitted.fit_random_features,
    lambda: (ERF, params(ERF), data(), 0.1, exact(ERF)),
)
add(
    "fit: random features on a test set",
    fitted.fit_random_features,
    lambda: (TANH, params(TANH), data(), 0.0, None),
)
add(
    "fit: tangent kernel",
    fitted._tangent_gram,
    lambda: (ERF, params(ERF), floats(NUM, DIM)),
)
add(
    "fit: change of parameters",
    fitted._pull_back,
    lambda: (BIASED, params(BIASED), floats(NUM, DIM), floats(NUM)),
)
add(
    "fit: tangent features",
    fitted._solve_tangent_features,
    lambda: (BIASED, params(BIASED), data(num=30), 0.1),
)
add(
    "fit: risks of tangent features",
    fitted._tangent_row,
    lambda: (BIASED, params(BIASED), data(), _FIT(), params(BIASED), exact(BIASED)),
)
add(
    "fit: risks of tangent features of linear neurons",
    fitted._tangent_row,
    lambda: (LINEAR, params(LINEAR), data(), _FIT(), params(LINEAR), exact(LINEAR)),
)
add("fit: limit kernels", fitted.limit_kernels, lambda: (InfiniteNetwork(ERF), floats(NUM, DIM)))


def _data_kernels(risks) -> fitted.DataKernels:
    grams, crosses = (Kernels(*2 * [floats(rows, NUM)], floats()) for rows in (NUM, TEST))
    return fitted.DataKernels(grams, None if risks else crosses)


def _kernel_rows(risks) -> tuple:
    return _data_kernels(risks), data(), {"nngp": _FIT(), "ntk": _FIT()}, risks


add("fit: risks of kernels", fitted._kernel_rows, lambda: _kernel_rows(exact_kernels()))
add("fit: risks of kernels on a test set", fitted._kernel_rows, lambda: _kernel_rows(None))
add(
    "fit: risks of kernels in time",
    fitted.flow_risks,
    lambda: (_data_kernels(exact_kernels()), data(), floats(3), 0.1, exact_kernels()),
)
add(
    "fit: risks of kernels in time on a test set",
    fitted.flow_risks,
    lambda: (_data_kernels(None), data(), floats(3), 0.1, None),
)

# Measurements

_METHODS = frozenset({"network", "linearized", "rf_descent"})
_ALL = Options(PROBE, True, 2, True, True, True, (("mean", lambda seen: jnp.mean(seen.y)),))


def _watching(network, risks, options: Options, methods=_METHODS, **more: Any) -> tuple:
    weights = (1.0,) * DIM if options.alignment else ()
    watcher = Watcher(scaled(network), risks, "both", options, methods, weights, **more)
    trained = Trained(*[params(network, CELLS, dtype=jnp.float32)] * 3)
    ensemble = cells(network, jnp.float32)
    trees = (trained, ensemble.init, ensemble.alpha, ensemble.learning_rate)
    beside = limits() if options.infinite_width else None
    return watcher, trees, whole(CELLS), Known(data(SEEDS), floats(SEEDS, NUM), beside), floats()


add(
    "measure: every option",
    watch._measure,
    lambda: _watching(BIASED, exact(BIASED), _ALL, _METHODS - {"rf_descent"}),
)
add(
    "measure: linear neurons, flow",
    watch._measure,
    lambda: _watching(
        LINEAR, exact(LINEAR, -1, True), Options(PROBE, infinite_width=True), flow=True
    ),
)
add(
    "measure: on a test set and a mesh",
    watch._measure_quickly,
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
add("Gram matrix: many neurons", measured_features._own_gram, lambda: (floats(MANY, DIM), None))
