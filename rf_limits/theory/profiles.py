r"""Targets under Gaussian inputs, degree by degree and for each length of x.

A kernel |x||x'| h learns functions homogeneous of degree one, and divides labels by |x|. Of a
target that is not homogeneous training therefore sees F(g) = f*(x)/sqrt(g), g = |x|^2/d, a
function of the direction for each g, and the risk depends on all of it
(:mod:`rf_limits.theory.kernel_regression`). With the notation of :mod:`rf_limits.theory.zonal`

.. math:: \langle F_k(g), F_k(g')\rangle = \sum_{ij} P_k(\langle u_i, u_j\rangle)
    \frac{e_{ik}(r)\,e_{jk}(r')}{\sqrt{g g'}},\qquad r = \sqrt{d g},

so that m numbers for each degree and length represent F, whatever the number of harmonics.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.theory import arguments
from rf_limits.theory.coefficients import coefficients_by_degree
from rf_limits.theory.harmonics import gegenbauer, log_multiplicity
from rf_limits.theory.radial_law import RadialLaw, radial_law
from rf_limits.theory.zonal import ByDegree, Radii

_REFINEMENT = 8
_MOST_HARMONICS = 600.0  # logarithm, as in rf_limits.theory.coefficients


class DegreeProfiles(NamedTuple):
    """A target under Gaussian inputs by degree and length.

    Attributes:
      dim: dimension d.
      weights: (K + 1,) |E g F_k(g)|^2, of the target's part that is homogeneous of degree one.
      total: E f*^2.
      beyond: E of the squares of degrees above K.
      profiles: (K + 1, m, R) coefficients of F_k(g) at the nodes of ``law``; None for a target
        that is homogeneous of degree one, where they do not depend on g.
      law: the rule for g.
    """

    dim: int
    weights: Float[np.ndarray, "K"]
    total: float | int
    beyond: float
    profiles: Float[np.ndarray, "K m R"] | None = None
    law: RadialLaw | None = None

    @property
    def max_degree(self) -> int:
        """Largest degree K held."""
        return self.weights.size - 1


@arguments.border(max_degree=arguments.whole, total=arguments.at_least_zero)
def profiles_by_degree(target: ByDegree, max_degree: int, total: float | int) -> DegreeProfiles:
    """Profiles of any target known by degree, under N(0, I_d).

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
    return _profiles(target, max_degree, total, radial_law("gaussian", dim, _REFINEMENT))


def _profiles(
    target: ByDegree, max_degree: int, total: float | int, law: RadialLaw
) -> DegreeProfiles:
    dim, degrees = target.dim, np.arange(max_degree + 1)
    last = int(degrees[log_multiplicity(dim, degrees) <= _MOST_HARMONICS][-1])
    zonal = target.zonal_sum(last, Radii(np.sqrt(dim * law.nodes), law.weights))
    values = np.moveaxis(np.asarray(zonal.values), 0, 1) / np.sqrt(law.nodes)
    units = np.asarray(zonal.directions)
    cosines = np.clip(units @ units.T, -1.0, 1.0)
    between = gegenbauer(dim, last, cosines.ravel()).reshape(-1, *cosines.shape)
    size, vectors = np.linalg.eigh(between)
    roots = np.sqrt(np.maximum(size, 0.0))[:, None, :] * vectors
    profiles = np.zeros((max_degree + 1, *values.shape[1:]))
    profiles[: last + 1] = np.einsum("kij,kir->kjr", roots, values)
    homogeneous = profiles @ (law.weights * law.nodes)
    held = float(np.sum(profiles**2 @ (law.weights * law.nodes)))
    weights = np.sum(homogeneous**2, axis=-1)
    return DegreeProfiles(dim, weights, total, max(float(total) - held, 0.0), profiles, law)
