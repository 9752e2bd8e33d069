"""The best risk in the span of a network's own tangent features at initialization.

It is a statement about one run, without averages: no method that ends in the span of this
network's initial tangent features (and of its initial output) has a lower population risk. It says
nothing of methods on other features.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.errors import RequirementError, check, check_choice
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.models.network import TRAINABLE, OneHiddenLayer, Params, hidden_weights
from rf_limits.problem.neurons import Teacher
from rf_limits.problem.problem import Problem
from rf_limits.problem.target import Target
from rf_limits.theory.bounds.best_features import BestRisk, best_risks, tangent_gram
from rf_limits.theory.bounds.tangent_features import tangent_features_gram
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from rf_limits.theory.risks.relu_moments import ReluSum

_EPS = float(np.finfo(np.float64).eps)
_MOST_DEPENDENT = 3000  # dependent features whose matrix is decomposed
MOST_FEATURES = 6000
"""Tangent features whose span is evaluated within a run."""


def num_span_functions(network: OneHiddenLayer, dim: int, layers: str = "both") -> int:
    """Returns how many functions at most span the tangent features and the initial output.

    Args:
      network: the architecture.
      dim: dimension d.
      layers: that train: ``"hidden"``, ``"output"`` or ``"both"``.

    Raises:
      RequirementError: unknown ``layers``.
    """
    check_choice(layers, TRAINABLE, "model.trainable")
    relu = network.activation == "relu"
    width = network.width // 2 if network.antisymmetric else network.width
    hidden = 0 if layers == "output" else dim + network.use_bias
    output = layers == "output" or (layers == "both" and not relu)
    return width * (hidden + output) + _has_start(network, layers)


def _has_start(network: OneHiddenLayer, layers: str) -> bool:
    """Returns whether f has an initial output that is not a combination of tangent features.

    With the output layer it is one, and for ReLU with the hidden layer: neurons are homogeneous.
    """
    implied = layers != "hidden" or network.activation == "relu"
    return not (implied or network.centred or network.starts_at_zero)


_tangent_gram = jax.jit(tangent_gram)


@partial(jax.jit, static_argnums=0)
def _correlations(
    network: OneHiddenLayer, w: Array, b: Array | None, target: Target
) -> Float[Array, "N k"]:
    """Returns E f_i f* of the hidden features of every neuron, then of its output feature."""
    none = jnp.zeros(len(w))
    if network.activation == "relu":

        def product(amplitudes: Array, slopes: Array, offsets: Array) -> Array:
            return target.product(ReluSum(w, b, amplitudes, slopes, offsets))

        outer, along, on = jax.grad(product, (0, 1, 2))(none, jnp.zeros_like(w), none)
    else:
        assert isinstance(target, Teacher)  # or no risk would be exact

        def shifted(s: Array, beta: Array) -> Array:
            neurons = (w + s, (none if b is None else b) + beta)
            gram = gaussian_gram(
                *neurons, target.directions, target.biases, network.activation, "relu"
            )
            return gram @ target.coefficients

        start = (jnp.zeros(w.shape[1]), jnp.zeros(()))
        outer, (along, on) = shifted(*start), jax.jacfwd(shifted, (0, 1))(*start)
    hidden = along if b is None else jnp.concatenate([along, on[:, None]], axis=1)
    return jnp.concatenate([hidden, outer[:, None]], axis=1)


def _kept(network: OneHiddenLayer, u: np.ndarray, layers: str, size: int) -> np.ndarray:
    """Returns which features are needed, (N, size): the last of a neuron is its output feature.

    A neuron whose output weight is 0 has no hidden features. For ReLU the output feature is a
    combination of the hidden ones, relu(h) = <w, 1[h > 0] x> + b 1[h > 0].
    """
    kept = np.zeros((len(u), size), bool)
    on = u != 0.0
    if layers != "output":
        kept[:, :-1] = on[:, None]
    implied = on if network.activation == "relu" else np.zeros_like(on)
    kept[:, -1] = layers == "output" or (layers == "both") & ~implied
    return kept


def _gram(network: OneHiddenLayer, w: Array, b: Array | None, kept: np.ndarray) -> np.ndarray:
    """Returns the second moments of the features that are kept."""
    if not kept[:, -1].any():
        closed = network.activation == "relu" and b is None
        gram = _tangent_gram(w) if closed else _all_moments(network, w, b, "hidden")
        rows = kept[:, :-1].ravel()
    elif not kept[:, :-1].any():
        gram, rows = _all_moments(network, w, b, "output"), kept[:, -1]
    else:
        gram, rows = _all_moments(network, w, b, "both"), kept.ravel()
    return np.array(gram)[np.ix_(rows, rows)]


def _all_moments(network: OneHiddenLayer, w: Array, b: Array | None, layers: str) -> Array:
    return tangent_features_gram(w, b, network.activation, layers=layers)


def _with_start(
    network: OneHiddenLayer,
    neurons: tuple[Array, Array | None, np.ndarray],
    products: np.ndarray,
    gram: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the moments with those of g_0 below them, where hidden features alone are kept."""
    w, b, u = neurons
    everything = np.asarray(_all_moments(network, w, b, "both"))
    size = len(everything) // len(u)
    outer = np.arange(len(u)) * size + size - 1
    others = np.delete(np.arange(len(everything)), outer)
    cross = everything[np.ix_(others, outer)] @ u
    square = u @ everything[np.ix_(outer, outer)] @ u
    gram = np.block([[gram, cross[:, None]], [cross[None, :], np.full((1, 1), square)]])
    return gram, np.append(products[:, :-1].ravel(), products[:, -1] @ u)


