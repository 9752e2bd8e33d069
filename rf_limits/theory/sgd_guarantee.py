r"""What one-pass SGD on random features is guaranteed to reach: the power half of the paper.

The argument is that of Yehudai and Shamir (2019, section 3), with its constants kept: online
gradient descent on fixed features competes with every fixed combination of them, and some
combination of random features is close to a polynomial.

For f = <theta, phi(x)>, |phi(x)|^2 <= R^2, theta_0 = 0, and steps of size eta on half squared
errors, the distance to any theta falls by 2 eta times the excess loss, less eta^2 |gradient|^2,
and |gradient|^2 <= R^2 (f - y)^2. Summed over T steps, in expectation,

.. math:: (1 - \eta R^2)\,\frac1T\sum_t E(f_t-y)^2 \le E(f_\theta-y)^2 + \frac{|\theta|^2}{\eta T}.

With theta_i = a(w_i)/sqrt(N) the sampling of N features costs E_w a^2 E_x sigma^2/N on average, so
width acts as ridge beside 1/(eta T), and the best a is known by degree:

.. math:: \min_a = \sum_k E f_k^{*2} \frac{\rho}{l_k+\rho}, \qquad
    \rho = \frac1{\eta T} + \frac{R^2}{N},

l_k the eigenvalues of the features' mean kernel.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.errors import check


class SgdRequirements(NamedTuple):
    """Sizes at which the guarantee is met.

    Attributes:
      learning_rate: eta.
      steps: T.
      width: N.
    """

    learning_rate: float
    steps: float
    width: float


def sgd_guarantee(
    eigenvalues: Float[np.ndarray, "K"],
    target: Float[np.ndarray, "K"],
    *,
    learning_rate: float,
    steps: float | int,
    width: float | int = math.inf,
    square: float,
    noise: float = 0.0,
) -> float:
    """Bound on the mean over steps of E (f_t - f*)^2 of one-pass SGD on random features.

    Args:
      eigenvalues: (K,) l_k of the features' mean kernel over the inputs, one per harmonic.
      target: (K,) E f*_k^2; what the kernel does not have, with an eigenvalue of 0.
      learning_rate: eta, for the mean of half squared errors.
      steps: T.
      width: N; infinite for the kernel itself.
      square: R^2 >= |phi(x)|^2, features normalized as the kernel; E_w E_x sigma^2 is taken to be
        the same and a(w) uncorrelated with it, exact for weights of one length without biases.
      noise: standard deviation of the label noise.

    Returns:
      The bound, infinite where eta R^2 >= 1.

    Raises:
      RequirementError: a size that is not positive.
    """
    for name, value in (("learning_rate", learning_rate), ("steps", steps), ("width", width)):
        check(value > 0.0, name, "be positive", value)
    share = 1.0 - learning_rate * square
    if share <= 0.0:
        return math.inf
    ridge = 1.0 / (learning_rate * steps) + square / width
    left = float(np.sum(target * ridge / (eigenvalues + ridge)))
    return (left + noise**2) / share - noise**2


def sgd_requirements(
    eigenvalues: Float[np.ndarray, "K"],
    target: Float[np.ndarray, "K"],
    accuracy: float,
    *,
    square: float,
) -> SgdRequirements:
    """Step size, steps and width at which :func:`sgd_guarantee` is ``accuracy``, without noise.

    The step size is 1/(2 R^2), half of ``accuracy`` times 2 is left for rho, and steps and width
    share it evenly. For a target of one degree k, rho is about l_k accuracy/2, so all
    three are polynomial in B(d, k) ~ d^k/k! and 1/accuracy.

    Args:
      eigenvalues: (K,) l_k.
      target: (K,) E f*_k^2.
      accuracy: risk asked for.
      square: R^2.

    Returns:
      :class:`SgdRequirements`; infinite steps and width if the kernel lacks a degree of the
      target worth more than half of ``accuracy``.

    Raises:
      RequirementError: ``accuracy`` not positive.
    """
    check(accuracy > 0.0, "accuracy", "be positive", accuracy)
    rate = 0.5 / square

    def left(ridge: float) -> float:
        return float(np.sum(target * ridge / (eigenvalues + ridge)))

    allowed = 0.5 * accuracy
    low, high = 1e-300, 1e6 * (float(np.max(eigenvalues)) + 1.0)
    if left(low) >= allowed:
        return SgdRequirements(rate, math.inf, math.inf)
    if left(high) <= allowed:
        return SgdRequirements(rate, 1.0, 1.0)
    for _ in range(200):
        middle = math.sqrt(low) * math.sqrt(high)
        low, high = (middle, high) if left(middle) <= allowed else (low, middle)
    return SgdRequirements(rate, 2.0 / (rate * low), 2.0 * square / low)
