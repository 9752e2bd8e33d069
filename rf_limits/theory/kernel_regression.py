r"""Learning curves of kernel ridge regression from spectrum, target and sample size alone.

With eigenvalues l_i of the kernel over the input distribution and target coefficients v_i, the
effective regularization kappa solves

.. math:: n = \sum_i \frac{l_i}{l_i+\kappa} + \frac{\delta}{\kappa},

delta the ridge, and with learnabilities L_i = l_i/(l_i + kappa) the expected error on noisy
labels is (n/(n - sum_i L_i^2)) (sum_i (1 - L_i)^2 v_i^2 + sigma^2) (Bordelon, Canatar and
Pehlevan 2020; Simon et al. 2021). Eigenvalues come by degree, with multiplicities; what lies
beyond the last degree enters through its trace, which acts as ridge, and is never dropped.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special

from rf_limits.errors import check
from rf_limits.theory._modes import Modes, Values, exp, listed_modes, zonal_modes
from rf_limits.theory.coefficients import DegreeCoefficients
from rf_limits.theory.spectrum import ZonalSpectrum


class KernelRegression(NamedTuple):
    """Expectations over training sets, arrays of the shape S of n, ridge and noise together.

    Attributes:
      risk: E (f - f*)^2 on new inputs, against the target without noise.
      train_risk: mean squared error on the training labels, noise included.
      bias: E (E f - f*)^2, of the mean predictor over training sets.
      variance: risk - bias.
      learnability: (*S, K + 1) L_k by degree, in [0, 1]: the mean predictor has L_k f*_k.
      kappa: effective regularization.
      overfitting: n/(n - sum_i L_i^2), by which bias and noise are multiplied.
      tail_error: bound on the relative error of the sums over i that treating the kernel's
        tail as ridge makes, l_K/kappa (l_K the smallest eigenvalue that is held).
    """

    risk: Float[np.ndarray, "*S"]
    train_risk: Float[np.ndarray, "*S"]
    bias: Float[np.ndarray, "*S"]
    variance: Float[np.ndarray, "*S"]
    learnability: Float[np.ndarray, "*S K"]
    kappa: Float[np.ndarray, "*S"]
    overfitting: Float[np.ndarray, "*S"]
    tail_error: Float[np.ndarray, "*S"]


def _risks(
    modes: Modes,
    target: np.ndarray,
    num_train: Values,
    ridge: Values,
    noise: Values,
    target_tail: float,
) -> KernelRegression:
    n, ridge, noise = np.broadcast_arrays(
        *(np.asarray(a, np.float64) for a in (num_train, ridge, noise))
    )
    check(bool(np.all(n > 0)), "num_train", "be positive", num_train)
    for name, values in (("ridge", ridge), ("noise", noise), ("target", target)):
        check(bool(np.all(values >= 0.0)), name, "be at least 0", values)
    modes.check_rank(n, ridge, "num_train", num_train)
    with np.errstate(divide="ignore"):
        log_ridge = np.log(ridge)
    high = np.logaddexp(modes.log_trace, log_ridge) - np.log(n)
    log_kappa = modes.log_kappa(n, lambda logs: exp(log_ridge - logs), high)
    kappa = np.exp(log_kappa)
    learnability = special.expit(modes.eigenvalues - log_kappa[..., None])
    bias = np.sum((1.0 - learnability) ** 2 * target, axis=-1) + target_tail
    overfitting = n / (n - modes.squares(log_kappa))
    on_labels = overfitting * (bias + noise**2)
    risk = on_labels - noise**2
    return KernelRegression(
        risk,
        (ridge / (n * kappa)) ** 2 * on_labels,
        bias,
        risk - bias,
        learnability,
        kappa,
        overfitting,
        modes.tail_error(log_kappa),
    )


def kernel_regression(
    eigenvalues: Float[np.ndarray, "K"],
    multiplicities: Float[np.ndarray, "K"],
    target: Float[np.ndarray, "K"],
    num_train: Values,
    *,
    ridge: Values = 0.0,
    noise: Values = 0.0,
    tail: float = 0.0,
    target_tail: float = 0.0,
) -> KernelRegression:
    """Expected risks of kernel ridge regression on ``num_train`` independent samples.

    Args:
      eigenvalues: (K,) l_k >= 0 of the kernel over the input distribution.
      multiplicities: (K,) how many eigenfunctions have each.
      target: (K,) sum of v_i^2 over the eigenfunctions of each.
      num_train: n, an array broadcasting with ``ridge`` and ``noise``.
      ridge: added to the kernel matrix's diagonal, >= 0; 0 is the ridgeless limit, exactly.
      noise: standard deviation of the label noise.
      tail: sum of all eigenvalues not among ``eigenvalues``; each must be small.
      target_tail: E f*^2 outside the given eigenfunctions.

    Returns:
      :class:`KernelRegression`.

    Raises:
      RequirementError: negative arguments, or as many samples as a kernel of finite rank has
        eigenfunctions, or more, without ridge (nothing is left to estimate; the formula is 0/0).
    """
    modes = listed_modes(eigenvalues, multiplicities, tail)
    return _risks(modes, np.asarray(target, np.float64), num_train, ridge, noise, target_tail)


def kernel_regression_risk(
    kernel: ZonalSpectrum,
    target: ZonalSpectrum | DegreeCoefficients,
    num_train: Values,
    *,
    norm: float = 1.0,
    ridge: Values = 0.0,
    noise: Values = 0.0,
    degree: int | None = None,
) -> KernelRegression:
    """The same for a zonal kernel and a target known by degree, or one degree of it.

    Args:
      kernel: spectrum of h, the kernel being |x||x'| h(cos theta) on inputs N(0, I_d) or uniform
        on the sphere of radius sqrt(d): eigenvalues d gamma_k. Without ridge the two give the
        same risks for targets without bias.
      target: spectrum of a neuron's family (``zonal_spectrum(dim, ...)``, no bias), or the
        coefficients of any target
        (:func:`~rf_limits.theory.coefficients.coefficients_by_degree`).
      num_train: n.
      norm: |w*|, by which the target is multiplied.
      ridge: added to the kernel matrix's diagonal.
      noise: standard deviation of the label noise.
      degree: learn only this degree of the target, alone.

    Returns:
      :class:`KernelRegression` with learnabilities of the degrees both spectra hold.

    Raises:
      RequirementError: spectra of different dimensions, and as :func:`kernel_regression`.

    Example:
      >>> from rf_limits.theory import relu_kernel_spectrum, zonal_spectrum
      >>> kernel, target = relu_kernel_spectrum("ntk", 20, 400), zonal_spectrum(20, 400)
      >>> [round(float(r), 3) for r in kernel_regression_risk(kernel, target, [64, 512]).risk]
      [0.106, 0.018]
    """
    modes, weights, rest = zonal_modes(kernel, target, norm, degree)
    return _risks(modes, weights, num_train, ridge, noise, rest)
