r"""Learning curves of kernel ridge regression from spectrum, target and sample size alone.

With eigenvalues l_i of the kernel over the input distribution and target coefficients v_i, the
effective regularization kappa solves

.. math:: n = \sum_i \frac{l_i}{l_i+\kappa} + \frac{\delta}{\kappa},

delta the ridge, and with learnabilities L_i = l_i/(l_i + kappa) the expected error on noisy
labels is (n/(n - sum_i L_i^2)) (sum_i (1 - L_i)^2 v_i^2 + sigma^2) (Bordelon, Canatar and
Pehlevan 2020; Simon et al. 2021). Eigenvalues come by degree, with multiplicities; what lies
beyond the last degree enters through its trace, which acts as ridge, and is never dropped.

Under Gaussian inputs a kernel |x||x'| h meets labels divided by sqrt(g) and a ridge delta/g, g =
|x|^2/d: :mod:`rf_limits.theory.regression._equilibrium` has the equations,
:mod:`rf_limits.theory.regression._risks` the risks, for noise, ridge and targets that are not
homogeneous.

All this supposes that eigenfunctions behave like independent Gaussian variables of their
covariance. It is an approximation whose error was measured (docs/theory.md, "Where learning
curves hold"): small from d = 5 on for the kernels |x||x'| h, and large in lower dimensions and for
the Gaussian kernel under Gaussian inputs.
"""

from rf_limits.theory.numerics.arguments import Finite, Nonnegative, Numbers, Whole, border
from rf_limits.theory.regression._problem import ZonalTarget, listed_problem, zonal_problem
from rf_limits.theory.regression.learning_curve import LearningCurve, broadcast_sizes
from rf_limits.theory.regression.regression_domain import domain_remark
from rf_limits.theory.spectra.spectrum import ZonalSpectrum


@border
def kernel_regression(
    eigenvalues: Numbers,
    multiplicities: Numbers,
    target: Numbers,
    num_train: Numbers,
    *,
    ridge: Numbers = 0.0,
    noise: Numbers = 0.0,
    tail: Nonnegative = 0.0,
    target_tail: Nonnegative = 0.0,
) -> LearningCurve:
    """Returns expected risks of kernel ridge regression on ``num_train`` independent samples.

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
      :class:`LearningCurve`. Measured for the Gaussian kernel under Gaussian inputs: at
      d = 1, n = 40, ridge 0.05 and noise 0.1 risks are two to three times these (docs/theory.md).

    Raises:
      RequirementError: negative arguments, no sample, or no positive eigenvalue.
    """
    problem = listed_problem(eigenvalues, multiplicities, target, tail, target_tail)
    return problem.curve(broadcast_sizes(num_train, ridge, noise))


@border
def kernel_regression_risk(
    kernel: ZonalSpectrum,
    target: ZonalTarget,
    num_train: Numbers,
    *,
    inputs: str = "gaussian",
    norm: Finite = 1.0,
    ridge: Numbers = 0.0,
    noise: Numbers = 0.0,
    degree: Whole | None = None,
) -> LearningCurve:
    """Returns the same for a zonal kernel and a target known by degree, or one degree of it.

    Args:
      kernel: spectrum of h, the kernel being |x||x'| h(cos theta): eigenvalues d gamma_k.
      target: spectrum of a neuron's family (``zonal_spectrum(dim, ...)``, no bias); or any target
        known by degree: under Gaussian inputs its profiles
        (:func:`~rf_limits.theory.spectra.profiles.profiles_by_degree`), on the sphere its
        coefficients (:func:`~rf_limits.theory.spectra.coefficients.coefficients_by_degree`).
      num_train: n.
      inputs: ``"gaussian"``, N(0, I_d), or ``"sphere"``, uniform on that of radius sqrt(d).
        Without ridge and noise the two have the same risks for targets homogeneous of degree one.
      norm: |w*|, by which the target is multiplied.
      ridge: added to the kernel matrix's diagonal.
      noise: standard deviation of the label noise.
      degree: learn only this degree of the target, alone.

    Returns:
      :class:`LearningCurve` with learnabilities of the degrees both spectra hold.

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
    problem = zonal_problem(kernel, target, inputs, norm, degree)
    sizes = broadcast_sizes(num_train, ridge, noise)
    remark = domain_remark(kernel, inputs, sizes.ridge, problem.interpolates_noise(sizes))
    return problem.curve(sizes)._replace(remark=remark)
