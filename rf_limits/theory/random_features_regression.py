r"""Learning curves of ridge regression on N random features from the spectrum alone.

The features, drawn independently, sum to a kernel whose mean has eigenvalues l_i. With n samples
and ridge delta, kappa and gamma solve

.. math::
    n = \sum_i \frac{l_i}{l_i+\gamma} + \frac{\delta}{\kappa},\qquad
    N = \sum_i \frac{l_i}{l_i+\gamma} + \frac{N\kappa}{\gamma}

(Simon, Karkada, Ghosh and Belkin 2024). With L_i = l_i/(l_i + gamma), a = delta/kappa,
b = N kappa/gamma and t = sum_i L_i (1 - L_i), the expected error on noisy labels is

.. math::
    \frac{n(b+t)}{t(a+b)+ab}\Bigl(\sum_i\Bigl[(1-L_i)^2 + \frac{t}{b+t}L_i(1-L_i)\Bigr]v_i^2
    + \sigma^2\Bigr):

their formula, written so that nothing cancels. N = infinity is kernel regression; n = infinity
is the best predictor in the features' span, with error sum_i (1 - L_i) v_i^2 without ridge.

Inputs and weights of Gaussian law have lengths of their own: a sample's divides its ridge, a
feature's multiplies its share of the kernel. :mod:`rf_limits.theory._equilibrium` has the equations
for both, :mod:`rf_limits.theory._risks` the risks.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.theory import arguments
from rf_limits.theory._equilibrium import features_equilibrium
from rf_limits.theory._modes import Array, Listed, Modes, Values, listed_modes, shared_shape
from rf_limits.theory._risks import TargetParts, expected_risks
from rf_limits.theory._zonal_target import ZonalTarget, zonal_problem
from rf_limits.theory.radial_law import RadialLaw, radial_law
from rf_limits.theory.regression_domain import domain_remark
from rf_limits.theory.spectrum import ZonalSpectrum


class RandomFeaturesRegression(NamedTuple):
    """Expectations over training sets and features; S is the shape of n, N, ridge and noise.

    The variance has four parts (an analysis of variance over inputs x, features w and noise e,
    as Adlam and Pennington 2020): with f_xw = E(f|x, w), the mean over noise,

    Attributes:
      risk: E (f - f*)^2 on new inputs, against the target without noise; infinite for n = N
        without ridge, and for as many samples as the mean kernel has eigenfunctions, unless there
        is nothing to spread.
      train_risk: mean squared error on the training labels, noise included.
      bias: E (E f - f*)^2, of the mean predictor over training sets and features.
      variance: risk - bias, the sum of the next four.
      sample_variance: variance over x of E(f_xw|x).
      feature_variance: variance over w of E(f_xw|w).
      interaction: variance of f_xw less these two.
      noise_variance: E (f - f_xw)^2, all that noise adds.
      learnability: (*S, K + 1) L_k by degree, in [0, 1]: the mean predictor has L_k f*_k.
      kappa: effective regularization of the regression on the features; 0 without ridge
        where n >= N.
      gamma: effective regularization of the mean kernel, at least kappa; 0 without ridge where n
        and N are at least the number of its eigenfunctions: least squares on these.
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
    tail_error: Float[np.ndarray, "*S"]
    remark: str = ""


def _regression(
    modes: Modes,
    target: TargetParts,
    arguments: tuple[Array, ...],
    inputs: RadialLaw,
    weights: RadialLaw,
) -> RandomFeaturesRegression:
    n, count, ridge, noise = arguments
    found = features_equilibrium(modes, n, count, ridge, inputs, weights)
    risks = expected_risks(found, n, noise, target, inputs)
    values = RandomFeaturesRegression(
        risk=risks.bias + risks.variance,
        train_risk=risks.train_risk,
        bias=risks.bias,
        variance=risks.variance,
        sample_variance=risks.samples,
        feature_variance=risks.features,
        interaction=risks.interaction,
        noise_variance=risks.noise,
        learnability=found.learned,
        kappa=found.kappa,
        gamma=found.gamma,
        tail_error=modes.tail_error(found.log_gamma),
    )
    return RandomFeaturesRegression(*(np.asarray(value) for value in values[:-1]))


