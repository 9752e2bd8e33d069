"""Training and test sets."""

from typing import NamedTuple

from jaxtyping import Array, Float


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
