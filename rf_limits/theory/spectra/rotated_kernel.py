r"""The second moment of a target that is drawn by a rotation, as a kernel on inputs.

With the notation of :mod:`rf_limits.theory.spectra.rotated`, and a_k(r) vectors of m numbers with
G_k(r, r') = <a_k(r), a_k(r')>,

.. math:: K_T(x, x') = E_O f^*(Ox) f^*(Ox')
    = \sum_k P_k(\cos\theta) \langle a_k(r), a_k(r')\rangle, \qquad
    E_x K_T(x_i, x) K_T(x, x_j)
    = \sum_k \frac{P_k(\cos\theta_{ij})}{B(d,k)}\, a_k(r_i)^T S_k\, a_k(r_j),

S_k = E_r a_k a_k^T: the mean of P_k(<x_i, x>) P_k(<x, x_j>) over the sphere is P_k(<x_i, x_j>)
over B(d, k). What K_T has above the last degree is replaced. Of a target that is homogeneous of
degree one, it becomes a multiple of what the kernel of ReLU neurons has there, so that the
diagonal is right: exact for a neuron, and for a sum of neurons but for their cross terms. Of any
other, it becomes its diagonal, from degrees up to :data:`DIAGONAL_DEGREES`.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.spectra import homogeneous
from rf_limits.theory.spectra.coefficients import by_direction
from rf_limits.theory.spectra.harmonics import log_multiplicity, polynomials
from rf_limits.theory.spectra.radial_law import radial_law
from rf_limits.theory.spectra.zonal import ByDegree, Radii

DIAGONAL_DEGREES = 1024
"""Degrees from which the diagonal of K_T is summed where the target is not homogeneous."""

_NOTHING = 1e-13  # relative to E f*^2: there are no higher degrees
_REFINEMENT = 8  # of the radial rule, for kinks where a biased neuron begins to be on


class RotatedMoments(NamedTuple):
    """K_T between n inputs, and the mean of its square.

    Attributes:
      kernel: (n, n) K_T(x_i, x_j).
      square: (n, n) E_x K_T(x_i, x) K_T(x, x_j).
      total: E_x K_T(x, x).
    """

    kernel: Float[np.ndarray, "n n"]
    square: Float[np.ndarray, "n n"]
    total: float


class _Profiles(NamedTuple):
    """Vectors a_k(r), for the degrees of at most e^600 harmonics.

    Attributes:
      at_points: (K + 1, m, n) at the radii of the inputs.
      spread: (K + 1, m, m) S_k.
    """

    at_points: Float[np.ndarray, "K m n"]
    spread: Float[np.ndarray, "K m m"]


def _profiles(target: ByDegree, max_degree: int, r: np.ndarray, rule: Radii) -> _Profiles:
    both = Radii(np.concatenate([r, rule.nodes]), np.ones(r.size + rule.nodes.size))
    found = by_direction(target, max_degree, both)
    sizes, vectors = np.linalg.eigh(found.between)
    roots = np.sqrt(np.maximum(sizes, 0.0))[:, :, None] * np.swapaxes(vectors, 1, 2)
    profiles = roots @ np.moveaxis(found.values, 0, 1)
    at_points, at_nodes = np.split(profiles, [r.size], axis=2)
    return _Profiles(at_points, (at_nodes * rule.weights) @ np.swapaxes(at_nodes, 1, 2))


def _rule(target: ByDegree, inputs: str) -> Radii:
    dim = target.dim
    if target.is_homogeneous or inputs == "sphere":
        return Radii(np.array([math.sqrt(dim)]), np.ones(1))
    law = radial_law(inputs, dim, _REFINEMENT)
    return Radii(np.sqrt(dim * law.nodes), law.weights)


def _terms(
    profiles: _Profiles, dim: int, cosines: np.ndarray, low: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Returns the terms of K_T and of the mean of its square, degree by degree from ``low`` on."""
    top = len(profiles.at_points) - 1
    numbers = np.exp(log_multiplicity(dim, np.arange(top + 1)))
    for k, p in enumerate(polynomials(dim, top, cosines)):
        if k >= low:
            a = profiles.at_points[k]
            yield p * (a.T @ a), p * (a.T @ (profiles.spread[k] @ a)) / numbers[k]


def rotated_moments(
    target: ByDegree,
    x: Float[np.ndarray, "n d"],
    total: float,
    inputs: str,
    max_degree: int,
    *,
    centred: bool = False,
) -> RotatedMoments:
    """Returns K_T and the mean of its square between inputs.

    Args:
      target: f*, of m directions and without slopes.
      x: (n, d) inputs, none of them 0.
      total: E f*^2 under ``inputs``.
      inputs: ``"gaussian"`` or ``"sphere"``, the law of the x that is averaged over.
      max_degree: largest degree K that is summed.
      centred: whether degree 0, which no rotation changes, is left out.
    """
    dim, low = target.dim, int(centred)
    r = np.linalg.norm(x, axis=1)
    unit = x / r[:, None]
    cosines = np.clip(unit @ unit.T, -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    profiles = _profiles(target, max_degree, r, _rule(target, inputs))
    kernel, square = np.zeros_like(cosines), np.zeros_like(cosines)
    for first, second in _terms(profiles, dim, cosines, low):
        kernel += first
        square += second
    shares = np.trace(profiles.spread, axis1=1, axis2=2)
    total -= float(np.sum(shares[:low]))
    beyond = total - float(np.sum(shares[low:]))
    top = len(shares) - 1
    if target.is_homogeneous:
        share = max(beyond, 0.0) / homogeneous.tail(1, dim, top)
        weights = np.exp(homogeneous.log_weights(1, dim, np.arange(top + 1)))
        neuron = np.asarray(relu_gram(x, None, x, None)) / dim
        for weight, p in zip(weights, polynomials(dim, top, cosines), strict=True):
            neuron -= weight * p * np.outer(r, r) / dim
        kernel += share * neuron
    elif beyond > _NOTHING * total and top < DIAGONAL_DEGREES:
        further = _profiles(target, DIAGONAL_DEGREES, r, _rule(target, inputs)).at_points[top + 1 :]
        kernel[np.diag_indices_from(kernel)] += np.sum(further**2, axis=(0, 1))
    return RotatedMoments(kernel, square, total)
