"""Population risk of ReLU predictors: quadratic forms, nothing sampled.

Exact for Gaussian inputs; and for inputs on the sphere of radius sqrt(d) whenever predictor
and target have no biases, since both are then positively homogeneous and E |x|^2 = d makes
every second moment the same under the two distributions.
"""

import itertools
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.relu_moments import ReluSum, relu_sum_product
from rf_limits.types import Scalar


@runtime_checkable
class _Target(Protocol):
    def product(self, f: ReluSum) -> Float[Array, ""]: ...


Sum = ReluSum | tuple[ReluSum, ...]
"""A sum of neurons, or several of them standing for their sum."""


def _parts(f: Sum) -> tuple[ReluSum, ...]:
    return (f,) if isinstance(f, ReluSum) else f


def expected_product(f: Sum, g: Sum) -> Float[Array, ""]:
    """Exact E f(x) g(x) for x ~ N(0, I_d)."""
    return sum(relu_sum_product(a, b) for a in _parts(f) for b in _parts(g))


def expected_square(f: Sum) -> Float[Array, ""]:
    """Exact E f(x)^2 for x ~ N(0, I_d): each pair of parts once."""
    parts = _parts(f)
    own = sum(relu_sum_product(part, part) for part in parts)
    pairs = itertools.combinations(parts, 2)
    return own + 2.0 * sum(relu_sum_product(a, b) for a, b in pairs)


def population_risk(f: Sum, target: _Target, target_second_moment: Scalar) -> Float[Array, ""]:
    """Exact E (f(x) - f*(x))^2.

    Args:
      f: the predictor, m gates in dimension d; float64.
      target: anything with ``product(f) = E f f*``.
      target_second_moment: E f*^2.

    Returns:
      The risk, without a factor 1/2, at a cost of O(m^2 d). It is a difference of numbers
      of the size of E f*^2: absolute rounding error about 1e-15 E f*^2, times the square of
      the cancellation within f.
    """
    cross = sum(target.product(part) for part in _parts(f))
    return expected_square(f) - 2.0 * cross + target_second_moment


def mean_square_difference(f: Sum, g: Sum) -> Float[Array, ""]:
    """Exact E (f(x) - g(x))^2 for x ~ N(0, I_d); clipped below at zero."""
    square = expected_square(f) - 2.0 * expected_product(f, g) + expected_square(g)
    return jnp.maximum(square, 0.0)
