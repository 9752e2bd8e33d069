r"""Learning curves of kernel ridge regression from spectrum, target and sample size alone.

With eigenvalues l_i of the kernel over the input distribution and target coefficients v_i, the
effective regularization kappa solves

.. math:: n = \sum_i \frac{l_i}{l_i+\kappa} + \frac{\delta}{\kappa},

delta the ridge, and with learnabilities L_i = l_i/(l_i + kappa) the expected error on noisy
labels is (n/(n - sum_i L_i^2)) (sum_i (1 - L_i)^2 v_i^2 + sigma^2) (Bordelon, Canatar and
Pehlevan 2020; Simon et al. 2021). Eigenvalues come by degree, with multiplicities; what lies
beyond the last degree enters through its trace, which acts as ridge, and is never dropped.

Under Gaussian inputs a kernel |x||x'| h meets labels divided by sqrt(g) and a ridge delta/g, g =
|x|^2/d: :mod:`rf_limits.theory._equilibrium` has the equations, :mod:`rf_limits.theory._risks` the
risks, for noise, ridge and targets that are not homogeneous.

All this supposes that eigenfunctions behave like independent Gaussian variables of their
covariance. It is an approximation whose error was measured (docs/theory.md, "Where learning
curves hold"): small from d = 5 on for the kernels |x||x'| h, and large in lower dimensions and for
the Gaussian kernel under Gaussian inputs.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.theory import arguments
from rf_limits.theory._equilibrium import kernel_equilibrium
from rf_limits.theory._modes import Array, Listed, Modes, Values, listed_modes, shared_shape
from rf_limits.theory._risks import TargetParts, expected_risks
from rf_limits.theory._zonal_target import ZonalTarget, zonal_problem
from rf_limits.theory.radial_law import RadialLaw, radial_law
from rf_limits.theory.regression_domain import domain_remark
from rf_limits.theory.spectrum import ZonalSpectrum


class KernelRegression(NamedTuple):
    """Expectations over training sets, arrays of the shape S of n, ridge and noise together.

    Attributes:
      risk: E (f - f*)^2 on new inputs, against the target without noise; infinite for as many
        samples as a kernel without ridge has eigenfunctions, unless there is nothing but what
        these can represent: then 0.
      train_risk: mean squared error on the training labels, noise included.
      bias: E (E f - f*)^2, of the mean predictor over training sets.
      variance: risk - bias, ``sample_variance`` + ``noise_variance``.
      sample_variance: that of fits to labels without noise: E_x (f_x - E f)^2, f_x = E(f|x)
        the mean over noise given the training inputs x.
      noise_variance: the rest, E (f - f_x)^2: what noise adds on given inputs.
      learnability: (*S, K + 1) L_k by degree, in [0, 1]: the mean predictor has L_k f*_k.
      kappa: effective regularization; 0 without ridge from as many samples on as the kernel has
        eigenfunctions.
      overfitting: n/(n - sum_i L_i^2), by which bias and noise are multiplied in the error on
        labels; where |x| varies 1/(1 - n E alpha^2 sum_i L_i^2), by which bias is.
      tail_error: bound on the relative error of the sums over i that treating the kernel's
        tail as ridge makes, l_K/kappa (l_K the smallest eigenvalue that is held).
      remark: how far measured risks are from these, where that is known to be far; else empty.
    """

    risk: Float[np.ndarray, "*S"]
    train_risk: Float[np.ndarray, "*S"]
    bias: Float[np.ndarray, "*S"]
    variance: Float[np.ndarray, "*S"]
    sample_variance: Float[np.ndarray, "*S"]
    noise_variance: Float[np.ndarray, "*S"]
    learnability: Float[np.ndarray, "*S K"]
    kappa: Float[np.ndarray, "*S"]
    overfitting: Float[np.ndarray, "*S"]
    tail_error: Float[np.ndarray, "*S"]
    remark: str = ""


def _regression(
    modes: Modes,
    target: TargetParts,
    num_train: Array,
    ridge: Array,
    noise: Array,
    law: RadialLaw,
) -> KernelRegression:
    found = kernel_equilibrium(modes, num_train, ridge, law)
    risks = expected_risks(found, num_train, noise, target, law)
    values = KernelRegression(
        risk=risks.bias + risks.variance,
        train_risk=risks.train_risk,
        bias=risks.bias,
        variance=risks.variance,
        sample_variance=risks.samples,
        noise_variance=risks.noise,
        learnability=found.learned,
        kappa=found.kappa,
        overfitting=risks.inflation,
        tail_error=modes.tail_error(found.log_gamma),
    )
    return KernelRegression(*(np.asarray(value) for value in values[:-1]))


@arguments.border(tail=arguments.at_least_zero, target_tail=arguments.at_least_zero)
def kernel_regression(
    eigenvalues: Listed,
    multiplicities: Listed,
    target: Listed,
    num_train: Values,
    *,
    ridge: Values = 0.0,
    noise: Values = 0.0,
    tail: float | int = 0.0,
    target_tail: float | int = 0.0,
) -> KernelRegression:
    """Expected risks of kernel ridge regression on ``num_train`` independent samples.

    Exact in the limit for eigenfunctions that are independent Gaussian variables; a list of
    eigenvalues does not tell how far its eigenfunctions are from that. Least squares on fewer
    functions than samples is included: without ridge, with r positive eigenvalues and n > r, the
    risk is (noise^2 r/n + outside)/(1 - r/n), outside = E f*^2 where eigenvalues are 0.

    Args:
      eigenvalues: (K,) l_k >= 0 of the kernel over the input distribution.
      multiplicities: (K,) how many eigenfunctions have each.
      target: (K,) sum of v_i^2 over the eigenfunctions of each.
      num_train: n, an array broadcasting with ``ridge`` and ``noise``.
      ridge: added to the kernel matrix's diagonal, >= 0; 0 is the ridgeless limit, exactly.
      noise: standard deviation of the label noise.
      tail: sum of all eigenvalues not among ``eigenvalues``; each must be small.
      target_tail: E f*^2 outside the given eigenfunctions; it acts as noise.

    Returns:
      :class:`KernelRegression`. Measured for the Gaussian kernel under Gaussian inputs: at
      d = 1, n = 40, ridge 0.05 and noise 0.1 risks are two to three times these (docs/theory.md).

    Raises:
      RequirementError: negative arguments, no sample, or no positive eigenvalue.
    """
    modes = listed_modes(eigenvalues, multiplicities, tail)
    n, ridges, noises = shared_shape(num_train=num_train, ridge=ridge, noise=noise)
    parts = TargetParts.listed(target, target_tail, modes)
    return _regression(modes, parts, n, ridges, noises, radial_law("sphere", 1))


@arguments.border(norm=arguments.finite, degree=arguments.whole)
def kernel_regression_risk(
    kernel: ZonalSpectrum,
    target: ZonalTarget,
    num_train: Values,
    *,
    inputs: str = "gaussian",
    norm: float = 1.0,
    ridge: Values = 0.0,
    noise: Values = 0.0,
    degree: int | None = None,
) -> KernelRegression:
    """The same for a zonal kernel and a target known by degree, or one degree of it.

    Args:
      kernel: spectrum of h, the kernel being |x||x'| h(cos theta): eigenvalues d gamma_k.
      target: spectrum of a neuron's family (``zonal_spectrum(dim, ...)``, no bias); or any target
        known by degree: under Gaussian inputs its profiles
        (:func:`~rf_limits.theory.profiles.profiles_by_degree`), on the sphere its coefficients
        (:func:`~rf_limits.theory.coefficients.coefficients_by_degree`).
      num_train: n.
      inputs: ``"gaussian"``, N(0, I_d), or ``"sphere"``, uniform on that of radius sqrt(d).
        Without ridge and noise the two have the same risks for targets homogeneous of degree one.
      norm: |w*|, by which the target is multiplied.
      ridge: added to the kernel matrix's diagonal.
      noise: standard deviation of the label noise.
      degree: learn only this degree of the target, alone.

    Returns:
      :class:`KernelRegression` with learnabilities of the degrees both spectra hold.

    Raises:
      RequirementError: spectra of different dimensions, a target given for other inputs, as
        :func:`kernel_regression`, and where the mean risk is infinite (docs/theory.md, "Where
        learning curves hold"): without ridge, labels that are not a function of the direction
        (noise; under Gaussian inputs also a target that is not homogeneous) in dimension 2 under
        Gaussian inputs, and for kernels as smooth as the NNGP in dimensions 2 and 3.

    Example:
      >>> from rf_limits.theory import relu_kernel_spectrum, zonal_spectrum
      >>> kernel, target = relu_kernel_spectrum("ntk", 20, 400), zonal_spectrum(20, 400)
      >>> [round(float(r), 3) for r in kernel_regression_risk(kernel, target, [64, 512]).risk]
      [0.106, 0.018]
    """
    modes, parts = zonal_problem(kernel, target, inputs, norm, degree)
    n, ridges, noises = shared_shape(num_train=num_train, ridge=ridge, noise=noise)
    noisy = (noises > 0.0) | (parts.profiles is not None)
    remark = domain_remark(kernel, inputs, ridges, noisy & (n < modes.rank))
    found = _regression(modes, parts, n, ridges, noises, radial_law(inputs, kernel.dim))
    return found._replace(remark=remark)
