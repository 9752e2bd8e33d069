r"""Expected risks at an equilibrium, and their parts.

In directions the target is F(g) = f*(x)/sqrt(g), one vector of coefficients for each length. The
fits' mean has coefficients L s, s = n E alpha F with alpha = g/(rho + z g); what a test point asks
for is t = E g F, since its error weighs g. With df_2 the mean of the sum of squared shares,

.. math::
    \text{variance over samples and noise} = \frac{\mathrm{df}_2\,n\,\bigl(
    E\,\alpha^2 |F - \bar\theta|^2 + \sigma^2 E\,\alpha^2/g\bigr)}
    {n\,(\rho\,E\,\alpha^2/g + E\,\alpha^2\,(z-\mathrm{df}_2))}

whose denominator is 1 - n df_2 E alpha^2, written so that nothing cancels.
"""

from typing import NamedTuple

import numpy as np

from rf_limits.theory.regression._equilibrium import Equilibrium
from rf_limits.theory.regression._modes import Modes
from rf_limits.theory.regression.learning_curve import LearningCurve, Sizes
from rf_limits.theory.spectra.profiles import Profiles
from rf_limits.theory.spectra.radial_law import RadialLaw


class TargetParts(NamedTuple):
    """A target in the kernel's eigenfunctions.

    Attributes:
      energies: (K + 1,) |t_k|^2, of what is homogeneous of degree one: all there is on a sphere.
      outside: E f*^2 less the sum of these, which is never learned.
      beyond: the part of ``outside`` in further degrees, which acts as noise.
      profiles: coefficients F_k(g); None if they do not depend on g.
    """

    energies: np.ndarray
    outside: float
    beyond: float
    profiles: Profiles | None = None


def _product(factor: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Returns the product, zero where there is no energy even if the factor is infinite."""
    held = energy > 0.0
    return np.where(held, factor * np.where(held, energy, 1.0), 0.0)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(above > 0.0, np.divide(above, below), 0.0)


class _Misfit(NamedTuple):
    """Squared misfits of the mean predictor, by what they are multiplied with; s values each.

    Attributes:
      energies: (K + 1,) of a homogeneous target, or (s, K + 1) of the mean predictor over L_k.
      test: what a target that is not homogeneous adds to the bias.
      train: what it adds to E alpha^2 |F - theta|^2.
      train_over: what it adds to E alpha^2 |F - theta|^2/g.
    """

    energies: np.ndarray
    test: np.ndarray
    train: np.ndarray
    train_over: np.ndarray


def _unequal(found: Equilibrium, n: np.ndarray, profiles: Profiles) -> _Misfit:
    """Returns the misfits of a target that is not homogeneous: differences of F(g), s and t."""
    nodes = profiles.law.nodes
    alpha = nodes / (found.rho[..., None] + found.z[..., None] * nodes)
    seen = profiles.mean(n[..., None] * alpha)
    energies = np.sum(seen**2, axis=-1)
    apart = profiles.homogeneous - seen

    def total(squares: np.ndarray, products: np.ndarray) -> np.ndarray:
        return np.sum(squares + 2.0 * found.missed * products, axis=-1)

    def on_train(weights: np.ndarray) -> np.ndarray:
        """Returns by how much E w |F - theta|^2 exceeds E w times that of a homogeneous target."""
        mass = weights * profiles.law.weights
        whole = np.sum(mass, axis=-1)[..., None]
        squares = np.einsum("kmr,...r->...k", profiles.values**2, mass)
        products = np.sum(profiles.mean(mass / profiles.law.weights) * seen, axis=-1)
        spread = squares - 2.0 * products + whole * energies
        return total(np.maximum(spread, 0.0), products - whole * energies)

    test = total(np.sum(apart**2, axis=-1), np.sum(apart * seen, axis=-1))
    return _Misfit(energies, test, on_train(alpha**2), on_train(alpha**2 / nodes))


def _misfit(found: Equilibrium, n: np.ndarray, target: TargetParts) -> _Misfit:
    if target.profiles is not None:
        return _unequal(found, n, target.profiles)
    none = np.zeros_like(n)
    return _Misfit(target.energies, none, none, none)


def learning_curve(
    modes: Modes, found: Equilibrium, sizes: Sizes, target: TargetParts, law: RadialLaw
) -> LearningCurve:
    """Returns the expected risks of the fits that ``found`` describes.

    Args:
      modes: eigenvalues of the (mean) kernel on the directions.
      found: the equilibrium at ``sizes``.
      sizes: n, N, ridges and noises.
      target: f*.
      law: law of g.
    """
    rho, z, n, noise = found.rho, found.z, sizes.num_train, sizes.noise
    alpha = law.nodes / (rho[..., None] + z[..., None] * law.nodes)
    square, over, twice = (law.mean(alpha**2 / law.nodes**k) for k in range(3))
    misfit = _misfit(found, n, target)
    missed = np.sum(found.missed**2 * misfit.energies, axis=-1)
    spread = found.drawn * np.sum(found.learned * found.missed * misfit.energies, axis=-1)
    # of the fit on drawn features, and of their mean, the kernel fit with gamma for its kappa
    excess = found.products * found.drawn
    first = n * (rho * over + square * found.fixed)
    second = n * (rho * over + square * found.products)
    seen = square * (missed + target.beyond) + misfit.train
    factor = _ratio(n * (found.squares + excess), first)
    samples = _product(_ratio(n * found.squares, second), seen)
    everything = _product(factor, seen + square * spread)
    noise_part = _product(factor, noise**2 * over)
    with np.errstate(invalid="ignore"):
        interaction = np.where(everything > samples, everything - samples, 0.0)
    on_labels = _product(over, everything + noise_part)
    left = over * (missed + spread + target.beyond) + misfit.train_over + twice * noise**2
    bias = missed + misfit.test + target.outside
    variance = samples + spread + interaction + noise_part
    return LearningCurve(
        risk=sizes.shaped(bias + variance),
        train_risk=sizes.shaped(_product(left + on_labels, rho**2)),
        bias=sizes.shaped(bias),
        variance=sizes.shaped(variance),
        sample_variance=sizes.shaped(samples),
        feature_variance=sizes.shaped(spread),
        interaction=sizes.shaped(interaction),
        noise_variance=sizes.shaped(noise_part),
        learnability=sizes.shaped(found.learned),
        kappa=sizes.shaped(found.kappa),
        gamma=sizes.shaped(found.gamma),
        overfitting=sizes.shaped(_ratio(np.ones_like(first), first)),
        tail_error=sizes.shaped(modes.tail_error(found.log_gamma)),
    )