def own_span(
    network: OneHiddenLayer, init: Params, problem: Problem, layers: str = "both"
) -> BestRisk | None:
    """Returns the best population risk in the span of a network's own initial tangent features.

    The span is that of the derivatives of g at ``init`` by the parameters of ``layers``, and of
    g(init) unless the network is centred; the lazy scale changes no span.

    Args:
      network: the architecture.
      init: its parameters before training.
      problem: what is learned; the label noise does not enter.
      layers: that train: ``"hidden"``, ``"output"`` or ``"both"``.

    Returns:
      The risk, absolute, with its rounding error and the condition number; None where population
      risks of this network on this problem are not known exactly.

    Raises:
      RequirementError: more than :data:`MOST_FEATURES` functions, naming the largest width that
        can be had; features that are too nearly dependent for float64.
    """
    if exact_risk(network, problem) is None:
        return None
    dim = problem.dim
    count = num_span_functions(network, dim, layers)
    widest = network.width * MOST_FEATURES // max(count, 1)
    requirement = f"be at most {widest} for the tangent span ({MOST_FEATURES} functions)"
    check(count <= MOST_FEATURES, "model.widths", requirement, network.width)
    w, b = hidden_weights(network, init)
    half = network.width // 2 if network.antisymmetric else network.width
    w, b = w[:half], None if b is None else b[:half]
    u = np.asarray(init["params"]["output_kernel"], np.float64)[:half]
    products = np.asarray(_correlations(network, w, b, problem.target))
    kept = _kept(network, u, layers, products.shape[1])
    second_moment = problem.second_moment
    if not kept.any():
        return BestRisk(0, second_moment, 0.0, 1.0, 0.0)
    gram, correlations = _gram(network, w, b, kept), products[kept]
    if _has_start(network, layers):
        gram, correlations = _with_start(network, (w, b, u), products, gram)
    try:
        return best_risks(gram.copy(), correlations, second_moment, [len(gram)])[0]
    except RequirementError:
        if len(gram) > _MOST_DEPENDENT:
            raise
        return _least_norm(gram, correlations, second_moment)


def _least_norm(gram: np.ndarray, correlations: np.ndarray, second_moment: float) -> BestRisk:
    """Returns the best risk of features that depend on each other, in float64 or at all.

    Features are scaled to length 1; eigenvalues at the level of rounding count as 0. An error E of
    the matrix moves the risk by |E| |u|^2 to first order.
    """
    sizes = np.sqrt(np.diag(gram))
    kept = sizes > 0.0
    scaled = gram[np.ix_(kept, kept)] / np.outer(sizes[kept], sizes[kept])
    values, vectors = np.linalg.eigh(scaled)
    rounding = 4.0 * len(gram) * _EPS * float(values[-1])
    some = values > rounding
    products = vectors[:, some].T @ (correlations[kept] / sizes[kept])
    explained = products**2 / values[some]
    error = 2.0 * rounding * float(np.sum(explained / values[some])) + _EPS * second_moment
    risk = second_moment - float(np.sum(explained))
    known = error <= max(1e-3 * risk, 1e-9 * second_moment)
    received = f"a best risk of {risk:.3g} +- {error:.1e}"
    check(known, "initial", "have tangent features that float64 tells apart", received)
    largest = float(np.max(np.abs(vectors[:, some] @ (products / values[some])) / sizes[kept]))
    condition = float(values[-1] / values[some][0])
    return BestRisk(int(np.sum(some)), max(risk, 0.0), largest, condition, error)
