r"""Targets under Gaussian inputs, degree by degree and for each length of x.

A kernel |x||x'| h learns functions homogeneous of degree one, and divides labels by |x|. Of a
target that is not homogeneous training therefore sees F(g) = f*(x)/sqrt(g), g = |x|^2/d, a
function of the direction for each g, and the risk depends on all of it
(:mod:`rf_limits.theory.regression.kernel_regression`). With the notation of
:mod:`rf_limits.theory.spectra.zonal`

.. math:: \langle F_k(g), F_k(g')\rangle = \sum_{ij} P_k(\langle u_i, u_j\rangle)
    \frac{e_{ik}(r)\,e_{jk}(r')}{\sqrt{g g'}},\qquad r = \sqrt{d g},

so that m numbers for each degree and length represent F, whatever the number of harmonics.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.theory.numerics.arguments import Nonnegative, Whole, border
from rf_limits.theory.spectra.coefficients import by_direction, coefficients_by_degree
from rf_limits.theory.spectra.radial_law import RadialLaw, radial_law
from rf_limits.theory.spectra.zonal import ByDegree, Radii

_REFINEMENT = 8


class Profiles(NamedTuple):
    """Coefficients of a target at each length of x.

    Attributes:
      values: (K + 1, m, R) F_k(g), m numbers for each degree, at the nodes of ``law``.
      law: the rule for g.
    """

    values: Float[np.ndarray, "K m R"]
    law: RadialLaw

    @property
    def homogeneous(self) -> Float[np.ndarray, "K m"]:
        """E g F_k(g), of the target's part that is homogeneous of degree one."""
        return self.values @ (self.law.weights * self.law.nodes)

    @property
    def energies(self) -> Float[np.ndarray, "K m"]:
        """E g F_k(g)^2."""
        return self.values**2 @ (self.law.weights * self.law.nodes)

    def mean(self, weights: Float[np.ndarray, "*S R"]) -> Float[np.ndarray, "*S K m"]:
        """Returns the expectation of F_k(g) times ``weights`` at the nodes."""
        return np.einsum("kmr,...r->...km", self.values, weights * self.law.weights)


class DegreeProfiles(NamedTuple):
    """A target under Gaussian inputs by degree and length.

    Attributes:
      dim: dimension d.
      weights: (K + 1,) |E g F_k(g)|^2, of the target's part that is homogeneous of degree one.
      total: E f*^2.
      beyond: E of the squares of degrees above K.
      profiles: coefficients F_k(g); None for a target that is homogeneous of degree one, where
        they do not depend on g.
    """

    dim: int
    weights: Float[np.ndarray, "K"]
    total: float | int
    beyond: float
    profiles: Profiles | None = None

    @property
    def max_degree(self) -> int:
        """Largest degree K held."""
        return self.weights.size - 1


@border
def profiles_by_degree(target: ByDegree, max_degree: Whole, total: Nonnegative) -> DegreeProfiles:
    """Returns profiles of any target known by degree, under N(0, I_d).

    Args:
      target: f*, of m directions and without slopes.
      max_degree: largest degree K.
      total: E f*^2.

    Returns:
      :class:`DegreeProfiles`. Where a biased neuron begins to be on, F has a kink in g; the rule
      for g has an eighth of the usual step, which leaves errors of risks below 1e-5 of them
      (measured: 2e-6 at d = 2, 1e-7 at d = 3, 1e-9 from d = 5 on).

    Raises:
      RequirementError: d < 2.
    """
    dim = target.dim
    if target.is_homogeneous:
        found = coefficients_by_degree(target, max_degree, total)
        beyond = max(float(total) - float(np.sum(found.weights)), 0.0)
        return DegreeProfiles(dim, found.weights, total, beyond)
    law = radial_law("gaussian", dim, _REFINEMENT)
    radii = Radii(np.sqrt(dim * law.nodes), law.weights)
    directions = by_direction(target, max_degree, radii)
    values = np.moveaxis(directions.values, 0, 1) / np.sqrt(law.nodes)
    size, vectors = np.linalg.eigh(directions.between)
    roots = np.sqrt(np.maximum(size, 0.0))[:, None, :] * vectors
    coefficients = np.zeros((max_degree + 1, *values.shape[1:]))
    coefficients[: len(values)] = np.einsum("kij,kir->kjr", roots, values)
    profiles = Profiles(coefficients, law)
    weights = np.sum(profiles.homogeneous**2, axis=-1)
    beyond = max(float(total) - float(np.sum(profiles.energies)), 0.0)
    return DegreeProfiles(dim, weights, total, beyond, profiles)
