r"""Laws of g = |x|^2/d: one where |x| is fixed, chi-square over its degrees where x is Gaussian.

Inputs and weights of either law are a uniform direction times sqrt(g), E g = 1. What learning
curves ask of the law are expectations of g^p/(rho + z g)^q, with rho = 0 or large. In s = log g
the density is proportional to exp((d/2)(s - e^s)), and such functions have their nearest poles at
distance pi from the real line, wherever rho is: the trapezoidal rule converges geometrically at
d = 1 as at d = 1000, where Gauss-Laguerre rules fail for small rho.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.errors import check_choice
from rf_limits.theory.numerics.arguments import Size, border
from rf_limits.theory.spectra.zonal import INPUTS

_NEWTON = 100
_SMALLEST = 69.0  # -log of the smallest rho/z (1e-30) whose expectations the rule still resolves
_WIDTH = 78.0  # -log of the relative mass that the ends leave out, twice over


class RadialLaw(NamedTuple):
    """A rule for expectations over g >= 0 with E g = 1.

    Attributes:
      nodes: (R,) values of g.
      weights: (R,) positive, of sum one.
    """

    nodes: Float[np.ndarray, "R"]
    weights: Float[np.ndarray, "R"]

    @property
    def is_fixed(self) -> bool:
        """Whether g = 1 always."""
        return self.nodes.size == 1

    def mean(self, values: Float[np.ndarray, "*S R"]) -> Float[np.ndarray, "*S"]:
        """Returns the expectation of ``values`` at the nodes."""
        return np.asarray(values @ self.weights)

    def balance(
        self, rho: Float[np.ndarray, "*S"], z: Float[np.ndarray, "*S"]
    ) -> Float[np.ndarray, "*S"]:
        """Returns E g/(rho + z g), which is 1/(rho + z) where g is fixed."""
        if self.is_fixed:
            return 1.0 / (rho + z)
        return self.mean(self.nodes / (rho[..., None] + z[..., None] * self.nodes))

    def log_ratio(self, log_odds: Float[np.ndarray, "*S"]) -> Float[np.ndarray, "*S"]:
        """Returns log tau, E tau/(tau + g) being exp(``log_odds``) times E g/(tau + g).

        By Newton's method: the logarithm of the odds grows with log tau, with a slope between
        min(1, d/2) and 1.
        """
        if self.is_fixed:
            return log_odds
        wanted = np.where(np.isfinite(log_odds), log_odds, 0.0)
        log_tau = wanted
        for _ in range(_NEWTON):
            tau = np.exp(log_tau)[..., None]
            below, above = tau / (tau + self.nodes), self.nodes / (tau + self.nodes)
            low, high = self.mean(below), self.mean(above)
            slope = self.mean(below * above) / (low * high)
            step = (np.log(low) - np.log(high) - wanted) / slope
            log_tau = log_tau - step
            if np.all(np.abs(step) <= 1e-15 * (1.0 + np.abs(log_tau))):
                break
        return np.where(np.isfinite(log_odds), log_tau, log_odds)


@border
def radial_law(kind: str, dim: Size, refinement: Size = 1) -> RadialLaw:
    """Returns the law of |x|^2/d.

    Args:
      kind: ``"gaussian"``, x ~ N(0, I_d), or ``"sphere"``, |x|^2 = d.
      dim: dimension d >= 1.
      refinement: by how much the rule's step is divided, for functions of g that are not smooth.

    Returns:
      :class:`RadialLaw`. For Gaussian x, E g^p/(rho + z g)^q for q = 1, 2 and p from 0 to q
      have relative errors below 1e-12 (measured: 2e-14) for d from 1 to 1000 and rho/z from
      1e-30 to 1e30.

    Raises:
      RequirementError: d < 1, or unknown ``kind``.
    """
    check_choice(kind, INPUTS, "inputs")
    if kind == "sphere":
        return RadialLaw(np.ones(1), np.ones(1))
    low = -(_SMALLEST + _WIDTH / dim if dim <= 4 else 1.0 + _WIDTH / (dim - 4))
    high = math.log1p(2.0 * _WIDTH / dim + math.sqrt(4.0 * _WIDTH / dim))
    step = min(0.2, 0.75 / math.sqrt(dim)) / refinement
    s = step * np.arange(math.floor(low / step), math.ceil(high / step) + 1)
    logs = 0.5 * dim * (s - np.expm1(s))
    weights = np.exp(logs)
    kept = weights > 0.0
    weights = weights[kept]
    return RadialLaw(np.exp(s[kept]), weights / np.sum(weights))
