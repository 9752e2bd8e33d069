"""The best risk in the tangent span of a network of any depth, estimated from below.

Least squares on m fresh inputs has a mean residual RSS/m below the best risk in the span, by the
factor 1 - P/m for P features, so that it estimates it from below: no ridge and no truncation
above rounding may raise it. It is lowered further by its standard error.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float
from scipy import stats

from rf_limits.errors import check
from rf_limits.measure.own_span import MOST_FEATURES, own_span
from rf_limits.problem.problem import Problem
from rf_limits.verdicts.forms import Function, Layer, Network

_RATIO = 8  # test inputs for each feature
_LEAST_SAMPLES = 2**14
_MOST_ENTRIES = 3 * 10**8  # of the features of all inputs, which sets how many there are
_BLOCK = 2**12


class SpanRisk(NamedTuple):
    """The best risk in the span of the initial tangent features and the initial output.

    Attributes:
      value: the risk, absolute: exact, or RSS/m of least squares on fresh inputs.
      low: a lower end: the value less its error, by rounding or sampling.
      num_features: P.
      exact: whether it is computed rather than sampled.
    """

    value: float
    low: float
    num_features: int
    exact: bool


def _features(network: Function) -> tuple[Callable[[Array], Array], int]:
    """Returns derivatives by all parameters and the initial output, (n, d) -> (n, P + 1)."""
    double = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), network.params)
    flat, restore = jax.flatten_util.ravel_pytree(double)

    def one(flat: Array, x: Array) -> Array:
        return network.values(restore(flat), x[None, :])[0]

    @jax.jit
    def rows(x: Float[Array, "n d"]) -> Float[Array, "n P"]:
        value, slopes = jax.vmap(jax.value_and_grad(one), (None, 0))(flat, x)
        return jnp.concatenate([slopes, value[:, None]], axis=1)

    return rows, int(flat.size) + 1


def sampled_span(network: Function, problem: Problem, level: float, seed: int = 0) -> SpanRisk:
    """Returns the estimate from below of the best risk in the tangent span of a function.

    Args:
      network: at its initial parameters.
      problem: what is learned; the label noise does not enter.
      level: at which ``low`` is a lower end, one-sided, by the normal approximation.
      seed: draws the inputs.

    Raises:
      RequirementError: more than 6000 features.
    """
    rows, count = _features(network)
    requirement = f"have at most {MOST_FEATURES - 1} parameters for the tangent span"
    check(count <= MOST_FEATURES, "initial", requirement, count - 1)
    wanted = max(_LEAST_SAMPLES, min(_RATIO * count, _MOST_ENTRIES // count), 4 * count)
    blocks = -(-wanted // _BLOCK)
    keys = jax.random.split(jax.random.key(seed), blocks)

    def block(key: Array) -> tuple[Any, Any]:
        x = problem.draw_inputs(key, _BLOCK)
        return np.asarray(rows(x)), np.asarray(problem.target(x))

    reduced = np.zeros((0, count + 1))
    for key in keys:  # the triangular factor of all rows so far, labels as the last column
        features, labels = block(key)
        stacked = np.concatenate([reduced, np.column_stack([features, labels])])
        reduced = scipy.linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)[0]
        reduced = reduced[: count + 1]
    check(bool(np.all(np.isfinite(reduced))), "initial", "have finite derivatives", "others")
    # the triangular factor keeps all lengths; features that depend on others take nothing off
    fit = np.linalg.lstsq(reduced[:, :-1], reduced[:, -1], rcond=None)[0]
    squares = []
    for key in keys:
        features, labels = block(key)
        squares.append((labels - features @ fit) ** 2)
    every = np.concatenate(squares)
    value = float(np.mean(every))
    error = float(np.std(every, ddof=1)) / float(np.sqrt(every.size))
    return SpanRisk(value, max(value - float(stats.norm.isf(level)) * error, 0.0), count, False)


def span_of(initial: Network, problem: Problem, level: float, seed: int = 0) -> SpanRisk:
    """Returns the best risk in the tangent span of a network at its initial parameters.

    Exact for one hidden layer where population risks are, else from below.

    Raises:
      RequirementError: more than 6000 features; features too nearly dependent for float64.
    """
    if isinstance(initial, Layer):
        best = own_span(initial.network, initial.params, problem)
        if best is not None:
            low = max(best.risk - abs(best.error), 0.0)
            return SpanRisk(best.risk, low, best.num_features, True)
        initial = initial.as_function()
    return sampled_span(initial, problem, level, seed)
