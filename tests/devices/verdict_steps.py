"""Functions that verdicts on networks, and limits of any target, compile."""

from functools import partial

import jax
import jax.numpy as jnp

from rf_limits.certifying.run_verdicts import _risk
from rf_limits.measure.own_span import _correlations, _tangent_gram
from rf_limits.problem.sampled_degrees import _estimates
from rf_limits.theory.bounds.tangent_features import _gram
from rf_limits.verdicts.forms import Function
from rf_limits.verdicts.risks import _layer_degrees, _layer_risk, _relu_risk
from tests.devices.steps import (
    BIASED,
    CENTRED,
    DIM,
    ERF,
    NEURON,
    PROBLEM,
    WIDTH,
    add,
    floats,
    keys,
    params,
    scaled,
)

_NETWORK = Function(lambda p, x: jnp.maximum(x @ p.T, 0.0) @ jnp.ones(WIDTH), floats(WIDTH, DIM))
_SOME = PROBLEM.noiseless

add("verdict: risk of relu", _relu_risk, lambda: (BIASED, params(BIASED), NEURON, floats()))
add("verdict: risk of erf", _layer_risk, lambda: (ERF, params(ERF), _SOME))
add(
    "verdict: risk in a run",
    _risk,
    lambda: (_SOME, scaled(CENTRED), params(CENTRED)),
)
add("verdict: degrees", _layer_degrees, lambda: (BIASED, params(BIASED), _SOME))
add("own span: hidden features", _tangent_gram, lambda: (floats(WIDTH, DIM),))
add(
    "own span: correlations",
    _correlations,
    lambda: (BIASED, floats(WIDTH, DIM), floats(WIDTH), NEURON),
)
add(
    "own span: all features",
    _gram,
    lambda: (floats(WIDTH, DIM), floats(WIDTH), "erf", True, "both"),
)
add("targets: degrees from pairs", _estimates, lambda: (NEURON, DIM, 3, floats(4), 2))


def _square(weights, key):
    x = _SOME.draw_inputs(key, 16)
    return (_NETWORK.values(weights, x) - NEURON(x)) ** 2


add(
    "verdict: sampled risk",
    jax.jit(lambda weights, some: jax.lax.map(partial(_square, weights), some)),
    lambda: (floats(WIDTH, DIM), keys(3)),
)
add(
    "verdict: derivatives",
    jax.jit(jax.vmap(jax.value_and_grad(lambda w, x: _NETWORK.values(w, x[None])[0]), (None, 0))),
    lambda: (floats(WIDTH, DIM), floats(4, DIM)),
)
