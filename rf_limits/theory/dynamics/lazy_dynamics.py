r"""Lazy training on the population, exactly: degrees are learned one after another.

In the limit of infinite width (or lazy scale) gradient flow on half the population risk acts on
the function alone, with the tangent kernel |x||x'| h(cos theta). Under x ~ N(0, I_d) its
eigenfunctions are |x| times spherical harmonics, with eigenvalue mu_k = d gamma_k at degree k,
gamma_k the Gegenbauer eigenvalues of h, and from f_0 = 0

.. math:: \text{risk}_k(t) = E f^{*2}_k\, e^{-2\mu_k t}

for a target without biases. Gradient descent with step eta has (1 - eta mu_k)^{2 s} for the
exponential.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.errors import check
from rf_limits.theory.numerics.arguments import Finite, Positive, Vector, border
from rf_limits.theory.spectra.spectrum import ZonalSpectrum


class PopulationDynamics(NamedTuple):
    """Risk over time, whole and by degree.

    Attributes:
      risk: (T,) all degrees, those beyond the last included.
      degrees: (T, K + 1) by degree.
      rates: (K + 1,) mu_k; degree k falls by e^2 in a time 1/mu_k.
    """

    risk: Float[np.ndarray, "T"]
    degrees: Float[np.ndarray, "T K"]
    rates: Float[np.ndarray, "K"]


@border
def population_dynamics(
    kernel: ZonalSpectrum,
    target: ZonalSpectrum,
    times: Vector,
    *,
    norm: Finite = 1.0,
    learning_rate: Positive | None = None,
) -> PopulationDynamics:
    """Returns the risk of the lazy limit trained on the population, from f_0 = 0.

    Args:
      kernel: spectrum of h, where the tangent kernel is |x||x'| h(cos theta).
      target: spectrum of the target family without bias (the kernel of its neurons), same
        dimension.
      times: (T,) learning rate times steps, for the loss of half squared errors over alpha^2.
      norm: |w*|.
      learning_rate: of gradient descent; None for gradient flow.

    Returns:
      :class:`PopulationDynamics`. What lies beyond the last degree of both spectra is learned
      as fast as the kernel's last degree that is not zero, an upper bound on its rate: the
      error of ``risk`` is at most the target's tail.

    Raises:
      RequirementError: spectra of different dimensions.

    Source: theory.md of this project, section 9; Jacot et al. (2018) for the dynamics, Bach
    (2017) for the spectra.
    """
    check(kernel.dim == target.dim, "kernel.dim", f"be {target.dim}, the target's", kernel.dim)
    count = min(kernel.max_degree, target.max_degree) + 1
    rates = kernel.dim * kernel.eigenvalues[:count]
    weights = norm**2 * target.weights[:count]
    t = np.asarray(times, np.float64)[:, None]
    if learning_rate is None:
        left = np.exp(-2.0 * rates * t)
    else:
        left = (1.0 - learning_rate * rates) ** (2.0 * t / learning_rate)
    degrees = weights * left
    beyond = norm**2 * target.total - float(np.sum(weights))
    positive = np.flatnonzero(rates > 0.0)
    last = left[:, positive[-1]] if len(positive) else np.ones(len(t))
    return PopulationDynamics(degrees.sum(axis=1) + beyond * last, degrees, rates)
