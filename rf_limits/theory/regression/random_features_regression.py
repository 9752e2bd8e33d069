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
feature's multiplies its share of the kernel. :mod:`rf_limits.theory.regression._equilibrium` has
the equations for both, :mod:`rf_limits.theory.regression._risks` the risks.

Example:
  >>> from rf_limits.theory import random_features_risk, relu_kernel_spectrum, zonal_spectrum
  >>> kernel, target = relu_kernel_spectrum("nngp", 20, 400), zonal_spectrum(20, 400)
  >>> [round(float(r), 3) for r in random_features_risk(kernel, target, 200, [50, 190, 1000]).risk]
  [0.161, 0.886, 0.053]
"""

from rf_limits.theory.numerics.arguments import Finite, Nonnegative, Numbers, Whole, border
from rf_limits.theory.regression._problem import ZonalTarget, listed_problem, zonal_problem
from rf_limits.theory.regression.learning_curve import LearningCurve, broadcast_sizes
from rf_limits.theory.regression.regression_domain import domain_remark
from rf_limits.theory.spectra.radial_law import radial_law
from rf_limits.theory.spectra.spectrum import ZonalSpectrum


@border
def random_features_regression(
    eigenvalues: Numbers,
    multiplicities: Numbers,
    target: Numbers,
    num_train: Numbers,
    num_features: Numbers,
    *,
    ridge: Numbers = 0.0,
    noise: Numbers = 0.0,
    tail: Nonnegative = 0.0,
    target_tail: Nonnegative = 0.0,
) -> LearningCurve:
    """Returns expected risks of ridge regression on ``num_features`` independent random features.

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
      :class:`LearningCurve`. Measured for random Fourier features under Gaussian
      inputs with n infinite and a neuron for target: at d = 4, weights of variance 0.5 and
      N = 20, 60 and 150 risks are 0.70, 0.29 and 0.23 of these (docs/theory.md).

    Raises:
      RequirementError: negative arguments, infinite n or N, or no positive eigenvalue.
    """
    problem = listed_problem(eigenvalues, multiplicities, target, tail, target_tail)
    return problem.curve(broadcast_sizes(num_train, ridge, noise, num_features), problem.inputs)


@border
def random_features_risk(
    kernel: ZonalSpectrum,
    target: ZonalTarget,
    num_train: Numbers,
    num_features: Numbers,
    *,
    inputs: str = "gaussian",
    weights: str = "gaussian",
    norm: Finite = 1.0,
    ridge: Numbers = 0.0,
    noise: Numbers = 0.0,
    degree: Whole | None = None,
) -> LearningCurve:
    """Returns expected risks for features of zonal mean kernel and a target known by degree.

    Args:
      kernel: spectrum of h, the features' mean kernel being |x||x'| h(cos theta): eigenvalues
        d gamma_k. For "nngp" of :func:`~rf_limits.theory.relu_kernel_spectrum` the features are
        sqrt(d/N) relu(<w_j, x>). Tangent features are not independent (d share a neuron) and
        not covered.
      target: as for :func:`~rf_limits.theory.regression.kernel_regression.kernel_regression_risk`.
      num_train: n.
      num_features: N.
      inputs: ``"gaussian"``, N(0, I_d), or ``"sphere"``, uniform on that of radius sqrt(d).
      weights: ``"gaussian"``, w_j ~ N(0, I_d/d) as networks are initialized, or ``"sphere"``,
        uniform on the unit sphere: features homogeneous of degree one in w_j.
      norm: |w*|.
      ridge: as for :func:`random_features_regression`.
      noise: standard deviation of the label noise.
      degree: learn only this degree of the target, alone.

    Returns:
      :class:`LearningCurve` with learnabilities of the degrees both spectra hold.

    Raises:
      RequirementError: spectra of different dimensions, a target given for other inputs, a degree
        that is not held, as :func:`random_features_regression`, without ridge for n <= N where
        ``kernel_regression_risk`` refuses, and without ridge in dimension 2 (measured mean risks
        are thousands of times the formula's).
    """
    problem = zonal_problem(kernel, target, inputs, norm, degree)
    sizes = broadcast_sizes(num_train, ridge, noise, num_features)
    fitted = problem.interpolates_noise(sizes)
    remark = domain_remark(kernel, inputs, sizes.ridge, fitted, features=True)
    return problem.curve(sizes, radial_law(weights, kernel.dim))._replace(remark=remark)
