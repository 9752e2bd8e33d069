"""Numbers of samples and features, ridges and noises of learning curves, on one axis."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.errors import check
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.arguments import Numbers, Shown


class Sizes(NamedTuple):
    """What a learning curve is computed at; s values, of the shape S before they were flattened.

    Attributes:
      shape: S.
      num_train: (s,) n.
      num_features: (s,) N; infinite for a kernel.
      ridge: (s,) delta.
      noise: (s,) standard deviation of the label noise.
    """

    shape: tuple[int, ...]
    num_train: Float[np.ndarray, "s"]
    num_features: Float[np.ndarray, "s"]
    ridge: Float[np.ndarray, "s"]
    noise: Float[np.ndarray, "s"]

    def shaped(self, values: np.ndarray) -> np.ndarray:
        """Returns ``values``, (s, ...), with the axes S in place of the first."""
        return values.reshape(self.shape + values.shape[1:])


def broadcast_sizes(
    num_train: Numbers, ridge: Numbers, noise: Numbers, num_features: Numbers | None = None
) -> Sizes:
    """Returns the arguments, broadcast against each other, as float64 arrays.

    Args:
      num_train: n, positive and finite.
      ridge: delta, at least 0 and finite.
      noise: at least 0 and finite.
      num_features: N, positive and finite; None for a kernel.

    Raises:
      RequirementError: naming an argument out of its range, or shapes that do not go together.
    """
    given = {"num_train": num_train}
    given |= {} if num_features is None else {"num_features": num_features}
    given |= {"ridge": ridge, "noise": noise}
    converted = [arguments.array(value, name) for name, value in given.items()]
    try:
        arrays = np.broadcast_arrays(*converted)
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in converted)
        check(False, ", ".join(given), "have shapes that go together", shapes)
    for name, array in zip(given, arrays, strict=True):
        counted = name.startswith("num_")
        good = np.isfinite(array) & ((array > 0.0) if counted else (array >= 0.0))
        requirement = "be positive and finite" if counted else "be at least 0 and finite"
        shown = given[name] if counted else Shown(given[name])
        check(bool(np.all(good)), name, requirement, shown)
    flat = dict(zip(given, (array.ravel() for array in arrays), strict=True))
    infinite = np.full(arrays[0].size, np.inf)
    features = flat.get("num_features", infinite)
    return Sizes(arrays[0].shape, flat["num_train"], features, flat["ridge"], flat["noise"])
