r"""The kernel alignment risk estimator: a risk from the training set alone.

.. math:: \frac{\frac1n\,y^T (K/n + \lambda)^{-2} y}{\bigl(\frac1n \mathrm{tr}\,(K/n +
    \lambda)^{-1}\bigr)^2},\qquad \lambda = \delta/n

(Jacot, Simsek, Spadaro, Hongler and Gabriel 2020), which is generalized cross-validation
(Golub, Heath and Wahba 1979): the training error over (1 - tr H/n)^2, H = K (K + delta)^{-1}.
"""

import numpy as np

from rf_limits.errors import check
from rf_limits.theory.numerics.arguments import Matrix, Nonnegative, Vector, border


@border
def kernel_alignment_risk(gram: Matrix, labels: Vector, ridge: Nonnegative = 0.0) -> float:
    """Estimates E (f - y)^2 on new inputs and labels, noise included, of one kernel fit.

    In the theory of :mod:`rf_limits.theory.regression.kernel_regression` its mean, and that of
    (n kappa/ridge)^2 times the training error, is the risk plus noise^2. This supposes samples that
    count alike, as on the sphere; under Gaussian inputs, where the diagonal of |x||x'| h varies,
    measured means were within 3% of it (docs/theory.md).

    Args:
      gram: (n, n) kernel matrix K, symmetric and positive semidefinite.
      labels: (n,) y.
      ridge: delta, added to its diagonal as in
        :func:`rf_limits.regression.dense.kernel_regression`.

    Returns:
      The estimate.

    Raises:
      RequirementError: negative ridge, or a matrix with the ridge that is
        singular to rounding: then its inverse is not known.
    """
    n = labels.size
    values, vectors = np.linalg.eigh(gram)
    values = values + ridge
    least = n * np.finfo(np.float64).eps * float(np.max(np.abs(values), initial=0.0))
    regular = bool(np.all(values > least))
    check(regular, "ridge", f"be above {least:.1e}, the rounding of this singular kernel", ridge)
    along = vectors.T @ labels
    return float(np.mean((along / values) ** 2) / np.mean(1.0 / values) ** 2)
