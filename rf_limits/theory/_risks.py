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

from rf_limits.errors import check
from rf_limits.theory import arguments
from rf_limits.theory._equilibrium import Equilibrium
from rf_limits.theory._modes import Array, Listed, Modes
from rf_limits.theory.radial_law import RadialLaw


class TargetParts(NamedTuple):
    """A target in the kernel's eigenfunctions.

    Attributes:
      energies: (K + 1,) |t_k|^2, of what is homogeneous of degree one: all there is on a sphere.
      outside: E f*^2 less the sum of these, which is never learned.
      beyond: the part of ``outside`` in further degrees, which acts as noise.
      profiles: (K + 1, m, R) coefficients F_k(g), m numbers for each degree, at the nodes of
        ``law``; None if they do not depend on g.
      law: the law of g that belongs to ``profiles``.
    """

    energies: Array
    outside: float
    beyond: float
    profiles: np.ndarray | None = None
    law: RadialLaw | None = None

    @classmethod
    def listed(cls, energies: Listed, tail: float | int, modes: Modes) -> "TargetParts":
        """A target given by its energies in listed modes and what lies beyond.

        Raises:
          RequirementError: one of them is negative, or they are not one for each eigenvalue.
        """
        held = arguments.vector(energies, "target")
        count = modes.eigenvalues.size
        check(held.size == count, "target", f"hold {count} numbers, as eigenvalues do", held.size)
        right = bool(np.all((held >= 0.0) & np.isfinite(held)))
        check(right, "target", "be at least 0 and finite", arguments.Shown(held))
        check(tail >= 0.0, "target_tail", "be at least 0", tail)
        return cls(held, float(tail), float(tail))


class Risks(NamedTuple):
    """Means and variances, arrays of the shape S of the equilibrium.

    Attributes:
      train_risk: mean squared error on the labels.
      bias: E (E f - f*)^2.
      samples: variance of the predictor that is averaged over features and noise.
      features: variance of the predictor that is averaged over samples and noise.
      interaction: what is left of the variance without noise.
      noise: variance that the noise adds.
      inflation: factor of bias, and of noise where lengths are fixed, in the error on labels.
    """

    train_risk: Array
    bias: Array
    samples: Array
    features: Array
    interaction: Array
    noise: Array
    inflation: Array

    @property
    def variance(self) -> Array:
        """The sum of the four parts."""
        return self.samples + self.features + self.interaction + self.noise


def product(factor: Array, energy: Array) -> Array:
    """The product, zero where there is no energy even if the factor is infinite."""
    held = energy > 0.0
    return np.where(held, factor * np.where(held, energy, 1.0), 0.0)


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(above > 0.0, np.divide(above, below), 0.0)


class _Unequal:
    """What a target that is not homogeneous adds: differences of F(g), s and t."""

    def __init__(self, found: Equilibrium, n: Array, target: TargetParts):
        self.target, self.missed = target, found.missed
        rho, z = found.rho[..., None], found.z[..., None]
        nodes = target.law.nodes
        self.alpha = nodes / (rho + z * nodes)
        self.seen = self._mean(n[..., None] * self.alpha)
        wanted = target.profiles @ (target.law.weights * nodes)
        self.energies = np.sum(self.seen**2, axis=-1)
        apart = wanted - self.seen
        self.on_test = self._sum(np.sum(apart**2, axis=-1), np.sum(apart * self.seen, axis=-1))

    def _mean(self, weights: Array) -> Array:
        """(*S, K + 1, m) expectation of F_k(g) times (*S, R) ``weights``."""
        return np.einsum("kmr,...r->...km", self.target.profiles, weights * self.target.law.weights)

    def _sum(self, squares: Array, products: Array) -> Array:
        return np.sum(squares + 2.0 * self.missed * products, axis=-1)

    def on_train(self, weights: Array) -> Array:
        """Of E w |F - theta|^2, what exceeds E w times the same of a homogeneous target."""
        law, profiles = self.target.law, self.target.profiles
        weights = weights * law.weights
        total = np.sum(weights, axis=-1)[..., None]
        squares = np.einsum("kmr,...r->...k", profiles**2, weights)
        products = np.sum(self._mean(weights / law.weights) * self.seen, axis=-1)
        spread = squares - 2.0 * products + total * self.energies
        return self._sum(np.maximum(spread, 0.0), products - total * self.energies)


def expected_risks(
    found: Equilibrium, n: Array, noise: Array, target: TargetParts, law: RadialLaw
) -> Risks:
    """Risks of the fits that ``found`` describes.

    Args:
      found: the equilibrium.
      n: numbers of samples, of its shape.
      noise: standard deviations of the label noise, of its shape.
      target: f*.
      law: of g.
    """
    rho, z = found.rho, found.z
    alpha = law.nodes / (rho[..., None] + z[..., None] * law.nodes)
    square, over, twice = (law.mean(alpha**2 / law.nodes**k) for k in range(3))
    energies, apart = target.energies, None
    on_test = trained = trained_over = 0.0
    if target.profiles is not None:
        apart = _Unequal(found, n, target)
        energies, on_test = apart.energies, apart.on_test
        trained = apart.on_train(apart.alpha**2)
        trained_over = apart.on_train(apart.alpha**2 / target.law.nodes)
    missed = np.sum(found.missed**2 * energies, axis=-1)
    spread = found.drawn * np.sum(found.learned * found.missed * energies, axis=-1)
    # of the fit on drawn features, and of their mean, the kernel fit with gamma for its kappa
    excess = found.products * found.drawn
    first = n * (rho * over + square * found.fixed)
    second = n * (rho * over + square * found.products)
    seen = square * (missed + target.beyond) + trained
    factor = _ratio(n * (found.squares + excess), first)
    samples = product(_ratio(n * found.squares, second), seen)
    everything = product(factor, seen + square * spread)
    noise_part = product(factor, noise**2 * over)
    with np.errstate(invalid="ignore"):
        interaction = np.where(everything > samples, everything - samples, 0.0)
    on_labels = product(over, everything + noise_part)
    left = over * (missed + spread + target.beyond) + trained_over + twice * noise**2
    return Risks(
        train_risk=product(left + on_labels, rho**2),
        bias=missed + on_test + target.outside + np.zeros_like(rho),
        samples=samples,
        features=spread,
        interaction=interaction,
        noise=noise_part,
        inflation=_ratio(np.ones_like(first), first),
    )
