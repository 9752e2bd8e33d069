r"""Targets in the eigenfunctions of a kernel |x||x'| h(cos theta), degree by degree.

The eigenfunctions are |x| Y(x/|x|)/sqrt(d), Y the spherical harmonics, under Gaussian inputs
and on the sphere of radius sqrt(d) alike. With f*_k as in :mod:`rf_limits.theory.spectra.zonal` the
squared coefficients of degree k add up to

.. math:: v_k^2 = \sum_{ij} p_{ik} p_{jk} P_k(\langle u_i, u_j\rangle), \qquad
    p_{ik} = E_r\, e_{ik}(r)\, r/\sqrt d .

On the sphere r = sqrt(d) and nothing of f* is lost. Under Gaussian inputs the kernel's
functions are homogeneous of degree one: what f* has beside is in no eigenfunction.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.theory.numerics.arguments import Nonnegative, Whole, border
from rf_limits.theory.spectra.harmonics import gegenbauer, log_multiplicity
from rf_limits.theory.spectra.zonal import ByDegree, Radii, radial_rule

_ACCURACY = 1e-12  # relative, of second moments
_MOST_HARMONICS = 600.0  # logarithm; their root is a number in float64


class DegreeCoefficients(NamedTuple):
    """Squared coefficients of a target, summed over the eigenfunctions of each degree.

    Attributes:
      dim: dimension d.
      weights: (K + 1,) v_k^2.
      total: E f*^2; what ``weights`` lack is in higher degrees or in no eigenfunction.
    """

    dim: int
    weights: Float[np.ndarray, "K"]
    total: float | int

    @property
    def max_degree(self) -> int:
        """Largest degree K held."""
        return self.weights.size - 1


@border
def coefficients_by_degree(
    target: ByDegree,
    max_degree: Whole,
    total: Nonnegative,
    inputs: str = "gaussian",
) -> DegreeCoefficients:
    """Returns squared coefficients of any target known by degree, a sum over few directions.

    Args:
      target: f*, of m directions and without slopes.
      max_degree: largest degree K.
      total: E f*^2 under ``inputs``.
      inputs: ``"gaussian"`` or ``"sphere"``.

    Returns:
      :class:`DegreeCoefficients`, at a cost of O(m^2 K). Degrees of more than e^600 harmonics
      are left at 0, among what no number of samples learns.

    Raises:
      RequirementError: d < 2, or unknown ``inputs``.
    """
    radii = radial_rule(target.dim, target.is_homogeneous, inputs)
    found = by_direction(target, max_degree, radii)
    projected = found.values @ (radii.weights * radii.nodes) / math.sqrt(target.dim)
    weights = np.zeros(max_degree + 1)
    weights[: len(found.between)] = np.einsum("ik,kij,jk->k", projected, found.between, projected)
    return DegreeCoefficients(target.dim, np.maximum(weights, 0.0), total)


class Directions(NamedTuple):
    """A target by its few directions, in the degrees L of at most e^600 harmonics.

    Attributes:
      values: (m, L + 1, R) coefficients e_ik(r).
      between: (L + 1, m, m) P_k of the cosines between directions.
    """

    values: Float[np.ndarray, "m L R"]
    between: Float[np.ndarray, "L m m"]


def by_direction(target: ByDegree, max_degree: int, radii: Radii) -> Directions:
    """Returns a target without slopes by its directions, up to ``max_degree`` at most."""
    dim, degrees = target.dim, np.arange(max_degree + 1)
    last = int(degrees[log_multiplicity(dim, degrees) <= _MOST_HARMONICS][-1])
    zonal = target.zonal_sum(last, radii)
    units = np.asarray(zonal.directions)
    cosines = np.clip(units @ units.T, -1.0, 1.0)
    between = gegenbauer(dim, last, cosines.ravel()).reshape(-1, *cosines.shape)
    return Directions(np.asarray(zonal.values), between)


@border
def sphere_tails(
    target: ByDegree,
    max_degree: Whole,
    total: Nonnegative,
    gaussian: Float[np.ndarray, "K"],
) -> Float[np.ndarray, "K"]:
    """Returns bounds on the root of E (f* - sum of degrees up to k)^2 on the sphere.

    E f*^2 less the degrees up to k, and 1e-12 E f*^2 for the rounding of that difference.

    Args:
      target: f*.
      max_degree: largest degree K.
      total: E f*^2 on the sphere, relative error below 1e-12.
      gaussian: (K + 1,) the same bounds under Gaussian inputs. They hold here too where f* is
        homogeneous, and where they are 0: no radius has any higher degree.

    Returns:
      (K + 1,) bounds.
    """
    if target.is_homogeneous:
        return gaussian
    found = coefficients_by_degree(target, max_degree, total, "sphere")
    beyond = np.maximum(total - np.cumsum(found.weights), 0.0) + _ACCURACY * total
    return np.where(gaussian == 0.0, 0.0, np.sqrt(beyond))
