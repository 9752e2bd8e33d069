r"""The label-linear limit: the least mean risk of everything that is linear in the labels.

For inputs X = (x_1, ..., x_n), labels y_i = f*(O x_i) + noise and O uniform in the orthogonal
group, the predictors f^(x) = sum_i c_i(x, X) y_i have, on average over O and the noise,

.. math:: E_O E_x (\hat f - f_O)^2 \ge L^*(X) = E_x\bigl[K_T(x, x)
    - k_T(x)^T (K_T(X, X) + \sigma^2 I)^{-1} k_T(x)\bigr],

K_T(x, x') = E_O f_O(x) f_O(x'): kriging, the best linear estimator from second moments, attains it
(docs/theory.md, section 15). Kernel regression with K_T and the ridge sigma^2 is kriging; for a
neuron without bias it is NNGP regression. Predictors that are affine in the labels have the same
bound with the covariance in place of K_T.
"""

import dataclasses

import numpy as np

from rf_limits.errors import check, check_choice
from rf_limits.theory.numerics.arguments import Matrix, Nonnegative, border
from rf_limits.theory.spectra.rotated import DegreesKnown
from rf_limits.theory.spectra.rotated_kernel import RotatedMoments, rotated_moments
from rf_limits.theory.spectra.zonal import INPUTS

_FIRST_DEGREE, _LAST_DEGREE = 24, 768
_ACCURACY = 1e-7  # relative, of the sum over degrees, aimed at
_RELATIVE, _ABSOLUTE = 1e-2, 1e-9  # of the limit and of E f*^2: errors that are refused
_APART = 100.0  # by which eigenvalues exceed rounding, or count as 0
_EPS = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True)
class LabelLinearLimit:
    """L*(X) of one training set.

    Attributes:
      value: absolute risk.
      error: estimate of its numerical error: how far the last doubling of the degrees moved it,
        and rounding.
      condition_number: of K_T(X, X) + sigma^2 I, without its eigenvalues at rounding.
    """

    value: float
    error: float
    condition_number: float

    def __float__(self) -> float:
        """Returns the value."""
        return self.value


def _solved(moments: RotatedMoments, noise: float) -> LabelLinearLimit:
    """Returns total - tr(A^+ M), A = K_T(X, X) + noise^2 I, and its rounding error.

    A is singular without noise where the functions f_O span fewer than n dimensions on X:
    polynomials, parallel inputs of a homogeneous target, inputs so short that a biased neuron is
    linear on them. Its eigenvalues at the level of rounding are those, if no other is near. An
    error E of A moves the limit by at most |E| E_x |c(x)|^2 to first order, c the coefficients of
    the predictor.
    """
    gram = moments.kernel.copy()
    gram[np.diag_indices_from(gram)] += noise**2
    values, vectors = np.linalg.eigh(gram)
    rounding = 4.0 * len(gram) * _EPS * float(values[-1])
    kept = values > rounding
    values, vectors = values[kept], vectors[:, kept]
    apart = "be so large that no eigenvalue of K_T(X, X) + noise^2 is near rounding"
    check(float(values[0]) > _APART * rounding, "noise", apart, noise)
    explained = np.einsum("ij,ij->j", vectors, moments.square @ vectors) / values
    error = rounding * float(np.sum(explained / values))
    value = moments.total - float(np.sum(explained))
    return LabelLinearLimit(value, error, float(values[-1] / values[0]))


@border
def label_linear_limit(
    x_train: Matrix,
    *,
    target: DegreesKnown,
    noise: Nonnegative = 0.0,
    inputs: str = "gaussian",
    affine: bool = False,
) -> LabelLinearLimit:
    """Returns L*(X), the least mean risk of predictors that are linear in the labels.

    Args:
      x_train: (n, d) training inputs, fixed.
      target: f*, known degree by degree; drawn as f*(O x), O uniform in the orthogonal group.
      noise: standard deviation of the label noise, which is not part of the risk.
      inputs: law of the test inputs, ``"gaussian"`` or ``"sphere"``.
      affine: whether predictors may be affine in the labels, such as networks in the lazy regime
        whose initial output is not 0, or training with weight decay.

    Returns:
      :class:`LabelLinearLimit`, absolute; by an eigendecomposition, 10 n^3 operations. A target of
      finitely many eigenfunctions, n of them or fewer, has the limit 0 without noise.

    Raises:
      RequirementError: inputs of another dimension or that are 0; a K_T(X, X) that is singular in
        float64; a limit that is not known to 1% of it and 1e-9 of E f*^2.
    """
    check_choice(inputs, INPUTS, "inputs")
    right = x_train.shape[1] == target.dim and len(x_train) > 0
    check(right, "x_train", f"have {target.dim} columns, and rows", x_train.shape)
    check(bool(np.all(np.isfinite(x_train))), "x_train", "be finite", "values that are not")
    check(bool(np.all(np.any(x_train != 0.0, axis=1))), "x_train", "have no row of 0", 0.0)
    total = target.second_moment(inputs)

    def at(degree: int) -> LabelLinearLimit:
        moments = rotated_moments(target, x_train, total, inputs, degree, centred=affine)
        return _solved(moments, noise)

    degree, found = _FIRST_DEGREE, at(_FIRST_DEGREE)
    while True:
        degree *= 2
        before, found = found, at(degree)
        change = abs(found.value - before.value)
        if change <= _ACCURACY * found.value or degree >= _LAST_DEGREE:
            break
    found = dataclasses.replace(found, error=found.error + change)
    known = found.error <= max(_RELATIVE * found.value, _ABSOLUTE * total)
    received = f"{found.value:.3g} +- {found.error:.1e}"
    check(known, "x_train", "leave a limit that float64 resolves to 1% of it", received)
    return dataclasses.replace(found, value=max(found.value, 0.0))
