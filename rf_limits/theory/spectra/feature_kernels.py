"""Mean kernels of relu features on the sphere of radius sqrt(d), with or without biases."""

from collections.abc import Callable

import numpy as np

from rf_limits.errors import check_choice
from rf_limits.theory.numerics.arguments import Dimension, Whole, border
from rf_limits.theory.spectra.kernel_spectrum import kernel_spectrum, relu_kernel_spectrum
from rf_limits.theory.spectra.spectrum import ZonalSpectrum

FEATURES = ("output", "hidden")


def feature_kernel(features: str, *, bias: bool = False) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the kernel as a function of the cosine between inputs.

    Args:
      features: ``"output"``: neurons relu(<w, x>/sqrt(d) + b), kernel E relu(h) relu(h');
        ``"hidden"``: their gradients in (w, b), kernel (cos + [bias]) E 1[h > 0] 1[h' > 0].
      bias: whether b ~ N(0, 1) rather than 0; w ~ N(0, I).

    Raises:
      RequirementError: unknown ``features``.
    """
    check_choice(features, FEATURES, "features")

    def kernel(c: np.ndarray) -> np.ndarray:
        c = np.asarray(c, np.float64)
        # the correlation of preactivations: biases are a coordinate of all inputs
        rho = np.clip(0.5 * (1.0 + c) if bias else c, -1.0, 1.0)
        theta = np.arccos(rho)
        if features == "output":
            return (1.0 + bias) * (np.sin(theta) + (np.pi - theta) * rho) / (2.0 * np.pi)
        return (c + bias) * (np.pi - theta) / (2.0 * np.pi)

    return kernel


@border
def feature_spectrum(
    features: str, dim: Dimension, max_degree: Whole, *, bias: bool = False
) -> ZonalSpectrum:
    """Returns the eigenvalues of that kernel over the sphere, one per harmonic of each degree.

    Args:
      features: as for :func:`feature_kernel`.
      dim: dimension d >= 2.
      max_degree: largest degree K.
      bias: whether neurons have biases.

    Returns:
      A :class:`~rf_limits.theory.spectra.spectrum.ZonalSpectrum`; ``total`` is the mean square of
      the features, R^2. Without biases the neurons' is a closed form; the others are quadratures
      (:func:`~rf_limits.theory.spectra.kernel_spectrum.kernel_spectrum`).
    """
    if features == "output" and not bias:
        return relu_kernel_spectrum("nngp", dim, max_degree)
    return kernel_spectrum(feature_kernel(features, bias=bias), dim, max_degree)
