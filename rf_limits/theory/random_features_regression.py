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
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special

from rf_limits.errors import check
from rf_limits.theory._modes import Array, Modes, Values, exp, listed_modes, zonal_modes
from rf_limits.theory.coefficients import DegreeCoefficients
from rf_limits.theory.spectrum import ZonalSpectrum


class RandomFeaturesRegression(NamedTuple):
    """Expectations over training sets and features; S is the shape of n, N, ridge and noise.

    Attributes:
      risk: E (f - f*)^2 on new inputs, against the target without noise; infinite for
        n = N without ridge.
      train_risk: mean squared error on the training labels, noise included.
      bias: E (E f - f*)^2, of the mean predictor over training sets and features.
      variance: risk - bias.
      learnability: (*S, K + 1) L_k by degree, in [0, 1]: the mean predictor has L_k f*_k.
      kappa: effective regularization of the regression on the features; 0 without ridge
        where n >= N.
      gamma: effective regularization of the mean kernel, at least kappa.
      tail_error: bound on the relative error of sum_i L_i that treating the kernel's tail as
        ridge makes, l_K/gamma (l_K the smallest eigenvalue that is held); of t twice that.
    """

    risk: Float[np.ndarray, "*S"]
    train_risk: Float[np.ndarray, "*S"]
    bias: Float[np.ndarray, "*S"]
    variance: Float[np.ndarray, "*S"]
    learnability: Float[np.ndarray, "*S K"]
    kappa: Float[np.ndarray, "*S"]
    gamma: Float[np.ndarray, "*S"]
    tail_error: Float[np.ndarray, "*S"]


def _slack(log_product: Array, gap: Array) -> Array:
    """The s >= 0 with s (s + gap) = exp(log_product)."""
    root = exp(0.5 * log_product)
    with np.errstate(invalid="ignore"):
        share = root / (0.5 * (gap + np.hypot(gap, 2.0 * root)))
    return np.where(root > 0.0, root * share, 0.0)


def _product(factor: Array, energy: Array) -> np.ndarray:
    """The product, zero where there is no energy even if the factor is infinite."""
    held = energy > 0.0
    return np.where(held, factor * np.where(held, energy, 1.0), 0.0)


def _risks(
    modes: Modes,
    target: np.ndarray,
    num_train: Values,
    num_features: Values,
    ridge: Values,
    noise: Values,
    target_tail: float,
) -> RandomFeaturesRegression:
    n, k, ridge, noise = np.broadcast_arrays(
        *(np.asarray(a, np.float64) for a in (num_train, num_features, ridge, noise))
    )
    for name, values in (("num_train", n), ("num_features", k)):
        positive = bool(np.all((values > 0.0) & np.isfinite(values)))
        check(positive, name, "be positive and finite", values)
    for name, values in (("ridge", ridge), ("noise", noise), ("target", target)):
        check(bool(np.all(values >= 0.0)), name, "be at least 0", values)
    least, gap = np.minimum(n, k), np.abs(n - k)
    modes.check_rank(least, ridge, "min(num_train, num_features)", least)
    with np.errstate(divide="ignore"):
        log_ridge = np.log(ridge) + np.log(k)
    # a b = ridge N/gamma and |a - b| = |n - N|: the smaller of a and b is a function of gamma
    high = np.logaddexp(modes.log_trace, log_ridge - np.log(least)) - np.log(0.5 * least)
    log_gamma = modes.log_kappa(least, lambda logs: _slack(log_ridge - logs, gap), high)
    slack = _slack(log_ridge - log_gamma, gap)
    a, b = slack + (n - least), slack + (k - least)
    learned = special.expit(modes.eigenvalues - log_gamma[..., None])
    missed = special.expit(log_gamma[..., None] - modes.eigenvalues)
    squares, t = modes.squares(log_gamma), modes.products(log_gamma)
    bias = np.sum(missed**2 * target, axis=-1) + target_tail
    spread = t / (b + t) * np.sum(learned * missed * target, axis=-1)
    common = t * (a + b) + a * b
    with np.errstate(divide="ignore"):
        factor = n * (b + t) / common
        excess = ((squares + t) * t + squares * b) / common  # factor - 1
    variance = _product(excess, bias + noise**2) + _product(factor, spread)
    on_labels = bias + spread + noise**2
    gamma = np.exp(log_gamma)
    found = RandomFeaturesRegression(
        risk=bias + variance,
        train_risk=_product(a**2 / np.where(a > 0.0, n * common, 1.0), (b + t) * on_labels),
        bias=bias,
        variance=variance,
        learnability=learned,
        kappa=gamma * (b / k),
        gamma=gamma,
        tail_error=modes.tail_error(log_gamma),
    )
    return RandomFeaturesRegression(*(np.asarray(values) for values in found))


