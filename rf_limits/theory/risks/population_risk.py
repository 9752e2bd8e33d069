"""Population risk of ReLU predictors: quadratic forms, nothing sampled.

Exact for Gaussian inputs; and for inputs on the sphere of radius sqrt(d) whenever predictor
and target have no biases, since both are then positively homogeneous and E |x|^2 = d makes
every second moment the same under the two distributions.
"""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_square
from rf_limits.types import Scalar


@runtime_checkable
class _Target(Protocol):
    def product(self, f: ReluSum) -> Float[Array, ""]: ...


Sum = ReluSum | tuple[ReluSum, ...]
"""A sum of neurons, or several of them standing for their sum."""


def _parts(f: Sum) -> tuple[ReluSum, ...]:
    return (f,) if isinstance(f, ReluSum) else f


def expected_square(f: Sum) -> Float[Array, ""]:
    """Returns the exact E f(x)^2 for x ~ N(0, I_d)."""
    return relu_sum_square(_parts(f))


def population_risk(f: Sum, target: _Target, target_second_moment: Scalar) -> Float[Array, ""]:
    """Returns the exact E (f(x) - f*(x))^2.

    Args:
      f: the predictor, m gates in dimension d, of any real type; converted to float64.
      target: anything with ``product(f) = E f f*``.
      target_second_moment: E f*^2.

    Returns:
      The risk, without a factor 1/2, at a cost of O(m^2 d). It is a difference of numbers
      of the size of E f*^2: absolute rounding error about 1e-15 E f*^2, times the square of
      the cancellation within f.

    Raises:
      RequirementError: a predictor and a target in different dimensions.
    """
    cross = sum(target.product(part) for part in _parts(f))
    return expected_square(f) - 2.0 * cross + target_second_moment


def mean_square_difference(f: Sum, g: Sum) -> Float[Array, ""]:
    """Returns the exact E (f(x) - g(x))^2 for x ~ N(0, I_d); clipped below at zero."""
    difference = (*_parts(f), *(part.negative() for part in _parts(g)))
    return jnp.maximum(expected_square(difference), 0.0)
