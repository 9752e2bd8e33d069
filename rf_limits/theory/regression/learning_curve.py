"""What learning curves say, and the numbers of samples and features at which they say it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.errors import check
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.arguments import Numbers, Shown


class LearningCurve(NamedTuple):
    """Expectations over training sets and features; S is the shape of n, N, ridge and noise.

    A kernel has no features that are drawn: N is infinite.

    The variance has four parts (an analysis of variance over inputs x, features w and noise e,
    as Adlam and Pennington 2020): with f_xw = E(f|x, w), the mean over noise,

    Attributes:
      risk: E (f - f*)^2 on new inputs, against the target without noise; infinite for n = N
        without ridge, and for as many samples as the (mean) kernel has eigenfunctions, unless there
        is nothing to spread.
      train_risk: mean squared error on the training labels, noise included.
      bias: E (E f - f*)^2, of the mean predictor over training sets and features.
      variance: risk - bias, the sum of the next four.
      sample_variance: variance over x of E(f_xw|x).
      feature_variance: variance over w of E(f_xw|w); 0 for a kernel.
      interaction: variance of f_xw less these two; 0 for a kernel.
      noise_variance: E (f - f_xw)^2, all that noise adds.
      learnability: (*S, K + 1) L_k by degree, in [0, 1]: the mean predictor has L_k f*_k.
      kappa: effective regularization of the regression; 0 without ridge where n >= N, and for a
        kernel where n is at least the number of its eigenfunctions.
      gamma: effective regularization of the mean kernel, at least kappa; 0 without ridge where n
        and N are at least the number of its eigenfunctions: least squares on these. For a kernel
        it is kappa.
      overfitting: the factor by which the bias is multiplied in the error on labels, and noise too
        where |x| does not vary: for a kernel n/(n - sum_i L_i^2), and where |x| varies
        1/(1 - n E alpha^2 sum_i L_i^2).
      tail_error: bound on the relative error of sum_i L_i that treating the kernel's tail as
        ridge makes, l_K/gamma (l_K the smallest eigenvalue that is held); of t twice that.
      remark: how far measured risks are from these, where that is known to be far; else empty.
    """

    risk: Float[np.ndarray, "*S"]
    train_risk: Float[np.ndarray, "*S"]
    bias: Float[np.ndarray, "*S"]
    variance: Float[np.ndarray, "*S"]
    sample_variance: Float[np.ndarray, "*S"]
    feature_variance: Float[np.ndarray, "*S"]
    interaction: Float[np.ndarray, "*S"]
    noise_variance: Float[np.ndarray, "*S"]
    learnability: Float[np.ndarray, "*S K"]
    kappa: Float[np.ndarray, "*S"]
    gamma: Float[np.ndarray, "*S"]
    overfitting: Float[np.ndarray, "*S"]
    tail_error: Float[np.ndarray, "*S"]
    remark: str = ""


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
