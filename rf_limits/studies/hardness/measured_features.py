"""The least number of features, and of weight, at which a risk was measured."""

import functools
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.methods import RANDOM_FEATURES
from rf_limits.problem.seeds import key_of
from rf_limits.theory.bounds.best_features import BestRisk, least_features
from rf_limits.theory.bounds.frontier import least_bound
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.numerics.blocks import symmetric_matrix

_START = 4
_GAP = 1e-6  # certified gap of the frontier's risks, relative to the risk sought
_gram = jax.jit(relu_gram)
_features_gram = jax.jit(lambda w, b: symmetric_matrix(lambda f, g: relu_gram(*f, *g), (w, b)))


def sphere_directions(seed: int, dim: int, count: int) -> Float[Array, "r d"]:
    """Draws uniform directions; the first of them are the same for every ``count``."""
    key = jax.random.fold_in(key_of(seed), dim)
    rows = jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), (dim,), jnp.float64))
    w = rows(jnp.arange(count))
    return w / jnp.linalg.norm(w, axis=1, keepdims=True)


@functools.lru_cache(maxsize=8)
def lattice_directions(dim: int, count: int, halved: bool) -> Float[np.ndarray, "r d"]:
    """Returns directions of the shortest integer vectors without a common divisor, in order.

    A family fixed by the lattice, not by chance, and not invariant under rotations. ``halved``
    takes only one of v and -v, but both for the unit vectors: without biases relu(h) - relu(-h)
    is linear, and d such pairs give all linear functions.
    """
    vectors: list[tuple[int, ...]] = []
    square = 1
    while len(vectors) < count:
        shell = sorted(v for v in _of_length(square, dim) if math.gcd(*v) == 1)
        vectors += [v for v in shell if _leads(v) or not halved or square == 1]
        square += 1
    w = np.array(vectors[:count], np.float64)
    return w / np.linalg.norm(w, axis=1, keepdims=True)


def _of_length(square: int, dim: int) -> Iterator[tuple[int, ...]]:
    """Yields all integer vectors of ``dim`` entries and squared length ``square``."""
    if square == 0:
        yield (0,) * dim
    elif dim == 1:
        root = math.isqrt(square)
        if root * root == square:
            yield from ((-root,), (root,))
    elif dim > 1:
        for first in range(-math.isqrt(square), math.isqrt(square) + 1):
            for rest in _of_length(square - first * first, dim - 1):
                yield (first, *rest)


def _leads(vector: tuple[int, ...]) -> bool:
    """Returns whether the first entry that is not zero is positive: true of one of v and -v."""
    return next(x for x in vector if x) > 0


def _moments(w: Array, direction: Array, bias: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Computes Gram matrix, correlations and second moment; features and target share the bias."""
    biases, target = (None, None) if bias == 0.0 else (jnp.full(len(w), bias), jnp.full(1, bias))
    v = direction[None, :]
    gram, products = _features_gram(w, biases), _gram(w, biases, v, target)
    return np.array(gram), np.array(products[:, 0]), float(_gram(v, target, v, target)[0, 0])


def least_measured(
    family: str,
    seed: int,
    dim: int,
    bias: float,
    risk: float,
    *,
    least: int,
    max_features: int,
) -> BestRisk | None:
    """Searches the least number of features relu(<w_i, x> + bias), |w_i| = 1, for ``risk``.

    Args:
      family: key of random features (uniform directions drawn with ``seed``, target e_1) or
        of lattice features (lattice directions; the target's direction is drawn).
      seed: of the draw.
      dim: d.
      bias: of target relu(<w*, x> + bias), |w*| = 1, and of every feature: features may know
        b*, not w*.
      risk: absolute population risk for that target.
      least: what any features need; the search starts at a multiple of it.
      max_features: up to which to look.

    Returns:
      None if not reached, or not before the features become dependent in float64.
    """
    count = 2 ** math.ceil(math.log2(_START * least))
    while True:
        count = min(count, max_features)
        if family == RANDOM_FEATURES.key:
            w, direction = sphere_directions(seed, dim, count), jnp.eye(1, dim)[0]
        else:
            w = jnp.asarray(lattice_directions(dim, count, bias == 0.0))
            direction = sphere_directions(seed, dim, 1)[0]
        best, independent = least_features(*_moments(w, direction, bias), risk)
        if best is not None or independent < count or count == max_features:
            return best
        count *= 2


def measured_frontier(seed: int, dim: int, width: int, risk: float) -> float:
    """Computes the least max|u_i| at which ``width`` features reach ``risk``.

    The target is relu(<e_1, x>); the features are relu(<w_i, x>) with uniform directions,
    |w_i| = 1. Infinity stands for a risk that no weights reach.
    """
    w = sphere_directions(seed, dim, width)
    return least_bound(*_moments(w, jnp.eye(1, dim)[0], 0.0), risk, _GAP * risk)
