r"""ReLU neurons and their gradient features by degree, in JAX.

The neuron relu(|w| r t + b) at radius r has, with t_0 = -b/(|w| r) clipped to [-1, 1] and
F_d(t_0) = P(t > t_0) on the sphere of dimension d, the coefficients

.. math::
    E\,\sigma P_0 &= b F_d + |w| r\,\frac{C_d}{d-1} (1-t_0^2)^{(d-1)/2}, \qquad
    E\,\sigma P_1 = \frac{|w| r}{d} F_{d+2}, \\
    E\,\sigma P_k &= |w| r\,\frac{\Gamma(d/2)}{4\sqrt\pi\,\Gamma((d+3)/2)}
    (1-t_0^2)^{(d+1)/2} P^{(d+4)}_{k-2}(t_0), \qquad k \ge 2,

C_d = Gamma(d/2)/(sqrt(pi) Gamma((d-1)/2)): Rodrigues' formula and two integrations by parts
(:mod:`~rf_limits.theory.spectra.kinked`; Bach 2017, appendix D, without bias).
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.theory.expectations.angles import unit_vectors
from rf_limits.theory.spectra import homogeneous
from rf_limits.theory.spectra.harmonics import Reals, log_gamma_ratio, log_multiplicity, polynomials
from rf_limits.theory.spectra.zonal import Radii, Tangents, ZonalSum


def signed_coefficients(dim: int, max_degree: int) -> np.ndarray:
    """Returns sqrt(B(d, k)) E relu(t) P_k(t) for k = 0 ... K, (K + 1,), with its sign."""
    k = np.arange(max_degree + 1)
    sign = np.where((k >= 2) & (k % 4 == 0), -1.0, 1.0)
    return sign * np.exp(0.5 * (homogeneous.log_weights(1, dim, k) - math.log(dim)))


def _upper_share(dim: int, t: Array, square: Array) -> Array:
    """Returns P(first coordinate > t) for a uniform point of S^{d-1}, ``square`` being 1 - t^2.

    F_{d+2}(t) = F_d(t) - C_d/(d - 1) t (1 - t^2)^{(d-1)/2}, from d = 2 or 3 upwards; absolute
    error of a few 1e-16.
    """
    start = 2 + dim % 2
    base = jnp.arccos(t) / math.pi if start == 2 else 0.5 * (1.0 - t)
    if dim <= start:
        return base
    below = np.arange(start, dim, 2)
    terms = np.exp(_log_density_constant(below)) / (below - 1.0)
    series = jnp.polyval(jnp.asarray(terms[::-1].copy()), square)
    return base - t * square ** (0.5 * (start - 1)) * series


def _log_density_constant(dim: Reals) -> np.ndarray:
    """Returns log C_d of the density C_d (1 - t^2)^{(d-3)/2}."""
    half = 0.5 * (np.asarray(dim, np.float64) - 1.0)
    return np.asarray(log_gamma_ratio(half, 0.5) - 0.5 * math.log(math.pi))


def neuron_coefficients(
    norms: Float[Array, "m"], biases: Float[Array, "m"], dim: int, max_degree: int, radii: Radii
) -> Float[Array, "m K R"]:
    """Returns sqrt(B(d, k)) E relu(|w| r t + b) P_k(t), the ``values`` of a :class:`ZonalSum`.

    Args:
      norms: (m,) lengths |w|.
      biases: (m,) biases b.
      dim: dimension d >= 2.
      max_degree: largest degree K.
      radii: the R radii.

    Returns:
      (m, K + 1, R) coefficients, absolute error of a few 1e-16 of |w| r + |b|;
      differentiable in norms and biases.
    """
    rho = norms[:, None] * jnp.asarray(radii.nodes)
    b = biases[:, None]
    inside = jnp.abs(b) < rho
    t = jnp.where(inside, -b / jnp.where(inside, rho, 1.0), 0.0)
    square = (1.0 - t) * (1.0 + t)
    root = jnp.sqrt(square)
    always = b > 0.0  # outside: on for every direction, or for none
    edge = float(np.exp(_log_density_constant(dim))) / (dim - 1.0) * root ** (dim - 1)
    mean = jnp.where(inside, b * _upper_share(dim, t, square) + rho * edge, always * b)
    found = [mean]
    if max_degree >= 1:
        share = jnp.where(inside, _upper_share(dim + 2, t, square), always * 1.0)
        found.append(rho / math.sqrt(dim) * share)
    if max_degree >= 2:
        k = np.arange(2, max_degree + 1)
        log_constant = 0.5 * log_multiplicity(dim, k) - float(log_gamma_ratio(0.5 * dim, 1.5))
        constants = np.exp(log_constant) / (4.0 * math.sqrt(math.pi))
        common = jnp.where(inside, rho * root ** (dim + 1), 0.0)
        rest = polynomials(dim + 4, max_degree - 2, t)
        found += [float(c) * common * p for c, p in zip(constants, rest, strict=True)]
    return jnp.stack(found, axis=1)


class ReluFields(NamedTuple):
    """The fields of :class:`~rf_limits.theory.risks.relu_moments.ReluSum`, unchecked."""

    weights: Float[Array, "m d"]
    biases: Float[Array, "m"] | None
    amplitudes: Float[Array, "m"]
    slopes: Float[Array, "m d"] | None = None
    offsets: Float[Array, "m"] | None = None


def relu_zonal_sum(f: ReluFields, max_degree: int, radii: Radii) -> ZonalSum:
    """Returns neurons and gradient features by degree.

    The feature 1[h > 0] (<s, x> + o) is the derivative of the neuron along (s, o) in its
    weights and bias: by the chain rule, of its coefficients along (<s, w^>, o), plus that of
    P_k(<w^, x^>) along the part of s orthogonal to w^, over |w|.
    """
    weights, biases, amplitudes, slopes, offsets = f
    dim = weights.shape[1]
    units, norms = unit_vectors(weights)
    homogeneous_of_degree_1 = biases is None and offsets is None

    def coefficients(norms: Array, biases: Array) -> Array:
        if homogeneous_of_degree_1:
            fixed = signed_coefficients(dim, max_degree)[:, None] * radii.nodes
            return norms[:, None, None] * jnp.asarray(fixed)
        return neuron_coefficients(norms, biases, dim, max_degree, radii)

    biases = jnp.zeros_like(amplitudes) if biases is None else biases
    scale = amplitudes[:, None, None]
    if slopes is None and offsets is None:
        return ZonalSum(units, scale * coefficients(norms, biases))
    slopes = jnp.zeros_like(weights) if slopes is None else slopes
    offsets = jnp.zeros_like(amplitudes) if offsets is None else offsets
    along = jnp.sum(units * slopes, axis=1)
    values, change = jax.jvp(coefficients, (norms, biases), (along, offsets))
    length = jnp.where(norms == 0.0, 1.0, norms)
    tangents = (slopes - along[:, None] * units) / length[:, None]
    return ZonalSum(units, scale * values + change, Tangents(values, tangents))
