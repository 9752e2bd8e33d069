r"""Preconditioners for random-features and kernel regression.

* Features, population: M = n E phi phi^T + ridge I in closed form. For n > N independent samples
  the spectrum of M^{-1} (Phi^T Phi + ridge I) is about [(1 - s)^2, (1 + s)^2] with s = sqrt(N/n)
  (exactly so in the limit for features with independent entries, Marchenko and Pastur 1967): a
  few iterations, whatever the condition number of either matrix.
* Features, sample: the same with the mean over the first m samples.
* Kernels: K is replaced by its Nystrom approximation F F^T on m random points, F = K_nm L^{-T},
  K_mm = L L^T (Rudi, Carratino and Rosasco 2017, with the preconditioner on all n coefficients
  instead of m), and M = F F^T + shift I with shift = ridge + the mean of the diagonal of what is
  left, solved by Woodbury's identity in O(n m).

What the solve converges to does not depend on any of them.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from rf_limits.errors import check
from rf_limits.models.network import OneHiddenLayer, hidden_weights
from rf_limits.regression.streamed.cholesky import InPlaceCholesky, mirror, one_norm
from rf_limits.regression.streamed.feature_data import FeatureData
from rf_limits.regression.streamed.feature_sums import gram_sums
from rf_limits.regression.streamed.kernel_tiles import KernelData
from rf_limits.regression.streamed.residual_bound import EPS
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram

POPULATION = ("relu", "erf", "gelu", "linear", "quadratic", "abs", "relu_squared")
"""Activations whose exact population Gram matrix costs no more than a closed form per entry."""

_ROWS = 256


def has_population_gram(network: OneHiddenLayer, inputs: str) -> bool:
    """Returns whether E phi phi^T is known in closed form.

    On the sphere of radius sqrt(d) it is for relu without biases, whose features are homogeneous.
    """
    if inputs == "gaussian":
        return network.activation in POPULATION
    return network.activation == "relu" and not network.use_bias


@partial(jax.jit, static_argnums=(0,))
def _gram_rows(activation: str, w: Array, a: Array | None, v: Array, b: Array | None) -> Array:
    return gaussian_gram(w, a, v, b, activation)


def population_gram(data: FeatureData) -> Float[np.ndarray, "N N"]:
    """Returns E phi phi^T, exact, some rows at a time into one (N, N) array, C-ordered float64.

    Raises:
      RequirementError: features of which it is not known (:func:`has_population_gram`).
    """
    network = data.network
    has_gram = has_population_gram(network, data.stream.problem.inputs)
    check(has_gram, "preconditioner", "be sample or none for these features", network.activation)
    weights, biases = hidden_weights(network, data.params)
    scale = network.output_scale**2
    gram = np.empty((network.width, network.width))
    for i in range(0, network.width, _ROWS):
        part = slice(i, min(i + _ROWS, network.width))
        bias = None if biases is None else biases[part]
        rows = _gram_rows(network.activation, weights[part], bias, weights, biases)
        np.multiply(np.asarray(rows), scale, out=gram[part])
    return gram


def _factor(gram: np.ndarray, ridge: float) -> InPlaceCholesky:
    """Returns the factor of gram + ridge I, and of as much more as rounding asks for."""
    gram[np.diag_indices_from(gram)] += ridge + len(gram) * EPS * one_norm(gram)
    mirror(gram)
    return InPlaceCholesky(gram)


def population_preconditioner(data: FeatureData, ridge: float | int) -> InPlaceCholesky:
    """Returns M = n E phi phi^T + ridge I, factored in place: N^2 numbers.

    Rounding makes a nearly singular Gram matrix indefinite: N eps |M| is added to the diagonal.

    Raises:
      RequirementError: features whose Gram matrix is not known.
    """
    gram = population_gram(data)
    np.multiply(gram, float(data.stream.num), out=gram)
    return _factor(gram, float(ridge))


def sample_preconditioner(data: FeatureData, ridge: float | int, points: int) -> InPlaceCholesky:
    """Returns M = (n/m) sum of phi phi^T over the first m samples + ridge I, factored in place.

    Args:
      data: features and training set.
      ridge: penalty.
      points: m, at most n; rounded up to whole blocks.
    """
    rows = data.stream.rows
    num = min(-(-points // rows) * rows, data.stream.num)
    few = data._replace(stream=dataclasses.replace(data.stream, num=num))
    tiles = gram_sums(few).gram
    gram = np.array(tiles).reshape(data.width, data.width)
    del tiles
    np.multiply(gram, data.stream.num / num, out=gram)
    mirror(gram)
    return _factor(gram, float(ridge))


def _shifted_factor(matrix: np.ndarray, shift: float) -> tuple[np.ndarray, float]:
    """Returns the lower factor of matrix + shift I, ten times more until there is one.

    Kernels of inputs that are multiples of each other (d = 1) have rank two, and entries with
    errors that make them indefinite by more than sums of rounding.
    """
    diagonal = np.diagonal(matrix).copy()
    while True:
        matrix[np.diag_indices_from(matrix)] = diagonal + shift
        try:
            return scipy.linalg.cholesky(matrix, lower=True, check_finite=False), shift
        except np.linalg.LinAlgError:
            check(bool(np.isfinite(shift)), "the kernel", "be finite", shift)
            shift *= 10.0


def nystrom_preconditioner(
    data: KernelData, ridge: float | int, points: int
) -> Callable[[Float[np.ndarray, "n"]], Float[np.ndarray, "n"]]:
    """Returns the map v -> M^{-1} v for a kernel: n m numbers, and O(n m^2) work to set up.

    Args:
      data: kernel and points.
      ridge: added to the kernel matrix's diagonal.
      points: m, at most n.
    """
    num = data.num
    chosen = np.random.default_rng(0).choice(num, min(points, num), replace=False)
    centres = data.x[np.sort(chosen)]
    small = data.block(centres, centres)
    factor, _ = _shifted_factor(small, len(small) * EPS * one_norm(small))
    wide = data.block(data.x, centres)  # C-ordered (n, m): its transpose is what BLAS wants
    thin = scipy.linalg.solve_triangular(
        factor, wide.T, lower=True, overwrite_b=True, check_finite=False
    )
    left = data.diagonal() - np.einsum("mn,mn->n", thin, thin)
    shift = float(ridge) + max(float(left.mean()), num * EPS * float(data.diagonal().mean()))
    inner = thin @ thin.T
    inner, shift = _shifted_factor(inner, shift)

    def precondition(vector: np.ndarray) -> np.ndarray:
        return (vector - thin.T @ scipy.linalg.cho_solve((inner, True), thin @ vector)) / shift

    return precondition