def random_features_regression(
    eigenvalues: Float[np.ndarray, "K"],
    multiplicities: Float[np.ndarray, "K"],
    target: Float[np.ndarray, "K"],
    num_train: Values,
    num_features: Values,
    *,
    ridge: Values = 0.0,
    noise: Values = 0.0,
    tail: float = 0.0,
    target_tail: float = 0.0,
) -> RandomFeaturesRegression:
    """Expected risks of ridge regression on ``num_features`` independent random features.

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
      :class:`RandomFeaturesRegression`. Without ridge the risk diverges at n = N: there it is
      infinite unless target and noise are zero.

    Raises:
      RequirementError: negative arguments, infinite n or N, or as many samples and features as
        a kernel of finite rank has eigenfunctions, or more, without ridge (gamma is then 0).
    """
    modes = listed_modes(eigenvalues, multiplicities, tail)
    energies = np.asarray(target, np.float64)
    return _risks(modes, energies, num_train, num_features, ridge, noise, target_tail)


def random_features_risk(
    kernel: ZonalSpectrum,
    target: ZonalSpectrum | DegreeCoefficients,
    num_train: Values,
    num_features: Values,
    *,
    norm: float = 1.0,
    ridge: Values = 0.0,
    noise: Values = 0.0,
    degree: int | None = None,
) -> RandomFeaturesRegression:
    """The same for features of zonal mean kernel and a neuron, or one degree of it.

    Args:
      kernel: spectrum of h, the features' mean kernel being |x||x'| h(cos theta) on inputs
        uniform on the sphere of radius sqrt(d): eigenvalues d gamma_k. For "nngp" of
        :func:`~rf_limits.theory.relu_kernel_spectrum` the features are sqrt(d/N) relu(<w_j, x>)
        with w_j uniform on the unit sphere; w_j of law N(0, I_d/d) adds the variance of its
        norm (measured at d = 10: about 8% more risk). Tangent features are not independent
        (d share a neuron) and not covered.
      target: spectrum of a neuron's family (``zonal_spectrum(dim, ...)``, no bias), or the
        coefficients of any target
        (:func:`~rf_limits.theory.coefficients.coefficients_by_degree`).
      num_train: n.
      num_features: N.
      norm: |w*|.
      ridge: penalty on the squared norm of the coefficients, as
        :func:`random_features_regression`.
      noise: standard deviation of the label noise.
      degree: learn only this degree of the target, alone.

    Returns:
      :class:`RandomFeaturesRegression` with learnabilities of the degrees both spectra hold.

    Raises:
      RequirementError: spectra of different dimensions, a degree that they do not hold, and as
        :func:`random_features_regression`.

    Example:
      >>> from rf_limits.theory import relu_kernel_spectrum, zonal_spectrum
      >>> kernel, target = relu_kernel_spectrum("nngp", 20, 400), zonal_spectrum(20, 400)
      >>> found = random_features_risk(kernel, target, 200, [50, 190, 1000])
      >>> [round(float(r), 3) for r in found.risk]
      [0.158, 0.88, 0.052]
    """
    modes, weights, rest = zonal_modes(kernel, target, norm, degree)
    return _risks(modes, weights, num_train, num_features, ridge, noise, rest)
