r"""What a risk is worth: how many samples a method that is linear in the labels needs for it.

The mean of the label-linear limit over training sets of n samples is estimated by Gaussian
equivalence. Kriging is regression with the target's own second moment, whose eigenvalues l_i are
both those of the kernel and the target's mean squared coefficients, so that the learning curve of
kernel regression becomes

.. math:: \epsilon = \sum_i \frac{l_i \kappa}{l_i + \kappa}, \qquad
    \kappa = \frac{\epsilon + \sigma^2}{n}

(Sollich 1999; Bordelon, Canatar and Pehlevan 2020). It is solved for n at a given risk in closed
form. An estimate, never a bound: in few dimensions it is off (docs/theory.md, section 10).
"""

import math
from typing import cast

import numpy as np
from scipy import optimize

from rf_limits.errors import check
from rf_limits.theory.bounds.rotated_family import HasFamily, RotatedFamily, family_of_degrees
from rf_limits.theory.numerics.arguments import Nonnegative, Positive, Size, border
from rf_limits.theory.spectra.harmonics import log_multiplicity
from rf_limits.theory.spectra.rotated import DegreesKnown, RotatedSpectrum

_DEGREES = 64


def _spectrum(target: HasFamily | DegreesKnown, inputs: str) -> RotatedSpectrum:
    family = target.family(inputs) if isinstance(target, HasFamily) else None
    if not isinstance(family, RotatedFamily):
        family = family_of_degrees(cast(DegreesKnown, target), inputs)
    return family.spectrum(min(_DEGREES, family.last_degree))


def _unlearned(spectrum: RotatedSpectrum, log_kappa: float) -> float:
    """Returns sum_i l_i kappa/(l_i + kappa); degrees above the last are not learned at all."""
    shares = np.asarray(spectrum.shares)
    logs = log_multiplicity(spectrum.dim, np.arange(len(shares)))
    with np.errstate(divide="ignore"):
        odds = np.log(shares) - logs[:, None] - log_kappa  # log (l/kappa)
    return float(np.sum(shares / (1.0 + np.exp(np.minimum(odds, 700.0))))) + spectrum.rest


@border
def label_linear_estimate(
    num_train: Size,
    *,
    target: HasFamily | DegreesKnown,
    noise: Nonnegative = 0.0,
    inputs: str = "gaussian",
) -> float:
    """Estimates the mean of the label-linear limit over training sets.

    Args:
      num_train: n.
      target: f*, drawn as f*(O x), O uniform in the orthogonal group.
      noise: standard deviation of the label noise.
      inputs: ``"gaussian"`` or ``"sphere"``.

    Returns:
      Absolute risk (module docstring); an estimate, not a bound.
    """
    spectrum = _spectrum(target, inputs)

    def excess(log_kappa: float) -> float:
        return num_train * math.exp(log_kappa) - _unlearned(spectrum, log_kappa) - noise**2

    total = _unlearned(spectrum, 700.0)
    high = math.log((total + noise**2) / num_train) + 1.0
    low = high - 1.0
    while excess(low) > 0.0 and low > -600.0:
        low -= 5.0
    if low <= -600.0:
        return 0.0
    root = optimize.brentq(excess, low, high, xtol=1e-12)
    return _unlearned(spectrum, float(root))


@border
def samples_for_risk(
    risk: Positive,
    *,
    target: HasFamily | DegreesKnown,
    noise: Nonnegative = 0.0,
    inputs: str = "gaussian",
) -> float:
    """Estimates how many samples a method that is linear in the labels needs for a mean risk.

    Args:
      risk: absolute risk.
      target: as for :func:`label_linear_estimate`, like all that follow.
      noise: standard deviation of the label noise.
      inputs: law of x.

    Returns:
      The n, at least 0, not rounded, at which :func:`label_linear_estimate` is ``risk``.

    Raises:
      RequirementError: a risk below what the first 64 degrees leave.
    """
    spectrum = _spectrum(target, inputs)
    if risk >= _unlearned(spectrum, 700.0):
        return 0.0
    least = f"be above {spectrum.rest:.1g}, what is left above the degrees that are computed"
    check(risk > spectrum.rest * (1.0 + 1e-9), "risk", least, risk)
    log_kappa = optimize.brentq(lambda k: _unlearned(spectrum, k) - risk, -600.0, 700.0)
    return (risk + noise**2) * math.exp(-float(log_kappa))