@arguments.border(tail=arguments.at_least_zero, target_tail=arguments.at_least_zero)
def random_features_regression(
    eigenvalues: Listed,
    multiplicities: Listed,
    target: Listed,
    num_train: Values,
    num_features: Values,
    *,
    ridge: Values = 0.0,
    noise: Values = 0.0,
    tail: float | int = 0.0,
    target_tail: float | int = 0.0,
) -> RandomFeaturesRegression:
    """Expected risks of ridge regression on ``num_features`` independent random features.

    Exact in the limit for features that are combinations, with independent Gaussian coefficients,
    of eigenfunctions that are independent Gaussian variables.

    Args:
      eigenvalues: (K,) l_k >= 0, over the input distribution, of the mean of
        sum_j phi_j(x) phi_j(x'), the N features phi_j normalized so that it does not depend on N.
      multiplicities: (K,) how many eigenfunctions have each.
      target: (K,) sum of v_i^2 over the eigenfunctions of each.
      num_train: n, an array broadcasting with ``num_features``, ``ridge`` and ``noise``.
      num_features: N, finite.
      ridge: penalty on the squared norm of the coefficients beside the sum (not the mean) of
        squared errors, >= 0; 0 is the solution of least norm, exactly.
      noise: standard deviation of the label noise.
      tail: sum of all eigenvalues not among ``eigenvalues``; each must be small.
      target_tail: E f*^2 outside the given eigenfunctions.

    Returns:
      :class:`RandomFeaturesRegression`. Measured for random Fourier features under Gaussian
      inputs with n infinite and a neuron for target: at d = 4, weights of variance 0.5 and
      N = 20, 60 and 150 risks are 0.70, 0.29 and 0.23 of these (docs/theory.md).

    Raises:
      RequirementError: negative arguments, infinite n or N, or no positive eigenvalue.
    """
    modes = listed_modes(eigenvalues, multiplicities, tail)
    values = shared_shape(num_train=num_train, num_features=num_features, ridge=ridge, noise=noise)
    fixed = radial_law("sphere", 1)
    return _regression(modes, TargetParts.listed(target, target_tail, modes), values, fixed, fixed)


@arguments.border(norm=arguments.finite, degree=arguments.whole)
def random_features_risk(
    kernel: ZonalSpectrum,
    target: ZonalTarget,
    num_train: Values,
    num_features: Values,
    *,
    inputs: str = "gaussian",
    weights: str = "gaussian",
    norm: float = 1.0,
    ridge: Values = 0.0,
    noise: Values = 0.0,
    degree: int | None = None,
) -> RandomFeaturesRegression:
    """The same for features of zonal mean kernel and a neuron, or one degree of it.

    Args:
      kernel: spectrum of h, the features' mean kernel being |x||x'| h(cos theta): eigenvalues
        d gamma_k. For "nngp" of :func:`~rf_limits.theory.relu_kernel_spectrum` the features are
        sqrt(d/N) relu(<w_j, x>). Tangent features are not independent (d share a neuron) and
        not covered.
      target: spectrum of a neuron's family (``zonal_spectrum(dim, ...)``, no bias); or any target
        known by degree, as :func:`~rf_limits.theory.kernel_regression.kernel_regression_risk`.
      num_train: n.
      num_features: N.
      inputs: ``"gaussian"``, N(0, I_d), or ``"sphere"``, uniform on that of radius sqrt(d).
      weights: ``"gaussian"``, w_j ~ N(0, I_d/d) as networks are initialized, or ``"sphere"``,
        uniform on the unit sphere: features homogeneous of degree one in w_j.
      norm: |w*|.
      ridge: penalty on the squared norm of the coefficients, as
        :func:`random_features_regression`.
      noise: standard deviation of the label noise.
      degree: learn only this degree of the target, alone.

    Returns:
      :class:`RandomFeaturesRegression` with learnabilities of the degrees both spectra hold.

    Raises:
      RequirementError: spectra of different dimensions, a target given for other inputs, a degree
        that is not held, as :func:`random_features_regression`, without ridge for n <= N where
        :func:`~rf_limits.theory.kernel_regression.kernel_regression_risk` refuses, and without
        ridge in dimension 2 (measured mean risks are thousands of times the formula's).

    Example:
      >>> from rf_limits.theory import relu_kernel_spectrum, zonal_spectrum
      >>> kernel, target = relu_kernel_spectrum("nngp", 20, 400), zonal_spectrum(20, 400)
      >>> found = random_features_risk(kernel, target, 200, [50, 190, 1000])
      >>> [round(float(r), 3) for r in found.risk]
      [0.161, 0.886, 0.053]
    """
    modes, parts = zonal_problem(kernel, target, inputs, norm, degree)
    n, count, ridges, noises = shared_shape(
        num_train=num_train, num_features=num_features, ridge=ridge, noise=noise
    )
    noisy = (noises > 0.0) | (parts.profiles is not None)
    fitted = noisy & (n <= count) & (n < modes.rank)
    remark = domain_remark(kernel, inputs, ridges, fitted, features=True)
    laws = radial_law(inputs, kernel.dim), radial_law(weights, kernel.dim)
    return _regression(modes, parts, (n, count, ridges, noises), *laws)._replace(remark=remark)
