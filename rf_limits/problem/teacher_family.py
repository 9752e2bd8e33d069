r"""The family of a sum of ReLU neurons, by the spectrum of one neuron where one says all.

Where all neurons have one ratio beta = b/|w|, E f*_k^2 is, under Gaussian inputs, the weight of
degree k of relu(<w, x> + beta), |w| = 1, times sum_ij c_i c_j |w_i||w_j| P_k(cos theta_ij): no
quadrature over the radius, and one profile for each degree.
"""

import numpy as np

from rf_limits.theory.bounds.rotated_family import RotatedFamily
from rf_limits.theory.spectra.harmonics import gegenbauer
from rf_limits.theory.spectra.rotated import ROUNDING, RotatedSpectrum
from rf_limits.theory.spectra.spectrum import zonal_spectrum

_LARGEST_RATIO = 30.0


def common_ratio(
    directions: np.ndarray, biases: np.ndarray, coefficients: np.ndarray
) -> float | None:
    """Returns b/|w|, where it is the same for all neurons that count, or None."""
    counted = coefficients != 0.0
    norms = np.linalg.norm(directions[counted], axis=1)
    if not norms.size or np.any(norms == 0.0):
        return None
    ratios = biases[counted] / norms
    close = float(np.ptp(ratios)) <= 1e-12 * float(np.max(np.abs(ratios)))
    return float(ratios[0]) if close and abs(ratios[0]) <= _LARGEST_RATIO else None


def common_family(
    directions: np.ndarray, coefficients: np.ndarray, ratio: float, total: float
) -> RotatedFamily:
    """Returns the family of neurons of one ratio b/|w|, under Gaussian inputs.

    Args:
      directions: (k, d) weights.
      coefficients: (k,) output weights.
      ratio: b/|w|.
      total: E f*^2.
    """
    dim = directions.shape[1]
    norms = np.linalg.norm(directions, axis=1)
    unit = directions / np.where(norms == 0.0, 1.0, norms)[:, None]
    cosines, sizes = np.clip(unit @ unit.T, -1.0, 1.0), coefficients * norms

    def spectrum(max_degree: int) -> RotatedSpectrum:
        neuron = zonal_spectrum(dim, max_degree, bias=ratio)
        between = gegenbauer(dim, max_degree, cosines.ravel()).reshape(-1, *cosines.shape)
        shares = neuron.weights * np.maximum(np.einsum("i,kij,j->k", sizes, between, sizes), 0.0)
        error = float(neuron.error @ shares) + ROUNDING * total
        rest = max(total - float(np.sum(shares)), 0.0)
        return RotatedSpectrum(dim, shares[:, None], rest, error)

    return RotatedFamily(spectrum)
