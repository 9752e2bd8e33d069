r"""What one-pass SGD on random features reaches: a guarantee where features are bounded.

The argument is that of Yehudai and Shamir (2019, section 3), with its constants kept: online
gradient descent on fixed features competes with every fixed combination of them (Zinkevich 2003),
and some combination of random features is close to a polynomial.

**Regret.** f_t = <theta_t, phi(x)> with features drawn beforehand, theta_0 = 0, steps of size eta
on half squared errors of one fresh sample (or the mean over a fresh batch, whose squared gradient
is at most the mean of its samples'). For every theta, by
2 (f_t - y)(f_t - f_theta) >= (f_t - y)^2 - (f_theta - y)^2,

.. math:: |\theta_{t+1}-\theta|^2 \le |\theta_t-\theta|^2 - \eta\big[(f_t-y)^2-(f_\theta-y)^2\big]
    + \eta^2|\phi(x_t)|^2 (f_t-y)^2 .

Where |phi(x)|^2 <= R^2 **for every input and every draw of the features**, summing over T steps and
taking the expectation over samples gives

.. math:: (1 - \eta R^2)\,\frac1T\sum_t E(f_t-y)^2 \le E(f_\theta-y)^2 + \frac{|\theta|^2}{\eta T},

theta being anything that does not depend on the samples. A mean E|phi|^2 in the place of R^2 proves
nothing: |phi(x)|^2 and (f_t - y)^2 are large together.

**Width.** phi_i(x) = psi(w_i, x)/sqrt(N), w_i independent, k = E_w <psi(w, x), psi(w, x')> with
eigenvalues l_k. Take theta_i = a(w_i)/sqrt(N) and f_a = E_w <a(w), psi(w, x)>. On average over the
features |theta|^2 is E_w |a|^2, and

.. math:: E_w E_x (f_\theta-f^*)^2 \le E_x(f_a-f^*)^2 + \frac1N E_w\,a^T E_x[\psi\psi^T]\,a
    \le E_x(f_a-f^*)^2 + \frac VN E_w|a|^2,

V the largest eigenvalue of E_x psi(w, x) psi(w, x)^T for any w. The least of
E_x (f_a - f*)^2 + rho E_w |a|^2 is that of kernel ridge regression on the population, so

.. math:: \frac1T\sum_t E(f_t-f^*)^2 \le \frac{\sum_k E f_k^{*2}\,\rho/(l_k+\rho) + \sigma^2}
    {1-\eta R^2} - \sigma^2, \qquad \rho = \frac1{\eta T} + \frac VN,

the expectation over features, samples and label noise of variance sigma^2 (independent of inputs).

:class:`BoundedFeatures` are those with a known R^2, and :func:`sgd_guarantee` asks for them.
Gaussian inputs have none, nor have neurons of Gaussian weights. There :func:`sgd_estimate` puts
E |psi|^2 for R^2 and V. It is no bound: at N = 1, d = 5, T = 200, eta = 0.5 on the sphere, a
target of degree 1 and Gaussian weights it says 1.21, and the mean over 4000 simulated runs is
4e12 (a neuron of |w|^2 > 9.3, one of ten, diverges in mean square).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.errors import check
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.arguments import Dimension, Nonnegative, Positive, Whole, border
from rf_limits.theory.spectra.feature_kernels import feature_spectrum


class BoundedFeatures(NamedTuple):
    """Random features with suprema, in the notation of the module docstring.

    Attributes:
      eigenvalues: (K,) l_k of the mean kernel over the inputs, one per harmonic.
      square: R^2, at least |psi(w, x)|^2 for every w and x.
      sampling: V, at least every eigenvalue of E_x psi psi^T, for every w.
    """

    eigenvalues: Float[np.ndarray, "K"]
    square: float
    sampling: float


class MeanFeatures(NamedTuple):
    """Random features by their means, where no suprema are known.

    Attributes:
      eigenvalues: (K,) l_k.
      mean_square: E_w E_x |psi(w, x)|^2.
    """

    eigenvalues: Float[np.ndarray, "K"]
    mean_square: float

    @property
    def square(self) -> float:
        """What stands for R^2."""
        return self.mean_square

    @property
    def sampling(self) -> float:
        """What stands for V."""
        return self.mean_square


class SgdRequirements(NamedTuple):
    """Sizes at which a guarantee or an estimate is as small as asked.

    Attributes:
      learning_rate: eta.
      steps: T.
      width: N.
    """

    learning_rate: float
    steps: float
    width: float


@border
def bounded_features(
    features: str, dim: Dimension, max_degree: Whole, *, bias: bool = False
) -> BoundedFeatures:
    """Returns features of inputs on the sphere of radius sqrt(d) whose suprema are known.

    Args:
      features: ``"output"``: neurons psi = relu(<w, x>/sqrt(d)) with **unit-length** w: R^2 = 1
        and V = 1/(2 d), the same for every w. ``"hidden"``: gates times inputs,
        psi = 1[<w, x>/sqrt(d) + b > 0] (x/sqrt(d), [1]), with Gaussian w (and b), as where
        u_i = +-1 and the hidden layer is trained: R^2 = 1 and V = 1/(2 d), or R^2 = 2 and V = 1
        with biases (E psi psi^T is at most E (x/sqrt(d), 1)(x/sqrt(d), 1)^T = diag(I/d, 1)).
      dim: dimension d >= 2.
      max_degree: largest degree K of the eigenvalues; beyond it they count as 0.
      bias: whether neurons have biases b ~ N(0, 1); only for ``"hidden"``.

    Returns:
      :class:`BoundedFeatures`, K + 2 eigenvalues, the last one 0 for all higher degrees.

    Raises:
      RequirementError: unknown ``features``; biases of neurons, which have no supremum.
    """
    refused = bias and features == "output"
    check(not refused, "bias", 'be False for "output": a Gaussian bias has no supremum', bias)
    found = feature_spectrum(features, dim, max_degree, bias=bias)
    # the kernel of Gaussian weights is that of weights of length sqrt(d), which is d of unit ones
    scale = 1.0 / dim if features == "output" else 1.0
    eigenvalues = np.append(scale * found.eigenvalues, 0.0)
    return BoundedFeatures(eigenvalues, 1.0 + bias, 1.0 if bias else 0.5 / dim)


@border
def mean_features(
    features: str, dim: Dimension, max_degree: Whole, *, bias: bool = False
) -> MeanFeatures:
    """Returns the same by their means, for w ~ N(0, I) and, with biases, b ~ N(0, 1).

    Args:
      features: ``"output"`` or ``"hidden"``.
      dim: dimension d >= 2; the inputs lie on the sphere of radius sqrt(d).
      max_degree: largest degree K of the eigenvalues; beyond it they count as 0.
      bias: whether neurons have biases.

    Returns:
      :class:`MeanFeatures`, K + 2 eigenvalues, the last one 0 for all higher degrees.
    """
    found = feature_spectrum(features, dim, max_degree, bias=bias)
    return MeanFeatures(np.append(found.eigenvalues, 0.0), found.total)


def sgd_guarantee(
    features: BoundedFeatures,
    target: arguments.Numbers,
    *,
    learning_rate: arguments.Number,
    steps: arguments.Number,
    width: arguments.Number = math.inf,
    noise: arguments.Number = 0.0,
) -> float:
    """Returns an upper bound on the mean over steps of E (f_t - f*)^2 of one-pass SGD.

    The expectation is over features, samples and label noise. It is proved (module docstring) for
    the linear model on features drawn beforehand, not for a network whose features move.
    Arguments and errors are those of :func:`sgd_estimate`.

    Raises:
      RequirementError: features without suprema.
    """
    bounded = isinstance(features, BoundedFeatures)
    check(bounded, "features", "be BoundedFeatures: a guarantee rests on suprema", features)
    sizes = {"learning_rate": learning_rate, "steps": steps, "width": width, "noise": noise}
    return sgd_estimate(features, target, **sizes)


@border
def sgd_estimate(
    features: BoundedFeatures | MeanFeatures,
    target: arguments.Vector,
    *,
    learning_rate: Positive,
    steps: arguments.Real,
    width: arguments.Real = math.inf,
    noise: Nonnegative = 0.0,
) -> float:
    """Returns the expression of the bound, with means for suprema where these are not known.

    With means it is an estimate of the argument, and no bound. It says nothing about stability: a
    run can diverge where it is finite.

    Args:
      features: by their means, or with their suprema.
      target: (K,) E f*_k^2 over the same inputs; what the kernel does not have, with an
        eigenvalue of 0.
      learning_rate: eta, for the mean of half squared errors.
      steps: T; infinite for what is left after any number.
      width: N; infinite for the kernel itself.
      noise: standard deviation of label noise independent of the inputs.

    Returns:
      The estimate, infinite where eta R^2 >= 1.

    Raises:
      RequirementError: a size that is not positive, negative eigenvalues, means, shares or
        noise, arrays of different lengths.
    """
    found = _checked(features, target)
    for name, value in (("steps", steps), ("width", width)):
        check(value > 0.0, name, "be positive", value)
    share = 1.0 - learning_rate * found.square
    if share <= 0.0:
        return math.inf
    ridge = 1.0 / learning_rate / steps + found.sampling / width
    left = _unlearned(found.eigenvalues, target, ridge)
    # noise^2 (1/share - 1) without a difference
    return left / share + noise * noise * learning_rate * found.square / share


def _checked(features: BoundedFeatures | MeanFeatures, target: np.ndarray) -> BoundedFeatures:
    """Returns features with their suprema or means, checked against the shares of the target."""
    values = arguments.array(features.eigenvalues, "features.eigenvalues", 1)
    same = values.shape == target.shape
    check(same, "target", f"hold {values.size} shares, one for each eigenvalue", target.size)
    for name, numbers in (("features.eigenvalues", values), ("target", target)):
        right = bool(np.all(np.isfinite(numbers)) and np.all(numbers >= 0.0))
        check(right, name, "be at least 0 and finite", float(np.min(numbers, initial=math.inf)))
    square = arguments.at_least_zero(features.square, "features.square")
    sampling = arguments.at_least_zero(features.sampling, "features.sampling")
    return BoundedFeatures(values, square, sampling)


def _unlearned(eigenvalues: np.ndarray, target: np.ndarray, ridge: float) -> float:
    """Returns the least E (f_a - f*)^2 + ridge E |a|^2."""
    size = eigenvalues + ridge
    share = np.where(size > 0.0, ridge / np.where(size > 0.0, size, 1.0), 1.0)
    return float(np.sum(target * share))


@border
def sgd_requirements(
    features: BoundedFeatures | MeanFeatures, target: arguments.Vector, accuracy: Positive
) -> SgdRequirements:
    """Returns the sizes at which guarantee or estimate is ``accuracy``, without noise.

    The step size is 1/(2 R^2), half of ``accuracy`` is left for the degrees, and steps and width
    share rho evenly. For a target of one degree k, rho is about l_k accuracy/2, so all three are
    polynomial in B(d, k) ~ d^k/k! and 1/accuracy.

    Args:
      features: with suprema, for what is guaranteed; by means, for the estimate.
      target: (K,) E f*_k^2.
      accuracy: risk asked for.

    Returns:
      :class:`SgdRequirements`; infinite steps and width if the kernel lacks a degree of the
      target worth more than half of ``accuracy``.

    Raises:
      RequirementError: ``accuracy`` not positive; features or shares as in
        :func:`sgd_guarantee`, and features that are 0.
    """
    features = _checked(features, target)
    check(features.square > 0.0, "features.square", "be positive", features.square)
    rate = 0.5 / features.square
    allowed = 0.5 * accuracy
    low, high = 1e-300, 1e6 * (float(np.max(features.eigenvalues, initial=0.0)) + 1.0)
    if _unlearned(features.eigenvalues, target, low) >= allowed:
        return SgdRequirements(rate, math.inf, math.inf)
    if _unlearned(features.eigenvalues, target, high) <= allowed:
        return SgdRequirements(rate, 1.0, 1.0)
    for _ in range(200):
        middle = math.sqrt(low) * math.sqrt(high)
        few = _unlearned(features.eigenvalues, target, middle) <= allowed
        low, high = (middle, high) if few else (low, middle)
    return SgdRequirements(rate, 2.0 / (rate * low), 2.0 * features.sampling / low)
