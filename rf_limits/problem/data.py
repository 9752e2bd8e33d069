"""Training and test sets drawn from a target and an input distribution."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from rf_limits.problem.inputs import sample_inputs
from rf_limits.problem.target import Target
from rf_limits.theory.numerics import arguments
from rf_limits.types import Scalar


class Dataset(NamedTuple):
    """A training set and a test set of the same problem.

    Attributes:
      x_train: (n, d) inputs.
      y_train: (n,) labels, label noise included.
      x_test: (m, d) inputs.
      y_test: (m,) noise-free target values.
    """

    x_train: Float[Array, "*s n d"]
    y_train: Float[Array, "*s n"]
    x_test: Float[Array, "*s m d"]
    y_test: Float[Array, "*s m"]


def noisy_labels(
    key: Key[Array, ""], target: Target, x: Float[Array, "n d"], noise: Scalar
) -> Float[Array, "n"]:
    """Returns labels f*(x) + noise N(0, 1), independent over the rows of ``x``.

    Raises:
      RequirementError: a noise that is negative or not finite, unless it is traced.
    """
    if not isinstance(noise, jax.core.Tracer):
        noise = arguments.at_least_zero(noise, "noise")
    return target(x) + noise * jax.random.normal(key, x.shape[:1], x.dtype)


def make_dataset(
    key: Key[Array, ""], target: Target, inputs: str, num_train: int, num_test: int, noise: Scalar
) -> Dataset:
    """Draws one data set.

    Args:
      key: typed PRNG key; training inputs, noise and test inputs use separate streams, so
        that changing one size leaves the other set as it was.
      target: the function to learn.
      inputs: input distribution (:data:`rf_limits.problem.INPUTS`).
      num_train: n.
      num_test: m.
      noise: standard deviation of the label noise of the training labels.

    Returns:
      A :class:`Dataset` in float64.

    Raises:
      RequirementError: a noise that is negative or not finite, unless it is traced.
    """
    train_key, noise_key, test_key = jax.random.split(key, 3)
    x_train = sample_inputs(train_key, inputs, num_train, target.dim)
    x_test = sample_inputs(test_key, inputs, num_test, target.dim)
    y_train = noisy_labels(noise_key, target, x_train, noise)
    return Dataset(x_train, y_train, x_test, jnp.asarray(target(x_test)))
