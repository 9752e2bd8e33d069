r"""The spectrum of a target that is drawn by a rotation: what the lazy limit of any target needs.

Let f_O(x) = f*(O x) with O uniform in the orthogonal group of R^d, and x of a law that is
invariant under rotations. The operator E_O f_O f_O^T commutes with rotations, so on the
harmonics of degree k it is G_k/B(d, k) times the identity, with the operator

.. math:: G_k(r, r') = \sum_m R_{km}(r) R_{km}(r')
    = \sum_{ij} e_{ik}(r)\, e_{jk}(r')\, P_k(\langle u_i, u_j\rangle)

on functions of the radius, R_km the radial profile of f* along the m-th harmonic and e_ik as in
:mod:`rf_limits.theory.spectra.zonal` (Schur's lemma; docs/theory.md, section 14). The trace of G_k
is E f*_k^2. Every eigenvalue of G_k, divided by B(d, k), is an eigenvalue of the operator, B(d, k)
times. On the sphere, and for a target of one radial profile, G_k has rank one.
"""

import math
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float

from rf_limits.theory.spectra.coefficients import by_direction
from rf_limits.theory.spectra.harmonics import log_multiplicity, multiplicity
from rf_limits.theory.spectra.radial_law import radial_law
from rf_limits.theory.spectra.zonal import ByDegree, Radii

_REFINEMENT = 8  # of the radial rule, for kinks where a biased neuron begins to be on
ROUNDING = 16.0 * float(np.finfo(np.float64).eps)
"""Rounding error of the sum of all shares, relative to E f*^2."""


class DegreesKnown(ByDegree, Protocol):
    """A target that is known degree by degree, with its second moment."""

    def __hash__(self) -> int:
        """Returns the hash of the object."""

    def second_moment(self, inputs: str) -> float:
        """Returns E f*(x)^2 under ``inputs``."""


class Tail(NamedTuple):
    """The sum of all eigenvalues but the p largest.

    Attributes:
      value: a lower bound of it, equal to it up to the error of the shares where ``settled``.
      settled: whether the p largest are among the degrees that were computed.
    """

    value: float
    settled: bool


class RotatedSpectrum(NamedTuple):
    """Eigenvalues of E_O f_O f_O^T up to degree K.

    Attributes:
      dim: dimension d.
      shares: (K + 1, m) eigenvalues of G_k; their sum over m is E f*_k^2.
      rest: E of the squares of all degrees above K.
      error: of the sum of ``shares`` and ``rest``, absolute, by rounding, quadrature or sampling.
    """

    dim: int
    shares: Float[np.ndarray, "K m"]
    rest: float
    error: float

    @property
    def max_degree(self) -> int:
        """Returns the largest degree K held."""
        return len(self.shares) - 1

    def tail(self, p: int) -> Tail:
        """Returns a lower bound on the sum of all eigenvalues but the p largest.

        What lies above degree K counts as one level of B(d, K + 1) equal eigenvalues, the most
        concentrated that it can be, since B(d, k) does not decrease from degree 1 on: the sum
        can only be larger.
        """
        top = self.max_degree + 1
        levels = [
            (float(share), k)
            for k, shares in enumerate(self.shares)
            for share in shares
            if share > 0.0
        ]
        if self.rest > 0.0:
            levels.append((self.rest, top))
        logs = log_multiplicity(self.dim, np.arange(top + 1))
        levels.sort(key=lambda level: logs[level[1]] - math.log(level[0]))
        value, settled = 0.0, True
        for share, degree in levels:
            number = multiplicity(self.dim, degree)
            taken = min(p, number)
            p -= taken
            settled = settled and not (degree == top and taken)
            value += share * ((number - taken) / number)
        return Tail(max(value - self.error, 0.0), settled)


def _shares(target: ByDegree, max_degree: int, radii: Radii) -> np.ndarray:
    """Returns (K + 1, m) eigenvalues of G_k, of rank m at most."""
    found = by_direction(target, max_degree, radii)
    sizes, vectors = np.linalg.eigh(found.between)
    roots = np.sqrt(np.maximum(sizes, 0.0))[:, :, None] * np.swapaxes(vectors, 1, 2)
    profiles = np.moveaxis(found.values, 0, 1) * np.sqrt(radii.weights)
    shares = np.linalg.svd(roots @ profiles, compute_uv=False) ** 2
    missing = max_degree + 1 - len(shares)
    return np.pad(shares, ((0, missing), (0, 0)))


def rotated_spectrum(
    target: ByDegree, max_degree: int, total: float, inputs: str
) -> RotatedSpectrum:
    """Returns the spectrum of a target that is known degree by degree.

    Args:
      target: f*, of m directions and without slopes.
      max_degree: largest degree K.
      total: E f*^2 under ``inputs``.
      inputs: ``"gaussian"`` or ``"sphere"``.

    Returns:
      :class:`RotatedSpectrum`. Its error is that of rounding, and for a target that is not
      homogeneous of degree one under Gaussian inputs by how much a radial rule of twice the step
      differs from the rule that is used: an estimate of the quadrature error, not a bound.

    Raises:
      RequirementError: d < 2, or unknown ``inputs``.
    """
    dim, error = target.dim, ROUNDING * total
    if target.is_homogeneous or inputs == "sphere":
        shares = _shares(target, max_degree, Radii(np.array([math.sqrt(dim)]), np.ones(1)))
    else:
        laws = [radial_law(inputs, dim, by) for by in (_REFINEMENT // 2, _REFINEMENT)]
        rules = [Radii(np.sqrt(dim * law.nodes), law.weights) for law in laws]
        coarse, shares = (_shares(target, max_degree, radii) for radii in rules)
        error += float(np.sum(np.abs(shares - coarse)))
    rest = total - float(np.sum(shares))
    return RotatedSpectrum(dim, shares, max(rest, 0.0), error)
